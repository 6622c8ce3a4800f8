//! One line per request, written where it cannot hurt: a stalled reader of the log loses lines,
//! never a request.
//!
//! *Floor 4.* Knows what a finished exchange was; does not know the connection it came from.
//!
//! ```text
//! loop ── line() ─▶ LogBuffer ── flush(), once per turn ─▶ bounded channel ─▶ writer ─▶ stdout
//!                                      │ full: count the lines and drop them
//! ```
//!
//! write(2) to a pipe waits for as long as its reader likes, and standard output is often a pipe;
//! making it non-blocking would change it for every process that shares it (fcntl(2), `F_SETFL`
//! acts on the open file description). Hence a thread that may wait, and a channel that may not.
//! Nothing here panics on a closed, full or broken output, as `println!` does: SIGPIPE is ignored
//! by std, EPIPE costs the lines. How many were lost is written as soon as lines fit again: `# lines lost: 12`.
//!
//! A line: `2026-11-23T22:10:05Z 127.0.0.1 "GET /a HTTP/1.1" 200 1234 0.4ms`; the time is that of
//! the answer's last byte, the number after the status counts bytes of content. An answer that the
//! client did not take whole ends in ` cut`.
//!
//! *References:* pipe(7), "I/O on pipes and FIFOs"; CWE-117 (why control bytes are escaped).
//!
//! *Read next:* `event_loop.rs`, which calls `line` and `flush`.

#![expect(
    clippy::disallowed_methods,
    reason = "the writer waits on its output in a thread of its own"
)]

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::conn::Finished;
use crate::http::Tick;
use crate::kernel::Peer;

/// The way to the writer: cheap to clone, never waits. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    chunks: SyncSender<Chunk>,
    lost: Arc<AtomicU64>,
}

/// Whole lines.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    lines: u64,
}

/// Waits for the writer at the end of the program.
#[derive(Debug)]
pub struct LogEnd {
    ended: Receiver<()>,
}

