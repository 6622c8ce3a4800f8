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
//! 3. httparse reads the fields, once; then each field that decides about framing or routing is
//!    held against its rule. `head.rs` keeps what was learnt; everything else stays in the raw
//!    bytes and is looked up when asked for.
//!
//! *References:* RFC 9112 §2 to §6, RFC 9110 §5 and §7.

use memchr::memchr;

use super::error::ProtocolError;
use super::framing::{self, BodyLength, is_token_byte};
use super::head::{Head, HeadLimits, Known, Method, Span};
use crate::http::list;

/// Bytes that a request line needs beside its target: a method, two spaces, the version.
pub(super) const REQUEST_LINE_EXTRA_MAX: usize = 64;

/// Fields that most heads stay below. A larger array would have to be cleared for every request.
const FEW: usize = 16;

/// Reads the head at the front of `buf` without looking for its end first; returns it with its
/// length. To be tried once per head, before anything has been searched.
///
/// Nearly every head comes whole, and then the search costs half as much as all the rest: httparse
/// finds the blank line too. What httparse lets pass, a bare LF, is seen in the two bytes before
/// each name and in the last four. So this way only ever accepts, and accepts only what the long
/// one does: whatever is not whole or not in order gets `None`, and its fault is named there.
/// Saves 550 of 4,800 instructions.
pub(crate) fn parse_at_once(buf: &[u8], limits: &HeadLimits) -> Option<(Head, usize)> {
    let buf = &buf[..buf.len().min(limits.bytes_max)];
    let mut head = Head::default();
    let fields_start = request_line(buf, limits, &mut head).ok()?;
    if fields_start > limits.target_bytes_max + REQUEST_LINE_EXTRA_MAX {
        return None;
    }
    let mut few = [httparse::EMPTY_HEADER; FEW];
    let Ok(httparse::Status::Complete((len, fields))) =
        httparse::parse_headers(&buf[fields_start..], &mut few)
    else {
        return None;
    };
    let end = fields_start + len;
    let begins_a_line = |field: &httparse::Header<'_>| {
        let start = Span::within(buf, field.name.as_bytes()).start();
        buf[..start].ends_with(b"\r\n")
    };
    if !buf[..end].ends_with(b"\r\n\r\n") || !fields.iter().all(begins_a_line) {
        return None;
    }
    check_fields(buf, fields, limits, &mut head).ok()?;
    Some((head, end))
}

/// Reads a whole head: from the request line to the blank line, every line ending in CRLF, as
/// [`HeadScan::find`] delimits it.
///
/// # Errors
/// The first refusal that applies.
pub(crate) fn parse(raw: &[u8], limits: &HeadLimits) -> Result<Head, ProtocolError> {
    let mut head = Head::default();
    let fields_start = request_line(raw, limits, &mut head)?;
    let mut few = [httparse::EMPTY_HEADER; FEW];
    match httparse::parse_headers(&raw[fields_start..], &mut few) {
        Ok(httparse::Status::Complete((_, fields))) => check_fields(raw, fields, limits, &mut head),
        Err(httparse::Error::TooManyHeaders) => many_fields(raw, fields_start, limits, &mut head),
        _ => Err(ProtocolError::FieldSyntax),
    }?;
    Ok(head)
}

