//! Field lines: names, values, line ends, folding, number and size (RFC 9112 §5, RFC 9110 §5).

use super::{Case, Rule, TCHAR, get, must, ours};

#[rustfmt::skip]
const LINES: &[(Rule, &str, &[u8], &str)] = &[
    (must("9110 §5.1"), "an unknown field", b"X-Nobody: knows\r\n", "200"),
    (must("9110 §5.1"), "every kind of tchar in a name", b"!#$%&'*+-.^_`|~09azAZ: v\r\n", "200"),
    (must("9110 §5.1"), "a name of one byte", b"x: v\r\n", "200"),
    (must("9110 §5.1"), "a name of digits", b"1: v\r\n", "200"),
    (must("9110 §5.1"), "a name that begins with a dot", b".x: v\r\n", "200"),
    (must("9110 §5.5"), "an empty value", b"X:\r\n", "200"),
    (must("9110 §5.5"), "a value of white space", b"X: \t \t\r\n", "200"),
    (must("9110 §5.5"), "no space behind the colon", b"X:y\r\n", "200"),
    (must("9110 §5.5"), "tabs around a value", b"X:\ty\t\r\n", "200"),
    (must("9110 §5.5"), "white space inside a value", b"X: a b\tc\r\n", "200"),
    (must("9110 §5.5"), "obs-text in a value", b"X: caf\xc3\xa9 \xff\r\n", "200"),
    (must("9110 §5.5"), "colons in a value", b"X: a:b::c:\r\n", "200"),
    (must("9110 §5.5"), "quotes in a value", b"X: \"a \\\" b\r\n", "200"),
    (must("9110 §5.3"), "the same field twice", b"X: a\r\nX: b\r\n", "200"),

    (must("9112 §5.1"), "a space before the colon", b"X : y\r\n", "400 x"),
    (must("9112 §5.1"), "a tab before the colon", b"X\t: y\r\n", "400 x"),
    (must("9112 §5.1"), "spaces before the colon", b"X   : y\r\n", "400 x"),
    (must("9112 §5"), "an empty name", b": y\r\n", "400 x"),
    (must("9112 §5"), "a colon alone", b":\r\n", "400 x"),
    (must("9112 §5"), "a space for a name", b" : y\r\n", "400 x"),
    (must("9112 §5"), "no colon", b"Nothing\r\n", "400 x"),
    (must("9112 §5"), "no colon but a space", b"No thing\r\n", "400 x"),
    (must("9112 §5"), "a space in a name", b"A b: y\r\n", "400 x"),
    (must("9112 §5"), "an equals sign for the colon", b"X=y\r\n", "400 x"),
    (must("9112 §5"), "a request line among the fields", b"GET / HTTP/1.1\r\n", "400 x"),
    (must("9112 §5"), "a bracket in a name", b"X[0]: y\r\n", "400 x"),
    (must("9112 §5"), "obs-text in a name", b"X\xc3\xa9: y\r\n", "400 x"),
    (must("9112 §5"), "NUL in a name", b"X\x00: y\r\n", "400 x"),

    (ours("400 of the two choices"), "a folded value", b"X: a\r\n b\r\n", "400 x"),
    (ours("400 of the two choices"), "a value folded with a tab", b"X: a\r\n\tb\r\n", "400 x"),
    (ours("400 of the two choices"), "a value that begins folded", b"X:\r\n a\r\n", "400 x"),
    (ours("400 of the two choices"), "a fold of white space only", b"X: a\r\n \r\n", "400 x"),
    (ours("400 of the two choices"), "two folds", b"X: a\r\n b\r\n c\r\n", "400 x"),
    (ours("400 of the two choices"), "a field behind a space", b"X: a\r\n Y: b\r\n", "400 x"),
    (ours("400 of the two choices"), "a folded Connection", b"Connection:\r\n close\r\n", "400 x"),
    (ours("400 of the two choices"), "a folded list", b"Connection: a,\r\n close\r\n", "400 x"),

    (must("9112 §2.2"), "a bare CR in a value", b"X: a\rb\r\n", "400 x"),
    (must("9112 §2.2"), "a bare CR before CRLF", b"X: a\r\r\n", "400 x"),
    (must("9112 §2.2"), "a bare CR for a line end", b"X: a\rY: b\r\n", "400 x"),
    (must("9112 §2.2"), "a bare CR for a value", b"X:\rY: b\r\n", "400 x"),
    (must("9112 §2.2"), "a bare CR in a name", b"X\rY: b\r\n", "400 x"),
    (must("9112 §2.2"), "a bare CR before a name", b"\rX: a\r\n", "400 x"),
    (ours("SHOULD reject"), "a bare LF for a line end", b"X: a\nY: b\r\n", "400 x"),
    (ours("SHOULD reject"), "a bare LF for a value", b"X:\nY: b\r\n", "400 x"),
    (ours("SHOULD reject"), "a bare LF behind a name", b"X\nY: b\r\n", "400 x"),
    (ours("SHOULD reject"), "LF and CR exchanged", b"X: a\n\rY: b\r\n", "400 x"),
    (ours("SHOULD reject"), "the head ends with LF", b"X: a\r\n\nGET / HTTP/1.1\r\nHost: a\r\n", "400 x"),
    (ours("SHOULD reject"), "the head ends with two LFs", b"X: a\n\nGET / HTTP/1.1\r\nHost: a\r\n", "400 x"),
    (must("9112 §2.2"), "the head ends with CR and something", b"X: a\r\n\rGET / HTTP/1.1\r\nHost: a\r\n", "400 x"),
    (must("9110 §5.5"), "NUL in a value", b"X: a\x00b\r\n", "400 x"),
    (must("9110 §5.5"), "NUL behind a value", b"X: a\x00\r\n", "400 x"),

    // None of these is one of the fields that frame a message.
    (must("9110 §5.1"), "an underscore is no hyphen", b"Content_Length: 99\r\n", "200"),
    (must("9110 §5.1"), "an underscore is no hyphen", b"Transfer_Encoding: chunked\r\n", "200"),
    (must("9110 §5.1"), "a dot is no hyphen", b"Transfer.Encoding: chunked\r\n", "200"),
    (must("9110 §5.1"), "no hyphen", b"ContentLength: 99\r\n", "200"),
    (must("9110 §5.1"), "a longer name", b"X-Content-Length: 99\r\n", "200"),
    (must("9110 §5.1"), "a longer name", b"Content-Length-X: 99\r\n", "200"),
    (must("9110 §5.1"), "a shorter name", b"Content-Lengt: 99\r\n", "200"),
    (must("9110 §5.1"), "a shorter name", b"Transfer-Encodin: chunked\r\n", "200"),
    (must("9112 §9.3"), "Proxy-Connection is not Connection", b"Proxy-Connection: close\r\n", "200"),
    (must("9112 §9.3"), "Keep-Alive is not Connection", b"Keep-Alive: 300\r\n", "200"),
    (must("9110 §7.8"), "an upgrade may be ignored", b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "200"),
    (must("9110 §7.8"), "an upgrade without Connection", b"Upgrade: websocket\r\n", "200"),
    (must("9110 §7.8"), "an upgrade to something unheard of", b"Connection: Upgrade\r\nUpgrade: nobody/9\r\n", "200"),
    (must("9110 §7.8"), "an upgrade to h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n", "200"),
    (ours("it is not read"), "a nonsense Accept", b"Accept: ;;;,,,===\r\n", "200"),
    (ours("it is not read"), "a nonsense Date", b"Date: yesterday\r\n", "200"),
    (ours("it is not read"), "two content types", b"Content-Type: a/b\r\nContent-Type: c/d\r\n", "200"),
];

