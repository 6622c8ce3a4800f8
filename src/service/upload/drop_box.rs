//! The page of a directory that takes files and shows none.
//!
//! *Floor 3.* Looks like a listing, without one; knows nothing of what was sent.

use crate::http::{Body, HeaderBlock, Response, Status};
use crate::service::listing::{STYLE, upload_form};
use crate::service::pages::ICON;

/// The page, as it is asked for, and after a form was sent: `?sent=3`.
pub(super) fn page(file_bytes_max: u64, query: Option<&str>) -> Response {
    let (style, script) = (&upload_form::STYLE, &upload_form::SCRIPT);
    let form = upload_form::form(file_bytes_max);
    let told = query.map_or(String::new(), told);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Upload files</title>\n{ICON}\n<style>{}</style>\n\
         <style>{}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>Upload files</h1>\n\
         {told}<p>Only the owner of this server can see what is uploaded here.</p>\n</header>\n\
         {form}</main>\n<script>{}</script>\n</body>\n</html>\n",
        STYLE.text, style.text, script.text,
    );
    let mut response = Response::new(Status::OK);
    let fields = format!(
        "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n\
         Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'self'; connect-src 'self'; img-src data:; style-src {} {}; \
         script-src {}\r\n",
        STYLE.source(),
        style.source(),
        script.source(),
    );
    response.fields = HeaderBlock::Owned(fields.into_bytes());
    response.body(Body::Owned(page.into_bytes()))
}

/// Anybody may write such a query: it is a number and nothing else.
fn told(query: &str) -> String {
    match query.strip_prefix("sent=").map(str::parse::<u32>) {
        Some(Ok(1)) => "<p role=\"status\">1 file was uploaded.</p>\n".to_owned(),
        Some(Ok(count)) => format!("<p role=\"status\">{count} files were uploaded.</p>\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_without_script_is_told_how_much_was_taken() {
        let check = |query: &str, expected: &str| assert_eq!(told(query), expected, "{query}");
        check("sent=1", "<p role=\"status\">1 file was uploaded.</p>\n");
        check(
            "sent=12",
            "<p role=\"status\">12 files were uploaded.</p>\n",
        );
        for other in [
            "",
            "sent=",
            "sent=<b>",
            "sent=-1",
            "sent=99999999999",
            "x=1&sent=1",
        ] {
            check(other, "");
        }
    }
}
