//! How long a request is: Content-Length and Transfer-Encoding (RFC 9112 §6).

use super::{Case, Rule, must, ours, post};

#[rustfmt::skip]
const LENGTHS: &[(Rule, &str, &[u8], &str)] = &[
    (must("9112 §6.3"), "a body of five", b"Content-Length: 5\r\n", "200"),
    (must("9110 §5.1"), "the name is case-insensitive", b"cOnTeNt-lEnGtH: 5\r\n", "200"),
    (must("9110 §8.6"), "zeros before the digits are decimal zeros", b"Content-Length: 005\r\n", "200"),
    (must("9110 §8.6"), "many zeros", b"Content-Length: 00000000000000000000000005\r\n", "200"),
    (must("9110 §5.5"), "no space", b"Content-Length:5\r\n", "200"),
    (must("9110 §5.5"), "two spaces", b"Content-Length:  5\r\n", "200"),
    (must("9110 §5.5"), "spaces behind", b"Content-Length: 5  \r\n", "200"),
    (must("9110 §5.5"), "tabs around", b"Content-Length:\t5\t\r\n", "200"),
    (ours("9112 §6.3 allows it"), "two equal lines", b"Content-Length: 5\r\nContent-Length: 5\r\n", "200"),
    (ours("9112 §6.3 allows it"), "an equal list", b"Content-Length: 5, 5\r\n", "200"),
    (ours("9112 §6.3 allows it"), "an equal list without spaces", b"Content-Length: 5,5\r\n", "200"),
    (ours("9112 §6.3 allows it"), "an equal list of three", b"Content-Length: 5 , 5\t,5\r\n", "200"),
    (ours("9112 §6.3 allows it"), "a line and an equal list", b"Content-Length: 5\r\nX: y\r\nContent-Length: 5, 5\r\n", "200"),

    (must("9112 §6.3"), "two lines", b"Content-Length: 5\r\nContent-Length: 6\r\n", "400 x"),
    (must("9112 §6.3"), "two lines, the first 0", b"Content-Length: 0\r\nContent-Length: 5\r\n", "400 x"),
    (must("9112 §6.3"), "three lines, the last different", b"Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 4\r\n", "400 x"),
    (must("9112 §6.3"), "two lines in two spellings", b"Content-Length: 5\r\ncontent-length: 4\r\n", "400 x"),
    (must("9112 §6.3"), "a second, empty line", b"Content-Length: 5\r\nContent-Length:\r\n", "400 x"),
    (must("9112 §6.3"), "a first, empty line", b"Content-Length:\r\nContent-Length: 5\r\n", "400 x"),
    (must("9112 §6.3"), "a second, invalid line", b"Content-Length: 5\r\nContent-Length: +5\r\n", "400 x"),
    (must("9112 §6.3"), "a list", b"Content-Length: 5, 6\r\n", "400 x"),
    (must("9112 §6.3"), "a list, the last different", b"Content-Length: 5, 5, 4\r\n", "400 x"),
    (must("9112 §6.3"), "a list without spaces", b"Content-Length: 5,6\r\n", "400 x"),
    (must("9112 §6.3"), "a list with an invalid member", b"Content-Length: 5, a\r\n", "400 x"),
    (must("9110 §8.6"), "empty", b"Content-Length:\r\n", "400 x"),
    (must("9110 §8.6"), "white space", b"Content-Length: \t \r\n", "400 x"),
    (must("9110 §8.6"), "a comma", b"Content-Length: ,\r\n", "400 x"),
    (must("9110 §8.6"), "a comma behind", b"Content-Length: 5,\r\n", "400 x"),
    (must("9110 §8.6"), "a comma before", b"Content-Length: ,5\r\n", "400 x"),
    (must("9110 §8.6"), "an empty member", b"Content-Length: 5,,5\r\n", "400 x"),
    (must("9110 §8.6"), "a plus", b"Content-Length: +5\r\n", "400 x"),
    (must("9110 §8.6"), "a minus", b"Content-Length: -5\r\n", "400 x"),
    (must("9110 §8.6"), "minus one", b"Content-Length: -1\r\n", "400 x"),
    (must("9110 §8.6"), "minus zero", b"Content-Length: -0\r\n", "400 x"),
    (must("9110 §8.6"), "a hexadecimal number", b"Content-Length: 0x5\r\n", "400 x"),
    (must("9110 §8.6"), "a hexadecimal digit", b"Content-Length: a\r\n", "400 x"),
    (must("9110 §8.6"), "an octal number", b"Content-Length: 0o5\r\n", "400 x"),
    (must("9110 §8.6"), "an underscore", b"Content-Length: 1_0\r\n", "400 x"),
    (must("9110 §8.6"), "a space inside", b"Content-Length: 1 0\r\n", "400 x"),
    (must("9110 §8.6"), "the same number twice without a comma", b"Content-Length: 5 5\r\n", "400 x"),
    (must("9110 §8.6"), "a fraction", b"Content-Length: 5.0\r\n", "400 x"),
    (must("9110 §8.6"), "an exponent", b"Content-Length: 5e0\r\n", "400 x"),
    (must("9110 §8.6"), "quotes", b"Content-Length: \"5\"\r\n", "400 x"),
    (must("9110 §8.6"), "a unit", b"Content-Length: 5 bytes\r\n", "400 x"),
    (must("9110 §8.6"), "a parameter", b"Content-Length: 5;a=b\r\n", "400 x"),
    (must("9110 §8.6"), "a semicolon", b"Content-Length: 5;5\r\n", "400 x"),
    (must("9110 §8.6"), "a word", b"Content-Length: five\r\n", "400 x"),
    (must("9110 §8.6"), "NUL behind", b"Content-Length: 5\x00\r\n", "400 x"),
    (must("9110 §8.6"), "a vertical tab before", b"Content-Length: \x0b5\r\n", "400 x"),
    (must("9110 §8.6"), "a form feed behind", b"Content-Length: 5\x0c\r\n", "400 x"),
    (must("9110 §8.6"), "a digit of another script", b"Content-Length: \xd9\xa5\r\n", "400 x"),
    (must("9110 §8.6"), "a no-break space", b"Content-Length: \xa05\r\n", "400 x"),
    (must("9110 §8.6"), "2^64", b"Content-Length: 18446744073709551616\r\n", "400 x"),
    (must("9110 §8.6"), "2^64 + 5", b"Content-Length: 18446744073709551621\r\n", "400 x"),
    (must("9110 §8.6"), "thirty nines", b"Content-Length: 999999999999999999999999999999\r\n", "400 x"),
    (ours("1 MiB"), "one over the limit", b"Content-Length: 1048577\r\n", "413 x"),
    (ours("1 MiB"), "2^31", b"Content-Length: 2147483648\r\n", "413 x"),
    (ours("1 MiB"), "2^63", b"Content-Length: 9223372036854775808\r\n", "413 x"),
    (ours("1 MiB"), "2^64 - 1", b"Content-Length: 18446744073709551615\r\n", "413 x"),
    (must("9112 §6.3"), "a length that has not come", b"Content-Length: 6\r\n", "~"),
];

