//! One line per request, written where it cannot hurt: a stalled reader of the log loses lines,
//! never a request.
//!
//! *Floor 4.* Knows what a finished exchange was; does not know the connection it came from.
//!
//! ```text
//! Fact::Answered ─▶ LogBuffer ── Fact::TurnEnded ─▶ lines.rs ─▶ stdout, or file.rs
//!                      │
//!                   line.rs: short.rs, plain.rs, clf.rs or json.rs
//! ```

mod clf;
mod file;
mod json;
mod line;
mod plain;
mod progress;
mod short;
mod units;

use std::io::{self, Write};

use super::lines::{CHUNK_BYTES, Lines, LogEnd, Standard, lost_comment};
use super::observer::{Fact, Observer};
use crate::config::LogFormat;
pub use file::LogFile;
use line::Line;
use progress::{Board, Transfers};
pub use short::Style;

/// The way to the writer: cheap to clone, never waits. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: Lines,
    format: LogFormat,
    style: Style,
    /// What the last line of a terminal shows.
    board: Option<Board>,
    is_stdout: bool,
}

impl AccessLog {
    /// Starts the writer on standard output. On a terminal, short lines stand above one that shows
    /// what is under way.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stdout(format: LogFormat, style: Style) -> io::Result<(Self, LogEnd)> {
        let (log, end) = Self::start(format, Standard::output())?;
        let shows = format == LogFormat::Short && style.columns().is_some();
        let log = Self {
            is_stdout: true,
            board: shows.then(|| Board::new(style.clone())),
            style,
            ..log
        };
        Ok((log, end))
    }

    /// Starts the writer on any output; it alone waits for `out`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        format: LogFormat,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, LogEnd)> {
        let lost = move |lines| note(format, lines);
        let (lines, end) = Lines::start("access log", out, lost)?;
        let log = Self {
            lines,
            format,
            style: Style::default(),
            board: None,
            is_stdout: false,
        };
        Ok((log, end))
    }

    /// Starts the writer on a file that was opened; SIGHUP has it opened again.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn file(format: LogFormat, mut file: LogFile) -> io::Result<(Self, LogEnd)> {
        let signal = file.signal();
        let (log, end) = Self::start(format, file)?;
        if let Some((signalled, asked)) = signal {
            LogFile::hears(signalled, asked, &log.lines)?;
        }
        Ok((log, end))
    }

    /// What its lines look like.
    pub(crate) const fn format(&self) -> LogFormat {
        self.format
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
    progress: Option<Box<Transfers>>,
    lines: u64,
    bytes: Vec<u8>,
    largest: usize,
}

impl LogBuffer {
    /// An empty buffer in front of `log`.
    pub fn new(log: AccessLog) -> Self {
        let progress = log.board.as_ref().map(|board| Box::new(board.progress()));
        Self {
            log,
            progress,
            lines: 0,
            bytes: Vec::new(),
            largest: 0,
        }
    }

    fn add(&mut self, line: &Line<'_>) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(self.largest);
        }
        push(self.log.format, &mut self.bytes, line, &self.log.style);
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

/// Adds a line in this form.
fn push(format: LogFormat, into: &mut Vec<u8>, line: &Line<'_>, style: &Style) {
    match format {
        LogFormat::Short => short::push(into, line, style),
        LogFormat::Plain => plain::push(into, line),
        LogFormat::Common => clf::push_common(into, line),
        LogFormat::Combined => clf::push_combined(into, line),
        LogFormat::Json => json::push(into, line),
    }
}

/// What stands in such a log in place of so many lines that were lost.
fn note(format: LogFormat, lines: u64) -> String {
    match format {
        LogFormat::Json => format!("{{\"lines_lost\":{lines}}}\n"),
        _ => lost_comment(lines),
    }
}

impl Observer for LogBuffer {
    fn observe(&mut self, fact: &Fact<'_>) {
        // First: the line of an answer does not stand above one that says it is under way.
        if let Some(progress) = &mut self.progress {
            progress.observe(fact, &self.log.lines);
        }
        match *fact {
            Fact::Answered {
                peer,
                finished,
                now,
                ..
            } => self.add(&Line::new(finished, now, peer)),
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
        if let Some(progress) = &mut self.progress {
            progress.end(&self.log.lines);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a tick is made")]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::time::{Duration, Instant, SystemTime};

    use crate::conn::{Finished, LoggedFields};
    use crate::http::{Status, Tick};
    use crate::kernel::Peer;

    pub(super) fn tick() -> Tick {
        Tick {
            instant: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            turn: 1,
            http_date: *b"Mon, 23 Nov 2026 22:10:05 GMT",
        }
    }

    /// An answer to this request.
    pub(super) fn answer(request_line: &[u8]) -> Finished {
        Finished {
            request_line: request_line.to_vec(),
            fields: None,
            status: Status::OK,
            body_bytes: 1234,
            received_bytes: 0,
            started: tick().instant,
            complete: true,
            client: None,
        }
    }

    pub(super) fn fields(
        referer: Option<&[u8]>,
        user_agent: Option<&[u8]>,
    ) -> Option<Box<LoggedFields>> {
        Some(Box::new(LoggedFields {
            referer: referer.map(Into::into),
            user_agent: user_agent.map(Into::into),
        }))
    }

    pub(super) fn ip(word: &str) -> Peer {
        Peer::Ip(word.parse::<IpAddr>().unwrap())
    }

    /// The line of an answer that took so long.
    pub(super) fn line(format: LogFormat, peer: Peer, answer: &Finished, micros: u64) -> String {
        let (mut now, mut out) = (tick(), Vec::new());
        now.instant = answer.started + Duration::from_micros(micros);
        let style = Style::default();
        push(format, &mut out, &Line::new(answer, &now, peer), &style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_turn_is_one_chunk_unless_it_is_large() {
        let (lines, queue) = Lines::unwritten();
        let mut buffer = LogBuffer::new(AccessLog {
            lines: lines.clone(),
            format: LogFormat::Plain,
            style: Style::default(),
            board: None,
            is_stdout: false,
        });
        let now = tick();
        let written = |lines: u64| {
            let chunk = queue.next(0).unwrap();
            assert_eq!(chunk.lines, lines);
        };
        let get = answer(b"GET / HTTP/1.1");
        buffer.flush(); // nothing for a turn without lines
        for _ in 0..3 {
            buffer.add(&Line::new(&get, &now, Peer::Unix));
        }
        buffer.flush();
        written(3);
        let large = answer(&[b'a'; CHUNK_BYTES]);
        buffer.add(&Line::new(&large, &now, Peer::Unix));
        written(1); // before the turn ends
        buffer.add(&Line::new(&get, &now, Peer::Unix));
        drop(buffer);
        written(1); // with the loop's end
        drop(lines);
        assert!(queue.next(0).is_none());
    }
}
