//! The request head: found, read by httparse, then our refusals.
//!
//! *Floor 0.* Knows bytes; does not know where they came from, nor how many pieces they came in.
//!
//! Three passes over a head, each with one job:
//!
//! 1. [`HeadScan`](super::scan::HeadScan) looks for the blank line, however many pieces it comes
//!    in, and refuses each line that can only be refused. A head that is there whole at the first
//!    look and in order does without it: `parse_at_once`.
//! 2. The request line is taken apart here, because its errors differ (400, 414, 505) and because
//!    httparse lets through targets that we refuse.
//! 3. httparse reads the fields, once, and each that decides about framing or routing is held
//!    against its rule: `section.rs`, where the fields of the last head are known already when they
//!    come again in a head that is there whole. `head.rs` keeps what was learnt; everything else
//!    stays in the raw bytes and is looked up when asked for.
//!
//! *References:* RFC 9112 §2 and §3, RFC 9110 §7.

use super::authority::{in_label, is_authority};
use super::error::ProtocolError;
use super::framing::is_token_byte;
use super::head::{Head, HeadLimits, Method, Span};
use super::section::LastSection;

/// Bytes that a request line needs beside its target: a method, two spaces, the version.
pub(super) const REQUEST_LINE_EXTRA_MAX: usize = 64;

/// Reads the head at the front of `buf` without looking for its end first; returns it with its
/// length. To be tried once per head, before anything has been searched.
///
/// Nearly every head comes whole, and then the search costs half as much as all the rest: httparse
/// finds the blank line too. So this way only ever accepts, and accepts only what the long one does:
/// whatever is not whole or not in order gets `None`, and its fault is named there.
pub(crate) fn parse_at_once(
    buf: &[u8],
    limits: &HeadLimits,
    last: &mut LastSection,
) -> Option<(Head, usize)> {
    let buf = &buf[..buf.len().min(limits.bytes_max)];
    let mut head = Head::default();
    let start = request_line(buf, limits, &mut head).ok()?;
    if start > limits.target_bytes_max + REQUEST_LINE_EXTRA_MAX {
        return None;
    }
    let (section, len) = last.read_at_once(&buf[start..], head.minor_version, limits)?;
    head.add_section(start, section);
    Some((head, start + len))
}

/// Reads a whole head: from the request line to the blank line, every line ending in CRLF, as
/// [`HeadScan::find`](super::scan::HeadScan::find) delimits it.
///
/// # Errors
/// The first refusal that applies.
pub(crate) fn parse(
    raw: &[u8],
    limits: &HeadLimits,
    last: &mut LastSection,
) -> Result<Head, ProtocolError> {
    let mut head = Head::default();
    let start = request_line(raw, limits, &mut head)?;
    let section = last.read(&raw[start..], head.minor_version, limits)?;
    head.add_section(start, section);
    Ok(head)
}

/// `method SP request-target SP HTTP-version CRLF` (RFC 9112 §3): exactly that. Returns where the
/// fields begin.
pub(super) fn request_line(
    raw: &[u8],
    limits: &HeadLimits,
    head: &mut Head,
) -> Result<usize, ProtocolError> {
    use ProtocolError as E;
    let method_end = match raw {
        // Compared as one word.
        [b'G', b'E', b'T', b' ', ..] => b"GET".len(),
        _ => raw
            .iter()
            .position(|b| !is_token_byte(*b))
            .ok_or(E::RequestLine)?,
    };
    if method_end == 0 || raw[method_end] != b' ' {
        return Err(if method_end == 0 {
            E::MethodToken
        } else {
            E::RequestLine
        });
    }
    head.method = Method::from_token(&raw[..method_end]);
    head.method_end = Span::offset(method_end);
    let target_start = method_end + 1;
    let rest = &raw[target_start..];
    let plain = plain_path_length(rest, limits).filter(|_| head.method != Method::Connect);
    let target_len = match plain {
        Some(len) => len,
        None => target_length(rest, limits)?,
    };
    let target_end = target_start + target_len;
    head.target = Span::new(target_start, target_end);
    head.minor_version = version(&raw[target_end + 1..])?;
    match plain {
        Some(_) => head.path = head.target,
        None => target_form(raw, head)?,
    }
    Ok(target_end + 1 + b"HTTP/1.1\r\n".len())
}

