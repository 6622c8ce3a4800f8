//! One line per request, written where it cannot hurt: a stalled reader of the log loses lines,
//! never a request.
//!
//! *Floor 4.* Knows what a finished exchange was; does not know the connection it came from.
//!
//! ```text
//! Fact::Answered ─▶ LogBuffer ── Fact::TurnEnded ─▶ lines.rs ─▶ stdout
//! ```
//!
//! A line: `2026-11-23T22:10:05Z 127.0.0.1 "GET /a HTTP/1.1" 200 1234 0.4ms`; the time is that of
//! the answer's last byte, the number after the status counts bytes of content. Behind it stands what
//! came with the request, if any content did: ` in 1048576`. An answer that the client did not take
//! whole ends in ` cut`, and so does a request that broke off, as 400.
//!
//! *References:* CWE-117 (why control bytes are escaped).

use std::io::{self, Write};
use std::time::Duration;

use super::lines::{CHUNK_BYTES, Lines, LogEnd, Standard};
use super::observer::{Fact, Observer};
use crate::conn::Finished;
use crate::http::Tick;
use crate::kernel::Peer;

/// The way to the writer: cheap to clone, never waits. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: Lines,
    is_stdout: bool,
}

impl AccessLog {
    /// Starts the writer on standard output.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stdout() -> io::Result<(Self, LogEnd)> {
        let (log, end) = Self::start(Standard::output())?;
        let log = Self {
            is_stdout: true,
            ..log
        };
        Ok((log, end))
    }

    /// Starts the writer on any output; it alone waits for `out`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LogEnd)> {
        let (lines, end) = Lines::start("access log", out)?;
        let log = Self {
            lines,
            is_stdout: false,
        };
        Ok((log, end))
    }

    /// Hands over lines that are no access lines, such as the start-up text.
    pub fn say(&self, text: String) {
        let lines = text.lines().count() as u64;
        self.lines.send(&mut text.into_bytes(), lines);
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lines.lost()
    }

    /// Its writer, if what that writes appears where standard error does: on the same terminal, in
    /// the same pipe or file.
    pub(crate) fn lines_on_stderr(&self) -> Option<Lines> {
        (self.is_stdout && Standard::are_one()).then(|| self.lines.clone())
    }
}

/// One driver's lines of this turn. A clone is empty, and in front of the same log.
#[derive(Debug)]
pub struct LogBuffer {
    log: AccessLog,
    lines: u64,
    bytes: Vec<u8>,
    largest: usize,
}

impl LogBuffer {
    /// An empty buffer in front of `log`.
    pub const fn new(log: AccessLog) -> Self {
        Self {
            log,
            lines: 0,
            bytes: Vec::new(),
            largest: 0,
        }
    }

    /// Adds the line of one answer that left whole. `now` is the moment it left: its distance
    /// from `finished.started` is the duration shown. A client that a proxy named stands in
    /// the place of `peer`.
    fn line(&mut self, now: &Tick, peer: Peer, finished: &Finished) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(self.largest);
        }
        let took = now.instant.saturating_duration_since(finished.started);
        let peer = finished.client.map_or(peer, Peer::Ip);
        format_line(&mut self.bytes, &now.http_date, peer, finished, took);
        self.lines += 1;
        if self.bytes.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    /// Hands this turn's lines to the writer. Costs nothing when there are none.
    fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        self.largest = self.largest.max(self.bytes.len());
        let lines = std::mem::take(&mut self.lines);
        self.log.lines.send(&mut self.bytes, lines);
    }
}

impl Observer for LogBuffer {
    fn observe(&mut self, fact: &Fact<'_>) {
        match *fact {
            Fact::Answered {
                peer,
                finished,
                now,
                ..
            } => self.line(now, peer, finished),
            Fact::TurnEnded { .. } => self.flush(),
            _ => {}
        }
    }
}

