//! poll(2), level-triggered: the list is ours, and the kernel walks all of it at every wait.
//!
//! *Floor 2.* An array of `pollfd` is handed to the kernel and searched for answers afterwards:
//! both cost N, however few are ready. No number of descriptors is too large, and nothing needs
//! to be told beforehand: registering is a push, not a system call.
//!
//! *References:* poll(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::{Directions, Event, Selector, Token, Trigger, timespec};

/// An array of descriptors with what is wanted of each.
#[derive(Debug)]
pub struct PollArray {
    fds: Vec<PollFd<'static>>,
    /// The token of the entry with the same index.
    tokens: Vec<Token>,
    /// Where in the array a descriptor is. Descriptors are small numbers: no hashing is needed.
    index: Vec<Option<usize>>,
}

impl Selector for PollArray {
    const NAME: &'static str = "poll";
    const TRIGGER: Trigger = Trigger::Level;

    fn new() -> io::Result<Self> {
        Ok(Self {
            fds: Vec::new(),
            tokens: Vec::new(),
            index: Vec::new(),
        })
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let n = fd.as_raw_fd() as usize;
        if self.index.len() <= n {
            self.index.resize(n + 1, None);
        }
        if self.index[n].is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.index[n] = Some(self.fds.len());
        self.fds.push(entry(fd, interest));
        self.tokens.push(token);
        Ok(())
    }

    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        let at = self.find(fd)?;
        self.fds[at] = entry(fd, interest);
        self.tokens[at] = token;
        Ok(())
    }

    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let at = self.find(fd)?;
        self.index[fd.as_raw_fd() as usize] = None;
        self.fds.swap_remove(at);
        self.tokens.swap_remove(at);
        if let Some(moved) = self.fds.get(at) {
            self.index[moved.as_fd().as_raw_fd() as usize] = Some(at);
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let ready = rustix::event::poll(&mut self.fds, timespec(timeout).as_ref())?;
        let answered = self.fds.iter().zip(&self.tokens);
        let answered = answered.filter(|(entry, _)| !entry.revents().is_empty());
        events.extend(answered.take(ready).map(event_from_poll));
        Ok(())
    }
}

impl PollArray {
    fn find(&self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let at = self.index.get(fd.as_raw_fd() as usize).copied().flatten();
        at.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// `POLLRDHUP` belongs to reading, see the PITFALL in `level_epoll.rs`.
fn entry(fd: BorrowedFd<'_>, interest: Directions) -> PollFd<'static> {
    debug_assert!(interest.any(), "no interest is said by deregister");
    let mut flags = PollFlags::empty();
    if interest.readable {
        flags |= PollFlags::IN | PollFlags::RDHUP;
    }
    if interest.writable {
        flags |= PollFlags::OUT;
    }
    #[expect(
        unsafe_code,
        reason = "the array outlives the borrow that registered a descriptor"
    )]
    // SAFETY: the owner keeps the descriptor open until `deregister` takes the entry out.
    let fd = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
    PollFd::from_borrowed_fd(fd, flags)
}

fn event_from_poll((entry, token): (&PollFd<'_>, &Token)) -> Event {
    let flags = entry.revents();
    debug_assert!(!flags.contains(PollFlags::NVAL), "closed before deregister");
    let failed = flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
    let eof_possible = flags.contains(PollFlags::RDHUP) || failed;
    Event {
        token: *token,
        readable: flags.contains(PollFlags::IN) || eof_possible,
        writable: flags.contains(PollFlags::OUT) || failed,
        eof_possible,
    }
}
