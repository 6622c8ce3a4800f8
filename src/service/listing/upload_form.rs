//! What a page needs to take files: a form, its style and its script.
//!
//! *Floor 3.* Text that is compiled in; does not know the page around it: a listing, or the page of
//! a drop box.
//!
//! The form is complete without the script, which stands behind that of the listing, if there is one,
//! and adds what a form has not: several files at once, progress, another try. Nothing is accepted
//! or captured in particular, so that a phone offers its camera, its pictures and its files.

use crate::service::inline::Inline;

/// Stands where the page takes files, each of so many bytes at most: the script then refuses a longer
/// one before it is sent. Where files are sent to is the page's own URL.
pub(in crate::service) fn form(file_bytes_max: u64) -> String {
    let max = match file_bytes_max {
        u64::MAX => String::new(),
        bytes => format!(" data-max=\"{bytes}\""),
    };
    format!(
        "<form id=\"upload\"{max} method=\"post\" enctype=\"multipart/form-data\">\n\
         <label>Upload files <input type=\"file\" name=\"file\" multiple required></label>\n\
         <button>Upload</button>\n\
         </form>\n"
    )
}

/// Stands behind the style of the listing, whose colours it uses.
pub(in crate::service) static STYLE: Inline = Inline::new(include_str!("upload_form/upload.css"));

pub(in crate::service) static SCRIPT: Inline = Inline::new(concat!(
    include_str!("upload_form/transfer.js"),
    include_str!("upload_form/refresh.js"),
    include_str!("upload_form/upload.js"),
));
