//! The search for the end of a head, and what need not wait for it.
//!
//! *Floor 0.* Knows lines; what stands in a request line is `request.rs`'s.
//!
//! It remembers how far it looked, so that a head that drips in byte by byte costs as much as one
//! that arrives whole. It sees every line end anyway, so that is where a line which can only be
//! refused is refused: a client of another protocol is answered at once, and not after the time
//! that a head may take.
//!
//! *References:* RFC 9112 §2.2, §5.

use std::ops::Range;

use memchr::{memchr, memchr2_iter};

use super::error::ProtocolError;
use super::framing::is_token_byte;
use super::head::{Head, HeadLimits, Known, Request};
use super::request::{self, REQUEST_LINE_EXTRA_MAX, request_line};
use super::section::LastSection;

/// A resumable search for the end of a head.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HeadScan {
    /// Bytes looked at.
    scanned: usize,
    /// Where the line begins that `scanned` stands in.
    line: usize,
    /// Where the request line begins: behind empty lines (RFC 9112 §2.2).
    start: usize,
    /// Whether a Host field has been seen.
    has_host: bool,
}

impl HeadScan {
    /// Looks on in `buf`, which begins where it began last time. Returns where the head begins
    /// and where it ends, blank line included, once it is whole.
    ///
    /// # Errors
    /// As early as the bytes allow: a line end that is none, a line that is neither a request line
    /// nor a field, a target or a head beyond its limit. What only the whole head can show (no
    /// Host, contradicting lengths) is left to the parse.
    pub fn find(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        if let [TLS_HANDSHAKE, rest @ ..] = buf {
            self.scanned = buf.len();
            return refuse_tls(rest);
        }
        let mut from = self.scanned;
        if buf[..from].ends_with(b"\r") {
            from -= 1; // it came last, and was waiting for its LF
        }
        let base = from;
        for at in memchr2_iter(b'\r', b'\n', &buf[base..]) {
            let end = base + at;
            // Whether it comes whole or in pieces, the first fault is the one that is named.
            self.refuse_odd_byte(buf, from..end, limits)?;
            from = end;
            if buf[end] == b'\r' {
                self.refuse_early(&buf[..=end], limits)?;
                self.refuse_bare_cr(&buf[end..], end)?;
                continue;
            }
            self.refuse_early(&buf[..end], limits)?;
            if end == self.line || buf[end - 1] != b'\r' {
                return Err(ProtocolError::BareLineFeed);
            }
            if let Some(found) = self.on_line(buf, end + 1, limits)? {
                return Ok(Some(found));
            }
        }
        self.refuse_odd_byte(buf, from..buf.len(), limits)?;
        self.scanned = buf.len();
        self.refuse_early(buf, limits)?;
        Ok(None)
    }

    /// One more line, with its CRLF: from `self.line` to `end`.
    fn on_line(
        &mut self,
        buf: &[u8],
        end: usize,
        limits: &HeadLimits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let (begin, in_request_line) = (self.line, self.in_request_line());
        let empty = end - begin == b"\r\n".len();
        self.line = end;
        self.scanned = end;
        match (in_request_line, empty) {
            (true, true) => self.start = end,
            (true, false) => {
                request_line(&buf[begin..end], limits, &mut Head::default())?;
            }
            (false, false) => {
                let known = field_line(&buf[begin..end - 2])?;
                if known == Known::HOST && std::mem::replace(&mut self.has_host, true) {
                    return Err(ProtocolError::HostRepeated);
                }
            }
            (false, true) if end - self.start > limits.bytes_max => {
                return Err(ProtocolError::HeadTooLong);
            }
            (false, true) => return Ok(Some((self.start, end))),
        }
        Ok(None)
    }

    /// Whether the line that is being looked at is, or will be, the request line.
    const fn in_request_line(&self) -> bool {
        self.line == self.start
    }

    /// A CR stands before LF and nowhere else (RFC 9112 §2.2). `rest` begins with one, at `at`; if
    /// nothing follows yet, there is nothing to say yet.
    fn refuse_bare_cr(&self, rest: &[u8], at: usize) -> Result<(), ProtocolError> {
        match rest.get(1) {
            None | Some(b'\n') => Ok(()),
            Some(_) if at == self.start => Err(ProtocolError::MethodToken),
            Some(_) => Err(ProtocolError::BareCarriageReturn),
        }
    }

    /// A byte that stands nowhere in a request line: what it makes of the line so far does not
    /// change any more.
    fn refuse_odd_byte(
        &self,
        buf: &[u8],
        new: Range<usize>,
        limits: &HeadLimits,
    ) -> Result<(), ProtocolError> {
        let from = new.start.max(self.start);
        let odd = |b: &u8| !matches!(b, b' '..=b'~' | b'\r' | b'\n');
        let position = match buf.get(from..new.end) {
            Some(bytes) if self.in_request_line() => bytes.iter().position(odd),
            _ => None,
        };
        let Some(at) = position.map(|at| from + at) else {
            return Ok(());
        };
        self.refuse_early(&buf[..at], limits)?;
        let line = request_line(&buf[self.start..=at], limits, &mut Head::default());
        line.and(Err(ProtocolError::RequestLine))
    }

