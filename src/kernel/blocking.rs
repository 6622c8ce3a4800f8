//! One connection as a thread sees it: every call may wait, up to a deadline.
//!
//! *Floor 2.* Knows one socket at a time; does not know how many threads there are.
//!
//! The socket is non-blocking all the same. A thread that waits inside recv(2) can be ended
//! neither by a deadline nor by the server stopping, so the waiting is done by ppoll(2), on the
//! socket and on a descriptor that becomes readable when the server stops.
//!
//! *References:* ppoll(2), eventfd(2).

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::io::Errno;

use super::clock::{self, Clock};
use super::{Listener, Peer, Sent, Socket, SocketFd, Stream, Waited};
use crate::http::{Source, Tick};
use crate::readiness::{Directions, timespec};

/// Turns of all streams: a service that carries several connections, one after the other, must
/// never see a turn number twice (see [`Tick::turn`]).
static TURNS: AtomicU64 = AtomicU64::new(0);

/// Tells all threads at once that the server stops: an eventfd(2) that stays readable. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Stop(Arc<StopSignal>);

#[derive(Debug)]
struct StopSignal {
    fd: OwnedFd,
    /// Whether the stop was requested: looked at where ppoll(2) failed.
    requested: AtomicBool,
    /// How long clients are still let in after a stop, in milliseconds.
    drain_ms: AtomicU64,
}

impl Stop {
    /// Not stopping yet.
    ///
    /// # Errors
    /// Of eventfd(2).
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(Arc::new(StopSignal {
            fd: rustix::event::eventfd(0, flags)?,
            requested: AtomicBool::new(false),
            drain_ms: AtomicU64::new(0),
        })))
    }

    /// From now on, and from any thread. Clients are let in for `drain` more, and until none is
    /// waiting.
    pub fn stop(&self, drain: Duration) {
        let drain_ms = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
        self.0.drain_ms.store(drain_ms, Ordering::Release);
        self.0.requested.store(true, Ordering::Release);
        // Only a full counter fails, and that is readable too.
        let _ = rustix::io::write(&self.0.fd, &1_u64.to_ne_bytes());
    }
}

/// A hold on a stream's socket for another thread than the one that waits on it.
#[derive(Clone)]
pub struct Hold(Arc<SocketFd>);

impl Hold {
    /// Ends both directions: the thread that waits on the stream wakes and finds its end.
    pub fn hang_up(&self) {
        self.0.hang_up();
    }

    /// Whether nothing has come that was not read yet.
    pub fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    /// As [`Socket::unacknowledged`].
    pub fn unacknowledged(&self) -> usize {
        self.0.unacknowledged()
    }
}

/// A connected socket with deadlines.
pub struct BlockingStream {
    socket: Arc<SocketFd>,
    stop: Stop,
    /// Whether [`Waited::Stopping`] was said. Once is enough: what is in flight must still be
    /// finished, with waits that mean the socket.
    told: bool,
    clock: Clock,
}

impl BlockingStream {
    /// A stream over an accepted socket.
    pub fn new(socket: SocketFd, stop: Stop) -> Self {
        Self {
            socket: Arc::new(socket),
            stop,
            told: false,
            clock: Clock::new(),
        }
    }

    /// A hold on it. The socket is closed when the stream and all holds are gone.
    pub fn hold(&self) -> Hold {
        Hold(Arc::clone(&self.socket))
    }
}

impl Stream for BlockingStream {
    fn wait(&mut self, interest: Directions, deadline: Option<Instant>) -> io::Result<Waited> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, interest.readable);
        flags.set(PollFlags::OUT, interest.writable);
        debug_assert!(
            interest.any() || deadline.is_some() || !self.told,
            "nothing can end this"
        );
        let stop = PollFd::new(&self.stop.0.fd, PollFlags::IN);
        let mut both = [stop, PollFd::new(&*self.socket, flags)];
        // A hang-up is reported even where nothing is asked for, so that the socket is left out
        // then.
        let watched = usize::from(self.told)..1 + usize::from(interest.any());
        let stops = match ppoll(&mut both[watched], deadline) {
            Ok(false) => return Ok(Waited::TimedOut),
            Ok(true) => is_ready(&both[0]),
            // No memory, or fewer descriptors allowed than these two (EINVAL): a look by the clock.
            Err(_) => {
                let left =
                    deadline.map_or(LOOK, |at| at.saturating_duration_since(clock::instant()));
                clock::rest(left.min(LOOK));
                !self.told && self.stop.0.requested.load(Ordering::Acquire)
            }
        };
        self.told |= stops;
        Ok(if stops {
            Waited::Stopping
        } else {
            Waited::Ready
        })
    }

    fn now(&mut self) -> Tick {
        let mut tick = self.clock.now();
        tick.turn = 1 + TURNS.fetch_add(1, Ordering::Relaxed);
        tick
    }
}