/// Length of a target that is a path and nothing else: nearly every one is, and then one look at
/// its bytes is enough.
fn plain_path_length(rest: &[u8], limits: &HeadLimits) -> Option<usize> {
    let end = rest
        .iter()
        .position(|b| TARGET_BYTES[usize::from(*b)] & PATH == 0)?;
    (rest[0] == b'/' && rest[end] == b' ' && end <= limits.target_bytes_max).then_some(end)
}

/// Length of the target that stands at the front of `rest`, up to its space.
fn target_length(rest: &[u8], limits: &HeadLimits) -> Result<usize, ProtocolError> {
    let end = rest
        .iter()
        .position(|b| TARGET_BYTES[*b as usize] == 0)
        .unwrap_or(rest.len());
    if rest.get(end) == Some(&b' ') && end > 0 && end <= limits.target_bytes_max {
        return Ok(end);
    }
    let longest = rest
        .iter()
        .position(|b| matches!(b, b' ' | b'\r'))
        .unwrap_or(rest.len());
    Err(match rest.get(end) {
        _ if longest > limits.target_bytes_max => ProtocolError::TargetTooLong,
        Some(b' ' | b'\r') => ProtocolError::RequestLine,
        _ => ProtocolError::TargetByte,
    })
}

/// `"HTTP/" DIGIT "." DIGIT CRLF`, case-sensitive (RFC 9112 §2.3). Returns the minor version we
/// serve: a higher minor than 1 is understood as 1 (RFC 9110 §2.5).
fn version(rest: &[u8]) -> Result<u8, ProtocolError> {
    // As one array it is compared a word at a time.
    match rest.first_chunk::<10>() {
        Some(b"HTTP/1.1\r\n") => Ok(1),
        Some(
            &[
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                major,
                b'.',
                minor,
                b'\r',
                b'\n',
            ],
        ) if major.is_ascii_digit() && minor.is_ascii_digit() => match (major, minor) {
            (b'1', b'0') => Ok(0),
            (b'1', _) => Ok(1),
            _ => Err(ProtocolError::VersionMajor),
        },
        _ => Err(ProtocolError::VersionSyntax),
    }
}

/// Tells the four forms of a target apart (RFC 9112 §3.2) and notes its path, query and authority.
fn target_form(raw: &[u8], head: &mut Head) -> Result<(), ProtocolError> {
    let target = head.target.of(raw);
    let start = head.target.start();
    match target {
        _ if head.method == Method::Connect => {
            let port = target.rsplit(|b| *b == b':').next().unwrap_or_default();
            if !is_authority(target) || port.len() == target.len() || port.is_empty() {
                return Err(ProtocolError::TargetForm);
            }
            head.authority = head.target;
            Ok(())
        }
        b"*" if head.method == Method::Options => {
            head.path = head.target;
            Ok(())
        }
        [b'/', ..] => path_and_query(raw, start, head),
        _ => absolute_form(raw, start, head),
    }
}

/// `http://authority/path?query`: a server accepts it although only proxies receive it, and its
/// authority replaces Host (RFC 9112 §3.2.2).
fn absolute_form(raw: &[u8], start: usize, head: &mut Head) -> Result<(), ProtocolError> {
    let target = head.target.of(raw);
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|s| {
            target
                .get(..s.len())
                .is_some_and(|t| t.eq_ignore_ascii_case(s))
        })
        .ok_or(ProtocolError::TargetForm)?;
    let rest = &target[scheme.len()..];
    let authority_len = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(rest.len());
    let authority = &rest[..authority_len];
    if !is_authority(authority) {
        return Err(ProtocolError::HostInvalid);
    }
    let authority_start = start + scheme.len();
    head.authority = Span::new(authority_start, authority_start + authority_len);
    path_and_query(raw, authority_start + authority_len, head)
}

