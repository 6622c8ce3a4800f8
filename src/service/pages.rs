//! Answers that the server writes itself: error pages and redirects.
//!
//! *Floor 3.* Knows what a person and what a program wants to read; knows no files, and never
//! names one: what it shows is the status and one sentence, not a path of the server, not even
//! the target that was asked for, so nothing a client sent can come back as markup.
//!
//! A client that names `text/html` in `Accept` is taken for a browser and gets a small page
//! without any external resource; everybody else, curl with its `*/*` among them, gets one plain
//! line. The choice depends on a request field, hence `Vary: Accept` on both (RFC 9110 §12.5.5).
//!
//! *References:* RFC 9110 §15 (statuses), §10.2.2 (Location); RFC 9111 §4.2.2 (heuristics).

use std::borrow::Cow;

use crate::http::negotiate::accepts_html;
use crate::http::{Body, HeaderBlock, Request, Response, Status};

/// The answer for `status`: a page for browsers, one plain line for everybody else.
///
/// Fields that a status requires (`Allow` of 405, `Content-Range` of 416) are the caller's to add,
/// and so is what stands on every answer, `nosniff` for one.
///
/// `no-store`, because 404, 405, 410, 414 and 501 may be cached without being asked (RFC 9110
/// §15.1), and a file that appears should be seen by the very next request. There is no validator
/// that would make `no-cache` any cheaper.
pub fn error_page(status: Status, request: &Request<'_>) -> Response {
    error_page_with(status, request, || None)
}

/// [`error_page`] with a link to `start`, where there is a page that one can go on from.
pub(super) fn error_page_with(
    status: Status,
    request: &Request<'_>,
    start: impl FnOnce() -> Option<String>,
) -> Response {
    let html = accepts_html(request.field_values("Accept"));
    error_response(status, html, start)
}

/// [`error_page_with`], once it is known who asks.
pub(super) fn error_response(
    status: Status,
    html: bool,
    start: impl FnOnce() -> Option<String>,
) -> Response {
    let mut response = Response::new(status);
    if html {
        response.fields = HeaderBlock::Static(HTML_FIELDS);
        response.body = Body::Owned(error_html(status, start().as_deref()).into_bytes());
    } else {
        response.fields = HeaderBlock::Static(PLAIN_FIELDS);
        response.body = Body::Owned(format!("{status}\n").into_bytes());
    }
    response
}

/// A page with this status, whose text was written by the server.
pub(super) fn message_page(status: Status, inside: &str) -> Response {
    let mut response = Response::new(status);
    response.fields = HeaderBlock::Static(HTML_FIELDS);
    response.body(Body::Owned(message_html(status, inside).into_bytes()))
}

fn error_html(status: Status, start: Option<&str>) -> String {
    let start = start.map_or(String::new(), |start| {
        format!(
            "\n<p><a href=\"{}\">Back to the start</a></p>",
            escape_html(start)
        )
    });
    message_html(status, &format!("<p>{}</p>{start}", advice(status)))
}

fn message_html(status: Status, inside: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{status}</title>\n{ICON}\n<style>{ERROR_STYLE}</style>\n</head>\n<body>\n<main>\n\
         <p class=\"code\" aria-hidden=\"true\">{code}</p>\n\
         <h1><span class=\"hidden\">{code} </span>{reason}</h1>\n{inside}\n\
         </main>\n</body>\n</html>\n",
        code = status.code(),
        reason = status.reason(),
    )
}

/// One sentence that helps the reader of the page. None of them blames or promises.
const fn advice(status: Status) -> &'static str {
    match status {
        Status::BAD_REQUEST => "The request was not valid HTTP, so it was not answered.",
        Status::UNAUTHORIZED => "This address asks for a user and a password.",
        Status::TOO_MANY_REQUESTS => {
            "Too many passwords are tried just now. Please come again in a moment."
        }
        Status::FORBIDDEN => "The server may not read what you asked for.",
        Status::NOT_FOUND => "There is nothing at this address. Perhaps it has a typo?",
        Status::METHOD_NOT_ALLOWED => "This address exists, but not for this method.",
        Status::CONTENT_TOO_LARGE => "The request carries more than this server takes.",
        Status::URI_TOO_LONG => "The address is longer than this server takes.",
        Status::MISDIRECTED_REQUEST => "This server does not answer to the name in the address.",
        Status::RANGE_NOT_SATISFIABLE => "The file does not have the part you asked for.",
        Status::SERVICE_UNAVAILABLE => "The server is busy. Please try again in a moment.",
        Status::INTERNAL_SERVER_ERROR => "Something went wrong on the server, not on your side.",
        _ => "The request could not be answered.",
    }
}

/// A redirect to `location`, a relative or absolute reference that is already percent-encoded,
/// with a link for clients that do not follow it (RFC 9110 §15.4.2).
///
/// `no-store`, because a permanent redirect may otherwise be remembered for ever (RFC 9111
/// §4.2.2): a directory that becomes a file should not need a cleared browser. As for errors,
/// without a validator `no-cache` would be no cheaper.
pub fn redirect(status: Status, location: &str) -> Response {
    let link = escape_html(location);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{status}</title>\n\
         <p>It is at <a href=\"{link}\">{link}</a>.</p>\n</html>\n"
    );
    Response {
        fields: HeaderBlock::Static(
            b"Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\
              Content-Security-Policy: default-src 'none'\r\n",
        ),
        ..Response::new(status)
    }
    .body(Body::Owned(page.into_bytes()))
    .field("Location", location)
}

