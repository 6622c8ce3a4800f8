//! Faults as lessons: `--inject`. A kernel around a kernel, and a socket around a socket or a stream,
//! of whose calls some come to less than they might.
//!
//! *Floor 2.* Knows what a call may come to; does not know who calls. It is another type, so a
//! server without `--inject` has not a single instruction of it.
//!
//! A fault is one that Linux may show, too, only seldom: bytes that come in pieces, a socket that was
//! full for a moment, a signal. So nothing may be promised by it that does not come. Who is told
//! EAGAIN, or less than was asked for, may sleep until the next event. At a level that comes by
//! itself, because the bytes or the room are there. At an edge the kernel has said all that it had to
//! say: the event is *owed*, and the next wait brings it, as if the rest had come a moment later.
//!
//! Nor is a call spoiled twice in a row, by socket and direction: the one after a fault always goes
//! to the kernel. So a loop that keeps to the rules serves each client, however many faults there are.
//!
//! *References:* recv(2), send(2), sendfile(2), accept(2), epoll_wait(2), each under ERRORS.

mod decisions;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Kernel, Layer, Peer, Sent, Socket, Stream, Waited};
use crate::http::{Notify, Source, Tick};
use crate::readiness::{Directions, Event, Token, Trigger};

use decisions::Rested;
#[cfg(feature = "sim")]
pub(super) use decisions::splitmix64;
pub use decisions::{Fault, Faults, Injector, LastFault};

/// A kernel some of whose calls, and of those of its sockets, are spoiled.
pub struct InjectedKernel<K> {
    inner: K,
    injector: Injector,
    /// The tokens of the listeners that are watched.
    listeners: Vec<Token>,
    waker: Option<Token>,
    /// The last wait has told of a client, and the loop does not stop.
    was_told: bool,
    /// A message has come, and no wait since then has shown that the backlog is empty.
    may_stop: bool,
    wait: Rested,
    accept: Rested,
}

impl<K> InjectedKernel<K> {
    /// Spoils calls of `inner`.
    pub const fn new(inner: K, injector: Injector) -> Self {
        Self {
            inner,
            injector,
            listeners: Vec::new(),
            waker: None,
            was_told: false,
            may_stop: false,
            wait: Rested::new(),
            accept: Rested::new(),
        }
    }
}

/// A socket, or a stream, some of whose calls are spoiled.
pub struct Injected<T> {
    inner: T,
    injector: Injector,
    /// Under which it is watched, if events are owed to it.
    edge: Cell<Option<Token>>,
    read: Rested,
    write: Rested,
}

impl<T> Injected<T> {
    /// Spoils calls of `inner`.
    pub const fn new(inner: T, injector: Injector) -> Self {
        Self {
            inner,
            injector,
            edge: Cell::new(None),
            read: Rested::new(),
            write: Rested::new(),
        }
    }

    /// A call had this fault, after which its caller takes it for not ready.
    fn had(&self, fault: Fault, not_ready: Directions) {
        self.injector.had(fault);
        if let Some(token) = self.edge.get() {
            self.injector.owe(token, not_ready);
        }
    }
}

impl<T: Socket> Socket for Injected<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        const POSSIBLE: [Fault; 3] = [Fault::ShortRead, Fault::Eagain, Fault::Eintr];
        match self.injector.draw(&POSSIBLE, &mut self.read) {
            Some(Fault::ShortRead) if into.len() > 1 => {
                let part = self.injector.part(into.len() - 1);
                let n = self.inner.read(&mut into[..part])?;
                if n == part {
                    self.had(Fault::ShortRead, Directions::READ);
                }
                Ok(n)
            }
            Some(Fault::Eagain) => {
                self.had(Fault::Eagain, Directions::READ);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Fault::Eintr) => {
                self.injector.had(Fault::Eintr);
                Err(io::ErrorKind::Interrupted.into())
            }
            _ => self.inner.read(into),
        }
    }

    fn write(&mut self, from: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        const POSSIBLE: [Fault; 3] = [Fault::ShortWrite, Fault::Eagain, Fault::Eintr];
        let first = from.first().map_or(&[][..], |slice| slice);
        match self.injector.draw(&POSSIBLE, &mut self.write) {
            Some(Fault::ShortWrite) if first.len() > 1 => {
                let part = self.injector.part(first.len() - 1);
                let n = self.inner.write(&[IoSlice::new(&first[..part])], more)?;
                if n == part {
                    self.had(Fault::ShortWrite, Directions::WRITE);
                }
                Ok(n)
            }
            Some(Fault::Eagain) => {
                self.had(Fault::Eagain, Directions::WRITE);
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Fault::Eintr) => {
                self.injector.had(Fault::Eintr);
                Err(io::ErrorKind::Interrupted.into())
            }
            _ => self.inner.write(from, more),
        }
    }

    fn send_file(
        &mut self,
        source: &dyn Source,
        offset: u64,
        len: usize,
        more: bool,
    ) -> io::Result<Sent> {
        const POSSIBLE: [Fault; 3] = [Fault::ShortWrite, Fault::Eagain, Fault::Eintr];
        match self.injector.draw(&POSSIBLE, &mut self.write) {
            Some(Fault::ShortWrite) if len > 1 => {
                let part = self.injector.part(len - 1);
                let sent = self.inner.send_file(source, offset, part, true)?;
                if sent == Sent::Bytes(part) {
                    // It is asked again until it says that the socket is full: nothing is owed.
                    self.injector.had(Fault::ShortWrite);
                }
                Ok(sent)
            }
            Some(Fault::Eagain) => {
                self.had(Fault::Eagain, Directions::WRITE);
                Ok(Sent::SocketFull)
            }
            Some(Fault::Eintr) => {
                self.injector.had(Fault::Eintr);
                Err(io::ErrorKind::Interrupted.into())
            }
            _ => self.inner.send_file(source, offset, len, more),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.injector.passes();
        self.inner.shutdown_write()
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
        self.injector.passes();
        self.inner.layer_read()
    }

    fn layer_write(&mut self) -> io::Result<()> {
        self.injector.passes();
        self.inner.layer_write()
    }

    fn renumber(&mut self) {
        self.inner.renumber();
    }

    fn id(&self) -> i32 {
        self.inner.id()
    }
}