/// The path from `start`, the query behind the first `?`. An empty path stays an empty span, which
/// [`Request::path`] shows as `/`.
fn path_and_query(raw: &[u8], start: usize, head: &mut Head) -> Result<(), ProtocolError> {
    let end = head.target.end();
    let rest = &raw[start..end];
    let path_len = rest
        .iter()
        .position(|b| TARGET_BYTES[*b as usize] & PATH == 0)
        .unwrap_or(rest.len());
    head.path = Span::new(start, start + path_len);
    match rest.get(path_len) {
        None => Ok(()),
        Some(b'?') => {
            head.query = Span::new(start + path_len + 1, end);
            head.has_query = true;
            Ok(())
        }
        Some(_) => Err(ProtocolError::TargetByte),
    }
}

/// In a path: pchar and `/` of RFC 3986 §3.3, and what browsers leave as it is although the RFC
/// would have it encoded: ``[ ] { } | ^ ` `` (WHATWG URL, path percent-encode set).
const PATH: u8 = 1;
/// In a query: the same, `?` and `\`.
const QUERY: u8 = 2;
/// Which parts of a target each byte may stand in. Controls, space, `"`, `#`, `<`, `>`, DEL and
/// everything beyond ASCII stand nowhere.
const TARGET_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128u8 {
        if in_label(byte)
            || matches!(
                byte,
                b'.' | b'%' | b':' | b'@' | b'/' | b'[' | b']' | b'{' | b'}' | b'|' | b'^' | b'`'
            )
        {
            table[byte as usize] = PATH | QUERY;
        } else if matches!(byte, b'?' | b'\\') {
            table[byte as usize] = QUERY;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;
    use crate::http::scan::HeadScan;

    const LIMITS: HeadLimits = HeadLimits {
        bytes_max: 1024,
        fields_max: 20,
        target_bytes_max: 200,
    };

    fn read(input: &[u8]) -> Result<Option<Head>, ProtocolError> {
        match HeadScan::default().find(input, &LIMITS)? {
            Some((start, end)) => {
                parse(&input[start..end], &LIMITS, &mut LastSection::default()).map(Some)
            }
            None => Ok(None),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn every_refusal_has_its_row() {
        use ProtocolError as E;
        let host = "Host: a\r\n\r\n";
        let long = format!("GET /{} HTTP/1.1\r\n{host}", "a".repeat(300));
        let large = format!("GET / HTTP/1.1\r\nA: {}\r\n{host}", "a".repeat(1100));
        let many = format!("GET / HTTP/1.1\r\n{}{host}", "A: b\r\n".repeat(20));
        let cases: &[(&str, E)] = &[
            ("GET /\r\nHost: a\r\n\r\n", E::RequestLine),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLine),
            ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLine),
            ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", E::VersionSyntax),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", E::VersionSyntax),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", E::VersionSyntax),
            ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", E::VersionSyntax),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", E::VersionMajor),
            ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", E::VersionMajor),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", E::MethodToken),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", E::RequestLine),
            ("\x16\x03\x01", E::TlsHandshake),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetForm),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetForm),
            ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetForm),
            ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetForm),
            ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetForm),
            ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", E::HostInvalid),
            (
                "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                E::HostInvalid,
            ),
            ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetByte),
            ("GET /\"<> HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetByte),
            ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetByte),
            ("GET /\\a HTTP/1.1\r\nHost: a\r\n\r\n", E::TargetByte),
            (&long, E::TargetTooLong),
            (&large, E::HeadTooLong),
            (&many, E::TooManyFields),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", E::BareLineFeed),
            ("\nGET / HTTP/1.1\r\n", E::BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", E::BareLineFeed),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nB : c\r\n\r\n",
                E::SpaceBeforeColon,
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n", E::Folded),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", E::Folded),
            ("GET / HTTP/1.1\r\nHost: a\r\nB\r\n\r\n", E::FieldSyntax),
            ("GET / HTTP/1.1\r\nHost: a\r\n: c\r\n\r\n", E::FieldSyntax),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nB: c\0\r\n\r\n",
                E::FieldSyntax,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n",
                E::BareCarriageReturn,
            ),
            ("GET / HTTP/1.1\rHost: a\r\n\r\n", E::BareCarriageReturn),
            ("GET / HTTP/1.1\r\r\n", E::BareCarriageReturn),
            ("GET / HTTP/1.1\r\n\r\n", E::HostMissing),
            ("GET http://a/ HTTP/1.1\r\n\r\n", E::HostMissing),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
                E::HostRepeated,
            ),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", E::HostInvalid),
            ("GET / HTTP/1.1\r\nHost: [::1%25e]\r\n\r\n", E::HostInvalid),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                E::LengthSyntax,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                E::LengthContradiction,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
                 Transfer-Encoding: chunked\r\n\r\n",
                E::LengthAndCoding,
            ),
            (
                "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                E::CodingInHttp10,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
                E::ExpectationUnknown,
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(
                read(input.as_bytes()),
                Err(*expected),
                "{}",
                input.escape_debug()
            );
        }
    }

    #[test]
    fn valid_heads_say_what_they_mean() {
        let check = |input: &str, expected: (&str, Option<&str>, &str, bool)| {
            let found = Request::parse(input.as_bytes()).map(|r| {
                let head = read(input.as_bytes()).unwrap().unwrap();
                (r.path(), r.query(), r.host(), head.section.keep_alive)
            });
            assert_eq!(found, Some(expected), "{}", input.escape_debug());
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ("/", None, "a", true));
        check(
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ("/", None, "a", true),
        );
        check(
            "GET /a?b?c HTTP/1.1\r\nHost: a:80\r\n\r\n",
            ("/a", Some("b?c"), "a:80", true),
        );
        check(
            "GET /? HTTP/1.2\r\nHost: [::1]:1\r\n\r\n",
            ("/", Some(""), "[::1]:1", true),
        );
        check(
            "GET /?a=\\{|} HTTP/1.1\r\nHost: a.\r\n\r\n",
            ("/", Some("a=\\{|}"), "a.", true),
        );
        check(
            "GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n",
            ("/", None, "b", true),
        );
        check(
            "GET https://b?q HTTP/1.1\r\nHost: a\r\n\r\n",
            ("/", Some("q"), "b", true),
        );
        check(
            "GET http://b:8/x HTTP/1.1\r\nHost: a\r\n\r\n",
            ("/x", None, "b:8", true),
        );
        check(
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            ("*", None, "a", true),
        );
        check(
            "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n",
            ("*", None, "b", true),
        );
        check(
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
            ("", None, "a:1", true),
        );
        check("GET / HTTP/1.0\r\n\r\n", ("/", None, "", false));
        check(
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            ("/", None, "", true),
        );
        check(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
            ("/", None, "a", false),
        );
    }

    /// What is read at once is what the search and the parse would have read.
    fn at_once_agrees(input: &[u8]) -> bool {
        let mut last = LastSection::default();
        let Some((head, len)) = parse_at_once(input, &LIMITS, &mut last) else {
            return false;
        };
        // A second time, it is a repetition.
        assert_eq!(parse_at_once(input, &LIMITS, &mut last), Some((head, len)));
        assert_eq!(
            HeadScan::default().find(input, &LIMITS),
            Ok(Some((0, len))),
            "{}",
            input.escape_ascii()
        );
        assert_eq!(parse(&input[..len], &LIMITS, &mut last), Ok(head));
        true
    }

    #[test]
    fn the_short_way_accepts_what_the_long_one_does() {
        let check = |input: &[u8], taken| {
            assert_eq!(at_once_agrees(input), taken, "{}", input.escape_ascii());
        };
        check(b"GET / HTTP/1.0\r\n\r\n", true);
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / H", true);
        check(b"GET / HTTP/1.1\r\nHost: a\r\nA: b \r\nB:\r\n\r\n\n", true);
        let bare: [&[u8]; 6] = [
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nB: c\nD: e\r\n\r\n",
            b"GET / HTTP/1.0\r\n\n",
        ];
        for input in bare {
            check(input, false);
        }
        let long_method = format!("{} / HTTP/1.0\r\n\r\n", "M".repeat(300));
        check(long_method.as_bytes(), false);
        let long_head = format!("GET / HTTP/1.0\r\na: {}\r\n\r\n", "b".repeat(1024));
        check(long_head.as_bytes(), false);
    }

    /// As a connection reads it.
    fn read_with(
        input: &[u8],
        limits: &HeadLimits,
        last: &mut LastSection,
    ) -> Result<Option<(Head, usize)>, ProtocolError> {
        let whole = parse_at_once(input, limits, last);
        if whole.is_some() {
            return Ok(whole);
        }
        match HeadScan::default().find(input, limits)? {
            Some((start, end)) => {
                parse(&input[start..end], limits, last).map(|head| Some((head, end)))
            }
            None => Ok(None),
        }
    }

    /// What one head has left behind changes nothing of the next.
    fn last_is_forgettable(first: &[u8], second: &[u8], limits: &HeadLimits) {
        let mut last = LastSection::default();
        let wide = HeadLimits {
            bytes_max: 16 * 1024,
            ..LIMITS
        };
        let _ = read_with(first, &wide, &mut last);
        assert_eq!(
            read_with(second, limits, &mut last),
            read_with(second, limits, &mut LastSection::default()),
            "{} behind {}",
            second.escape_ascii(),
            first.escape_ascii()
        );
    }

    #[test]
    fn a_head_is_read_alike_behind_every_other() {
        let long_target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(190));
        let lines = [
            "GET / HTTP/1.1\r\n",
            "HEAD /b HTTP/1.0\r\n",
            "GET http://b/?c HTTP/1.1\r\n",
            "CONNECT b:1 HTTP/1.1\r\n",
            &long_target,
        ];
        let nearly_too_long = format!("Host: a\r\nA: {}\r\n\r\n", "b".repeat(900));
        let not_kept = format!("Host: a\r\nA: {}\r\n\r\n", "b".repeat(5_000));
        let many = format!("Host: a\r\n{}\r\n", "A: b\r\n".repeat(18));
        let sections = [
            "\r\n",
            "Host: a\r\n\r\n",
            "Host: a\r\n\r\nHost: a\r\n\r\n",
            "Host: a\r\nA: b\r\n\r\n",
            "Host: a\r\nA: b\n\r\n",
            "Host: a\r\nContent-Length: 3\r\n\r\nabc",
            "Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "Host: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            "Host: a\r\nExpect: x\r\n\r\n",
            "Host: a\r\nConnection: close\r\n\r\n",
            "Connection: keep-alive\r\n\r\n",
            "Host: a\r\n\r",
            &nearly_too_long,
            &not_kept,
            &many,
        ];
        let few = HeadLimits {
            fields_max: 2,
            ..LIMITS
        };
        let heads: Vec<String> = lines
            .iter()
            .flat_map(|line| {
                sections
                    .iter()
                    .map(move |section| format!("{line}{section}"))
            })
            .collect();
        for first in &heads {
            for second in &heads {
                for limits in [&LIMITS, &few] {
                    last_is_forgettable(first.as_bytes(), second.as_bytes(), limits);
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_never_accepts_more(
            pieces in proptest::collection::vec(proptest::sample::select(&[
                "GET", " ", "/", " HTTP/1.1", "\r\n", "\n", "\r", "Host: a", "A: b", ":", "\t", "x",
                "Content-Length: 0",
            ][..]), 0..12),
            start in proptest::sample::select(&["", "GET / HTTP/1.1\r\nHost: a\r\n"][..]),
            end in proptest::sample::select(&["", "\r\n\r\n"][..]),
        ) {
            at_once_agrees([start, &pieces.concat(), end].concat().as_bytes());
        }
    }
}