impl AccessLog {
    /// Starts the writer on standard output.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stdout() -> io::Result<(Self, LogEnd)> {
        Self::start(Stdout)
    }

    /// Starts the writer on any output; it alone waits for `out`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LogEnd)> {
        let (chunks, incoming) = sync_channel(CHUNKS_MAX);
        let (end, ended) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            out,
            lost: Arc::clone(&lost),
            lost_told: 0,
            torn: false,
        };
        thread::Builder::new()
            .name("access log".into())
            .spawn(move || {
                let _end = end; // dropped last: `ended` then reports a disconnect
                for chunk in incoming {
                    writer.write(&chunk);
                }
            })?;
        Ok((Self { chunks, lost }, LogEnd { ended }))
    }

    /// Hands over lines that are no access lines, such as the start-up text.
    pub fn say(&self, text: String) {
        self.send(Chunk {
            lines: text.lines().count() as u64,
            bytes: text.into_bytes(),
        });
    }

    /// How many lines nobody will see.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn send(&self, chunk: Chunk) {
        let lines = chunk.lines;
        if self.chunks.try_send(chunk).is_err() {
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

impl LogEnd {
    /// Lets the writer finish what it has, for at most `patience`; a stalled one is left behind.
    /// Every [`AccessLog`] should be gone by now. Returns whether it finished.
    pub fn wait(self, patience: Duration) -> bool {
        self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}

/// One loop's lines of this turn.
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

    /// An empty buffer in front of the same log.
    pub fn fork(&self) -> Self {
        Self::new(self.log.clone())
    }

    /// Adds the line of one answer that left whole. `now` is the moment it left: its distance
    /// from `finished.started` is the duration shown. A client for whom `peer` spoke stands in
    /// its place.
    pub fn line(&mut self, now: &Tick, peer: Peer, finished: &Finished) {
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

    /// Hands this turn's lines to the writer: call it once per turn. Costs nothing when there
    /// are none.
    pub fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        self.largest = self.largest.max(self.bytes.len());
        self.log.send(Chunk {
            bytes: std::mem::take(&mut self.bytes),
            lines: std::mem::take(&mut self.lines),
        });
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
    let cut = if finished.complete { "" } else { " cut" };
    let _ = writeln!(
        into,
        "\" {} {} {}.{}ms{cut}",
        finished.status.code(),
        finished.body_bytes,
        took.as_millis(),
        took.subsec_micros() / 100 % 10,
    );
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

/// The end that may wait.
struct Writer<W> {
    out: W,
    lost: Arc<AtomicU64>,
    lost_told: u64,
    /// Whether the output ends in the middle of a line.
    torn: bool,
}

impl<W: Write> Writer<W> {
    fn write(&mut self, chunk: &Chunk) {
        let lost = self.lost.load(Ordering::Relaxed);
        let mut note = String::new();
        if self.torn {
            note.push('\n');
        }
        if lost > self.lost_told {
            note.push_str(&format!("# lines lost: {}\n", lost - self.lost_told));
        }
        if !note.is_empty() && self.put(note.as_bytes()).is_ok() {
            self.lost_told = lost;
        }
        if self.put(&chunk.bytes).is_err() {
            self.lost.fetch_add(chunk.lines, Ordering::Relaxed);
        }
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.torn = bytes[n - 1] != b'\n';
                    bytes = &bytes[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Descriptor 1, without std's buffer and lock: a panic message or another thread that holds the
/// lock would wait for us, and we may be waiting for ever.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stdout = rustix::stdio::stdout();
        loop {
            match rustix::io::write(stdout, bytes) {
                // Somebody who shares this description made it non-blocking.
                Err(rustix::io::Errno::AGAIN) => {
                    let writable = rustix::event::PollFlags::OUT;
                    let mut waits = [rustix::event::PollFd::new(&stdout, writable)];
                    rustix::event::poll(&mut waits, None)?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Chunks that wait for a slow reader. With [`CHUNK_BYTES`] it bounds the memory of a stalled log:
/// about 4 MiB.
const CHUNKS_MAX: usize = 64;
/// Size at which a turn's lines leave before the turn ends.
const CHUNK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;
    use std::net::IpAddr;
    use std::sync::Mutex;
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

    /// An output that answers as the script says, then takes everything.
    #[derive(Clone, Default)]
    struct Script {
        written: Arc<Mutex<Vec<u8>>>,
        answers: Arc<Mutex<Vec<io::Result<usize>>>>,
    }

    impl Script {
        fn new(answers: Vec<io::Result<usize>>) -> Self {
            let answers = Arc::new(Mutex::new(answers.into_iter().rev().collect()));
            Self {
                answers,
                ..Self::default()
            }
        }

        fn text(&self) -> String {
            String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.answers.lock().unwrap().pop().unwrap_or(Ok(usize::MAX));
            let n = n?.min(bytes.len());
            self.written.lock().unwrap().extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(answers: Vec<io::Result<usize>>, texts: &[&str]) -> (String, u64) {
        let out = Script::new(answers);
        let (log, end) = AccessLog::start(out.clone()).unwrap();
        let lost = Arc::clone(&log.lost);
        for text in texts {
            log.say((*text).into());
        }
        drop(log);
        assert!(end.wait(Duration::from_secs(5)));
        (out.text(), lost.load(Ordering::Relaxed))
    }

    #[test]
    fn short_and_interrupted_writes_are_continued() {
        let answers = vec![Ok(1), Err(io::ErrorKind::Interrupted.into()), Ok(3)];
        assert_eq!(run(answers, &["one\ntwo\n"]), ("one\ntwo\n".into(), 0));
    }

    #[test]
    fn a_broken_output_loses_lines_and_says_how_many() {
        let broken = || Err(io::ErrorKind::BrokenPipe.into());
        let (text, lost) = run(vec![broken()], &["a\nb\n", "c\n"]);
        assert_eq!((text.as_str(), lost), ("# lines lost: 2\nc\n", 2));
        // A line that was torn by an error is ended before the next one.
        let (text, lost) = run(vec![Ok(2), broken()], &["aaa\n", "b\n"]);
        assert_eq!((text.as_str(), lost), ("aa\n# lines lost: 1\nb\n", 1));
    }

    #[test]
    fn a_stalled_output_never_stalls_a_loop() {
        /// Waits until somebody lets go.
        struct Stalled(Receiver<()>);
        impl Write for Stalled {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stalled) = sync_channel::<()>(0);
        let (log, end) = AccessLog::start(Stalled(stalled)).unwrap();
        let (now, count) = (tick(), CHUNKS_MAX as u64 + 10);
        let mut buffer = LogBuffer::new(log.clone());
        for _ in 0..count {
            buffer.line(&now, Peer::Unix, &finished(b"GET / HTTP/1.1", &now));
            buffer.flush();
        }
        assert!(
            (9..=10).contains(&log.lost()),
            "one chunk may be with the writer"
        );
        drop((buffer, log));
        assert!(!end.wait(Duration::from_millis(1)), "it is still stalled");
        drop(release);
    }

    #[test]
    fn a_turn_is_one_chunk_unless_it_is_large() {
        let (chunks, incoming) = sync_channel(8);
        let lost = Arc::default();
        let mut buffer = LogBuffer::new(AccessLog { chunks, lost });
        let now = tick();
        buffer.flush();
        assert!(
            incoming.try_recv().is_err(),
            "nothing for a turn without lines"
        );
        for _ in 0..3 {
            buffer.line(&now, Peer::Unix, &finished(b"GET / HTTP/1.1", &now));
        }
        buffer.flush();
        assert_eq!(incoming.try_recv().unwrap().lines, 3);
        buffer.line(&now, Peer::Unix, &finished(&[b'a'; CHUNK_BYTES], &now));
        assert_eq!(
            incoming.try_recv().unwrap().lines,
            1,
            "before the turn ends"
        );
        buffer.line(&now, Peer::Unix, &finished(b"GET / HTTP/1.1", &now));
        drop(buffer);
        assert_eq!(incoming.try_recv().unwrap().lines, 1, "with the loop's end");
    }
}
