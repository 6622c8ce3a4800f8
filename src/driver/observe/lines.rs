//! Lines on their way to an output that may stall: access lines, and the trace.
//!
//! *Floor 4.* Knows whole lines and bytes; does not know what the lines say.
//!
//! ```text
//! loop ── send() ─▶ queue, at most 4 MiB ─▶ writer's thread ─▶ stdout, stderr
//!                     │ full: count the lines and drop them
//! ```
//!
//! write(2) to a pipe waits for as long as its reader likes, and standard output is often a pipe;
//! making it non-blocking would change it for every process that shares it (fcntl(2), `F_SETFL`
//! acts on the open file description). Hence a thread that may wait, and a queue that may not: its
//! lock is held for no longer than it takes to move one chunk.
//!
//! Bytes are counted, not chunks: a turn of a loop is often one line, and a channel of 64 chunks
//! was full after 64 of them. Small ones are put together, so that 4 MiB of lines are 4 MiB of
//! memory, and a writer that has fallen behind catches up in large writes.
//!
//! Nothing here panics on a closed, full or broken output, as `println!` does: SIGPIPE is ignored
//! by std, EPIPE costs the lines. How many were lost is written in their place:
//! `# lines lost: 12`.
//!
//! *References:* pipe(7), "I/O on pipes and FIFOs".

#![expect(
    clippy::disallowed_methods,
    reason = "the writer waits on its output in a thread of its own"
)]

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::kernel::TraceSink;

/// Bytes that wait for a slow reader, those in the writer's hands among them.
pub(crate) const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Up to so many bytes lines are put together, and written at once.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// The way to a writer: cheap to clone, never waits. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Arc<Inlet>);

/// A way that does not keep the writer from ending.
pub(crate) struct WeakLines(Weak<Inlet>);

impl WeakLines {
    pub(crate) fn upgrade(&self) -> Option<Lines> {
        self.0.upgrade().map(Lines)
    }
}

/// Waits for the writer at the end of the program.
#[derive(Debug)]
pub struct LogEnd {
    ended: Receiver<()>,
}

impl LogEnd {
    /// Lets the writer finish what it has, for at most `patience`; a stalled one is left behind.
    /// To be called after the last line was sent. Returns whether it finished.
    pub fn wait(self, patience: Duration) -> bool {
        self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Lines {
    /// Starts a writer; it alone waits for `out`, which is flushed between two chunks. `lost` makes
    /// the line that stands in place of so many.
    pub(crate) fn start(
        name: &str,
        out: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<(Self, LogEnd)> {
        let (lines, queue) = Self::unwritten();
        let (end, ended) = sync_channel(0);
        thread::Builder::new().name(name.into()).spawn(move || {
            let _end = end; // dropped last: `ended` then reports a disconnect
            Writer::new(out, &queue, lost).run();
        })?;
        Ok((lines, LogEnd { ended }))
    }

    /// Without a writer yet.
    pub(crate) fn unwritten() -> (Self, Arc<LineQueue>) {
        let queue = Arc::new(LineQueue::default());
        (Self(Arc::new(Inlet(Arc::clone(&queue)))), queue)
    }

    /// Shows `text` on the last line of the terminal, below all others, until it is another one. At
    /// most one waits: it says what is so, not what was.
    pub(crate) fn show_last(&self, text: String) {
        self.0.0.show_last(text);
    }

    pub(crate) fn downgrade(&self) -> WeakLines {
        WeakLines(Arc::downgrade(&self.0))
    }

    /// Hands over `bytes`, so many whole lines, and leaves them empty.
    pub(crate) fn send(&self, bytes: &mut Vec<u8>, lines: u64) {
        self.0.0.put(bytes, lines);
    }

    /// Takes one line after the other, each without its end: what `kernel/traced.rs` prints to.
    pub(crate) fn sink(&self) -> TraceSink {
        let (lines, mut bytes) = (self.clone(), Vec::new());
        Box::new(move |line| {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
            lines.send(&mut bytes, 1);
        })
    }

    /// How many lines were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.0.0.lost.load(Ordering::Relaxed)
    }
}

/// What all that send have in common.
#[derive(Debug)]
struct Inlet(Arc<LineQueue>);

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.arrived.notify_one();
    }
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct LineQueue {
    state: Mutex<QueueState>,
    arrived: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    chunks: VecDeque<LineChunk>,
    /// Of all chunks, and of the one that is being written.
    bytes: usize,
    /// Lines that were lost behind the last chunk.
    missing: u64,
    /// What the last line of a terminal shows from now on.
    last: Option<String>,
    /// Whether the writer must be woken.
    idle: bool,
    closed: bool,
}

/// Whole lines.
#[derive(Debug, Default)]
pub(crate) struct LineChunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: u64,
    /// Lines that were lost before these.
    missing: u64,
    /// What stands below them from now on.
    last: Option<String>,
}

