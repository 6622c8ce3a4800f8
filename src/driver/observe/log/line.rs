//! What is known of an answer, and what all forms of its line have in common.
//!
//! *Floor 4.* Pure.
//!
//! *References:* CWE-117 (why control bytes are escaped).

use std::io::Write as _;
use std::time::Duration;

use crate::conn::Finished;
use crate::http::Tick;
use crate::kernel::Peer;

/// One answer that is out or was cut short.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) finished: &'a Finished,
    /// The moment at which it left.
    pub(super) now: &'a Tick,
    /// The other end, or the client that a proxy named in its place.
    pub(super) peer: Peer,
}

impl<'a> Line<'a> {
    pub(super) fn new(finished: &'a Finished, now: &'a Tick, peer: Peer) -> Self {
        Self {
            finished,
            now,
            peer: finished.client.map_or(peer, Peer::Ip),
        }
    }

    /// From the complete head of the request to the last byte of its answer.
    pub(super) fn took(&self) -> Duration {
        let now = self.now.instant;
        now.saturating_duration_since(self.finished.started)
    }
}

/// An address as in a URL, but for brackets.
pub(super) fn push_address(into: &mut Vec<u8>, peer: Peer) -> Option<()> {
    let _ = write!(into, "{}", peer.ip()?.to_canonical());
    Some(())
}

/// A whole number.
pub(super) fn push_number(into: &mut Vec<u8>, number: u64) {
    into.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Day, month by name, year and time of a Date field: `Mon, 23 Nov 2026 22:10:05 GMT`, which the
/// loop has at hand, made once per second.
pub(super) fn date_parts(http_date: &[u8; 29]) -> [&[u8]; 4] {
    [
        &http_date[5..7],
        &http_date[8..11],
        &http_date[12..16],
        &http_date[17..25],
    ]
}

/// `2026-11-23T22:10:05Z` (RFC 3339).
pub(super) fn push_timestamp(into: &mut Vec<u8>, http_date: &[u8; 29]) {
    let [day, month, year, time] = date_parts(http_date);
    let month: &[u8] = match month {
        b"Jan" => b"01",
        b"Feb" => b"02",
        b"Mar" => b"03",
        b"Apr" => b"04",
        b"May" => b"05",
        b"Jun" => b"06",
        b"Jul" => b"07",
        b"Aug" => b"08",
        b"Sep" => b"09",
        b"Oct" => b"10",
        b"Nov" => b"11",
        _ => b"12",
    };
    for piece in [year, b"-", month, b"-", day, b"T", time, b"Z"] {
        into.extend_from_slice(piece);
    }
}

/// Everything but printable ASCII becomes `\xNN`, so that a line stays one line, a quoted field
/// stays one field and a terminal takes no orders from a client. Beyond ASCII too: C1 controls
/// steer terminals, and bytes need not be UTF-8.
pub(super) fn push_escaped(into: &mut Vec<u8>, raw: &[u8]) {
    for &byte in raw {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => into.push(byte),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                into.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_the_client_sent() {
        let check = |line: &[u8], expected: &str| {
            let mut out = Vec::new();
            push_escaped(&mut out, line);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(b"GET /a%20b?c=d HTTP/1.1", "GET /a%20b?c=d HTTP/1.1");
        check(b"GET /\x1b[2J", "GET /\\x1b[2J");
        check(b"a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00");
        check(b"\"\\\x7f", "\\\"\\\\\\x7f");
        check("\u{9b}é".as_bytes(), "\\xc2\\x9b\\xc3\\xa9");
        check(b"\xff", "\\xff");
    }

    #[test]
    fn every_month_has_its_number() {
        for (at, date) in (1..).zip([
            b"Thu, 01 Jan 1970 00:00:00 GMT",
            b"Sun, 01 Feb 1970 00:00:00 GMT",
            b"Sun, 01 Mar 1970 00:00:00 GMT",
            b"Wed, 01 Apr 1970 00:00:00 GMT",
            b"Fri, 01 May 1970 00:00:00 GMT",
            b"Mon, 01 Jun 1970 00:00:00 GMT",
            b"Wed, 01 Jul 1970 00:00:00 GMT",
            b"Sat, 01 Aug 1970 00:00:00 GMT",
            b"Tue, 01 Sep 1970 00:00:00 GMT",
            b"Thu, 01 Oct 1970 00:00:00 GMT",
            b"Sun, 01 Nov 1970 00:00:00 GMT",
            b"Tue, 01 Dec 1970 00:00:00 GMT",
        ]) {
            let mut out = Vec::new();
            push_timestamp(&mut out, date);
            let expected = format!("1970-{at:02}-01T00:00:00Z");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