impl Socket for BlockingStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.read(into)
    }

    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        self.socket.write(from, more)
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        self.socket.send_file(source, offset, len, more)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn unacknowledged(&self) -> usize {
        self.socket.unacknowledged()
    }

    fn closes_cleanly(&self) -> bool {
        self.socket.closes_cleanly()
    }

    fn is_gone(&self) -> bool {
        self.socket.is_gone()
    }

    fn id(&self) -> i32 {
        self.socket.id()
    }
}

/// What came of waiting for a client.
pub enum Arrival {
    /// A connection and its peer.
    Client(BlockingStream, Peer),
    /// The deadline passed first.
    TimedOut,
    /// The server is stopping.
    Stopping,
}

/// Where blocking drivers get their clients from.
pub struct Acceptor {
    listeners: Vec<Listener>,
    stop: Stop,
    /// The listener that is asked first, so that a busy one does not starve the others.
    first: usize,
    clock: Clock,
    /// The server stops: from this moment on, only clients that wait already are let in.
    closing_at: Option<Instant>,
    /// How long a stop waits for clients for which there is no room yet.
    patience: Duration,
    /// When that is over.
    ends_at: Option<Instant>,
}

impl Acceptor {
    /// Accepts from all of `listeners` until `stop`, and then the clients that wait, for `patience`
    /// at most.
    pub fn new(listeners: Vec<Listener>, stop: Stop, patience: Duration) -> Self {
        Self {
            listeners,
            stop,
            first: 0,
            clock: Clock::new(),
            closing_at: None,
            patience,
            ends_at: None,
        }
    }

    /// The time.
    pub fn now(&mut self) -> Tick {
        self.clock.now()
    }

