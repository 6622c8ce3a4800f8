//! The request line: method, target, version, and what stands before it.

use super::{Case, Rule, TCHAR, must, ours};

/// `line`, a Host field and the empty line.
fn with_host(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: a\r\n\r\n"].concat()
}

#[rustfmt::skip]
const LINES: &[(Rule, &str, &[u8], &str)] = &[
    // Before the request line.
    (must("9112 §2.2"), "an empty line before the request line is ignored", b"\r\nGET / HTTP/1.1", "200"),
    (ours("several are"), "three empty lines before the request line", b"\r\n\r\n\r\nGET / HTTP/1.1", "200"),
    (ours("SHOULD reject"), "a bare LF before the request line", b"\nGET / HTTP/1.1", "400 x"),
    (ours("SHOULD reject"), "an empty line, then a bare LF", b"\r\n\nGET / HTTP/1.1", "400 x"),
    (must("9112 §2.2"), "a lone CR before the request line", b"\rGET / HTTP/1.1", "400 x"),
    (must("9112 §2.2"), "two CRs before the request line", b"\r\rGET / HTTP/1.1", "400 x"),
    (must("9112 §2.2"), "an empty line with two CRs", b"\r\r\nGET / HTTP/1.1", "400 x"),
    (must("9112 §3"), "a space before the method", b" GET / HTTP/1.1", "400 x"),
    (must("9112 §3"), "a tab before the method", b"\tGET / HTTP/1.1", "400 x"),
    (must("9112 §3"), "a line of spaces before the request line", b"   \r\nGET / HTTP/1.1", "400 x"),
    (must("9112 §3"), "two faults: a control, then a bare LF", b"\x01GET / HTTP/1.1\nX: y", "400 x"),
    (must("9112 §3"), "a byte order mark before the method", b"\xef\xbb\xbfGET / HTTP/1.1", "400 x"),

    // Separators. The grammar has single spaces; leniency is a MAY that a server in a chain regrets.
    (ours("single spaces"), "two spaces before the target", b"GET  / HTTP/1.1", "400 x"),
    (ours("single spaces"), "two spaces before the version", b"GET /  HTTP/1.1", "400 x"),
    (ours("single spaces"), "a tab before the target", b"GET\t/ HTTP/1.1", "400 x"),
    (ours("single spaces"), "a tab before the version", b"GET /\tHTTP/1.1", "400 x"),
    (ours("single spaces"), "a vertical tab before the target", b"GET\x0b/ HTTP/1.1", "400 x"),
    (ours("single spaces"), "a form feed before the version", b"GET /\x0cHTTP/1.1", "400 x"),
    (ours("single spaces"), "a space after the version", b"GET / HTTP/1.1 ", "400 x"),
    (ours("single spaces"), "a tab after the version", b"GET / HTTP/1.1\t", "400 x"),
    (must("9112 §3"), "a word after the version", b"GET / HTTP/1.1 please", "400 x"),
    (must("9112 §3"), "a second version", b"GET / HTTP/1.1 HTTP/1.1", "400 x"),
    (must("9112 §3.2"), "a space in the target", b"GET /a b HTTP/1.1", "400 x"),
    (must("9112 §2.2"), "the line ends with CR alone", b"GET / HTTP/1.1\rX: y", "400 x"),
    (ours("SHOULD reject"), "the line ends with LF alone", b"GET / HTTP/1.1\nX: y", "400 x"),
    (must("9112 §2.2"), "the line ends with two CRs and LF", b"GET / HTTP/1.1\r\r\nX: y", "400 x"),

    // Parts missing.
    (must("9112 §3"), "a method alone", b"GET", "400 x"),
    (must("9112 §3"), "a method and a space", b"GET ", "400 x"),
    (must("9112 §3"), "no target", b"GET HTTP/1.1", "400 x"),
    (must("9112 §3"), "an empty target", b"GET  HTTP/1.1", "400 x"),
    (must("9112 §3"), "no version: an HTTP/0.9 line", b"GET /", "400 x"),
    (must("9112 §3"), "no version but its space", b"GET / ", "400 x"),
    (must("9112 §3"), "no method", b"/ HTTP/1.1", "400 x"),
    (must("9112 §3"), "no spaces", b"GET/HTTP/1.1", "400 x"),
    (must("9112 §3"), "one word", b"hello", "400 x"),
    (must("9112 §3"), "a status line", b"HTTP/1.1 200 OK", "400 x"),

    // Versions that are none: name and digits are exact, and case counts.
    (must("9112 §2.3"), "a version in lower case", b"GET / http/1.1", "400 x"),
    (must("9112 §2.3"), "a version in mixed case", b"GET / Http/1.1", "400 x"),
    (must("9112 §2.3"), "no minor version", b"GET / HTTP/1", "400 x"),
    (must("9112 §2.3"), "a dot without a minor version", b"GET / HTTP/1.", "400 x"),
    (must("9112 §2.3"), "no major version", b"GET / HTTP/.1", "400 x"),
    (must("9112 §2.3"), "no digits", b"GET / HTTP/", "400 x"),
    (must("9112 §2.3"), "zeros before the digits", b"GET / HTTP/01.01", "400 x"),
    (must("9112 §2.3"), "a zero before the major version", b"GET / HTTP/01.1", "400 x"),
    (must("9112 §2.3"), "a zero before the minor version", b"GET / HTTP/1.01", "400 x"),
    (must("9112 §2.3"), "two digits of minor version", b"GET / HTTP/1.10", "400 x"),
    (must("9112 §2.3"), "two digits of major version", b"GET / HTTP/11.1", "400 x"),
    (must("9112 §2.3"), "no dot", b"GET / HTTP/11", "400 x"),
    (must("9112 §2.3"), "three digits", b"GET / HTTP/111", "400 x"),
    (must("9112 §2.3"), "a comma for the dot", b"GET / HTTP/1,1", "400 x"),
    (must("9112 §2.3"), "three parts", b"GET / HTTP/1.1.1", "400 x"),
    (must("9112 §2.3"), "letters", b"GET / HTTP/a.b", "400 x"),
    (must("9112 §2.3"), "a minus", b"GET / HTTP/-1.1", "400 x"),
    (must("9112 §2.3"), "a space inside", b"GET / HTTP/ 1.1", "400 x"),
    (must("9112 §2.3"), "a space for the slash", b"GET / HTTP 1.1", "400 x"),
    (must("9112 §2.3"), "no slash", b"GET / HTTP1.1", "400 x"),
    (must("9112 §2.3"), "two slashes", b"GET / HTTP//1.1", "400 x"),
    (must("9112 §2.3"), "a longer name", b"GET / HTTPS/1.1", "400 x"),
    (must("9112 §2.3"), "a name with something before it", b"GET / XHTTP/1.1", "400 x"),
    (must("9112 §2.3"), "a shorter name", b"GET / HTT/1.1", "400 x"),
    (must("9112 §2.3"), "another protocol: RTSP", b"GET / RTSP/1.0", "400 x"),
    (must("9112 §2.3"), "another protocol: ICE", b"SOURCE / ICE/1.0", "400 x"),
    (must("9112 §2.3"), "another protocol: FTP", b"GET / FTP/1.1", "400 x"),
    (must("9112 §2.3"), "many digits", b"GET / HTTP/11111111111111111111.1", "400 x"),

    // Methods.
    (ours("SHOULD be 501"), "methods are case-sensitive", b"get / HTTP/1.1", "501"),
    (ours("SHOULD be 501"), "an unknown method", b"BREW / HTTP/1.1", "501"),
    (ours("SHOULD be 501"), "every kind of tchar", b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", "501"),
    (ours("SHOULD be 501"), "a prefix of a known method", b"GE / HTTP/1.1", "501"),
    (ours("SHOULD be 501"), "a longer known method", b"GETS / HTTP/1.1", "501"),
    (must("9110 §9.3.1"), "GET", b"GET / HTTP/1.1", "200"),
    (must("9110 §9.3.2"), "HEAD", b"HEAD / HTTP/1.1", "200"),
    (must("9110 §9.3.7"), "OPTIONS of a resource", b"OPTIONS / HTTP/1.1", "204"),
    (ours("not offered"), "TRACE", b"TRACE / HTTP/1.1", "405"),
    (ours("no such form"), "PRI, the preface of HTTP/2, with 1.1", b"PRI * HTTP/1.1", "400 x"),
    (ours("SHOULD be 505"), "PRI, the preface of HTTP/2", b"PRI * HTTP/2.0", "505 x"),

    // Origin-form.
    (must("9112 §3.2.1"), "a query", b"GET /?a=b HTTP/1.1", "200"),
    (must("9112 §3.2.1"), "an empty query", b"GET /? HTTP/1.1", "200"),
    (must("9112 §3.2.1"), "question marks in a query", b"GET /?a?b?c HTTP/1.1", "200"),
    (must("9112 §3.2.1"), "a URL in a query", b"GET /?u=http://b/c HTTP/1.1", "200"),
    (must("9112 §3.2.1"), "two slashes begin a path, not an authority", b"GET //b/c HTTP/1.1", "404"),
    (must("9112 §3.2.1"), "three slashes", b"GET /// HTTP/1.1", "404"),
    (must("9112 §3.2.1"), "an at sign in a path", b"GET //u@b/c HTTP/1.1", "404"),
    (must("9112 §3.2.1"), "a colon in a path", b"GET /a:80/ HTTP/1.1", "404"),
    (must("9112 §3.2"), "a fragment", b"GET /#a HTTP/1.1", "400 x"),
    (must("9112 §3.2"), "a fragment behind a query", b"GET /?a#b HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a relative path", b"GET a/b HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a relative path with dots", b"GET ../../etc/passwd HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a query alone", b"GET ?a HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a word", b"GET admin HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a percent-encoded slash is no slash", b"GET %2f HTTP/1.1", "400 x"),
    (must("9112 §3.2.1"), "a backslash is no slash", b"GET \\ HTTP/1.1", "400 x"),
    (ours("browsers send them"), "what browsers leave unencoded in a query", b"GET /?{|}^`\\[]' HTTP/1.1", "200"),
    (ours("browsers send them"), "what browsers leave unencoded in a path", b"GET /a|b[c] HTTP/1.1", "404"),

    // Absolute-form.
    (must("9112 §3.2.2"), "absolute-form", b"GET http://a/ HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form with a port", b"GET http://a:8080/ HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form with an empty port", b"GET http://a:/ HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form without a path", b"GET http://a HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form with a query and no path", b"GET http://a?b HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form with an address", b"GET http://127.0.0.1:80/ HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "absolute-form with an IPv6 address", b"GET http://[::1]:80/ HTTP/1.1", "200"),
    (must("9112 §3.2.2"), "the target's authority wins over Host", b"GET http://b/ HTTP/1.1", "200"),
    (must("9110 §4.2.3"), "the scheme is case-insensitive", b"GET HTTP://a/ HTTP/1.1", "200"),
    (ours("behind TLS"), "absolute-form with https", b"GET https://a/ HTTP/1.1", "200"),
    (must("9110 §4.2.1"), "absolute-form with an empty host", b"GET http:/// HTTP/1.1", "400 x"),
    (must("9110 §4.2.1"), "absolute-form with a port and no host", b"GET http://:80/ HTTP/1.1", "400 x"),
    (must("9110 §4.2.1"), "absolute-form with nothing", b"GET http:// HTTP/1.1", "400 x"),
    (must("9110 §4.2.4"), "userinfo in absolute-form", b"GET http://u@a/ HTTP/1.1", "400 x"),
    (must("9110 §4.2.4"), "userinfo with a password", b"GET http://u:p@a:80/ HTTP/1.1", "400 x"),
    (must("9110 §4.2.4"), "empty userinfo", b"GET http://@a/ HTTP/1.1", "400 x"),
    (must("9112 §3.2.2"), "a fragment in absolute-form", b"GET http://a/#b HTTP/1.1", "400 x"),
    (must("9112 §3.2.2"), "a fragment behind the authority", b"GET http://a#b HTTP/1.1", "400 x"),
    (must("3986 §3.2.3"), "a port of letters", b"GET http://a:b/ HTTP/1.1", "400 x"),
    (must("3986 §3.2.3"), "two ports", b"GET http://a:80:80/ HTTP/1.1", "400 x"),
    (must("3986 §3.2.2"), "an open bracket", b"GET http://[::1/ HTTP/1.1", "400 x"),
    (must("3986 §3.2.2"), "no address in brackets", b"GET http://[]/ HTTP/1.1", "400 x"),
    (must("3986 §3"), "one slash behind the scheme", b"GET http:/a HTTP/1.1", "400 x"),
    (must("3986 §3"), "a scheme alone", b"GET http: HTTP/1.1", "400 x"),
    (must("3986 §3"), "a colon inside the scheme", b"GET htt:p// HTTP/1.1", "400 x"),
    (ours("http and https only"), "another scheme", b"GET ftp://a/ HTTP/1.1", "400 x"),
    (ours("http and https only"), "a longer scheme", b"GET httpx://a/ HTTP/1.1", "400 x"),

    // Asterisk-form.
    (must("9112 §3.2.4"), "OPTIONS *", b"OPTIONS * HTTP/1.1", "204"),
    (must("9112 §3.2.4"), "OPTIONS of an authority without a path", b"OPTIONS http://a HTTP/1.1", "204"),
    (must("9112 §3.2.4"), "GET *", b"GET * HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "HEAD *", b"HEAD * HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "POST *", b"POST * HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "an unknown method with *", b"NOTIFY * HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "OPTIONS with more than *", b"OPTIONS */a HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "OPTIONS with two asterisks", b"OPTIONS ** HTTP/1.1", "400 x"),
    (must("9112 §3.2.4"), "OPTIONS * with a query", b"OPTIONS *?a HTTP/1.1", "400 x"),

    // Authority-form.
    (ours("not a proxy"), "CONNECT", b"CONNECT a:443 HTTP/1.1", "405 x"),
    (ours("not a proxy"), "CONNECT to an IPv6 address", b"CONNECT [::1]:443 HTTP/1.1", "405 x"),
    (must("9112 §3.2.3"), "CONNECT without a port", b"CONNECT a HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with an empty port", b"CONNECT a: HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT without a host", b"CONNECT :443 HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with a path", b"CONNECT / HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with absolute-form", b"CONNECT http://a:443 HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with a path behind the port", b"CONNECT a:443/ HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with userinfo", b"CONNECT u@a:443 HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "CONNECT with an asterisk", b"CONNECT * HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "authority-form with GET", b"GET a:443 HTTP/1.1", "400 x"),
    (must("9112 §3.2.3"), "authority-form with OPTIONS", b"OPTIONS a:443 HTTP/1.1", "400 x"),
];

pub(super) fn lines() -> Vec<Case> {
    let row = |&(rule, name, line, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, with_host(line), outcome)
    };
    LINES.iter().map(row).collect()
}

/// Every byte inside a method: a token, which should be 501 if we do not know it (RFC 9110 §9.1),
/// or a refusal (§5.6.2).
pub(super) fn method_bytes() -> Vec<Case> {
    let outcome = |byte| match byte {
        b'E' => "200",
        _ if TCHAR.contains(&byte) => "501",
        _ => "400 x",
    };
    Case::family(must("9110 §9.1"), "in a method", |byte| {
        (
            with_host(&[b"G", &[byte][..], b"T / HTTP/1.1"].concat()),
            outcome(byte),
        )
    })
}

/// Every byte inside a path (RFC 3986 §3.3), those apart that our service answers as its own.
pub(super) fn path_bytes() -> Vec<Case> {
    let outcome = |byte: u8| match byte {
        // The path ends here and is `/`.
        b'?' => Some("200"),
        b'\\' | b'%' | b'[' | b']' | b'{' | b'|' | b'}' | b'^' | b'`' => None,
        b'#' | b'"' | b'<' | b'>' => Some("400 x"),
        0x21..=0x7e => Some("404"),
        _ => Some("400 x"),
    };
    (0..=255)
        .filter_map(|byte| {
            let sent = with_host(&[b"GET /", &[byte][..], b"a HTTP/1.1"].concat());
            let name = format!("byte {byte:#04x} in a path");
            Some(Case::new(must("9112 §3.2"), &name, sent, outcome(byte)?))
        })
        .collect()
}

/// Every byte inside a query: what browsers leave unencoded is let through.
pub(super) fn query_bytes() -> Vec<Case> {
    let outcome = |byte: u8| match byte {
        b'#' | b'"' | b'<' | b'>' => "400 x",
        0x21..=0x7e => "200",
        _ => "400 x",
    };
    Case::family(ours("browsers send them"), "in a query", |byte| {
        (
            with_host(&[b"GET /?a", &[byte][..], b"b HTTP/1.1"].concat()),
            outcome(byte),
        )
    })
}

/// Every byte as the major version: a digit is a version we may not speak (505), else no version.
pub(super) fn major_versions() -> Vec<Case> {
    Case::family(ours("SHOULD be 505"), "as the major version", |byte| {
        let outcome = match byte {
            b'1' => "200",
            b'0'..=b'9' => "505 x",
            _ => "400 x",
        };
        (
            with_host(&[b"GET / HTTP/", &[byte][..], b".1"].concat()),
            outcome,
        )
    })
}

/// Every byte as the minor version: a later one is served as 1.1 (RFC 9110 §2.5).
pub(super) fn minor_versions() -> Vec<Case> {
    Case::family(must("9110 §2.5"), "as the minor version", |byte| {
        let outcome = match byte {
            b'0' => "200 x",
            b'1'..=b'9' => "200",
            _ => "400 x",
        };
        (
            with_host(&[b"GET / HTTP/1.", &[byte][..]].concat()),
            outcome,
        )
    })
}

/// Lengths: the sum of RFC 9112 §3 (8,000 octets SHOULD do) and of our limits.
pub(super) fn lengths() -> Vec<Case> {
    let long = |before: &[u8], byte: u8, count: usize, after: &[u8]| {
        with_host(&[before, &vec![byte; count][..], after].concat())
    };
    vec![
        Case::new(
            must("9112 §3"),
            "a target of 8,000",
            long(b"GET /", b'a', 7_999, b" HTTP/1.1"),
            "404",
        ),
        Case::new(
            ours("8 KiB"),
            "a target of the limit",
            long(b"GET /", b'a', 8_191, b" HTTP/1.1"),
            "404",
        ),
        Case::new(
            ours("8 KiB"),
            "a target over the limit",
            long(b"GET /", b'a', 8_192, b" HTTP/1.1"),
            "414 x",
        ),
        Case::new(
            ours("8 KiB"),
            "a target over the head's limit",
            long(b"GET /", b'a', 20_000, b" HTTP/1.1"),
            "414 x",
        ),
        Case::new(
            ours("8 KiB"),
            "a target far over",
            long(b"GET /", b'a', 100_000, b" HTTP/1.1"),
            "414 x",
        ),
        Case::new(
            ours("8 KiB"),
            "a query over the limit",
            long(b"GET /?", b'a', 8_191, b" HTTP/1.1"),
            "414 x",
        ),
        Case::new(
            ours("a token is a method"),
            "a method of 60",
            long(b"", b'A', 60, b" / HTTP/1.1"),
            "501",
        ),
        Case::new(
            ours("no method is so long"),
            "a method over the head's limit",
            long(b"", b'A', 20_000, b" / HTTP/1.1"),
            "400 x",
        ),
        Case::new(
            ours("no method is so long"),
            "a method far over",
            long(b"", b'A', 100_000, b" / HTTP/1.1"),
            "400 x",
        ),
    ]
}
