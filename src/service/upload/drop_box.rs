//! The page of a directory that takes files and shows none.
//!
//! *Floor 3.* Looks like a listing, without one; knows nothing of what was sent.

use crate::http::{Body, HeaderBlock, Response, Status};
use crate::service::listing::{PAGE_STYLE, upload_form};
use crate::service::pages::ICON;

pub(super) fn page(file_bytes_max: u64) -> Response {
    let (style, script) = (upload_form::STYLE, upload_form::SCRIPT);
    let form = upload_form::form(file_bytes_max);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Upload files</title>\n{ICON}\n<style>{PAGE_STYLE}</style>\n\
         <style>{style}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>Upload files</h1>\n\
         <p>Only the owner of this server can see what is uploaded here.</p>\n</header>\n\
         {form}</main>\n<script>{script}</script>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Status::OK);
    response.fields = HeaderBlock::Static(FIELDS);
    response.body(Body::Owned(page.into_bytes()))
}

const FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
    connect-src 'self'; img-src data:; \
    style-src 'sha256-IxktGPF9FIt/O/YATJX3DhXjfshST0AWDQfRhb/pWiQ=' 'sha256-Tv57gSg71C2G1hCL6+kWPly1+CpI/uHtcv6btGo2U5U='; \
    script-src 'sha256-k2GljEJM4+8PkyRLV4GFCt6xbf7COD6uu7LWjYkn8+c='\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::pages::tests::policy_hash;

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