    /// Waits for a client, for the deadline, or for the server to stop; that is said when no client
    /// is waiting any more, because a connection in the backlog is lost when its listener closes.
    ///
    /// # Errors
    /// As [`Kernel::accept`](super::Kernel::accept). When the process is out of descriptors the
    /// client stays in the backlog and the same error comes at once again: rest a while
    /// ([`Acceptor::rest`]) before the next try.
    pub fn accept(&mut self, deadline: Option<Instant>) -> io::Result<Arrival> {
        loop {
            if self.is_over() {
                return Ok(Arrival::Stopping);
            }
            let looked = self.look(self.closing_at.or(deadline));
            if self.closing_at.is_none() && self.is_told(&looked) {
                self.begin_to_close();
                continue;
            }
            let ready = match &looked {
                Ok(None) if self.closing_at.is_some() => return Ok(Arrival::Stopping),
                Ok(None) => return Ok(Arrival::TimedOut),
                Ok(Some((_, ready))) => Some(ready),
                // Any listener may have a client: the wait failed.
                Err(_) => None,
            };
            let count = self.listeners.len();
            for at in (self.first..self.first + count).map(|at| at % count) {
                if ready.is_some_and(|ready| !ready[at]) {
                    continue;
                }
                match self.listeners[at].accept() {
                    // Another process took it, or the client is gone.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    accepted => {
                        self.first = at + 1;
                        let (socket, peer) = accepted?;
                        let stream = BlockingStream::new(socket, self.stop.clone());
                        return Ok(Arrival::Client(stream, peer));
                    }
                }
            }
            // PITFALL: a wait that fails is not a client without room: none is dropped for it
            // (`a_call_that_fails_costs_its_connection_at_most`). The next look is by the clock.
            if looked.is_err() {
                let is_past = |at: &Instant| *at <= clock::instant();
                match (self.closing_at, deadline) {
                    (Some(at), _) if is_past(&at) => return Ok(Arrival::Stopping),
                    (None, Some(at)) if is_past(&at) => return Ok(Arrival::TimedOut),
                    _ => self.rest(LOOK),
                };
            }
        }
    }

    /// Waits for the stop, if it is not known yet, and for clients. Whether it has come, and on
    /// which listeners a client waits; `None` when the deadline has passed.
    fn look(&self, deadline: Option<Instant>) -> io::Result<Option<(bool, Vec<bool>)>> {
        let stop = PollFd::new(&self.stop.0.fd, PollFlags::IN);
        let listeners = self.listeners.iter();
        let listeners = listeners.map(|listener| PollFd::new(listener, PollFlags::IN));
        let mut watched: Vec<_> = [stop].into_iter().chain(listeners).collect();
        let told = usize::from(self.closing_at.is_some());
        let in_time = ppoll(&mut watched[told..], deadline)?;
        let ready = watched[1..].iter().map(is_ready).collect();
        Ok(in_time.then(|| (is_ready(&watched[0]), ready)))
    }

    fn is_told(&self, looked: &io::Result<Option<(bool, Vec<bool>)>>) -> bool {
        match looked {
            Ok(Some((stops, _))) => *stops,
            Ok(None) => false,
            Err(_) => self.stop.0.requested.load(Ordering::Acquire),
        }
    }

    fn begin_to_close(&mut self) {
        let now = clock::instant();
        let drain = Duration::from_millis(self.stop.0.drain_ms.load(Ordering::Acquire));
        self.closing_at.get_or_insert(now + drain);
        self.ends_at.get_or_insert(now + self.patience);
    }

    /// Whether the server stops, and has waited long enough for the clients that wait.
    fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|at| at <= clock::instant())
    }

    /// How long a stop that has begun still waits.
    pub fn patience_left(&self) -> Duration {
        self.ends_at.map_or(self.patience, |at| {
            at.saturating_duration_since(clock::instant())
        })
    }

    /// Waits for `time`, or until a stop begins, but for no client. [`Waited::Stopping`]
    /// when the server stops and will wait no longer.
    pub fn rest(&mut self, time: Duration) -> Waited {
        if self.is_over() {
            return Waited::Stopping;
        }
        let deadline = clock::instant() + time;
        let mut watched = [PollFd::new(&self.stop.0.fd, PollFlags::IN)];
        let stops = match self.closing_at {
            None => ppoll(&mut watched, Some(deadline)),
            Some(_) => Err(Errno::ALREADY.into()),
        };
        match stops {
            Ok(true) => self.begin_to_close(),
            Ok(false) => {}
            // Nothing to wait for but the clock.
            Err(_) => clock::rest(time),
        }
        if self.is_over() {
            Waited::Stopping
        } else {
            Waited::TimedOut
        }
    }
}

/// How often a socket is looked at that cannot be waited for.
const LOOK: Duration = Duration::from_millis(100);

/// ppoll(2), again after signals; `false` when the deadline has passed.
fn ppoll(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::instant()));
        match rustix::event::poll(watched, timespec(left).as_ref()) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

