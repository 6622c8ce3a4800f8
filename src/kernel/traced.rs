//! A stream that tells what it is asked: `--trace` of the drivers that wait. What a loop does is told
//! by its record.
//!
//! *Floor 2.* Wraps a [`Stream`] and prints its calls; changes nothing. It is another type, so a
//! server without `--trace` has not a single instruction of it.
//!
//! ```text
//! #2 wait 3.1 ms -> 9 ready for IN
//!   read(9) = 78
//!   write(9, more) = 212
//!   sendfile(9) = 61440
//!   sendfile(9) = EAGAIN
//! ```
//!
//! Not shown are close(2), which is a drop, and what only looks: the ioctl(2) behind
//! [`Socket::unacknowledged`], the recv(2) of nothing behind [`Socket::closes_cleanly`], and the
//! poll(2) behind [`Socket::is_gone`].

#![expect(clippy::disallowed_methods, reason = "measures how long a wait took")]

use std::fmt::{self, Display, Write as _};
use std::io::{self, IoSlice};
use std::time::Instant;

use rustix::io::Errno;

use super::{LastFault, Layer, Sent, Socket, Stream, Waited};
use crate::http::{Source, Tick};
use crate::readiness::Directions;

/// Takes one line, without its end.
pub type TraceSink = Box<dyn FnMut(&str) + Send>;

/// A [`Stream`] whose calls are printed.
pub struct Traced<T> {
    inner: T,
    sink: TraceSink,
    last_fault: LastFault,
    waits: u64,
    line: String,
}

impl<T: Stream> Traced<T> {
    /// Prints each call of `inner`.
    pub fn printing(inner: T, sink: TraceSink) -> Self {
        Self {
            inner,
            sink,
            last_fault: LastFault::default(),
            waits: 0,
            line: String::new(),
        }
    }

    /// Says which calls were spoiled on purpose.
    #[must_use]
    pub fn injected_by(mut self, last_fault: LastFault) -> Self {
        self.last_fault = last_fault;
        self
    }

    /// Prints a call as `call = result`.
    fn note(&mut self, call: fmt::Arguments<'_>, shown: Shown) {
        match self.last_fault.name() {
            Some(fault) => self.print(format_args!("  {call} = {shown}  injected: {fault}")),
            None => self.print(format_args!("  {call} = {shown}")),
        }
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        self.line.clear();
        // A String takes everything.
        let _ = self.line.write_fmt(line);
        (self.sink)(&self.line);
    }
}

impl<T: Stream> Socket for Traced<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (result, id) = (self.inner.read(into), self.id());
        self.note(format_args!("read({id})"), Shown::of(&result));
        result
    }

    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let (result, id) = (self.inner.write(from, more), self.id());
        let name = if from.len() == 1 { "write" } else { "writev" };
        let more = if more { ", more" } else { "" };
        self.note(format_args!("{name}({id}{more})"), Shown::of(&result));
        result
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        let result = self.inner.send_file(source, offset, len, more);
        let shown = match &result {
            Ok(Sent::Bytes(n)) => Shown::Bytes(*n),
            Ok(Sent::SocketFull) => Shown::Failed(Errno::AGAIN),
            Ok(Sent::SourceEnd) => Shown::EndOfFile,
            Err(error) => Shown::Failed(errno_of(error)),
        };
        let id = self.id();
        self.note(format_args!("sendfile({id})"), shown);
        result
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let (result, id) = (self.inner.shutdown_write(), self.id());
        self.note(format_args!("shutdown({id})"), Shown::of_done(&result));
        result
    }

    fn unacknowledged(&self) -> usize {
        self.inner.unacknowledged()
    }

    fn closes_cleanly(&self) -> bool {
        self.inner.closes_cleanly()
    }

    fn is_gone(&self) -> bool {
        self.inner.is_gone()
    }

    fn layer(&self) -> Layer {
        self.inner.layer()
    }

    fn layer_read(&mut self) -> io::Result<()> {
        let (result, id) = (self.inner.layer_read(), self.id());
        self.note(format_args!("layer_read({id})"), Shown::of_done(&result));
        result
    }

    fn layer_write(&mut self) -> io::Result<()> {
        let (result, id) = (self.inner.layer_write(), self.id());
        self.note(format_args!("layer_write({id})"), Shown::of_done(&result));
        result
    }

    fn renumber(&mut self) {
        self.inner.renumber();
    }

    fn id(&self) -> i32 {
        self.inner.id()
    }
}

