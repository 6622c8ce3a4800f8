//! epoll(7), edge-triggered, through mio: the kernel speaks when something *changes*.
//!
//! *Floor 2.* The one file that knows mio, which hides `EPOLLET` behind portable names: its
//! `Poll` is our selector, its `SourceFd` lends it a descriptor that stays ours.
//!
//! Registering costs one epoll_ctl(2) per connection for life: both directions are asked for at
//! once, and a direction that is not wanted now is merely remembered by the loop. The price is
//! paid elsewhere: what is not drained must be remembered too, for it is not announced again.
//!
//! *References:* epoll(7), "Level-triggered and edge-triggered" and the question on EAGAIN.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use rustix::event::epoll;

use super::{Directions, EVENTS_MAX, Event, Selector, Token, Trigger};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a mio token is one machine word, and ours has 64 bits");

/// Descriptors in an epoll instance, each reported once per change.
#[derive(Debug)]
pub struct EpollEdge {
    poll: mio::Poll,
    ready: mio::Events,
}

impl Selector for EpollEdge {
    const NAME: &'static str = "edge";
    const TRIGGER: Trigger = Trigger::Edge;
    const FORGETS_CLOSED: bool = true;

    fn new() -> io::Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            ready: mio::Events::with_capacity(EVENTS_MAX),
        })
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let (token, interest) = (token_to_mio(token), interest_to_mio(interest));
        self.poll
            .registry()
            .register(&mut SourceFd(&fd.as_raw_fd()), token, interest)
    }

    fn register_shared(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // mio has no name for EPOLLEXCLUSIVE, but lends its epoll descriptor.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET | epoll::EventFlags::EXCLUSIVE;
        let data = epoll::EventData::new_u64(token.0);
        Ok(epoll::add(self.poll.registry(), fd, data, flags)?)
    }

    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let (token, interest) = (token_to_mio(token), interest_to_mio(interest));
        self.poll
            .registry()
            .reregister(&mut SourceFd(&fd.as_raw_fd()), token, interest)
    }

    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poll
            .registry()
            .deregister(&mut SourceFd(&fd.as_raw_fd()))
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.poll.poll(&mut self.ready, timeout)?;
        events.extend(self.ready.iter().map(event_from_mio));
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "asserted above: a word is 64 bits"
)]
fn token_to_mio(token: Token) -> mio::Token {
    mio::Token(token.0 as usize)
}

/// mio adds `EPOLLRDHUP` to reading, and `EPOLLET` to everything.
///
/// PITFALL: `EPOLLPRI` belongs to reading at edges. Urgent data (tcp(7), `MSG_OOB`) ends a read in
/// front of it, and what stands behind has been announced already
/// (`what_stands_behind_urgent_data_or_a_descriptor_is_read`).
fn interest_to_mio(interest: Directions) -> mio::Interest {
    debug_assert!(interest.any(), "no interest is said by deregister");
    match (interest.readable, interest.writable) {
        (true, true) => READING | mio::Interest::WRITABLE,
        (false, true) => mio::Interest::WRITABLE,
        (_, false) => READING,
    }
}

const READING: mio::Interest = mio::Interest::READABLE.add(mio::Interest::PRIORITY);

fn event_from_mio(event: &mio::event::Event) -> Event {
    // In mio's words `EPOLLHUP` is a closed writing half.
    let failed = event.is_error() || event.is_write_closed();
    Event {
        token: Token(event.token().0 as u64),
        readable: event.is_readable() || failed,
        writable: event.is_writable() || failed,
        eof_possible: event.is_read_closed() || event.is_priority() || failed,
    }
}
