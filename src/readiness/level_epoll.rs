//! epoll(7), level-triggered: the kernel keeps the list and speaks *while* something is the case.
//!
//! *Floor 2.* The list of descriptors lives in the kernel, so a wait costs what is ready, not
//! what is watched. The price is one epoll_ctl(2) whenever an interest changes.
//!
//! Fairness comes with the call: when more is ready than one wait returns, the next wait begins
//! where this one ended (the kernel moves what it reported to the end of its ready list).
//!
//! *References:* epoll(7), epoll_ctl(2), epoll_wait(2).

use std::io;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::{Directions, EVENTS_MAX, Event, Selector, Token, Trigger, timespec};

/// Descriptors in an epoll instance, each reported as long as it is ready.
pub struct EpollLevel {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Selector for EpollLevel {
    const NAME: &'static str = "level";
    const TRIGGER: Trigger = Trigger::Level;
    const FORGETS_CLOSED: bool = true;

    fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(EVENTS_MAX),
        })
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let (data, flags) = (epoll::EventData::new_u64(token.0), interest_flags(interest));
        Ok(epoll::add(&self.epoll, fd, data, flags)?)
    }

    fn register_shared(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        let data = epoll::EventData::new_u64(token.0);
        Ok(epoll::add(&self.epoll, fd, data, flags)?)
    }

    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let (data, flags) = (epoll::EventData::new_u64(token.0), interest_flags(interest));
        Ok(epoll::modify(&self.epoll, fd, data, flags)?)
    }

    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.ready.clear();
        let room = spare_capacity(&mut self.ready);
        epoll::wait(&self.epoll, room, timespec(timeout).as_ref())?;
        events.extend(self.ready.iter().map(event_from_epoll));
        Ok(())
    }
}

/// PITFALL: `EPOLLRDHUP` belongs to reading. Asked for while only writing is wanted, it is
/// reported at every wait from the moment the client closes its half: a loop that spins
/// (`level_is_silent_about_an_eof_nobody_asked_for`).
fn interest_flags(interest: Directions) -> epoll::EventFlags {
    debug_assert!(interest.any(), "no interest is said by deregister");
    let mut flags = epoll::EventFlags::empty();
    if interest.readable {
        flags |= epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
    }
    if interest.writable {
        flags |= epoll::EventFlags::OUT;
    }
    flags
}

fn event_from_epoll(event: &epoll::Event) -> Event {
    let (flags, data) = (event.flags, event.data);
    let failed = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
    let eof_possible = flags.contains(epoll::EventFlags::RDHUP) || failed;
    Event {
        token: Token(data.u64()),
        readable: flags.contains(epoll::EventFlags::IN) || eof_possible,
        writable: flags.contains(epoll::EventFlags::OUT) || failed,
        eof_possible,
    }
}