impl<T: Stream> Stream for Traced<T> {
    fn wait(&mut self, interest: Directions, deadline: Option<Instant>) -> io::Result<Waited> {
        let started = Instant::now();
        let result = self.inner.wait(interest, deadline);
        let took = started.elapsed().as_secs_f64() * 1e3;
        self.waits += 1;
        let (number, id) = (self.waits, self.id());
        let what = match &result {
            Ok(Waited::Ready) => format!("{id} ready for {}", name_of(interest)),
            Ok(Waited::Stopping) => String::from("stopping"),
            Ok(Waited::TimedOut) => String::from("timed out"),
            Err(error) => errno_name(error),
        };
        self.print(format_args!("#{number} wait {took:.1} ms -> {what}"));
        result
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }
}

const fn name_of(interest: Directions) -> &'static str {
    match (interest.readable, interest.writable) {
        (true, true) => "IN|OUT",
        (true, false) => "IN",
        (false, true) => "OUT",
        (false, false) => "nothing",
    }
}

/// The name of an error: `EAGAIN`.
pub(crate) fn errno_name(error: &io::Error) -> String {
    Shown::Failed(errno_of(error)).to_string()
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(match error.kind() {
        io::ErrorKind::WouldBlock => Errno::AGAIN,
        io::ErrorKind::Interrupted => Errno::INTR,
        io::ErrorKind::AlreadyExists => Errno::EXIST,
        io::ErrorKind::NotFound => Errno::NOENT,
        io::ErrorKind::ConnectionReset => Errno::CONNRESET,
        io::ErrorKind::BrokenPipe => Errno::PIPE,
        _ => Errno::INVAL,
    })
}

/// What stands behind the equals sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Bytes(usize),
    EndOfFile,
    Failed(Errno),
}

impl Shown {
    fn of(result: &io::Result<usize>) -> Self {
        match result {
            Ok(n) => Self::Bytes(*n),
            Err(error) => Self::Failed(errno_of(error)),
        }
    }

    fn of_done(result: &io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Bytes(0),
            Err(error) => Self::Failed(errno_of(error)),
        }
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bytes(n) => write!(f, "{n}"),
            Self::EndOfFile => f.write_str("end of file"),
            Self::Failed(errno) => {
                let known = ERRNO_NAMES.iter().find(|(known, _)| *known == errno);
                match known {
                    Some((_, name)) => f.write_str(name),
                    None => write!(f, "{errno}"),
                }
            }
        }
    }
}
/// The errors that a server meets, by the names that man pages use.
const ERRNO_NAMES: &[(Errno, &str)] = &[
    (Errno::AGAIN, "EAGAIN"),
    (Errno::CONNABORTED, "ECONNABORTED"),
    (Errno::CONNRESET, "ECONNRESET"),
    (Errno::EXIST, "EEXIST"),
    (Errno::INTR, "EINTR"),
    (Errno::INVAL, "EINVAL"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NFILE, "ENFILE"),
    (Errno::NOBUFS, "ENOBUFS"),
    (Errno::NOENT, "ENOENT"),
    (Errno::NOTCONN, "ENOTCONN"),
    (Errno::PIPE, "EPIPE"),
    (Errno::TIMEDOUT, "ETIMEDOUT"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{BlockingStream, SocketFd, Stop};
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_transcript_reads_like_strace() {
        let (own, mut peer) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        let stream = BlockingStream::new(SocketFd::new(own.into()), Stop::new().unwrap());
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&lines);
        let sink = Box::new(move |line: &str| kept.lock().unwrap().push(line.into()));
        let mut stream = Traced::printing(stream, sink);
        let id = stream.id();
        stream.wait(Directions::READ, Some(Instant::now())).unwrap();
        peer.write_all(b"GET").unwrap();
        stream.wait(Directions::READ, None).unwrap();
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 3);
        stream.read(&mut [0; 64]).unwrap_err();
        stream.write(&[IoSlice::new(b"head")], true).unwrap();
        let slices = [IoSlice::new(b"ad"), IoSlice::new(b"body")];
        stream.write(&slices, false).unwrap();
        stream.wait(Directions::BOTH, None).unwrap();
        stream.shutdown_write().unwrap();
        drop(peer);
        stream.write(&slices, false).unwrap_err();
        let text = lines.lock().unwrap().join("\n");
        let timeless = text.lines().map(|line| match line.split_once(" ms -> ") {
            Some((wait, what)) => {
                let (wait, took) = wait.rsplit_once(' ').unwrap();
                took.parse::<f64>().unwrap();
                format!("{wait} -> {what}")
            }
            None => line.to_owned(),
        });
        let timeless: Vec<_> = timeless.collect();
        let expected = format!(
            "#1 wait -> timed out
#2 wait -> {id} ready for IN
  read({id}) = 3
  read({id}) = EAGAIN
  write({id}, more) = 4
  writev({id}) = 6
#3 wait -> {id} ready for IN|OUT
  shutdown({id}) = 0
  writev({id}) = EPIPE"
        );
        assert_eq!(timeless.join("\n"), expected);
    }
}