    /// Whether nothing has been searched yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.scanned == 0
    }

    /// Whether a byte of a request line has come.
    pub const fn has_begun(&self) -> bool {
        self.scanned > self.start
    }

    /// What need not wait for the blank line.
    fn refuse_early(&self, buf: &[u8], limits: &HeadLimits) -> Result<(), ProtocolError> {
        // What is beyond the limit decides nothing: in pieces it would not have been looked at.
        let within = &buf[..buf.len().min(limits.bytes_max)];
        let begun = within.get(self.start..).unwrap_or_default();
        match begun.first() {
            Some(&first) if !is_token_byte(first) && begun != b"\r" => {
                return Err(ProtocolError::MethodToken);
            }
            _ => {}
        }
        if self.in_request_line() && begun.len() > limits.target_bytes_max + REQUEST_LINE_EXTRA_MAX
        {
            return Err(if begun[..REQUEST_LINE_EXTRA_MAX].contains(&b' ') {
                ProtocolError::TargetTooLong
            } else {
                ProtocolError::RequestLine
            });
        }
        if buf.len() > limits.bytes_max {
            return Err(ProtocolError::HeadTooLong);
        }
        Ok(())
    }
}

impl<'c> Request<'c> {
    /// Parses a whole head, for tests and examples; `None` if it is refused.
    ///
    /// ```
    /// use httpoll::http::{Method, Request};
    /// let request = Request::parse(b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    /// assert_eq!(request.method(), Method::Get);
    /// assert_eq!(request.path(), "/a");
    /// assert_eq!(request.query(), Some("b=c"));
    /// assert_eq!(request.field("host"), Some(&b"h"[..]));
    /// ```
    pub fn parse(head: &'c [u8]) -> Option<Self> {
        let limits = HeadLimits {
            bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
        };
        let mut last = LastSection::default();
        if let Some((parsed, len)) = request::parse_at_once(head, &limits, &mut last) {
            return Some(Self::new(&head[..len], parsed));
        }
        let (start, end) = HeadScan::default().find(head, &limits).ok()??;
        let raw = &head[start..end];
        Some(Self::new(
            raw,
            request::parse(raw, &limits, &mut last).ok()?,
        ))
    }
}

/// The type of the TLS record that a connection begins with (RFC 8446 §5.1); in HTTP it is a
/// control character, which stands nowhere.
const TLS_HANDSHAKE: u8 = 0x16;

