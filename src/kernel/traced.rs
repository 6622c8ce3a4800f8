//! A kernel that tells what it is asked: `--trace`, and the transcripts of the tour.
//!
//! *Floor 2.* Wraps a [`Kernel`] with its sockets, or a [`Stream`], counts its calls and prints
//! them; changes nothing. It is another type, so a server without `--trace` has not a single
//! instruction of it.
//!
//! ```text
//! #412 wait 3.1 ms -> 1 ready [slot 3 gen 1 IN]
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Kernel, Layer, Peer, Sent, Socket, Stream, Waited};
use crate::http::{Notify, Source, Tick};
use crate::readiness::{Directions, Event, Token, Trigger};

/// Takes one line, without its end.
pub type TraceSink = Box<dyn FnMut(&str) + Send>;

/// How often a call was made, and to what end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// All of them.
    pub calls: u64,
    /// Those that would have had to wait (`EAGAIN`).
    pub would_block: u64,
    /// Those that failed otherwise.
    pub failed: u64,
}

/// Calls by their kind. On poll and select, the last three are no system calls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(missing_docs, reason = "named after the calls")]
pub struct Calls {
    pub wait: Count,
    pub accept: Count,
    pub read: Count,
    pub write: Count,
    pub send_file: Count,
    pub shutdown_write: Count,
    pub quiet: Count,
    pub register: Count,
    pub reregister: Count,
    pub deregister: Count,
}

/// A [`Kernel`], a [`Socket`] or a [`Stream`] whose calls are counted, and printed if there is a
/// sink. The sockets of a kernel tell where it tells.
pub struct Traced<T> {
    inner: T,
    trace: Arc<Mutex<Trace>>,
}

/// Where all that belong together tell of their calls.
struct Trace {
    calls: Calls,
    sink: Option<TraceSink>,
    is_timed: bool,
    /// Tokens that are no connections.
    names: Vec<(Token, &'static str)>,
    line: String,
}

impl<T> Traced<T> {
    /// Counts.
    pub fn counting(inner: T) -> Self {
        Self::with_sink(inner, None)
    }

    /// Counts and prints. Without times: the same calls make the same transcript.
    pub fn printing(inner: T, sink: TraceSink) -> Self {
        Self::with_sink(inner, Some(sink))
    }

    fn with_sink(inner: T, sink: Option<TraceSink>) -> Self {
        let trace = Trace {
            calls: Calls::default(),
            sink,
            is_timed: false,
            names: Vec::new(),
            line: String::new(),
        };
        let trace = Arc::new(Mutex::new(trace));
        Self { inner, trace }
    }

    /// Prints how long each wait took.
    #[must_use]
    pub fn with_times(self) -> Self {
        self.trace().is_timed = true;
        self
    }

    /// The calls so far.
    pub fn calls(&self) -> Calls {
        self.trace().calls
    }

