//! Whether the connection stays: Connection, HTTP/1.0, pipelining, Expect (RFC 9112 §9).

use super::{Case, Rule, get, must, ours, post};

#[rustfmt::skip]
const OPTIONS: &[(Rule, &[u8], &str, &str)] = &[
    // Fields, then what HTTP/1.1 and HTTP/1.0 make of them.
    (must("9112 §9.3"), b"", "200", "200 x"),
    (must("9112 §9.6"), b"Connection: close\r\n", "200 x", "200 x"),
    (must("9112 §9.6"), b"Connection: Close\r\n", "200 x", "200 x"),
    (must("9112 §9.6"), b"connection: CLOSE\r\n", "200 x", "200 x"),
    (must("9112 §9.6"), b"Connection:close\r\n", "200 x", "200 x"),
    (must("9112 §9.6"), b"Connection: \tclose\t \r\n", "200 x", "200 x"),
    (must("9112 §9.3"), b"Connection: keep-alive\r\n", "200", "200"),
    (must("9112 §9.3"), b"Connection: Keep-Alive\r\n", "200", "200"),
    (must("9110 §7.6.1"), b"Connection: keep-alive, X\r\n", "200", "200"),
    (must("9110 §7.6.1"), b"Connection: X, keep-alive\r\n", "200", "200"),
    (must("9110 §7.6.1"), b"Connection: X\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection:\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: ,\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: X, close\r\n", "200 x", "200 x"),
    (must("9110 §7.6.1"), b"Connection: close, X\r\n", "200 x", "200 x"),
    (must("9110 §7.6.1"), b"Connection: X,close,Y\r\n", "200 x", "200 x"),
    (must("9110 §7.6.1"), b"Connection: X\t,\tclose\t,\tY\r\n", "200 x", "200 x"),
    (must("9110 §5.6.1"), b"Connection: ,close\r\n", "200 x", "200 x"),
    (must("9110 §5.6.1"), b"Connection: close,\r\n", "200 x", "200 x"),
    (must("9110 §5.6.1"), b"Connection: close,,TE\r\n", "200 x", "200 x"),
    (must("9110 §5.6.1"), b"Connection: close, ,TE\r\n", "200 x", "200 x"),
    (must("9110 §5.6.1"), b"Connection: , ,, close\r\n", "200 x", "200 x"),
    (must("9110 §5.3"), b"Connection: X\r\nConnection: close\r\n", "200 x", "200 x"),
    (must("9110 §5.3"), b"Connection: close\r\nConnection: X\r\n", "200 x", "200 x"),
    (must("9112 §9.3"), b"Connection: close\r\nConnection: keep-alive\r\n", "200 x", "200 x"),
    (must("9112 §9.3"), b"Connection: keep-alive\r\nConnection: close\r\n", "200 x", "200 x"),
    (must("9112 §9.3"), b"Connection: close, keep-alive\r\n", "200 x", "200 x"),
    (must("9112 §9.3"), b"Connection: keep-alive, close\r\n", "200 x", "200 x"),
    (must("9110 §7.6.1"), b"Connection: closed\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: clos\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: x-close\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: close-x\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: keepalive\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: keep-alive-x\r\n", "200", "200 x"),
    (must("9110 §7.6.1"), b"Connection: keep-alive;a\r\n", "200", "200 x"),
];

/// Each Connection field with both minor versions.
pub(super) fn options() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(rule, fields, now, then) in OPTIONS {
        let shown = fields.escape_ascii();
        cases.push(Case::new(
            rule,
            &format!("HTTP/1.1, {shown}"),
            get(fields),
            now,
        ));
        let old = [b"GET / HTTP/1.0\r\n", fields, b"\r\n"].concat();
        cases.push(Case::new(rule, &format!("HTTP/1.0, {shown}"), old, then));
        let body = [b"Content-Length: 5\r\n", fields].concat();
        let name = format!("a body behind {shown}");
        cases.push(Case::new(rule, &name, post(&body, b"hello"), now).echo(b"hello"));
    }
    cases
}

