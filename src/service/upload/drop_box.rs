//! The page of a directory that takes files and shows none.
//!
//! *Floor 3.* Looks like a listing, without one; knows nothing of what was sent.

use crate::http::{Body, HeaderBlock, Response, Status};
use crate::service::listing::{PAGE_STYLE, upload_form};
use crate::service::pages::ICON;

/// The page, as it is asked for, and after a form was sent: `?sent=3`.
pub(super) fn page(file_bytes_max: u64, query: Option<&str>) -> Response {
    let (style, script) = (upload_form::STYLE, upload_form::SCRIPT);
    let form = upload_form::form(file_bytes_max);
    let told = query.map_or(String::new(), told);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Upload files</title>\n{ICON}\n<style>{PAGE_STYLE}</style>\n\
         <style>{style}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>Upload files</h1>\n\
         {told}<p>Only the owner of this server can see what is uploaded here.</p>\n</header>\n\
         {form}</main>\n<script>{script}</script>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Status::OK);
    response.fields = HeaderBlock::Static(FIELDS);
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

const FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
    connect-src 'self'; img-src data:; \
    style-src 'sha256-iLtabXnWttQhE5DA5x54SQGvBZPAGo2yb/ZJTernsWg=' 'sha256-IFBEWIAYcWGjFsPf9i6p9VIySARQmeSOVJ6RY7ndoek='; \
    script-src 'sha256-fZDIlz1cQr6VoiePwpz2De9u0E7n0SATWw7esTc3oxI='\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::pages::tests::policy_hash;

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

    /// A changed style or script with a stale hash would be blocked by every browser, silently.
    #[test]
    fn the_policy_permits_these_styles_and_this_script() {
        let [page, style, script] =
            [PAGE_STYLE, upload_form::STYLE, upload_form::SCRIPT].map(policy_hash);
        let expected = format!("; style-src '{page}' '{style}'; script-src '{script}'\r\n");
        let fields = std::str::from_utf8(FIELDS).unwrap();
        assert!(
            fields.ends_with(&expected),
            "the policy should end with: {expected}"
        );
    }
}
