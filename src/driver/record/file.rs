//! A record in a file: `--record`.
//!
//! The lines go the way of access lines, to a thread that may wait for the disk. What is lost on
//! the way is said in its place, in a line that begins with `#`.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::recorder::{Beginning, RecordedLoop};
use super::{Heading, Recorder, TurnRecord};
use crate::driver::observe::lines::{Lines, LogEnd, lost_comment};
use crate::driver::observe::observer::{Fact, Observer};

/// How large a record may become: some hundred thousand turns.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A record that is being written.
pub(crate) struct RecordFile {
    lines: Lines,
    end: LogEnd,
    began: Beginning,
    is_full: Arc<AtomicBool>,
}

impl RecordFile {
    /// Begins a record at the front of `out`.
    pub(crate) fn begin(out: Box<dyn Write + Send>, heading: &Heading) -> io::Result<Self> {
        let mut first = serde_json::to_vec(heading)?;
        first.push(b'\n');
        let is_full = Arc::<AtomicBool>::default();
        let out = Bounded {
            out,
            left: BYTES_MAX,
            is_full: Arc::clone(&is_full),
        };
        let (lines, end) = Lines::start("record", out, lost_comment)?;
        lines.send(&mut first, 1);
        Ok(Self {
            lines,
            end,
            began: Beginning::default(),
            is_full,
        })
    }

    /// What records another loop.
    pub(crate) fn observer(&self, of: &RecordedLoop) -> impl Observer + Send + use<> {
        let (lines, mut bytes) = (self.lines.clone(), Vec::new());
        let recorder = Recorder::of(of, move |turn: &TurnRecord| {
            // Numbers and text: none that serde_json is known to refuse.
            if serde_json::to_writer(&mut bytes, turn).is_ok() {
                bytes.push(b'\n');
                lines.send(&mut bytes, 1);
            }
            bytes.clear();
        });
        UntilFull {
            is_full: Arc::clone(&self.is_full),
            inner: recorder.since(&self.began),
        }
    }

    /// No further loop is recorded. Gives what waits for the end of those that are.
    pub(crate) fn close(self) -> LogEnd {
        self.end
    }
}

/// A loop pays nothing for a record that takes no more.
struct UntilFull<O> {
    is_full: Arc<AtomicBool>,
    inner: O,
}

impl<O: Observer> Observer for UntilFull<O> {
    fn observe(&mut self, fact: &Fact<'_>) {
        if self.is_watching() {
            self.inner.observe(fact);
        }
    }

    fn is_watching(&self) -> bool {
        !self.is_full.load(Relaxed)
    }
}

/// Takes whole lines up to a bound, says so, and takes nothing more.
struct Bounded<W> {
    out: W,
    left: u64,
    is_full: Arc<AtomicBool>,
}

/// The last line of a record that has come to the bound.
const FULL: &[u8] = b"# the record is full\n";

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let all = bytes.len();
        if self.is_full.load(Relaxed) {
            return Ok(all);
        }
        if all as u64 <= self.left {
            let n = self.out.write(bytes)?;
            self.left -= n as u64;
            return Ok(n);
        }
        // The lines that still fit; the record ends with them.
        let room = usize::try_from(self.left).unwrap_or(all).min(all);
        let whole = memchr::memrchr(b'\n', &bytes[..room]).map_or(0, |at| at + 1);
        self.out.write_all(&bytes[..whole])?;
        self.out.write_all(FULL)?;
        self.is_full.store(true, Relaxed);
        Ok(all)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::driver::observe::observer::Woke;
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
        let of = |worker| RecordedLoop {
            worker,
            ..RecordedLoop::default()
        };
        let (mut one, mut other) = (record.observer(&of(0)), record.observer(&of(1)));
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
            is_full: Arc::default(),
        };
        for chunk in ["abc\n", "defg\nhi\n", "j\n"] {
            bounded.write_all(chunk.as_bytes()).unwrap();
        }
        let expected = [b"abc\ndefg\n", FULL].concat();
        assert_eq!(bounded.out, expected);
        let recorder = Recorder::new(0, |_: &TurnRecord| panic!("a turn is told of"));
        let mut observer = UntilFull {
            is_full: bounded.is_full,
            inner: recorder,
        };
        assert!(!observer.is_watching(), "and nothing is paid for it");
        turn(&mut observer, &Tick::for_tests());
    }
}
