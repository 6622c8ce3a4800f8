//! All that a loop asks of the operating system about sockets and time, in two traits: [`Kernel`] for
//! all sockets together, [`Socket`] for each. Files are the service's, which asks for them by itself.
//!
//! *Floor 2.* Knows sockets, descriptors and the clock; knows nothing of HTTP beyond the
//! [`Source`] whose bytes sendfile(2) moves. Two kernels stand behind them: [`Linux`] over any
//! [`Selector`](crate::readiness::Selector), and the simulated one that tests run the production loop
//! in. Two wrap either: the one of `sim/layered.rs` puts a [`Layer`] over each socket, and
//! [`InjectedKernel`] spoils calls. What a driver that waits asks of one socket is a [`Stream`];
//! [`Traced`] prints each call of one.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::{Notify, Source, Tick};
use crate::readiness::{Directions, Event, Token, Trigger};

mod blocking;
mod clock;
mod gaps;
mod handover;
mod injected;
mod layer;
mod linux;
mod listen;
mod listener;
#[cfg(feature = "sim")]
pub mod sim;
mod socket;
mod traced;

pub use blocking::{Acceptor, Arrival, BlockingStream, Hold, Stop};
pub use handover::{Steering, inherited};
pub use injected::{Fault, Faults, Injected, InjectedKernel, Injector, LastFault};
pub use layer::Layer;
pub use linux::Linux;
pub use listen::{Bound, ListenAddr, StartError, bind};
pub use listener::Listener;
#[cfg(feature = "sim")]
pub use sim::Sim;
pub use socket::SocketFd;
pub(crate) use traced::errno_name;
pub use traced::{TraceSink, Traced};

/// The other end of a connection. Only the address: a port identifies a client for no longer than
/// a connection, and an idle connection should cost as little memory as possible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// A TCP client.
    Ip(IpAddr),
    /// A client of a Unix socket, which the file system's permissions let in.
    Unix,
    /// A proxy at this address, or at a Unix socket, that has yet to name its client: on
    /// listeners that [expect it](Listener::expect_proxies).
    Proxy(Option<IpAddr>),
}

impl Peer {
    /// Its address, if it has one and is no proxy that has yet to name its client.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Unix | Self::Proxy(_) => None,
        }
    }

    /// The client, now that a proxy has named it; or the proxy itself.
    #[must_use]
    pub fn speaking_for(self, client: Option<IpAddr>) -> Self {
        match (self, client) {
            (_, Some(ip)) | (Self::Proxy(Some(ip)), None) => Self::Ip(ip),
            (Self::Proxy(None), None) => Self::Unix,
            (other, None) => other,
        }
    }
}

/// How far sendfile(2) came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// So many bytes were taken by the socket.
    Bytes(usize),
    /// The socket takes nothing now: wait until it is writable.
    SocketFull,
    /// The source ended before its promised length: it shrank, or could not be read.
    SourceEnd,
}

/// One connected socket, the same for loops and for threads.
///
/// It is non-blocking: a call that would wait fails with `WouldBlock`, and its driver decides how
/// to wait. What lies beneath may be more than the kernel: see [`Layer`].
pub trait Socket {
    /// recv(2). 0 means that the peer will send no more. Fewer bytes than there is room for mean
    /// that the kernel has no more of them, unless a layer held some before, or does now.
    ///
    /// # Errors
    /// Of the system call; `Interrupted` also where a layer took bytes that come to nothing yet.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// send(2) or sendmsg(2) with `MSG_NOSIGNAL`; with `more`, `MSG_MORE`: the segment may wait
    /// for the bytes that sendfile(2) is about to add. Fewer bytes than were offered mean that the
    /// kernel takes no more now.
    ///
    /// # Errors
    /// Of the system call.
    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize>;