#[rustfmt::skip]
const SEQUENCES: &[(Rule, &str, &[&[u8]], &str)] = &[
    (must("9112 §9.3.2"), "two requests", &[HELLO, HELLO], "200 200"),
    (must("9112 §9.3.2"), "five requests", &[HELLO, HELLO, HELLO, HELLO, HELLO], "200 200 200 200 200"),
    (must("9112 §9.3.2"), "answers come in the order of the requests", &[HELLO, NOWHERE, HEAD, BREW, HELLO], "200 404 200 501 200"),
    (must("9112 §9.3.2"), "a large answer between", &[HELLO, LARGE, HELLO], "200 200 200"),
    (must("9112 §9.3.2"), "a stream between", &[HELLO, STREAM, HELLO], "200 200 200"),
    (must("9112 §9.3.2"), "no content between", &[HELLO, NONE, HELLO], "200 204 200"),
    (must("9112 §9.3.2"), "an answer to HEAD between", &[HEAD, LARGE, HEAD_STREAM, HELLO], "200 200 200 200"),
    (must("9112 §9.3.2"), "uploads", &[ECHO_LENGTH, ECHO_CHUNKED, ECHO_LENGTH], "200 200 200"),
    (must("9112 §6.3"), "an upload that is not read is not a request", &[GET_WITH_REQUEST_INSIDE, HELLO], "200 200"),
    (must("9112 §6.3"), "a chunked upload that is not read", &[GET_CHUNKED, HELLO], "200 200"),
    (must("9112 §6.3"), "a body of an unknown method", &[BREW_LENGTH, HELLO], "501 200"),
    (must("9112 §6.3"), "a body refused", &[REFUSED, HELLO], "403 200"),
    (must("9112 §2.2"), "empty lines between requests", &[HELLO, b"\r\n", HELLO, b"\r\n\r\n", HELLO], "200 200 200"),
    (must("9112 §2.2"), "an empty line behind a body", &[ECHO_LENGTH, b"\r\n", HELLO], "200 200"),
    (must("9112 §6.3"), "a byte behind a body belongs to the next request", &[ECHO_LENGTH, b"X", HELLO], "200 501"),
    (must("9112 §6.3"), "a byte behind no body belongs to the next request", &[ECHO_NOTHING, b"X", HELLO], "200 501"),
    (must("9112 §6.3"), "a body without a length is the next request", &[ECHO_NOTHING, b"hello"], "200 ~"),
    (must("9112 §9.6"), "nothing is answered behind a close", &[CLOSE, HELLO, HELLO], "200 x"),
    (must("9112 §9.6"), "nothing is refused behind a close", &[CLOSE, b"\x00\x00"], "200 x"),
    (must("9112 §9.6"), "nothing is answered behind an upload and a close", &[ECHO_CLOSE, HELLO], "200 x"),
    (must("9112 §9.3"), "nothing is answered behind HTTP/1.0", &[OLD, HELLO], "200 x"),
    (must("9112 §9.3"), "HTTP/1.0 with keep-alive, then without", &[OLD_KEPT, OLD_KEPT, OLD, HELLO], "200 200 200 x"),
    (must("9112 §9.3"), "HTTP/1.0 with keep-alive, then HTTP/1.1", &[OLD_KEPT, HELLO, CLOSE], "200 200 200 x"),
    (must("9112 §9.3"), "an HTTP/1.0 stream ends with the connection", &[OLD_STREAM, HELLO], "200 x"),
    (must("9112 §2.2"), "answers are sent before a refusal", &[HELLO, LARGE, b"bad\r\n\r\n", HELLO], "200 200 400 x"),
    (must("9110 §9.3.2"), "a refusal behind HEAD has content", &[HEAD, b"POST * HTTP/1.1\r\nHost: a\r\n\r\n"], "200 400 x"),
    (must("9110 §9.3.2"), "too much content behind HEAD", &[HEAD, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n"], "200 413 x"),
    (must("9110 §9.3.2"), "a refusal of HEAD has none", &[HELLO, b"HEAD * HTTP/1.1\r\nHost: a\r\n\r\n", HELLO], "200 400 x"),
    (must("9112 §2.2"), "nothing is answered behind a refusal", &[b"bad\r\n\r\n", HELLO, HELLO], "400 x"),
    (must("9112 §2.3"), "nothing is answered behind another version", &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HELLO], "505 x"),
    (ours("at once"), "a request line without a version", &[b"GET /\r\n"], "400 x"),
    (ours("at once"), "another protocol's first line", &[b"HELO x\r\n"], "400 x"),
    (ours("at once"), "another version's request line", &[b"GET / HTTP/2.0\r\n"], "505 x"),
    (ours("at once"), "a control in a request line", &[b"GET /te\x01"], "400 x"),
    (ours("at once"), "a CR alone in a request line", &[b"GET / HTTP/1.1\rX"], "400 x"),
    (ours("at once"), "a folded line behind a request line", &[b"GET / HTTP/1.1\r\n folded\r\n"], "400 x"),
    (ours("at once"), "a line without a colon", &[b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n"], "400 x"),
    (ours("at once"), "a second Host field", &[HELLO, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n"], "200 400 x"),
    (ours("at once"), "a CR alone in a field", &[b"GET / HTTP/1.1\r\nHost: a\rX"], "400 x"),
    (must("9112 §9.3.2"), "a head is not there yet", &[HELLO, b"GET / HTTP/1.1\r\nHost: a\r\n"], "200 ~"),
    (must("9112 §9.3.2"), "half an end of head", &[b"GET / HTTP/1.1\r\nHost: a\r\n\r"], "~"),
    (must("9112 §9.3.2"), "half a request line", &[b"GET /"], "~"),
    (must("9112 §9.3.2"), "half a method", &[b"G"], "~"),
    (must("9112 §9.3.2"), "an empty line", &[b"\r\n"], ""),
    (must("9112 §9.3.2"), "half an empty line", &[b"\r"], "~"),
    (must("9112 §9.3.2"), "nothing", &[], ""),
];

pub(super) fn sequences() -> Vec<Case> {
    let row = |&(rule, name, parts, outcome): &(Rule, &'static str, &[&[u8]], &'static str)| {
        Case::new(rule, name, parts.concat(), outcome)
    };
    SEQUENCES.iter().map(row).collect()
}

/// Empty lines are a courtesy with an end: they count as bytes of the head they stand before.
pub(super) fn empty_lines() -> Vec<Case> {
    let lines = |count: usize| ["\r\n".repeat(count).as_bytes(), HELLO].concat();
    vec![
        Case::new(
            ours("9112 §2.2: at least one"),
            "a hundred empty lines",
            lines(100),
            "200",
        ),
        Case::new(ours("16 KiB"), "20,000 empty lines", lines(20_000), "431 x"),
    ]
}

#[rustfmt::skip]
const EXPECTATIONS: &[(Rule, &str, &[u8], &str)] = &[
    // An interim 100 depends on what has arrived, so these rows do not count it: see wire.rs.
    (must("9110 §10.1.1"), "100-continue", b"Expect: 100-continue\r\n", "200"),
    (must("9110 §10.1.1"), "expectations are case-insensitive", b"Expect: 100-Continue\r\n", "200"),
    (must("9110 §10.1.1"), "upper case", b"EXPECT: 100-CONTINUE\r\n", "200"),
    (must("9110 §10.1.1"), "white space around", b"Expect: \t100-continue \r\n", "200"),
    (must("9110 §5.6.1.2"), "no expectation", b"Expect:\r\n", "200"),
    (must("9110 §5.6.1.2"), "empty members", b"Expect: , ,\r\n", "200"),
    (must("9110 §5.6.1.2"), "an empty member behind", b"Expect: 100-continue,\r\n", "200"),
    (must("9110 §5.6.1.2"), "an empty member before", b"Expect: , 100-continue\r\n", "200"),
    (must("9110 §5.6.1.2"), "the same twice", b"Expect: 100-continue, 100-continue\r\n", "200"),
    (ours("MAY be 417"), "an unknown expectation behind an empty member", b"Expect: , miracles\r\n", "417 x"),
    (ours("MAY be 417"), "an unknown expectation", b"Expect: miracles\r\n", "417 x"),
    (ours("MAY be 417"), "a status as expectation", b"Expect: 200-ok\r\n", "417 x"),
    (ours("MAY be 417"), "a longer one", b"Expect: 100-continued\r\n", "417 x"),
    (ours("MAY be 417"), "a parameter", b"Expect: token=value\r\n", "417 x"),
    (ours("MAY be 417"), "a second one that is unknown", b"Expect: 100-continue, miracles\r\n", "417 x"),
    (ours("MAY be 417"), "a second line that is unknown", b"Expect: 100-continue\r\nExpect: miracles\r\n", "417 x"),
];

/// Each expectation before five bytes of content.
pub(super) fn expectations() -> Vec<Case> {
    let row = |&(rule, name, fields, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        let fields = [b"Content-Length: 5\r\n", fields].concat();
        Case::new(rule, name, post(&fields, b"hello"), outcome).echo(b"hello")
    };
    EXPECTATIONS.iter().map(row).collect()
}

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const NOWHERE: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
const BREW: &[u8] = b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n";
const BREW_LENGTH: &[u8] = b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const LARGE: &[u8] = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
const STREAM: &[u8] = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD_STREAM: &[u8] = b"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n";
const NONE: &[u8] = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
const REFUSED: &[u8] = b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const OLD_KEPT: &[u8] = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const OLD_STREAM: &[u8] = b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const ECHO_NOTHING: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n";
const ECHO_LENGTH: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const ECHO_CLOSE: &[u8] =
    b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
const ECHO_CHUNKED: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n";
const GET_CHUNKED: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n";
const GET_WITH_REQUEST_INSIDE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n\
    GET /where HTTP/1.1\r\nHost: inside\r\n\r\n";
