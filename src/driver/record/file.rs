//! A record in a file: `--record`.
//!
//! The lines go the way of access lines, to a thread that may wait for the disk. What is lost on
//! the way is said in its place, in a line that begins with `#`.

use std::io::{self, Write};

use super::recorder::Beginning;
use super::{Heading, Recorder, TurnRecord};
use crate::driver::observe::lines::{Lines, LogEnd};
use crate::driver::observe::observer::Observer;

/// How large a record may become: some hundred thousand turns.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A record that is being written.
pub(crate) struct RecordFile {
    lines: Lines,
    end: LogEnd,
    began: Beginning,
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
        let began = Beginning::default();
        Ok(Self { lines, end, began })
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
        .since(&self.began)
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
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::driver::observe::observer::{Fact, Woke};
    use crate::http::Tick;
    use crate::readiness::Trigger;

    /// Takes what is written to where a test can see it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A turn of a loop that began at this time.
    fn turn(observer: &mut impl Observer, now: &Tick) {
        let (timeout, events, woke) = (None, &[][..], Woke::Ready);
        observer.observe(&Fact::TurnStarted {
            timeout,
            events,
            woke,
            now,
        });
        observer.observe(&Fact::TurnEnded { lag: None });
    }

    #[test]
    fn all_loops_of_a_record_count_from_its_beginning() {
        let (kept, heading) = (Kept::default(), Heading::new("edge", Trigger::Edge));
        let record = RecordFile::begin(Box::new(kept.clone()), &heading).unwrap();
        let (mut one, mut other) = (record.observer(0), record.observer(1));
        let mut now = Tick::for_tests();
        turn(&mut one, &now);
        now.instant += Duration::from_micros(7);
        turn(&mut other, &now);
        drop((one, other));
        assert!(record.close().wait(Duration::from_secs(20)));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let turns: Vec<TurnRecord> = (text.lines().skip(1))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let times: Vec<_> = turns.iter().map(|turn| (turn.worker, turn.at_us)).collect();
        assert_eq!(times, [(0, 0), (1, 7)]);
    }

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