    /// sendfile(2), or read and write: where the source has no descriptor, and where a layer must
    /// see the bytes, as here. It waits for the disk if it must: ask [`Source::is_resident`] first
    /// where that may not be. With `more`, the same source goes on behind these bytes.
    ///
    /// # Errors
    /// Of the socket; trouble with the source is [`Sent::SourceEnd`].
    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        socket::send_copy(source, offset, len, |bytes| {
            let more = more || bytes.len() < len;
            self.write(&[IoSlice::new(bytes)], more)
        })
    }

    /// shutdown(2) of the sending half. A layer that has a last word for the peer and finds no room
    /// for it owes both from then on.
    ///
    /// # Errors
    /// Of the system call.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Bytes written that the peer has not acknowledged yet (SIOCOUTQ, tcp(7)): what tells a
    /// reader that is slow from one that is gone. 0 where it cannot be known.
    fn unacknowledged(&self) -> usize;

    /// Whether closing would destroy nothing: the peer has acknowledged all that was written, and
    /// nothing has come from it that was not read, for which the kernel would send a reset.
    fn closes_cleanly(&self) -> bool;

    /// Whether no answer can reach the peer any more: the connection is broken, or closed in both
    /// directions. A peer that has only closed its sending half still waits for its answer.
    fn is_gone(&self) -> bool {
        false
    }

    /// What a layer beneath holds and owes.
    fn layer(&self) -> Layer {
        Layer::NONE
    }

    /// recv(2) of what a layer [owes](Layer::owes) to read. The end of the stream is not an error
    /// here: nothing is owed any more then, and the next read tells of it.
    ///
    /// # Errors
    /// As [`Socket::read`].
    fn layer_read(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// send(2) of what a layer [owes](Layer::owes) to write.
    ///
    /// # Errors
    /// As [`Socket::write`].
    fn layer_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes the lowest descriptor that is free, if that is lower (fcntl(2), `F_DUPFD_CLOEXEC`):
    /// select(2) can watch the low ones only. Not while it is watched.
    fn renumber(&mut self) {}

    /// What traces call it: its descriptor. -1 where it has no number.
    fn id(&self) -> i32 {
        -1
    }
}

/// The system calls of the event loop that are not one socket's own business: accepting, watching,
/// waiting, and the time.
pub trait Kernel {
    /// Which promise [`Kernel::wait`] makes.
    const TRIGGER: Trigger;
    /// For messages and traces.
    const NAME: &'static str;
    /// Whether closing a socket is enough to stop watching it, see
    /// [`Selector::FORGETS_CLOSED`](crate::readiness::Selector::FORGETS_CLOSED).
    const FORGETS_CLOSED: bool = false;
    /// A connected socket. Dropping it closes it; [`Kernel::deregister`] comes first, unless the kernel
    /// [forgets](Kernel::FORGETS_CLOSED) it by itself.
    type Socket: Socket;
    /// A listening socket. Dropping it closes it; switch [`Kernel::watch`] off first.
    type Listener;

    /// accept4(2).
    ///
    /// # Errors
    /// `WouldBlock` when no client waits; `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` when the process
    /// or the system is out of room; others concern that one connection only (accept(2), "Error
    /// handling").
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<(Self::Socket, Peer)>;

    /// The time, with a new turn number.
    fn now(&mut self) -> Tick;

    /// Starts watching a socket, see [`Selector::register`](crate::readiness::Selector::register).
    ///
    /// # Errors
    /// Of the selector.
    fn register(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()>;

    /// Changes what is watched.
    ///
    /// # Errors
    /// Of the selector.
    fn reregister(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()>;

    /// Stops watching a socket.
    ///
    /// # Errors
    /// Of the selector.
    fn deregister(&mut self, socket: &Self::Socket) -> io::Result<()>;

    /// Starts (`true`) or stops watching a listener for new connections.
    ///
    /// # Errors
    /// Of the selector.
    fn watch(&mut self, listener: &Self::Listener, token: Token, on: bool) -> io::Result<()>;

    /// Whether other loops wait on the same listener, of which the kernel may wake only one.
    fn is_shared(&self, listener: &Self::Listener) -> bool {
        let _ = listener;
        false
    }

    /// A way for other threads to end [`Kernel::wait`]: an event with `token` follows. What is to
    /// be done travels elsewhere; this only ends the wait (an eventfd(2)).
    ///
    /// # Errors
    /// If the descriptor cannot be made.
    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>>;

    /// Clears the notifier, so that its next call makes an event. First this, then look for what is
    /// to be done: the other way round, a call in between is lost.
    fn quiet(&mut self);

    /// Waits for readiness, see [`Selector::wait`](crate::readiness::Selector::wait).
    ///
    /// # Errors
    /// Of the system call.
    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Lets time pass without looking at anything: what is left where [`Kernel::wait`] fails.
    fn rest(&mut self, time: Duration) {
        clock::rest(time);
    }
}

/// How a wait on one socket ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// A direction of the interest is ready.
    Ready,
    /// The deadline passed first.
    TimedOut,
    /// The server is stopping.
    Stopping,
}

/// A socket that can be waited for: what the blocking drivers work with.
pub trait Stream: Socket {
    /// Waits (ppoll(2)) for a direction of `interest`, for the deadline, or for the server to stop.
    ///
    /// # Errors
    /// Of the system call.
    fn wait(&mut self, interest: Directions, deadline: Option<Instant>) -> io::Result<Waited>;

    /// The time, with a new turn number.
    fn now(&mut self) -> Tick;
}