fn is_ready(entry: &PollFd<'_>) -> bool {
    !entry.revents().is_empty()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a client connects")]
mod tests {
    use super::*;
    use crate::kernel::{ListenAddr, bind};
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;

    fn stream_and_peer(stop: &Stop) -> (BlockingStream, UnixStream) {
        let (own, peer) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        (
            BlockingStream::new(SocketFd::new(own.into()), stop.clone()),
            peer,
        )
    }

    #[test]
    fn a_wait_ends_by_its_deadline_or_by_the_socket() {
        let (mut stream, mut peer) = stream_and_peer(&Stop::new().unwrap());
        let deadline = clock::instant() + Duration::from_micros(900);
        assert_eq!(
            stream.wait(Directions::READ, Some(deadline)).unwrap(),
            Waited::TimedOut
        );
        assert!(clock::instant() >= deadline, "not before");
        assert_eq!(
            stream.wait(Directions::READ, Some(deadline)).unwrap(),
            Waited::TimedOut
        );
        assert_eq!(stream.wait(Directions::BOTH, None).unwrap(), Waited::Ready);
        peer.write_all(b"x").unwrap();
        assert_eq!(
            stream.wait(Directions::READ, Some(deadline)).unwrap(),
            Waited::Ready
        );
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(
            stream.read(&mut [0; 8]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn a_stop_is_told_to_each_stream_once() {
        let stop = Stop::new().unwrap();
        let (mut first, _peer) = stream_and_peer(&stop);
        let (mut second, _other_peer) = stream_and_peer(&stop);
        stop.stop(Duration::ZERO);
        for stream in [&mut first, &mut second] {
            assert_eq!(
                stream.wait(Directions::BOTH, None).unwrap(),
                Waited::Stopping
            );
            assert_eq!(stream.wait(Directions::WRITE, None).unwrap(), Waited::Ready);
            let deadline = Some(clock::instant());
            assert_eq!(
                stream.wait(Directions::NONE, deadline).unwrap(),
                Waited::TimedOut
            );
        }
    }

    #[test]
    fn no_two_streams_share_a_turn() {
        let stop = Stop::new().unwrap();
        let (mut first, _peer) = stream_and_peer(&stop);
        let (mut second, _other_peer) = stream_and_peer(&stop);
        let turns = [first.now().turn, second.now().turn, first.now().turn];
        assert!(turns[0] < turns[1] && turns[1] < turns[2], "{turns:?}");
    }

    #[test]
    fn a_thread_may_wait_for_a_disk() {
        struct Cold;
        impl Source for Cold {
            fn len(&self) -> u64 {
                4
            }
            fn read_at(&self, into: &mut [u8], _: u64) -> io::Result<usize> {
                into[..4].copy_from_slice(b"cold");
                Ok(4)
            }
            fn as_fd(&self) -> Option<BorrowedFd<'_>> {
                None
            }
            fn is_resident(&self, _: u64, _: usize) -> bool {
                false
            }
        }
        let (mut stream, mut peer) = stream_and_peer(&Stop::new().unwrap());
        assert_eq!(
            stream.send_file(&Cold, 0, 4, false).unwrap(),
            Sent::Bytes(4)
        );
        let mut taken = [0; 4];
        peer.read_exact(&mut taken).unwrap();
        assert_eq!(&taken, b"cold");
    }

    #[test]
    fn sendfile_sends_a_file_and_notices_its_end() {
        struct Open(std::fs::File);
        impl Source for Open {
            fn len(&self) -> u64 {
                10
            }
            fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
                panic!("sendfile(2) reads for us")
            }
            fn as_fd(&self) -> Option<BorrowedFd<'_>> {
                Some(std::os::fd::AsFd::as_fd(&self.0))
            }
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Open(file);
        let (mut stream, mut peer) = stream_and_peer(&Stop::new().unwrap());
        assert_eq!(
            stream.send_file(&file, 6, 4, false).unwrap(),
            Sent::Bytes(4)
        );
        let mut taken = [0; 4];
        peer.read_exact(&mut taken).unwrap();
        assert_eq!(&taken, b"6789");
        file.0.set_len(6).unwrap();
        assert_eq!(
            stream.send_file(&file, 6, 4, false).unwrap(),
            Sent::SourceEnd
        );
        drop(peer);
        let kind = stream.send_file(&file, 0, 4, false).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_acceptor_waits_for_clients_deadlines_and_the_stop() {
        let address = || ListenAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let bound = bind(&[address()], 0, 1, false, 16).unwrap();
        let ListenAddr::Tcp(address) = bound.addresses[0] else {
            panic!("TCP was asked for");
        };
        let stop = Stop::new().unwrap();
        let listeners = bound.workers.into_iter().flatten().collect();
        let mut acceptor = Acceptor::new(listeners, stop.clone(), Duration::ZERO);
        let now = Some(clock::instant());
        assert!(matches!(acceptor.accept(now).unwrap(), Arrival::TimedOut));
        let mut client = TcpStream::connect(address).unwrap();
        let Arrival::Client(mut stream, peer) = acceptor.accept(None).unwrap() else {
            panic!("a client waits");
        };
        assert_eq!(peer, Peer::Ip(Ipv4Addr::LOCALHOST.into()));
        client.write_all(b"hi").unwrap();
        assert_eq!(stream.wait(Directions::READ, None).unwrap(), Waited::Ready);
        assert_eq!(acceptor.rest(Duration::ZERO), Waited::TimedOut);
        stop.stop(Duration::ZERO);
        assert!(matches!(acceptor.accept(None).unwrap(), Arrival::Stopping));
        let minute = Duration::from_secs(60);
        assert_eq!(acceptor.rest(minute), Waited::Stopping);
    }
}
