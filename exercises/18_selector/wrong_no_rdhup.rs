//! Asks for IN and OUT only. That the client has ended is seen when there is nothing left to read, and by
//! nobody who stops at a short read:
//! data and fin in one event set eof possible: it panicked: Event { token: Token(30064771073),
//! readable: true, writable: false, eof_possible: false }

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use exercises::Directions;
use httpoll::readiness::{Event, Selector, Token, Trigger};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Descriptors, and what is wanted of each.
pub struct MyPoll {
    entries: Vec<Entry>,
}

struct Entry {
    /// A duplicate.
    fd: OwnedFd,
    /// The number of the original.
    number: RawFd,
    token: Token,
    interest: Directions,
}

impl Selector for MyPoll {
    const NAME: &'static str = "mine";
    const TRIGGER: Trigger = Trigger::Level;

    fn new() -> io::Result<Self> {
        Ok(Self {
            entries: Vec::new(),
        })
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let number = fd.as_raw_fd();
        if self.find(fd).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let fd = fd.try_clone_to_owned()?;
        self.entries.push(Entry {
            fd,
            number,
            token,
            interest,
        });
        Ok(())
    }

    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let at = self.find(fd)?;
        self.entries[at].token = token;
        self.entries[at].interest = interest;
        Ok(())
    }

    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let at = self.find(fd)?;
        self.entries.swap_remove(at);
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let array = self
            .entries
            .iter()
            .map(|entry| PollFd::new(&entry.fd, flags(entry.interest)));
        let mut array: Vec<_> = array.collect();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        poll(&mut array, timeout.as_ref())?;
        for (entry, answer) in self.entries.iter().zip(&array) {
            let said = answer.revents();
            if !said.is_empty() {
                events.push(event(entry.token, said));
            }
        }
        Ok(())
    }
}

impl MyPoll {
    fn find(&self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.number == fd.as_raw_fd());
        at.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn flags(interest: Directions) -> PollFlags {
    let mut flags = PollFlags::empty();
    if interest.readable {
        flags |= PollFlags::IN;
    }
    if interest.writable {
        flags |= PollFlags::OUT;
    }
    flags
}

fn event(token: Token, said: PollFlags) -> Event {
    let failed = said.intersects(PollFlags::HUP | PollFlags::ERR);
    let eof_possible = failed || said.contains(PollFlags::RDHUP);
    Event {
        token,
        readable: said.contains(PollFlags::IN) || eof_possible,
        writable: said.contains(PollFlags::OUT) || failed,
        eof_possible,
    }
}