/// The same for a head of more than [`FEW`] fields.
#[cold]
fn many_fields(
    raw: &[u8],
    fields_start: usize,
    limits: &HeadLimits,
    head: &mut Head,
) -> Result<(), ProtocolError> {
    let mut many = vec![httparse::EMPTY_HEADER; limits.fields_max];
    match httparse::parse_headers(&raw[fields_start..], &mut many) {
        Ok(httparse::Status::Complete((_, fields))) => check_fields(raw, fields, limits, head),
        Err(httparse::Error::TooManyHeaders) => Err(ProtocolError::TooManyFields),
        _ => Err(ProtocolError::FieldSyntax),
    }
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

/// Holds every field against the rules for framing, routing and reuse.
fn check_fields(
    raw: &[u8],
    fields: &[httparse::Header<'_>],
    limits: &HeadLimits,
    head: &mut Head,
) -> Result<(), ProtocolError> {
    if fields.len() > limits.fields_max {
        return Err(ProtocolError::TooManyFields);
    }
    for field in fields {
        let known = Known::of(field.name.as_bytes());
        if known != Known::NOTHING {
            let repeated = head.known.has(known);
            head.known.add(known);
            check_field(raw, known, field.value, repeated, head)?;
        }
    }
    head.keep_alive = match head.minor_version {
        0 => head.asks_keep_alive && !head.asks_close,
        _ => !head.asks_close,
    };
    if !head.known.has(Known::HOST) && head.minor_version > 0 {
        return Err(ProtocolError::HostMissing);
    }
    if head.known.has(Known::TRANSFER_ENCODING) {
        check_coding(fields, head)?;
    }
    Ok(())
}

/// One field that matters.
fn check_field(
    raw: &[u8],
    known: Known,
    value: &[u8],
    repeated: bool,
    head: &mut Head,
) -> Result<(), ProtocolError> {
    match known {
        Known::HOST if repeated => return Err(ProtocolError::HostRepeated),
        Known::HOST if !is_authority(value) => return Err(ProtocolError::HostInvalid),
        Known::HOST if head.authority.is_empty() => head.authority = Span::within(raw, value),
        Known::CONTENT_LENGTH => {
            let length = BodyLength::Exactly(framing::content_length(value)?);
            if repeated && head.body != length {
                return Err(ProtocolError::LengthContradiction);
            }
            head.body = length;
        }
        Known::CONNECTION => {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                head.asks_close |= option.eq_ignore_ascii_case(b"close");
                head.asks_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        // An HTTP/1.0 client cannot mean it (RFC 9110 §10.1.1).
        Known::EXPECT if head.minor_version > 0 => {
            // Empty members are none (RFC 9110 §5.6.1.2).
            for member in list::members(value) {
                if !member.eq_ignore_ascii_case(b"100-continue") {
                    return Err(ProtocolError::ExpectationUnknown);
                }
                head.expects_continue = true;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Transfer-Encoding, over all its lines.
#[cold]
fn check_coding(fields: &[httparse::Header<'_>], head: &mut Head) -> Result<(), ProtocolError> {
    if head.known.has(Known::CONTENT_LENGTH) {
        return Err(ProtocolError::LengthAndCoding);
    }
    if head.minor_version == 0 {
        return Err(ProtocolError::CodingInHttp10);
    }
    let lines = fields
        .iter()
        .filter(|f| f.name.eq_ignore_ascii_case("transfer-encoding"))
        .map(|f| f.value);
    head.body = framing::transfer_encoding(lines)?;
    Ok(())
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): a name, an IPv4 address or a
/// bracketed IP literal, without user information. Empty is refused: an http URI has a host
/// (RFC 9110 §4.2.1). One pass, since every request pays for it.
fn is_authority(value: &[u8]) -> bool {
    let mut label_is_empty = true;
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        if TARGET_BYTES[usize::from(byte)] & LABEL != 0 {
            label_is_empty = false;
            continue;
        }
        let rest = bytes.as_slice();
        let is_first = rest.len() + 1 == value.len();
        match (byte, rest) {
            (b'.', _) if !label_is_empty => label_is_empty = true,
            (b':', port) => return !is_first && is_port(port),
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                label_is_empty = false;
                bytes = rest.iter();
            }
            (b'[', literal) if is_first => return is_ip_literal_and_port(literal),
            _ => return false,
        }
    }
    // The last label may be empty: behind a final dot.
    !value.is_empty()
}

/// What follows `[`.
#[cold]
fn is_ip_literal_and_port(rest: &[u8]) -> bool {
    let Some(end) = memchr(b']', rest) else {
        return false;
    };
    is_ip_literal(&rest[..end])
        && match &rest[end + 1..] {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// `*DIGIT` up to 65,535: what counts is in the last five.
fn is_port(digits: &[u8]) -> bool {
    let (zeros, digits) = digits.split_at(digits.len().saturating_sub(5));
    let number = digits.iter().try_fold(0u32, |n, b| {
        let digit = u32::from(b.wrapping_sub(b'0'));
        (digit <= 9).then_some(n * 10 + digit)
    });
    number.is_some_and(|n| n <= 65_535) && zeros.iter().all(|b| *b == b'0')
}

/// `IPv6address / IPvFuture`, without a zone (RFC 3986 §3.2.2, RFC 9844).
fn is_ip_literal(literal: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(literal) else {
        return false;
    };
    if let Some((version, address)) = text
        .strip_prefix(['v', 'V'])
        .and_then(|t| t.split_once('.'))
    {
        let part = |b: &u8| matches!(b, b':' | b'.') || TARGET_BYTES[*b as usize] & LABEL != 0;
        return !version.is_empty()
            && version.bytes().all(|b| b.is_ascii_hexdigit())
            && !address.is_empty()
            && address.as_bytes().iter().all(part);
    }
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// In a path: pchar and `/` of RFC 3986 §3.3, and what browsers leave as it is although the RFC
/// would have it encoded: ``[ ] { } | ^ ` `` (WHATWG URL, path percent-encode set).
const PATH: u8 = 1;
/// In a query: the same, `?` and `\`.
const QUERY: u8 = 2;
/// In a label of a host name: unreserved and sub-delims of RFC 3986 §3.2.2, but the dot.
const LABEL: u8 = 4;

/// Which parts of a target each byte may stand in. Controls, space, `"`, `#`, `<`, `>`, DEL and
/// everything beyond ASCII stand nowhere.
const TARGET_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128u8 {
        let name = matches!(byte,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        let path = matches!(
            byte,
            b':' | b'@' | b'/' | b'[' | b']' | b'{' | b'}' | b'|' | b'^' | b'`'
        );
        table[byte as usize] = match (name, path) {
            (true, _) if byte != b'.' && byte != b'%' => PATH | QUERY | LABEL,
            (true, _) | (_, true) => PATH | QUERY,
            _ if byte == b'?' || byte == b'\\' => QUERY,
            _ => 0,
        };
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
            Some((start, end)) => parse(&input[start..end], &LIMITS).map(Some),
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
                (r.path(), r.query(), r.host(), head.keep_alive)
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
        let Some((head, len)) = parse_at_once(input, &LIMITS) else {
            return false;
        };
        assert_eq!(
            HeadScan::default().find(input, &LIMITS),
            Ok(Some((0, len))),
            "{}",
            input.escape_ascii()
        );
        assert_eq!(parse(&input[..len], &LIMITS), Ok(head));
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
