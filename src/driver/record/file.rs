//! A record in a file: `--record`.
//!
//! The lines go the way of access lines, to a thread that may wait for the disk. What is lost on
//! the way is said in its place, in a line that begins with `#`.

use std::io::{self, Write};

use super::{Heading, Recorder, TurnRecord};
use crate::driver::observe::lines::{Lines, LogEnd};
use crate::driver::observe::observer::Observer;

/// How large a record may become: some hundred thousand turns.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A record that is being written.
pub(crate) struct RecordFile {
    lines: Lines,
    end: LogEnd,
}

impl RecordFile {
    /// Begins a record at the front of `out`.
    pub(crate) fn begin(out: Box<dyn Write + Send>, heading: &Heading) -> io::Result<Self> {
        let mut first = serde_json::to_vec(heading)?;
        first.push(b'\n');
        let out = Bounded {
            out,
            left: BYTES_MAX,
        };
        let (lines, end) = Lines::start("record", out)?;
        lines.send(&mut first, 1);
        Ok(Self { lines, end })
    }

    /// What records loop `worker`.
    pub(crate) fn observer(&self, worker: usize) -> impl Observer + Send + use<> {
        let (lines, mut bytes) = (self.lines.clone(), Vec::new());
        Recorder::new(worker, move |turn: &TurnRecord| {
            // Numbers and text: none that serde_json is known to refuse.
            if serde_json::to_writer(&mut bytes, turn).is_ok() {
                bytes.push(b'\n');
                lines.send(&mut bytes, 1);
            }
            bytes.clear();
        })
    }

    /// No further loop is recorded. Gives what waits for the end of those that are.
    pub(crate) fn close(self) -> LogEnd {
        self.end
    }
}

/// Takes whole lines up to a bound, and nothing more.
struct Bounded<W> {
    out: W,
    left: u64,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let all = bytes.len();
        if all as u64 <= self.left {
            let n = self.out.write(bytes)?;
            self.left -= n as u64;
            return Ok(n);
        }
        // The lines that still fit; the record ends with them.
        let room = usize::try_from(self.left).unwrap_or(all).min(all);
        let whole = memchr::memrchr(b'\n', &bytes[..room]).map_or(0, |at| at + 1);
        self.out.write_all(&bytes[..whole])?;
        self.left = 0;
        Ok(all)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_record_ends_with_a_whole_line() {
        let mut bounded = Bounded {
            out: Vec::new(),
            left: 10,
        };
        for chunk in ["abc\n", "defg\nhi\n", "j\n"] {
            bounded.write_all(chunk.as_bytes()).unwrap();
        }
        assert_eq!(bounded.out, b"abc\ndefg\n");
    }
}