impl LineQueue {
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: &mut Vec<u8>, lines: u64) {
        let mut state = self.state();
        if state.bytes + bytes.len() > WAITING_BYTES_MAX {
            state.missing += lines;
            self.lost.fetch_add(lines, Ordering::Relaxed);
            bytes.clear();
            return;
        }
        state.bytes += bytes.len();
        state.add(bytes, lines);
        let wake = mem::take(&mut state.idle);
        drop(state);
        // A system call, so only for a writer that waits.
        if wake {
            self.arrived.notify_one();
        }
    }

    fn show_last(&self, text: String) {
        let mut state = self.state();
        state.last = Some(text);
        let wake = mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// The next chunk, now that `written` bytes are out of the way; `None` at the end.
    pub(crate) fn next(&self, written: usize) -> Option<LineChunk> {
        let mut state = self.state();
        state.bytes -= written;
        loop {
            let last = state.last.take();
            if let Some(chunk) = state.chunks.pop_front() {
                return Some(LineChunk { last, ..chunk });
            }
            if state.missing > 0 || last.is_some() {
                return Some(LineChunk {
                    missing: mem::take(&mut state.missing),
                    last,
                    ..LineChunk::default()
                });
            }
            if state.closed {
                return None;
            }
            state.idle = true;
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl QueueState {
    fn add(&mut self, bytes: &mut Vec<u8>, lines: u64) {
        if let Some(last) = self.chunks.back_mut()
            && self.missing == 0
            && last.bytes.len() + bytes.len() <= CHUNK_BYTES
        {
            // At once, and no more than that: growing by doubling would keep up to twice as much.
            last.bytes.reserve_exact(CHUNK_BYTES - last.bytes.len());
            last.bytes.append(bytes);
            last.lines += lines;
            return;
        }
        self.chunks.push_back(LineChunk {
            bytes: mem::take(bytes),
            lines,
            missing: mem::take(&mut self.missing),
            last: None,
        });
    }
}

/// The end that may wait.
struct Writer<'q, W, L> {
    out: W,
    queue: &'q LineQueue,
    lost: L,
    /// Lines lost that the output does not know of.
    untold: u64,
    /// Whether the output ends in the middle of a line.
    torn: bool,
    /// What the last line of the terminal shows; empty if there is none.
    last: String,
}

impl<'q, W: Write, L: Fn(u64) -> String> Writer<'q, W, L> {
    const fn new(out: W, queue: &'q LineQueue, lost: L) -> Self {
        Self {
            out,
            queue,
            lost,
            untold: 0,
            torn: false,
            last: String::new(),
        }
    }

    fn run(mut self) {
        let mut written = 0;
        while let Some(chunk) = self.queue.next(written) {
            self.write(&chunk);
            written = chunk.bytes.len();
        }
        self.wipe_last();
    }

    fn write(&mut self, chunk: &LineChunk) {
        self.wipe_last();
        self.untold += chunk.missing;
        let mut note = String::new();
        if self.torn {
            note.push('\n');
        }
        if self.untold > 0 {
            note.push_str(&(self.lost)(self.untold));
        }
        if !note.is_empty() && self.put(note.as_bytes()).is_ok() {
            self.untold = 0;
        }
        if self.put(&chunk.bytes).is_err() {
            self.untold += chunk.lines;
            self.queue.lost.fetch_add(chunk.lines, Ordering::Relaxed);
        }
        // Whatever fails here fails at the next line, too.
        let _ = self.out.flush();
        if let Some(last) = &chunk.last {
            self.last.clone_from(last);
        }
        let _ = self.out.write_all(self.last.as_bytes());
    }

    /// Lines stand above it.
    fn wipe_last(&mut self) {
        if !self.last.is_empty() {
            let _ = self.out.write_all(b"\r\x1b[K");
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

/// What stands in a text in place of so many lines.
pub(crate) fn lost_comment(lines: u64) -> String {
    format!("# lines lost: {lines}\n")
}

/// Descriptor 1 or 2, without std's buffer and lock: a panic message or another thread that holds
/// the lock would wait for us, and we may be waiting for ever.
pub(crate) struct Standard(BorrowedFd<'static>);

impl Standard {
    pub(crate) fn output() -> Self {
        Self(rustix::stdio::stdout())
    }

    pub(crate) fn error() -> Self {
        Self(rustix::stdio::stderr())
    }

    /// Whether standard output and standard error are the same file (fstat(2)).
    pub(crate) fn are_one() -> bool {
        let file = |one: Self| rustix::fs::fstat(one.0).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((file(Self::output()), file(Self::error())), (Ok(out), Ok(err)) if out == err)
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                // A process that shares this description made it non-blocking.
                Err(rustix::io::Errno::AGAIN) => {
                    let writable = rustix::event::PollFlags::OUT;
                    let mut waits = [rustix::event::PollFd::new(&self.0, writable)];
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that answers as the script says, then takes everything.
    struct Script {
        written: Vec<u8>,
        answers: std::vec::IntoIter<io::Result<usize>>,
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = self.answers.next().unwrap_or(Ok(usize::MAX))?;
            let n = n.min(bytes.len());
            self.written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(answers: Vec<io::Result<usize>>, texts: &[&str]) -> (String, u64) {
        let out = Script {
            written: Vec::new(),
            answers: answers.into_iter(),
        };
        let queue = LineQueue::default();
        let mut writer = Writer::new(out, &queue, lost_comment);
        for text in texts {
            writer.write(&LineChunk {
                bytes: text.as_bytes().to_vec(),
                lines: text.lines().count() as u64,
                missing: 0,
                last: None,
            });
        }
        let lost = queue.lost.load(Ordering::Relaxed);
        (String::from_utf8(writer.out.written).unwrap(), lost)
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

    /// Takes nothing until `held` is told, then everything.
    struct Stalled {
        held: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.held.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// One line a turn, as a client makes them that waits for each answer.
    #[test]
    fn a_stalled_output_loses_lines_beyond_4_mib_and_stalls_nobody() {
        let (release, held) = sync_channel::<()>(0);
        let written = Arc::default();
        let out = Stalled {
            held,
            written: Arc::clone(&written),
        };
        let (lines, end) = Lines::start("test", out, lost_comment).unwrap();
        let line = |n: usize| format!("{n:0>63}\n").into_bytes();
        let kept = WAITING_BYTES_MAX / 64;
        for n in 0..kept + 10 {
            lines.send(&mut line(n), 1);
        }
        assert_eq!(lines.lost(), 10);
        let waiting = lines.0.0.state();
        let memory = waiting.chunks.iter().map(|one| one.bytes.capacity());
        assert!(memory.sum::<usize>() <= WAITING_BYTES_MAX, "and no more");
        drop(waiting);
        drop(lines);
        drop(release);
        assert!(end.wait(Duration::from_secs(20)));
        let mut expected: Vec<u8> = (0..kept).flat_map(line).collect();
        expected.extend_from_slice(b"# lines lost: 10\n");
        assert!(
            *written.lock().unwrap() == expected,
            "in order, then the note"
        );
    }
}
