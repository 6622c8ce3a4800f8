//! Linux itself: sockets, files and the clock, over any of the four selectors.
//!
//! *Floor 2.* Knows which system call does what; knows nothing of HTTP and keeps no list of
//! connections, which are the caller's. Nothing here waits except [`Kernel::wait`].
//!
//! *References:* accept(2), eventfd(2), and those of `socket.rs`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::EventfdFlags;

use super::clock::Clock;
use super::{Kernel, Listener, Peer, SocketFd};
use crate::http::{Notify, Tick};
use crate::readiness::{Directions, Event, Selector, Token, Trigger};

/// The operating system as one event loop sees it.
pub struct Linux<S: Selector> {
    selector: S,
    clock: Clock,
    notifier: Option<Arc<EventFd>>,
}

impl<S: Selector> Linux<S> {
    /// A kernel that watches nothing yet.
    ///
    /// # Errors
    /// Of [`Selector::new`].
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            selector: S::new()?,
            clock: Clock::new(),
            notifier: None,
        })
    }
}

impl<S: Selector> Kernel for Linux<S> {
    const TRIGGER: Trigger = S::TRIGGER;
    const NAME: &'static str = S::NAME;
    const FORGETS_CLOSED: bool = S::FORGETS_CLOSED;
    type Socket = SocketFd;
    type Listener = Listener;

    fn accept(&mut self, listener: &Listener) -> io::Result<(SocketFd, Peer)> {
        listener.accept()
    }

    fn now(&mut self) -> Tick {
        self.clock.now()
    }

    fn register(
        &mut self,
        socket: &SocketFd,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        self.selector.register(socket.as_fd(), token, interest)
    }

    fn reregister(
        &mut self,
        socket: &SocketFd,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        self.selector.reregister(socket.as_fd(), token, interest)
    }

    fn deregister(&mut self, socket: &SocketFd) -> io::Result<()> {
        self.selector.deregister(socket.as_fd())
    }

    fn watch(&mut self, listener: &Listener, token: Token, on: bool) -> io::Result<()> {
        match (on, listener.is_shared()) {
            (false, _) => self.selector.deregister(listener.as_fd()),
            (true, true) => self.selector.register_shared(listener.as_fd(), token),
            (true, false) => {
                let interest = Directions::READ;
                self.selector.register(listener.as_fd(), token, interest)
            }
        }
    }

    fn is_shared(&self, listener: &Listener) -> bool {
        listener.is_shared()
    }

    fn notifier(&mut self, token: Token) -> io::Result<Arc<dyn Notify>> {
        if self.notifier.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let notifier = Arc::new(EventFd(rustix::event::eventfd(0, flags)?));
        self.selector
            .register(notifier.0.as_fd(), token, Directions::READ)?;
        self.notifier = Some(Arc::clone(&notifier));
        Ok(notifier)
    }

    fn quiet(&mut self) {
        if let Some(notifier) = &self.notifier {
            // Nothing to read means that it was not notified since: quiet already.
            let _ = rustix::io::read(&notifier.0, &mut [0; 8]);
        }
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.selector.wait(events, timeout)
    }
}

/// An eventfd(2): a counter that is readable while it is not zero.
struct EventFd(OwnedFd);

impl Notify for EventFd {
    /// Wakes the loop; the mailbox says for which connection, so the token is not looked at.
    fn notify(&self, _: u64) {
        // Only a full counter fails, and then the loop is about to wake anyway.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}