/// `text` with the five characters replaced that mean something in HTML text or in a quoted
/// attribute. Borrowed when there are none.
pub fn escape_html(text: &str) -> Cow<'_, str> {
    let special = |c| matches!(c, '&' | '<' | '>' | '"' | '\'');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

const PLAIN_FIELDS: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\nVary: Accept\r\n";

const HTML_FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-store\r\nVary: Accept\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; \
    img-src data:; style-src 'sha256-F8+vQ1zau+Ut+nIOnViOx6JhxeMyNR8KttNUDYHXcew='\r\n";

/// Whether a line is the Content-Security-Policy of a page of this module.
pub(super) fn is_policy(line: &[u8]) -> bool {
    line.starts_with(b"Content-Security-Policy: ") && HTML_FIELDS.ends_with(line)
}

/// A folder, as the icon of a page. Without one, a browser asks for /favicon.ico and shows the 404
/// that it gets.
pub(super) const ICON: &str = "<link rel=\"icon\" href=\"data:image/svg+xml,\
    %3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2016%2016'%3E\
    %3Cpath%20fill='%230b8a96'%20d='M1%203h5l2%202h7v9H1z'/%3E%3C/svg%3E\">";

const ERROR_STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2733;--soft:#566373;--paper:#fbfaf7;--mark:#0b6b75}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa7b4;--paper:#14181d;--mark:#5cc8d2}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);\
color:var(--ink);font:1.0625rem/1.6 system-ui,sans-serif}\
main{padding:2rem;max-width:30rem;text-align:center}\
.code{margin:0;font-size:clamp(4rem,20vw,7rem);line-height:1;font-weight:700;\
letter-spacing:-.04em;color:var(--mark)}\
h1{margin:.75rem 0 .5rem;font-size:1.5rem;line-height:1.25}\
p{margin:0;color:var(--soft)}\
p+p{margin-top:1.25rem}\
a{color:var(--mark)}\
:focus-visible{outline:3px solid var(--mark);outline-offset:3px}\
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}";

#[cfg(test)]
pub(super) mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn text(response: &Response) -> &str {
        match &response.body {
            Body::Owned(bytes) => std::str::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn fields(response: &Response) -> &str {
        std::str::from_utf8(response.fields.as_bytes()).unwrap()
    }

    #[test]
    fn curl_gets_one_line_and_a_browser_a_page() {
        let plain = error_response(Status::NOT_FOUND, false, || None);
        assert_eq!(text(&plain), "404 Not Found\n");
        assert!(fields(&plain).contains("Content-Type: text/plain; charset=utf-8\r\n"));
        let page = error_response(Status::NOT_FOUND, true, || None);
        assert!(text(&page).starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        assert!(text(&page).contains("<title>404 Not Found</title>"));
        assert!(fields(&page).contains("Content-Type: text/html; charset=utf-8\r\n"));
        // RFC 9110 §12.5.5: both say what the choice depended on.
        for response in [&plain, &page] {
            assert_eq!(response.status, Status::NOT_FOUND);
            assert!(fields(response).contains("Vary: Accept\r\n"));
            assert!(fields(response).contains("Cache-Control: no-store\r\n"));
        }
    }

    #[test]
    fn accept_decides_who_is_a_browser() {
        let check = |accept: &str, expected: &str| {
            let head = format!("GET /x HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
            let request = Request::parse(head.as_bytes()).unwrap();
            let response = error_page(Status::FORBIDDEN, &request);
            assert!(text(&response).starts_with(expected), "{accept}");
        };
        check(
            "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n",
            "<!DOCTYPE html>",
        );
        check("Accept: */*\r\n", "403 Forbidden\n"); // curl
        check("", "403 Forbidden\n");
    }

    #[test]
    fn a_redirect_says_where_and_is_not_remembered() {
        let response = redirect(Status::MOVED_PERMANENTLY, "/photos/?a='b'&c");
        assert_eq!(response.status, Status::MOVED_PERMANENTLY);
        let link = "<a href=\"/photos/?a=&#39;b&#39;&amp;c\">/photos/?a=&#39;b&#39;&amp;c</a>";
        assert!(text(&response).contains(link), "{}", text(&response));
        assert!(fields(&response).contains("\r\nLocation: /photos/?a='b'&c\r\n"));
        assert!(fields(&response).contains("Cache-Control: no-store\r\n"));
    }

    /// A changed style with a stale hash would be blocked by every browser, silently.
    #[test]
    fn the_policy_permits_this_style() {
        let expected = format!("style-src '{}'", policy_hash(ERROR_STYLE));
        let fields = std::str::from_utf8(HTML_FIELDS).unwrap();
        assert!(
            fields.contains(&expected),
            "the policy should say: {expected}"
        );
    }

    /// What a Content-Security-Policy calls an inline style or script (CSP Level 3 §2.3.1).
    pub(in crate::service) fn policy_hash(content: &str) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = "sha256-".to_owned();
        for group in Sha256::digest(content).chunks(3) {
            let three = [group, &[0, 0]].concat();
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
                out.push(if place <= group.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        out
    }

    #[test]
    fn escaping_covers_text_and_attributes() {
        assert!(matches!(
            escape_html("plain näme"),
            Cow::Borrowed("plain näme")
        ));
        assert_eq!(
            escape_html("<img src=x onerror='alert(1)'> & \"so\""),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;so&quot;"
        );
    }
}
