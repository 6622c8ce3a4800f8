//! The chunked coding: sizes, extensions, data, trailers (RFC 9112 §7.1).

use super::{Case, Rule, TCHAR, must, ours, post};

const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";

/// Whole bodies and what they decode to.
#[rustfmt::skip]
const GOOD: &[(Rule, &str, &[u8], &[u8])] = &[
    (must("9112 §7.1"), "no content", b"0\r\n\r\n", b""),
    (must("9112 §7.1"), "one chunk", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1"), "two chunks", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    (must("9112 §7.1"), "chunks of one", b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
    (must("9112 §7.1"), "a digit in lower case", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (must("9112 §7.1"), "a digit in upper case", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (must("9112 §7.1"), "two digits", b"1b\r\n012345678901234567890123456\r\n0\r\n\r\n", b"012345678901234567890123456"),
    (must("9112 §7.1"), "zeros before the size", b"0005\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1"), "several zeros at the end", b"5\r\nhello\r\n000\r\n\r\n", b"hello"),
    (must("9112 §7.1"), "sixteen digits", b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello"),
    (must("9112 §7.1"), "line ends as content", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    (must("9112 §7.1"), "a last chunk as content", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    (must("9112 §7.1"), "NUL and obs-text as content", b"3\r\n\x00\xff\n\r\n0\r\n\r\n", b"\x00\xff\n"),

    (must("9112 §7.1.1"), "an extension", b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "an extension with a value", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "extensions", b"5;a;b=c;d=\"e\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "an extension of the last chunk", b"5\r\nhello\r\n0;a=b\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "a quoted value", b"5;a=\"b c\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "an empty quoted value", b"5;a=\"\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "quoted semicolons", b"5;a=\";b=;\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "a quoted quote", b"5;a=\"b \\\" c\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "a quoted backslash", b"5;a=\"\\\\\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "quoted tabs and obs-text", b"5;a=\"\t\xff\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "bad white space behind the semicolon", b"5; a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "bad white space before the semicolon", b"5 ;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "bad white space around the equals sign", b"5;a \t=\t b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9112 §7.1.1"), "bad white space between extensions", b"5 \t; a\t ;b ; c=\"d\" ;e\r\nhello\r\n0\r\n\r\n", b"hello"),
    (must("9110 §5.6.2"), "every kind of tchar in an extension", b"5;!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ\r\nhello\r\n0\r\n\r\n", b"hello"),

    (must("9112 §7.1.2"), "a trailer", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"hello"),
    (must("9112 §7.1.2"), "trailers", b"5\r\nhello\r\n0\r\nX: y\r\nVary: *\r\nContent-Type: a/b\r\n\r\n", b"hello"),
    (must("9112 §7.1.2"), "an empty trailer", b"5\r\nhello\r\n0\r\nX:\r\n\r\n", b"hello"),
    (must("9112 §7.1.2"), "a trailer without content", b"0\r\nX: y\r\n\r\n", b""),
    (must("9112 §7.1.2"), "a trailer that is a credential", b"5\r\nhello\r\n0\r\nAuthorization: Basic YTpi\r\n\r\n", b"hello"),
];

#[rustfmt::skip]
const BAD: &[(Rule, &str, &[u8], &str)] = &[
    // Sizes.
    (must("9112 §7.1"), "an empty size", b"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "an empty size with an extension", b";a=b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "no hexadecimal digit", b"g\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a digit and no digit", b"5g\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a prefix", b"0x5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a suffix", b"5h\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a plus", b"+5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a plus before zero", b"+0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a minus", b"-5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "minus zero", b"-0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "an underscore", b"0_5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a point", b"5.0\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "quotes", b"\"5\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a comma", b"5,5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a space before", b" 5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a tab before", b"\t5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a space behind", b"5 \r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a tab behind", b"5\t\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a space behind the last size", b"5\r\nhello\r\n0 \r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a space before the last size", b"5\r\nhello\r\n 0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a space inside", b"0 5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a word behind", b"5 a\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "NUL behind", b"5\x00\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "2^64", b"10000000000000000\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "2^64 + 5, which wraps to 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "seventeen digits", b"f0000000000000005\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "2^68 - 16", b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "forty digits", b"9999999999999999999999999999999999999999\r\nhello\r\n0\r\n\r\n", "400 x"),
    (ours("64 bits have 16"), "zeros before the size, seventeen digits", b"00000000000000005\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a size of a later chunk", b"5\r\nhello\r\nx\r\n", "400 x"),

    // Line ends.
    (must("9112 §7.1"), "a size line ends with LF", b"5\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a size line ends with CR", b"5\rhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a size line ends with CR CR LF", b"5\r\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "a size line has LF inside", b"5\n;a\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with LF", b"5\r\nhello\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with CR", b"5\r\nhello\r0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with LF CR", b"5\r\nhello\n\r0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content has no end", b"5\r\nhello0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with two other bytes", b"5\r\nhello__0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with CR and another byte", b"5\r\nhello\r_0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content ends with another byte and LF", b"5\r\nhello_\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content is longer", b"5\r\nhello!!\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "content is shorter", b"7\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "an empty line behind a chunk", b"5\r\nhello\r\n\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1"), "the last line ends with LF", b"5\r\nhello\r\n0\n\r\n", "400 x"),
    (must("9112 §7.1"), "the body ends with LF", b"5\r\nhello\r\n0\r\n\n", "400 x"),
    (must("9112 §7.1"), "the body ends with CR", b"5\r\nhello\r\n0\r\n\rX", "400 x"),

    // Extensions.
    (must("9112 §7.1.1"), "a semicolon alone", b"5;\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a semicolon and a space", b"5; \r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a semicolon behind", b"5;a;\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "two semicolons", b"5;;a\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a semicolon behind the last size", b"5\r\nhello\r\n0;\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "no name", b"5;=a\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "no value", b"5;a=\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "no value before another", b"5;a=;b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "two equals signs", b"5;a=b=c\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a name of two words", b"5;a b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a value of two words", b"5;a=b c\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "white space behind a name", b"5;a \r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "white space behind a value", b"5;a=b \r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a bracket in a name", b"5;a[=b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a comma", b"5;a,b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a quoted name", b"5;\"a\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "an open quote", b"5;a=\"b\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a quoted end of line", b"5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "an escaped end of line", b"5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "something behind a quote", b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a quote inside a token", b"5;a=b\"c\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a single quote does not quote", b"5;a='b c'\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a bare LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a bare LF behind the semicolon", b"5;\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "a bare CR in a quoted value", b"5;a=\"\r\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "NUL", b"5;a\x00\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "NUL in a quoted value", b"5;a=\"\x00\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "DEL in a quoted value", b"5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §7.1.1"), "obs-text outside quotes", b"5;a=\xff\r\nhello\r\n0\r\n\r\n", "400 x"),

    // Trailers are fields.
    (must("9112 §7.1.2"), "a trailer without a colon", b"0\r\nX\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a trailer without a name", b"0\r\n: y\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a space before a trailer's colon", b"0\r\nX : y\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a space before a trailer", b"0\r\n X: y\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a folded trailer", b"0\r\nX: y\r\n z\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a bracket in a trailer's name", b"0\r\n[X]: y\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "NUL in a trailer", b"0\r\nX: \x00\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a bare CR in a trailer", b"0\r\nX: a\rb\r\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "a trailer ends with LF", b"0\r\nX: y\n\r\n", "400 x"),
    (must("9112 §7.1.2"), "trailers end with LF", b"0\r\nX: y\r\n\n", "400 x"),
    (must("9112 §7.1.2"), "a request for a trailer", b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 x"),

    // Not there yet.
    (must("9112 §8"), "no size yet", b"", "~"),
    (must("9112 §8"), "half a size line", b"5", "~"),
    (must("9112 §8"), "half a size line's end", b"5\r", "~"),
    (must("9112 §8"), "half the content", b"5\r\nhel", "~"),
    (must("9112 §8"), "no last chunk", b"5\r\nhello\r\n", "~"),
    (must("9112 §8"), "half the last line", b"5\r\nhello\r\n0\r\n", "~"),
    (must("9112 §8"), "half the last line's end", b"5\r\nhello\r\n0\r\n\r", "~"),
    (must("9112 §8"), "trailers without an end", b"5\r\nhello\r\n0\r\nX: y\r\n", "~"),
];

pub(super) fn good() -> Vec<Case> {
    let row = |&(rule, name, body, content): &(Rule, &'static str, &[u8], &[u8])| {
        Case::new(rule, name, post(CHUNKED, body), "200").echo(content)
    };
    GOOD.iter().map(row).collect()
}

pub(super) fn bad() -> Vec<Case> {
    let row = |&(rule, name, body, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, post(CHUNKED, body), outcome)
    };
    BAD.iter().map(row).collect()
}

/// The same faults where the content is not wanted: the body is dropped, and its framing counts
/// all the same, because the next request is behind it. The refusal takes the answer's place.
pub(super) fn bad_and_unwanted() -> Vec<Case> {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let behind = b"GET /where HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let row = |&(rule, name, body, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        (outcome == "400 x").then(|| {
            let sent = [&head[..], body, b"\r\n\r\n", behind].concat();
            Case::new(
                rule,
                &format!("{name}, in a body that is not wanted"),
                sent,
                "400 x",
            )
        })
    };
    BAD.iter().filter_map(row).collect()
}

/// Every byte as a size, in an extension's name, and behind the content.
pub(super) fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut push = |place: &str, byte: u8, body: &[&[u8]], content: Option<&[u8]>| {
        let name = format!("byte {byte:#04x} {place}");
        let outcome = if content.is_some() { "200" } else { "400 x" };
        let case = Case::new(
            must("9112 §7.1"),
            &name,
            post(CHUNKED, &body.concat()),
            outcome,
        );
        cases.push(case.echo(content.unwrap_or_default()).member(byte));
    };
    for byte in 0..=255_u8 {
        let one = &[byte][..];
        if !byte.is_ascii_hexdigit() {
            push("as a size", byte, &[one, b"\r\nhello\r\n0\r\n\r\n"], None);
            push(
                "before a size",
                byte,
                &[one, b"5\r\nhello\r\n0\r\n\r\n"],
                None,
            );
            if byte != b'\r' {
                push(
                    "behind a size",
                    byte,
                    &[b"5", one, b"\r\nhello\r\n0\r\n\r\n"],
                    None,
                );
            }
        }
        let good = TCHAR.contains(&byte) || byte == b';' || byte == b'=';
        let content = good.then_some(&b"hello"[..]);
        push(
            "in an extension",
            byte,
            &[b"5;a", one, b"b\r\nhello\r\n0\r\n\r\n"],
            content,
        );
        if byte != b'\r' {
            push(
                "behind content",
                byte,
                &[b"5\r\nhello", one, b"\n0\r\n\r\n"],
                None,
            );
        }
        if byte != b'\n' {
            push(
                "for the LF behind content",
                byte,
                &[b"5\r\nhello\r", one, b"0\r\n\r\n"],
                None,
            );
        }
    }
    cases
}

/// What one body may cost, its content and what stands beside it.
pub(super) fn sizes() -> Vec<Case> {
    let extra = |name, body: &[u8], outcome| {
        Case::new(ours("16 KiB"), name, post(CHUNKED, body), outcome).echo(b"a")
    };
    let content = |name, body: &[u8]| Case::new(ours("1 MiB"), name, post(CHUNKED, body), "413 x");
    let long = |before: &str, part: &str, count: usize, after: &str| {
        [before, &part.repeat(count), after].concat().into_bytes()
    };
    let extension = |count| long("1;", "b", count, "\r\na\r\n0\r\n\r\n");
    let trailer = |count| long("1\r\na\r\n0\r\nX: ", "y", count, "\r\n\r\n");
    let trailers = |count| long("1\r\na\r\n0\r\n", "X: y\r\n", count, "\r\n");
    let chunks = |count| long("", "1;b\r\na\r\n", count, "0\r\n\r\n");
    let half = long("80000\r\n", "a", 0x8_0000, "\r\n");
    let sum = [&half, &half, &b"1\r\na\r\n0\r\n\r\n"[..]].concat();
    vec![
        extra("an extension of 8,000", &extension(8_000), "200"),
        extra("an extension of 65,536", &extension(65_536), "400 x"),
        extra("a trailer of 8,000", &trailer(8_000), "200"),
        extra("a trailer of 65,536", &trailer(65_536), "400 x"),
        extra("1,000 trailers", &trailers(1_000), "200"),
        extra("12,000 trailers", &trailers(12_000), "400 x"),
        extra(
            "20,000 extensions of small chunks",
            &chunks(20_000),
            "400 x",
        ),
        extra("70,000 zeros", &long("", "0", 70_000, "\r\n\r\n"), "400 x"),
        content("a size over the limit", b"100001\r\n"),
        content("a size of sixteen digits", b"FFFFFFFFFFFFFFFF\r\n"),
        content("a sum over the limit", &sum),
    ]
}