/// Codings, each before a chunked body of five.
#[rustfmt::skip]
const CODINGS: &[(Rule, &str, &[u8], &str)] = &[
    (must("9112 §7.1"), "chunked", b"Transfer-Encoding: chunked\r\n", "200"),
    (must("9110 §5.1"), "the name is case-insensitive", b"tRANSFER-eNCODING: chunked\r\n", "200"),
    (must("9112 §7"), "codings are case-insensitive", b"Transfer-Encoding: ChUnKeD\r\n", "200"),
    (must("9110 §5.5"), "no space", b"Transfer-Encoding:chunked\r\n", "200"),
    (must("9110 §5.5"), "white space around", b"Transfer-Encoding: \t chunked \t \r\n", "200"),

    (must("9112 §6.3"), "identity", b"Transfer-Encoding: identity\r\n", "400 x"),
    (must("9112 §6.3"), "gzip", b"Transfer-Encoding: gzip\r\n", "400 x"),
    (must("9112 §6.3"), "chunked is not final", b"Transfer-Encoding: chunked, gzip\r\n", "400 x"),
    (must("9112 §6.3"), "chunked is not final over two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "400 x"),
    (must("9112 §6.3"), "chunked and then identity", b"Transfer-Encoding: chunked, identity\r\n", "400 x"),
    (must("9112 §6.3"), "chunked and then identity over two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "400 x"),
    (must("9112 §6.3"), "an unknown coding", b"Transfer-Encoding: pigeons\r\n", "400 x"),
    (must("9112 §6.3"), "a longer name", b"Transfer-Encoding: xchunked\r\n", "400 x"),
    (must("9112 §6.3"), "a longer name", b"Transfer-Encoding: chunkedx\r\n", "400 x"),
    (must("9112 §6.3"), "a shorter name", b"Transfer-Encoding: chunke\r\n", "400 x"),
    (must("9112 §6.3"), "the name twice", b"Transfer-Encoding: chunkedchunked\r\n", "400 x"),
    (must("9112 §6.3"), "two words", b"Transfer-Encoding: chunked abc\r\n", "400 x"),
    (must("9112 §6.3"), "the name twice without a comma", b"Transfer-Encoding: chunked chunked\r\n", "400 x"),
    (must("9112 §6.3"), "a semicolon for the comma", b"Transfer-Encoding: gzip; chunked\r\n", "400 x"),
    (must("9112 §6.3"), "quotes", b"Transfer-Encoding: \"chunked\"\r\n", "400 x"),
    (must("9112 §6.3"), "a bracket", b"Transfer-Encoding: [chunked]\r\n", "400 x"),
    // RFC 9110 §5.6.1.2 would ignore empty members; here two parsers that differ are a smuggled
    // request, and no client sends them.
    (ours("parsers differ"), "empty", b"Transfer-Encoding:\r\n", "400 x"),
    (ours("parsers differ"), "a comma", b"Transfer-Encoding: ,\r\n", "400 x"),
    (ours("parsers differ"), "an empty member before", b"Transfer-Encoding: , chunked\r\n", "400 x"),
    (ours("parsers differ"), "an empty member behind", b"Transfer-Encoding: chunked,\r\n", "400 x"),
    (ours("parsers differ"), "an empty line before", b"Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", "400 x"),
    (must("9112 §6.3"), "a vertical tab before", b"Transfer-Encoding: \x0bchunked\r\n", "400 x"),
    (must("9112 §6.3"), "a form feed before", b"Transfer-Encoding: \x0cchunked\r\n", "400 x"),
    (must("9112 §6.3"), "NUL behind", b"Transfer-Encoding: chunked\x00\r\n", "400 x"),
    (must("9112 §6.3"), "a no-break space before", b"Transfer-Encoding: \xa0chunked\r\n", "400 x"),
    (must("9112 §6.3"), "a letter that folds to k", b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n", "400 x"),
    (must("9112 §7.1"), "chunked takes no parameters", b"Transfer-Encoding: chunked;a=b\r\n", "400 x"),
    (must("9112 §7.1"), "chunked takes no parameters", b"Transfer-Encoding: chunked; q=1\r\n", "400 x"),
    (must("9112 §7.1"), "chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", "400 x"),
    (must("9112 §7.1"), "chunked twice over two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400 x"),
    (must("9112 §7.1"), "chunked twice with gzip between", b"Transfer-Encoding: chunked, gzip, chunked\r\n", "400 x"),
    (must("9112 §7.1"), "chunked twice with identities between", b"Transfer-Encoding: identity, chunked, identity, chunked\r\n", "400 x"),
    (must("9112 §5.1"), "a space before the colon", b"Transfer-Encoding : chunked\r\n", "400 x"),
    (ours("400 of the two choices"), "folded", b"Transfer-Encoding:\r\n chunked\r\n", "400 x"),
    (ours("400 of the two choices"), "folded behind", b"Transfer-Encoding: chunked\r\n , gzip\r\n", "400 x"),
    (ours("SHOULD be 501"), "gzip, then chunked", b"Transfer-Encoding: gzip, chunked\r\n", "501 x"),
    (ours("SHOULD be 501"), "gzip, then chunked, over two lines", b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "501 x"),
    (ours("SHOULD be 501"), "identity, then chunked", b"Transfer-Encoding: identity, chunked\r\n", "501 x"),
    (ours("SHOULD be 501"), "deflate with a parameter, then chunked", b"Transfer-Encoding: deflate;a=b, chunked\r\n", "501 x"),
];

/// Both at once is how requests are smuggled: refused whatever the two say, in either order.
#[rustfmt::skip]
const BOTH: &[(&[u8], &[u8])] = &[
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 15\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: +5\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 5x\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length:\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: Chunked\r\n"),
    (b"Content-Length: 5\r\n", b"transfer-encoding: chunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked \r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding:\tchunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: , chunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked,\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked;a=b\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: xchunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: identity\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding:\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding:\r\n chunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding : chunked\r\n"),
    (b"Content-Length: 5\r\n", b"Transfer-Encoding: \x0bchunked\r\n"),
];

/// Each length before five bytes, which our service sends back.
pub(super) fn lengths() -> Vec<Case> {
    let row = |&(rule, name, fields, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, post(fields, b"hello"), outcome).echo(b"hello")
    };
    LENGTHS.iter().map(row).collect()
}

pub(super) fn codings() -> Vec<Case> {
    let row = |&(rule, name, fields, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(
            rule,
            name,
            post(fields, b"5\r\nhello\r\n0\r\n\r\n"),
            outcome,
        )
        .echo(b"hello")
    };
    CODINGS.iter().map(row).collect()
}

/// Both fields, in both orders, before a body that each reads differently: behind it stands a
/// request that only a server which was fooled would answer.
pub(super) fn both() -> Vec<Case> {
    let hidden = b"5\r\nhello\r\n0\r\n\r\nGET /where HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let mut cases = Vec::new();
    for (length, coding) in BOTH {
        for fields in [[*length, *coding].concat(), [*coding, *length].concat()] {
            let name = format!("both: {}", fields.escape_ascii());
            let rule = ours("9112 §6.3 allows it");
            cases.push(Case::new(rule, &name, post(&fields, hidden), "400 x"));
        }
    }
    cases
}

#[rustfmt::skip]
const WITHOUT: &[(Rule, &str, &[u8], &str)] = &[
    (must("9112 §6.3"), "POST without a length has no body", b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
    (must("9112 §6.3"), "PUT without a length has no body", b"PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
    (must("9112 §6.3"), "POST in HTTP/1.0 without a length", b"POST /echo HTTP/1.0\r\n\r\n", "200 x"),
    (must("9112 §6.3"), "an HTTP/1.0 body is not ended by the close", b"POST /echo HTTP/1.0\r\n\r\nhello", "200 x"),
    (must("9112 §6.3"), "POST with an empty body", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "200"),
    (must("9112 §6.3"), "an empty body in two digits", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n", "200"),
    (must("9112 §6.3"), "GET with an empty body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "200"),
    (must("9110 §9.3.1"), "GET with a body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200"),
    (must("9110 §9.3.2"), "HEAD with a body", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200"),
    (must("9110 §9.3.7"), "OPTIONS with a body", b"OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "204"),
    (ours("SHOULD be 501"), "an unknown method with a body", b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "501"),
    (ours("not offered"), "TRACE with a body", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "405"),
    (must("9110 §9.3.1"), "GET with a chunked body", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200"),
    (must("9112 §6.3"), "GET with a body that is a request", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /where HTTP/1.1\r\nHost: evil\r\n\r\n", "200"),
    (must("9112 §6.3"), "GET with two lengths", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello", "400 x"),
    (must("9112 §6.3"), "HEAD with two lengths", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello", "400 x"),
    (must("9112 §6.3"), "HTTP/1.0 with two lengths", b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello", "400 x"),
    (must("9112 §6.3"), "HTTP/1.0 with a length", b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "200 x"),
    (must("9112 §6.1"), "HTTP/1.0 knows no Transfer-Encoding", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "400 x"),
    (must("9112 §6.1"), "HTTP/1.0 with both", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", "400 x"),
    (must("9112 §6.1"), "HTTP/1.0 with keep-alive and Transfer-Encoding", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 x"),
    (must("9112 §6.1"), "HTTP/1.0 with identity", b"GET / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n", "400 x"),
    (must("9112 §6.1"), "HTTP/1.2 knows Transfer-Encoding", b"POST /echo HTTP/1.2\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"),
];

pub(super) fn without() -> Vec<Case> {
    let row = |&(rule, name, sent, outcome): &(Rule, &'static str, &[u8], &'static str)| {
        Case::new(rule, name, sent.to_vec(), outcome)
    };
    WITHOUT.iter().map(row).collect()
}

/// Every byte before, inside and behind the digits of a length.
pub(super) fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, before, after) in [("before", "", "1"), ("behind", "1", "")] {
        for byte in (0..=255_u8).filter(|byte| !byte.is_ascii_digit()) {
            let outcome = if matches!(byte, b' ' | b'\t') {
                "200"
            } else {
                "400 x"
            };
            let value = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let fields = [b"Content-Length: ", &value[..], b"\r\n"].concat();
            let name = format!("byte {byte:#04x} {place} a length");
            let case = Case::new(must("9110 §8.6"), &name, post(&fields, b"h"), outcome);
            cases.push(case.echo(b"h").member(byte));
        }
    }
    cases
}