pub(super) fn lines() -> Vec<Case> {
    let row = |&(rule, name, fields, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, get(fields), outcome)
    };
    LINES.iter().map(row).collect()
}

/// Every byte inside a name: tchar, the colon that ends it, or a refusal.
pub(super) fn name_bytes() -> Vec<Case> {
    Case::family(must("9112 §5"), "inside a name", |byte| {
        let good = TCHAR.contains(&byte) || byte == b':';
        (
            get(&[b"X", &[byte][..], b"Y: z\r\n"].concat()),
            if good { "200" } else { "400 x" },
        )
    })
}

/// Every byte at the start of a line. A colon there has no name before it.
pub(super) fn first_bytes() -> Vec<Case> {
    Case::family(must("9112 §5"), "at the start of a name", |byte| {
        let good = TCHAR.contains(&byte);
        (
            get(&[&[byte][..], b"Y: z\r\n"].concat()),
            if good { "200" } else { "400 x" },
        )
    })
}

/// Every byte inside a value: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). For CR, LF and NUL
/// refusing is a MUST; for the other controls it is our choice of the two the RFC gives.
pub(super) fn value_bytes() -> Vec<Case> {
    Case::family(must("9110 §5.5"), "inside a value", |byte| {
        let good = matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
        (
            get(&[b"X: a", &[byte][..], b"b\r\n"].concat()),
            if good { "200" } else { "400 x" },
        )
    })
}

/// Every byte as a whole value.
pub(super) fn whole_values() -> Vec<Case> {
    Case::family(must("9110 §5.5"), "as a value", |byte| {
        let good = matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
        (
            get(&[b"X:", &[byte][..], b"\r\n"].concat()),
            if good { "200" } else { "400 x" },
        )
    })
}

/// Number and size.
pub(super) fn sizes() -> Vec<Case> {
    let many = |count: usize| get("X: y\r\n".repeat(count).as_bytes());
    let long = |before: &[u8], count: usize, after: &[u8]| {
        get(&[before, &vec![b'a'; count][..], after].concat())
    };
    vec![
        // Host is one of the hundred.
        Case::new(ours("100 fields"), "99 more fields", many(99), "200"),
        Case::new(ours("100 fields"), "100 more fields", many(100), "431 x"),
        Case::new(
            ours("100 fields"),
            "2,000 more fields",
            many(2_000),
            "431 x",
        ),
        Case::new(
            ours("16 KiB"),
            "a value of 15,000",
            long(b"X: ", 15_000, b"\r\n"),
            "200",
        ),
        Case::new(
            ours("16 KiB"),
            "a value of 17,000",
            long(b"X: ", 17_000, b"\r\n"),
            "431 x",
        ),
        Case::new(
            ours("16 KiB"),
            "a value of 100,000",
            long(b"X: ", 100_000, b"\r\n"),
            "431 x",
        ),
        Case::new(
            ours("16 KiB"),
            "a name of 15,000",
            long(b"X", 15_000, b": y\r\n"),
            "200",
        ),
        Case::new(
            ours("16 KiB"),
            "a name of 100,000",
            long(b"X", 100_000, b": y\r\n"),
            "431 x",
        ),
    ]
}