    /// What is wrapped.
    pub fn inner(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Another that tells where this one tells.
    fn beside<U>(&self, inner: U) -> Traced<U> {
        let trace = Arc::clone(&self.trace);
        Traced { inner, trace }
    }

    fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// Counts a call that ended with `result` and prints it as `call = result`.
    fn note<R>(
        &mut self,
        kind: fn(&mut Calls) -> &mut Count,
        call: fmt::Arguments<'_>,
        result: io::Result<R>,
        show: impl FnOnce(&R) -> Shown,
    ) -> io::Result<R> {
        let shown = match &result {
            Ok(value) => show(value),
            Err(error) => Shown::Failed(errno_of(error)),
        };
        let count = kind(&mut self.calls);
        count.calls += 1;
        count.would_block += u64::from(shown == Shown::Failed(Errno::AGAIN));
        count.failed += u64::from(matches!(shown, Shown::Failed(e) if e != Errno::AGAIN));
        self.print(format_args!("  {call} = {shown}"));
        result
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        if let Some(sink) = &mut self.sink {
            self.line.clear();
            // A String takes everything.
            let _ = self.line.write_fmt(line);
            sink(&self.line);
        }
    }

    /// Prints the line of a wake: `what` follows the time it took.
    fn note_wait(&mut self, started: Option<Instant>, error: Option<&io::Error>, what: &str) {
        self.calls.wait.calls += 1;
        self.calls.wait.failed += u64::from(error.is_some());
        let number = self.calls.wait.calls;
        let took = match started {
            Some(started) => format!(" {:.1} ms", started.elapsed().as_secs_f64() * 1e3),
            None => String::new(),
        };
        match error {
            Some(error) => {
                let failed = Shown::Failed(errno_of(error));
                self.print(format_args!("#{number} wait{took} -> {failed}"));
            }
            None => self.print(format_args!("#{number} wait{took} -> {what}")),
        }
    }

    fn start(&self) -> Option<Instant> {
        self.is_timed.then(Instant::now)
    }

    fn learn(&mut self, token: Token, name: &'static str) {
        if !self.names.contains(&(token, name)) {
            self.names.push((token, name));
        }
    }

    fn name(&self, token: Token) -> Name {
        let known = self.names.iter().find(|(known, _)| *known == token);
        Name(token, known.map(|(_, name)| *name))
    }

    fn describe(&self, events: &[Event]) -> String {
        let mut text = match events {
            [] => String::from("timed out"),
            some => format!("{} ready", some.len()),
        };
        for event in events {
            let end = if event.eof_possible { " end?" } else { "" };
            let flags = Flags(event.readable, event.writable);
            // A String takes everything.
            let _ = write!(text, " [{} {flags}{end}]", self.name(event.token));
        }
        text
    }
}

impl<K: Kernel> Kernel for Traced<K> {
    const TRIGGER: Trigger = K::TRIGGER;
    const NAME: &'static str = K::NAME;
    const FORGETS_CLOSED: bool = K::FORGETS_CLOSED;
    type Socket = Traced<K::Socket>;
    type Listener = K::Listener;

    fn accept(&mut self, listener: &K::Listener) -> io::Result<(Self::Socket, Peer)> {
        let result = self.inner.accept(listener);
        let id = result.as_ref().map_or(-1, |(socket, _)| socket.id());
        let show = |(_, peer): &(K::Socket, Peer)| Shown::Client(id, *peer);
        let call = format_args!("accept()");
        let (socket, peer) = self.trace().note(|c| &mut c.accept, call, result, show)?;
        Ok((self.beside(socket), peer))
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }

    fn register(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let result = self.inner.register(&socket.inner, token, interest);
        let mut trace = self.trace();
        let (id, name, flags) = (socket.id(), trace.name(token), Flags::from(interest));
        let call = format_args!("register({id}, {flags}, {name})");
        trace.note(|c| &mut c.register, call, result, show_done)
    }

    fn reregister(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let result = self.inner.reregister(&socket.inner, token, interest);
        let (id, flags) = (socket.id(), Flags::from(interest));
        let call = format_args!("reregister({id}, {flags})");
        (self.trace()).note(|c| &mut c.reregister, call, result, show_done)
    }

    fn deregister(&mut self, socket: &Self::Socket) -> io::Result<()> {
        let (result, id) = (self.inner.deregister(&socket.inner), socket.id());
        let call = format_args!("deregister({id})");
        (self.trace()).note(|c| &mut c.deregister, call, result, show_done)
    }

    fn watch(&mut self, listener: &K::Listener, token: Token, on: bool) -> io::Result<()> {
        let result = self.inner.watch(listener, token, on);
        let mut trace = self.trace();
        trace.learn(token, "listener");
        if on {
            let call = format_args!("register(listener, IN)");
            trace.note(|c| &mut c.register, call, result, show_done)
        } else {
            let call = format_args!("deregister(listener)");
            trace.note(|c| &mut c.deregister, call, result, show_done)
        }
    }

    fn is_shared(&self, listener: &K::Listener) -> bool {
        self.inner.is_shared(listener)
    }

    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>> {
        self.trace().learn(token, "waker");
        self.inner.notifier(token)
    }

    fn quiet(&mut self) {
        self.inner.quiet();
        let mut trace = self.trace();
        trace.calls.quiet.calls += 1;
        trace.print(format_args!("  quiet()"));
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let started = self.trace().start();
        let result = self.inner.wait(events, timeout);
        let mut trace = self.trace();
        let what = match trace.sink {
            Some(_) => trace.describe(events),
            None => String::new(),
        };
        trace.note_wait(started, result.as_ref().err(), &what);
        result
    }