impl Clone for LogBuffer {
    fn clone(&self) -> Self {
        Self::new(self.log.clone())
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The line of one answer. Pure.
fn format_line(
    into: &mut Vec<u8>,
    http_date: &[u8; 29],
    peer: Peer,
    finished: &Finished,
    took: Duration,
) {
    push_timestamp(into, http_date);
    let _ = match peer {
        Peer::Ip(ip) => write!(into, " {} \"", ip.to_canonical()),
        Peer::Unix | Peer::Proxy(_) => write!(into, " unix \""),
    };
    match finished.request_line.as_slice() {
        b"" => into.push(b'-'), // an answer to no request: 408, or a head of empty lines
        line => push_escaped(into, line),
    }
    let _ = write!(
        into,
        "\" {} {} {}.{}ms",
        finished.status.code(),
        finished.body_bytes,
        took.as_millis(),
        took.subsec_micros() / 100 % 10,
    );
    // What is appended breaks no reader of the fields before it.
    if finished.received_bytes > 0 {
        let _ = write!(into, " in {}", finished.received_bytes);
    }
    into.extend_from_slice(if finished.complete { b"\n" } else { b" cut\n" });
}

/// `2026-11-23T22:10:05Z` out of the Date field's `Mon, 23 Nov 2026 22:10:05 GMT`, which the loop
/// has at hand, made once per second.
fn push_timestamp(into: &mut Vec<u8>, http_date: &[u8; 29]) {
    let month = match &http_date[8..11] {
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
    let (day, year, time) = (&http_date[5..7], &http_date[12..16], &http_date[17..25]);
    for piece in [year, b"-", month, b"-", day, b"T", time, b"Z"] {
        into.extend_from_slice(piece);
    }
}

/// Everything but printable ASCII becomes `\xNN`, so that a line stays one line, a quoted field
/// stays one field and a terminal takes no orders from a client. Beyond ASCII too: C1 controls
/// steer terminals, and bytes need not be UTF-8.
fn push_escaped(into: &mut Vec<u8>, raw: &[u8]) {
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
#[expect(clippy::disallowed_methods, reason = "a tick is made")]
mod tests {
    use super::*;
    use crate::http::Status;
    use std::net::IpAddr;
    use std::time::{Instant, SystemTime};

    fn tick() -> Tick {
        Tick {
            instant: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            turn: 1,
            http_date: *b"Mon, 23 Nov 2026 22:10:05 GMT",
        }
    }

    fn finished(line: &[u8], now: &Tick) -> Finished {
        Finished {
            request_line: line.to_vec(),
            status: Status::OK,
            body_bytes: 1234,
            received_bytes: 0,
            started: now.instant,
            complete: true,
            client: None,
        }
    }

    fn ip(word: &str) -> Peer {
        Peer::Ip(word.parse::<IpAddr>().unwrap())
    }

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
    fn a_line_names_peer_request_status_content_and_duration() {
        let check = |peer: Peer, line: &[u8], micros: u64, expected: &str| {
            let (now, mut out) = (tick(), Vec::new());
            let took = Duration::from_micros(micros);
            format_line(&mut out, &now.http_date, peer, &finished(line, &now), took);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        let get = b"GET /a HTTP/1.1";
        check(
            ip("127.0.0.1"),
            get,
            450,
            "2026-11-23T22:10:05Z 127.0.0.1 \"GET /a HTTP/1.1\" 200 1234 0.4ms\n",
        );
        check(
            ip("::ffff:192.0.2.1"),
            get,
            61_001_999,
            "2026-11-23T22:10:05Z 192.0.2.1 \"GET /a HTTP/1.1\" 200 1234 61001.9ms\n",
        );
        check(
            ip("2001:db8::1"),
            b"",
            0,
            "2026-11-23T22:10:05Z 2001:db8::1 \"-\" 200 1234 0.0ms\n",
        );
        check(
            Peer::Unix,
            b"BREW / HTTP/1.1",
            999,
            "2026-11-23T22:10:05Z unix \"BREW / HTTP/1.1\" 200 1234 0.9ms\n",
        );
    }

    #[test]
    fn an_answer_that_was_not_taken_whole_says_so() {
        let (now, mut out) = (tick(), Vec::new());
        let mut half = finished(b"GET /a HTTP/1.1", &now);
        half.complete = false;
        format_line(&mut out, &now.http_date, Peer::Unix, &half, Duration::ZERO);
        assert!(out.ends_with(b" 200 1234 0.0ms cut\n"));
        half.received_bytes = 5;
        format_line(&mut out, &now.http_date, Peer::Unix, &half, Duration::ZERO);
        assert!(out.ends_with(b" 200 1234 0.0ms in 5 cut\n"));
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

    #[test]
    fn a_turn_is_one_chunk_unless_it_is_large() {
        let (lines, queue) = Lines::unwritten();
        let mut buffer = LogBuffer::new(AccessLog {
            lines: lines.clone(),
            is_stdout: false,
        });
        let now = tick();
        let written = |lines: u64| {
            let chunk = queue.next(0).unwrap();
            assert_eq!(chunk.lines, lines);
        };
        buffer.flush(); // nothing for a turn without lines
        for _ in 0..3 {
            buffer.line(&now, Peer::Unix, &finished(b"GET / HTTP/1.1", &now));
        }
        buffer.flush();
        written(3);
        buffer.line(&now, Peer::Unix, &finished(&[b'a'; CHUNK_BYTES], &now));
        written(1); // before the turn ends
        buffer.line(&now, Peer::Unix, &finished(b"GET / HTTP/1.1", &now));
        drop(buffer);
        written(1); // with the loop's end
        drop(lines);
        assert!(queue.next(0).is_none());
    }
}