/// Its wait is ppoll(2), which repeats what holds, and tries again by itself when it is interrupted.
impl<T: Stream> Stream for Injected<T> {
    fn wait(&mut self, interest: Directions, deadline: Option<Instant>) -> io::Result<Waited> {
        self.injector.passes();
        self.inner.wait(interest, deadline)
    }

    fn now(&mut self) -> Tick {
        self.inner.now()
    }
}

impl<K: Kernel> Kernel for InjectedKernel<K> {
    const TRIGGER: Trigger = K::TRIGGER;
    const NAME: &'static str = K::NAME;
    const FORGETS_CLOSED: bool = K::FORGETS_CLOSED;
    type Socket = Injected<K::Socket>;
    type Listener = K::Listener;

    /// PITFALL: a loop that stops closes its listeners when accept says EAGAIN, and who still waits
    /// is reset. A stop comes as a message, and more may wait than are accepted in one turn. So that
    /// is said of a client only where the wait has just told of it, and after a message not before
    /// a wait has found the backlog empty (`a_stop_lets_in_who_waits_whatever_is_injected`).
    fn accept(&mut self, listener: &K::Listener) -> io::Result<(Self::Socket, Peer)> {
        let possible = match self.was_told {
            true => &[Fault::SlowAccept, Fault::Eintr][..],
            false => &[Fault::Eintr],
        };
        match self.injector.draw(possible, &mut self.accept) {
            Some(Fault::SlowAccept) => {
                self.injector.had(Fault::SlowAccept);
                self.owe_listeners();
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(fault) => {
                self.injector.had(fault);
                Err(io::ErrorKind::Interrupted.into())
            }
            None => {
                let (socket, peer) = self.inner.accept(listener)?;
                Ok((Injected::new(socket, self.injector.clone()), peer))
            }
        }
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
        self.injector.passes();
        self.inner.register(&socket.inner, token, interest)?;
        let is_edge = matches!(K::TRIGGER, Trigger::Edge);
        socket.edge.set(is_edge.then_some(token));
        Ok(())
    }

    fn reregister(
        &mut self,
        socket: &Self::Socket,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        self.injector.passes();
        self.inner.reregister(&socket.inner, token, interest)
    }

    fn deregister(&mut self, socket: &Self::Socket) -> io::Result<()> {
        self.injector.passes();
        socket.edge.set(None);
        self.inner.deregister(&socket.inner)
    }

    fn watch(&mut self, listener: &K::Listener, token: Token, on: bool) -> io::Result<()> {
        self.inner.watch(listener, token, on)?;
        self.listeners.retain(|known| *known != token);
        if on {
            self.listeners.push(token);
        }
        Ok(())
    }

    fn is_shared(&self, listener: &K::Listener) -> bool {
        self.inner.is_shared(listener)
    }

    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>> {
        self.waker = Some(token);
        self.inner.notifier(token)
    }

    fn quiet(&mut self) {
        self.inner.quiet();
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        if let Some(fault) = self.injector.draw(&[Fault::Eintr], &mut self.wait) {
            self.injector.had(fault);
            return Err(io::ErrorKind::Interrupted.into());
        }
        let may_last = timeout != Some(Duration::ZERO);
        let timeout = match self.injector.owes() {
            true => Some(Duration::ZERO),
            false => timeout,
        };
        self.inner.wait(events, timeout)?;
        self.injector.pay(events);
        self.look_for_clients(events, may_last);
        Ok(())
    }

    fn rest(&mut self, time: Duration) {
        self.inner.rest(time);
    }
}

impl<K: Kernel> InjectedKernel<K> {
    /// What a wait has told of clients and of messages. One that may last, and tells of neither, has
    /// found the backlog empty: who is left in it is told of again, or at an edge the loop does not
    /// wait.
    fn look_for_clients(&mut self, events: &[Event], may_last: bool) {
        let tells = |token: Token| events.iter().any(|event| event.token == token);
        let has_client = self.listeners.iter().any(|token| tells(*token));
        let has_message = self.waker.is_some_and(tells);
        self.may_stop = has_message || self.may_stop && (has_client || !may_last);
        self.was_told = has_client && !self.may_stop;
    }

    /// All of them: which one it was is not known here, and one without a client costs an accept.
    fn owe_listeners(&mut self) {
        if matches!(K::TRIGGER, Trigger::Edge) {
            for token in &self.listeners {
                self.injector.owe(*token, Directions::READ);
            }
        }
    }
}