    fn rest(&mut self, time: Duration) {
        self.inner.rest(time);
    }
}

impl<T: Socket> Socket for Traced<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (result, id) = (self.inner.read(into), self.inner.id());
        let call = format_args!("read({id})");
        (self.trace()).note(|c| &mut c.read, call, result, |n| Shown::Bytes(*n))
    }

    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let (result, id) = (self.inner.write(from, more), self.inner.id());
        let (name, more) = write_words(from, more);
        let call = format_args!("{name}({id}{more})");
        (self.trace()).note(|c| &mut c.write, call, result, |n| Shown::Bytes(*n))
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        let result = self.inner.send_file(source, offset, len, more);
        let id = self.inner.id();
        let call = format_args!("sendfile({id})");
        (self.trace()).note(|c| &mut c.send_file, call, result, show_sent)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let (result, id) = (self.inner.shutdown_write(), self.inner.id());
        let call = format_args!("shutdown({id})");
        (self.trace()).note(|c| &mut c.shutdown_write, call, result, show_done)
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
        let (result, id) = (self.inner.layer_read(), self.inner.id());
        let call = format_args!("layer_read({id})");
        (self.trace()).note(|c| &mut c.read, call, result, show_done)
    }

    fn layer_write(&mut self) -> io::Result<()> {
        let (result, id) = (self.inner.layer_write(), self.inner.id());
        let call = format_args!("layer_write({id})");
        (self.trace()).note(|c| &mut c.write, call, result, show_done)
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
        let started = self.trace().start();
        let result = self.inner.wait(interest, deadline);
        let (id, flags) = (self.inner.id(), Flags::from(interest));
        let what = match result {
            Ok(Waited::Ready) => format!("{id} ready for {flags}"),
            Ok(Waited::Stopping) => String::from("stopping"),
            Ok(Waited::TimedOut) | Err(_) => String::from("timed out"),
        };
        let error = result.as_ref().err();
        self.trace().note_wait(started, error, &what);
        result
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }
}

fn write_words(from: &[IoSlice<'_>], more: bool) -> (&'static str, &'static str) {
    let name = if from.len() == 1 { "write" } else { "writev" };
    (name, if more { ", more" } else { "" })
}

fn show_sent(sent: &Sent) -> Shown {
    match *sent {
        Sent::Bytes(n) => Shown::Bytes(n),
        Sent::SocketFull => Shown::Failed(Errno::AGAIN),
        Sent::SourceEnd => Shown::Word("end of file"),
    }
}

fn show_done((): &()) -> Shown {
    Shown::Bytes(0)
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
    Client(i32, Peer),
    Word(&'static str),
    Failed(Errno),
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bytes(n) => write!(f, "{n}"),
            Self::Client(id, Peer::Ip(ip)) => write!(f, "{id} from {ip}"),
            Self::Client(id, Peer::Unix) => write!(f, "{id} from a Unix socket"),
            Self::Client(id, Peer::Proxy(_)) => write!(f, "{id} from a proxy"),
            Self::Word(word) => f.write_str(word),
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

/// A set of directions.
struct Flags(bool, bool);

impl From<Directions> for Flags {
    fn from(interest: Directions) -> Self {
        Self(interest.readable, interest.writable)
    }
}

impl Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.0, self.1) {
            (true, true) => "IN|OUT",
            (true, false) => "IN",
            (false, true) => "OUT",
            (false, false) => "nothing",
        })
    }
}