/// The record's version follows, 3.x: then a browser was told https://, and the person who runs the
/// server should not have to guess that.
fn refuse_tls(behind_type: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    match behind_type.first() {
        None => Ok(None),
        Some(3) => Err(ProtocolError::TlsHandshake),
        Some(_) => Err(ProtocolError::MethodToken),
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5), and which of the known fields it is.
/// httparse would say only that something is malformed; the client deserves to know what.
fn field_line(line: &[u8]) -> Result<Known, ProtocolError> {
    if let [b' ' | b'\t', ..] = line {
        return Err(ProtocolError::Folded);
    }
    let colon = memchr(b':', line).ok_or(ProtocolError::FieldSyntax)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if let [.., b' ' | b'\t'] = name {
        return Err(ProtocolError::SpaceBeforeColon);
    }
    // RFC 9110 §5.5: visible characters, obs-text, and white space between them.
    let in_value = |b: &u8| matches!(b, b'\t' | b' '..=b'~' | 0x80..);
    if name.is_empty() || !name.iter().all(|b| is_token_byte(*b)) || !value.iter().all(in_value) {
        return Err(ProtocolError::FieldSyntax);
    }
    Ok(Known::of(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes_max: 1024,
        fields_max: 20,
        target_bytes_max: 200,
    };

    fn find(input: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
        HeadScan::default().find(input, &LIMITS)
    }

    /// A head that ends just beyond its limit and goes on with another fault: the limit is first.
    #[test]
    fn a_refusal_is_the_same_in_any_pieces() {
        use ProtocolError as E;
        let limits = HeadLimits {
            bytes_max: 7,
            ..LIMITS
        };
        let cases: &[(&[u8], E)] = &[
            (b"(\n", E::MethodToken),
            (b"\x16\x03\x01\x02\0\x01", E::TlsHandshake),
            (b"\x16\x02\n\n\n\n\n\n\n\n", E::MethodToken),
            (b"\r\n\x16\x03", E::MethodToken),
            (b"\r(\r\n", E::MethodToken),
            (b"\r\n\r\n\r\n(", E::MethodToken),
            (b"\r\n\r\n\r\n\r\n(", E::HeadTooLong),
            (b"GET / H\n", E::BareLineFeed),
            (b"GET / HT\n", E::HeadTooLong),
        ];
        for (input, expected) in cases {
            let shown = input.escape_ascii();
            let whole = HeadScan::default().find(input, &limits);
            assert_eq!(whole, Err(*expected), "{shown}");
            let mut scan = HeadScan::default();
            let grown = (0..=input.len()).find_map(|end| scan.find(&input[..end], &limits).err());
            assert_eq!(grown, Some(*expected), "{shown}");
        }
    }

    /// A client of another protocol, or one that mistypes, does not wait for the time-out of a head.
    #[test]
    fn a_fault_is_named_with_the_byte_that_makes_it_one() {
        use ProtocolError as E;
        let check = |input: &str, expected: E| {
            let input = input.as_bytes();
            let shown = input.escape_ascii();
            assert_eq!(find(input), Err(expected), "{shown}");
            let before = &input[..input.len() - 1];
            assert_eq!(find(before), Ok(None), "{shown}, but for its last byte");
            for split in 0..input.len() {
                let mut scan = HeadScan::default();
                assert_eq!(scan.find(&input[..split], &LIMITS), Ok(None), "{shown}");
                let found = scan.find(input, &LIMITS);
                assert_eq!(found, Err(expected), "{shown} split at {split}");
            }
            // What follows changes nothing.
            let longer = [input, b"\0\rX\n\r\nHost: a\r\n\r\n"].concat();
            assert_eq!(find(&longer), Err(expected), "{shown} and more");
        };
        check("GET /\r\n", E::RequestLine);
        check("\r\nGET /\r\n", E::RequestLine);
        check("HELO x\r\n", E::RequestLine);
        check("GET /x HTTP/2.0\r\n", E::VersionMajor);
        check("PRI * HTTP/2.0\r\n", E::VersionMajor);
        check("GET /x XTTP/1.1\r\n", E::VersionSyntax);
        check("GET /#x HTTP/1.1\r\n", E::TargetByte);
        check("GET x HTTP/1.1\r\n", E::TargetForm);
        check("GET /te\x01", E::TargetByte);
        check("GET /te\u{7f}", E::TargetByte);
        check("GE\0", E::RequestLine);
        check("GET / HTTP/1.1\t", E::VersionSyntax);
        check("GET /x HTTP/1.1\rX", E::BareCarriageReturn);
        check("GET /x\r\r", E::BareCarriageReturn);
        check("\rX", E::MethodToken);
        check("\x16\x03", E::TlsHandshake);
        check("\x16G", E::MethodToken);
        let check_field = |line: &str, expected: E| {
            check(&format!("GET / HTTP/1.1\r\n{line}"), expected);
            check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}"), expected);
        };
        check_field(" folded\r\n", E::Folded);
        check_field("\t\r\n", E::Folded);
        check_field("no colon\r\n", E::FieldSyntax);
        check_field(": c\r\n", E::FieldSyntax);
        check_field("B@: c\r\n", E::FieldSyntax);
        check_field("B: c\0\r\n", E::FieldSyntax);
        check_field("B : c\r\n", E::SpaceBeforeColon);
        check_field("B: c\rd", E::BareCarriageReturn);
        check_field("B: c\n", E::BareLineFeed);
        let two_hosts = "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nhost: a\r\n";
        check(two_hosts, E::HostRepeated);
    }

    proptest::proptest! {
        /// However a head is cut, it is found in the same place or refused for the same reason.
        #[test]
        fn pieces_are_as_good_as_the_whole(
            pieces in proptest::collection::vec(proptest::sample::select(&[
                "GET", " ", "/", " HTTP/1.1", "\r\n", "\n", "\r", "Host: a", "A: b", ":", "\t", "x",
                "\0", "\u{e9}", "/aaaaaaaaaaaaaaaaaaaa",
            ][..]), 0..12),
            start in proptest::sample::select(&["", "GET / HTTP/1.1\r\nHost: a\r\n"][..]),
            end in proptest::sample::select(&["", "\r\n\r\n"][..]),
            size in 1..4_usize,
            bytes_max in 8..90_usize,
            target_bytes_max in 1..20_usize,
        ) {
            let limits = HeadLimits { bytes_max, fields_max: 20, target_bytes_max };
            let input = [start, &pieces.concat(), end].concat();
            let whole = HeadScan::default().find(input.as_bytes(), &limits);
            let mut scan = HeadScan::default();
            let cuts = (0..input.len()).step_by(size).chain([input.len()]);
            let grown = cuts
                .map(|cut| scan.find(&input.as_bytes()[..cut], &limits))
                .find(|found| *found != Ok(None));
            proptest::prop_assert_eq!(grown.unwrap_or(Ok(None)), whole, "{:?}", input);
        }
    }

    #[test]
    fn the_search_finds_the_same_head_in_any_pieces() {
        let input = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
        for split in 0..input.len() {
            let mut scan = HeadScan::default();
            let early = scan.find(&input[..split], &LIMITS).unwrap();
            let found = early.or_else(|| scan.find(input, &LIMITS).unwrap());
            assert_eq!(found, Some((2, input.len() - 3)), "split at {split}");
        }
    }
}
