//! A Markdown file as a page of its own.
//!
//! *Floor 3.* Knows a file's name and text; does not know files.
//!
//! The page has the listing's style and one more, and no script. It has no date of its own, and its
//! entity tag is a hash of all that is sent, so that it changes with the file and with what makes the
//! page of it.

use crate::http::target::encode_segment;
use crate::service::listing;
use crate::service::markdown::readme::STYLE;
use crate::service::markdown::render::render;
use crate::service::markdown::slots::SLOTS;
use crate::service::pages::{ICON, escape_html};

/// A longer file is sent as it is: hardly anybody would read a page of it, and the parser wants up to
/// seventy times as much memory for as long as it takes.
pub(in crate::service) const SOURCE_BYTES_MAX: u64 = 256 * 1024;

/// What a longer page would be made of is sent as it is.
const HTML_BYTES_MAX: usize = 512 * 1024;

/// What the browser may do with a page: show it, with its styles and pictures of this server.
pub(in crate::service) fn policy() -> String {
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
         img-src 'self' data:; style-src {} {}",
        listing::STYLE.source(),
        STYLE.source()
    )
}

/// The page of the file called `name`; `None` if it would be too long. What is not UTF-8 is replaced,
/// as a browser would where it is told that it is. The way up stands there where there is one.
pub(in crate::service) fn page(name: &[u8], source: &[u8], has_folder: bool) -> Option<Vec<u8>> {
    let source = String::from_utf8_lossy(source);
    let slot = SLOTS.take();
    let made = render(&source, HTML_BYTES_MAX)?;
    drop(slot);
    let shown = String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}");
    let shown = escape_html(&shown);
    let title = match made.title.as_deref() {
        Some(title) => escape_html(title),
        None => shown.clone(),
    };
    let folder = match has_folder {
        true => "<a href=./>Folder</a> ",
        false => "",
    };
    let file = encode_segment(name);
    let page = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n{ICON}\n<style>{}</style>\n<style>{}</style>\n</head>\n\
         <body>\n<main class=\"view\">\n<nav lang=\"en\">{folder}<bdi>{shown}</bdi> \
         <a href={file}>Raw file</a></nav>\n<article class=\"md\">\n{}</article>\n</main>\n\
         </body>\n</html>\n",
        listing::STYLE.text,
        STYLE.text,
        made.html
    );
    Some(page.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_title_and_ways_out() {
        let page = |name: &str, source: &[u8], has_folder| {
            String::from_utf8(page(name.as_bytes(), source, has_folder).unwrap()).unwrap()
        };
        let titled = page("a b.md", b"x\n\n# `A` <b>& B</b>\n\n# C\n", true);
        assert!(titled.contains("<title>A &amp; B</title>"), "{titled}");
        assert!(titled.contains("<a href=./>Folder</a>"));
        assert!(titled.contains("<a href=a%20b.md>Raw file</a>"));
        let plain = page("<x>.md", b"\xff", false);
        assert!(plain.contains("<title>&lt;x&gt;.md</title>"), "{plain}");
        assert!(plain.contains("<p>\u{fffd}</p>") && !plain.contains("Folder"));
    }
}