/// What a token stands for.
struct Name(Token, Option<&'static str>);

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(name) => f.write_str(name),
            None => write!(f, "slot {} gen {}", self.0.slot(), self.0.generation()),
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
    use crate::kernel::{BlockingStream, Linux, SocketFd, Stop};
    use crate::readiness::{EpollLevel, SelectSets, Selector};
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    type Lines = Arc<Mutex<Vec<String>>>;

    fn sink() -> (TraceSink, Lines) {
        let lines = Lines::default();
        let kept = Arc::clone(&lines);
        (
            Box::new(move |line| kept.lock().unwrap().push(line.into())),
            lines,
        )
    }

    fn socket_and_peer() -> (SocketFd, UnixStream) {
        let (own, peer) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        (SocketFd::new(own.into()), peer)
    }

    fn transcript<S: Selector>() -> (String, Calls, i32) {
        let (sink, lines) = sink();
        let mut kernel = Traced::printing(Linux::<S>::new().unwrap(), sink);
        let (socket, mut peer) = socket_and_peer();
        let (id, token) = (socket.id(), Token::new(3, 1));
        let mut socket = kernel.beside(socket);
        let (mut events, now) = (Vec::new(), Some(Duration::ZERO));
        let notifier = kernel.notifier(Token::new(9, 9)).unwrap();
        kernel.register(&socket, token, Directions::READ).unwrap();
        kernel.wait(&mut events, now).unwrap();
        peer.write_all(b"GET").unwrap();
        kernel.wait(&mut events, now).unwrap();
        assert_eq!(socket.read(&mut [0; 64]).unwrap(), 3);
        socket.read(&mut [0; 64]).unwrap_err();
        socket.write(&[IoSlice::new(b"head")], true).unwrap();
        let slices = [IoSlice::new(b"ad"), IoSlice::new(b"body")];
        socket.write(&slices, false).unwrap();
        kernel.reregister(&socket, token, Directions::BOTH).unwrap();
        notifier.notify(0);
        kernel.deregister(&socket).unwrap();
        kernel.wait(&mut events, now).unwrap();
        kernel.quiet();
        drop(peer);
        socket.write(&slices, false).unwrap_err();
        let text = lines.lock().unwrap().join("\n");
        (text, kernel.calls(), id)
    }

    #[test]
    fn a_transcript_reads_like_strace() {
        let (text, calls, id) = transcript::<EpollLevel>();
        let expected = format!(
            "  register({id}, IN, slot 3 gen 1) = 0
#1 wait -> timed out
#2 wait -> 1 ready [slot 3 gen 1 IN]
  read({id}) = 3
  read({id}) = EAGAIN
  write({id}, more) = 4
  writev({id}) = 6
  reregister({id}, IN|OUT) = 0
  deregister({id}) = 0
#3 wait -> 1 ready [waker IN]
  quiet()
  writev({id}) = EPIPE"
        );
        assert_eq!(text, expected);
        let count = |calls, would_block, failed| Count {
            calls,
            would_block,
            failed,
        };
        assert_eq!(calls.wait, count(3, 0, 0));
        assert_eq!(calls.read, count(2, 1, 0));
        assert_eq!(calls.write, count(3, 0, 1));
        assert_eq!(calls.reregister, count(1, 0, 0));
    }

    #[test]
    fn select_cannot_tell_an_end() {
        let (text, ..) = transcript::<SelectSets>();
        assert!(
            text.contains("#2 wait -> 1 ready [slot 3 gen 1 IN end?]"),
            "{text}"
        );
    }

    #[test]
    fn a_stream_is_traced_too() {
        let (sink, lines) = sink();
        let (socket, mut peer) = socket_and_peer();
        let stream = BlockingStream::new(socket, Stop::new().unwrap());
        let mut stream = Traced::printing(stream, sink);
        let id = stream.id();
        peer.write_all(b"GET").unwrap();
        stream.wait(Directions::READ, None).unwrap();
        stream.read(&mut [0; 64]).unwrap();
        stream.shutdown_write().unwrap();
        let text = lines.lock().unwrap().join("\n");
        let expected =
            format!("#1 wait -> {id} ready for IN\n  read({id}) = 3\n  shutdown({id}) = 0");
        assert_eq!(text, expected);
    }

    #[test]
    fn times_are_shown_when_asked_for() {
        let (sink, lines) = sink();
        let kernel = Linux::<EpollLevel>::new().unwrap();
        let mut kernel = Traced::printing(kernel, sink).with_times();
        kernel
            .wait(&mut Vec::new(), Some(Duration::from_millis(1)))
            .unwrap();
        let line = lines.lock().unwrap().remove(0);
        assert!(
            line.starts_with("#1 wait ") && line.ends_with(" ms -> timed out"),
            "{line}"
        );
    }
}
