//! select(2), level-triggered: two sets of bits, overwritten by the answer at every wait.
//!
//! *Floor 2.* The oldest of the calls (4.2BSD, 1983). A descriptor is a bit in a set of
//! `FD_SETSIZE`, which the C library fixes at 1,024: one beyond is refused here, where a C
//! program would write past the end of its `fd_set`. The kernel tests every bit up to the highest
//! descriptor, and so do we afterwards.
//!
//! It cannot report a hang-up apart from data, so every event says `eof_possible`: an end of file
//! may stand behind the data.
//!
//! *References:* select(2), BUGS.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{
    FdSetElement, FdSetIter, fd_set_bound, fd_set_insert, fd_set_num_elements, fd_set_remove,
};

use super::{Directions, Event, Selector, Token, Trigger, timespec};

/// What `FD_SETSIZE` is in every Linux C library.
pub const FD_SETSIZE: RawFd = 1024;

/// Sets of bits: who waits to read, who waits to write.
pub struct SelectSets {
    wanted: [Vec<FdSetElement>; 2],
    /// Copies for the kernel to overwrite.
    ready: [Vec<FdSetElement>; 2],
    /// The token of the descriptor with this number.
    tokens: Vec<Option<Token>>,
}

impl Selector for SelectSets {
    const NAME: &'static str = "select";
    const TRIGGER: Trigger = Trigger::Level;

    fn new() -> io::Result<Self> {
        let size = FD_SETSIZE as usize;
        let empty = vec![FdSetElement::default(); fd_set_num_elements(size, FD_SETSIZE)];
        Ok(Self {
            wanted: [empty.clone(), empty.clone()],
            ready: [empty.clone(), empty],
            tokens: vec![None; size],
        })
    }

    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        match self.tokens.get_mut(fd.as_raw_fd() as usize) {
            None => return Err(beyond_setsize(fd)),
            Some(Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(free) => *free = Some(token),
        }
        self.set(fd, interest);
        Ok(())
    }

    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()> {
        *self.find(fd)? = Some(token);
        self.set(fd, interest);
        Ok(())
    }

    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        *self.find(fd)? = None;
        for set in &mut self.wanted {
            fd_set_remove(set, fd.as_raw_fd());
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        let [read, write] = &mut self.ready;
        read.copy_from_slice(&self.wanted[0]);
        write.copy_from_slice(&self.wanted[1]);
        let bound = fd_set_bound(read).max(fd_set_bound(write));
        let timeout = timespec(timeout);
        #[expect(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
        // SAFETY: every bit was set by `register` for a descriptor that its owner keeps open
        // until `deregister`, and both sets have room for `FD_SETSIZE` bits.
        unsafe {
            rustix::event::select(
                bound,
                Some(&mut *read),
                Some(&mut *write),
                None,
                timeout.as_ref(),
            )?;
        }
        self.collect(events);
        Ok(())
    }
}

impl SelectSets {
    fn find(&mut self, fd: BorrowedFd<'_>) -> io::Result<&mut Option<Token>> {
        let token = self.tokens.get_mut(fd.as_raw_fd() as usize);
        token
            .filter(|token| token.is_some())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set(&mut self, fd: BorrowedFd<'_>, interest: Directions) {
        debug_assert!(interest.any(), "no interest is said by deregister");
        let directions = [interest.readable, interest.writable];
        for (set, wanted) in self.wanted.iter_mut().zip(directions) {
            let change = if wanted { fd_set_insert } else { fd_set_remove };
            change(set, fd.as_raw_fd());
        }
    }

    /// Merges the two answers, each in the order of descriptors, into one event for each.
    fn collect(&self, events: &mut Vec<Event>) {
        let [read, write] = &self.ready;
        let mut read = FdSetIter::new(read).peekable();
        let mut write = FdSetIter::new(write).peekable();
        while let Some(&fd) = [read.peek(), write.peek()].into_iter().flatten().min() {
            let readable = read.next_if_eq(&fd).is_some();
            let writable = write.next_if_eq(&fd).is_some();
            events.extend(self.tokens[fd as usize].map(|token| Event {
                token,
                readable,
                writable,
                eof_possible: true,
            }));
        }
    }
}

fn beyond_setsize(fd: BorrowedFd<'_>) -> io::Error {
    let message = format!(
        "select cannot watch descriptor {}: FD_SETSIZE is {FD_SETSIZE}; \
         use --backend poll, level or edge",
        fd.as_raw_fd()
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
