//! select(2) without its sharp edge: a set that says when a descriptor does not fit.

use std::io;
use std::os::fd::RawFd;

use rustix::event::{FdSetElement, Timespec, fd_set_insert, fd_set_num_elements, fd_set_remove};

use crate::judge::stuck;

pub use httpoll::readiness::FD_SETSIZE;

/// A set of descriptors: one bit for each of the first 1,024.
#[derive(Clone)]
pub struct FdSet {
    bits: Vec<FdSetElement>,
}

impl Default for FdSet {
    fn default() -> Self {
        let size = fd_set_num_elements(FD_SETSIZE as usize, FD_SETSIZE);
        Self {
            bits: vec![FdSetElement::default(); size],
        }
    }
}

impl FdSet {
    /// FD_SET. In C it writes behind the set where there is no bit; here the exercise ends.
    pub fn insert(&mut self, fd: RawFd) {
        if !(0..FD_SETSIZE).contains(&fd) {
            stuck(format!(
                "FD_SET({fd}): the set has {FD_SETSIZE} bits, this writes behind it"
            ));
        }
        fd_set_insert(&mut self.bits, fd);
    }

    /// FD_CLR.
    pub fn remove(&mut self, fd: RawFd) {
        if (0..FD_SETSIZE).contains(&fd) {
            fd_set_remove(&mut self.bits, fd);
        }
    }

    /// FD_ISSET.
    pub fn contains(&self, fd: RawFd) -> bool {
        rustix::event::FdSetIter::new(&self.bits).any(|other| other == fd)
    }
}

/// Looks which of the descriptors below `nfds` in `read` can be read from, and replaces `read` by
/// those. Returns how many they are. Does not wait: in these exercises, what is to come has come.
///
/// # Errors
/// Of select(2).
pub fn select(nfds: RawFd, read: &mut FdSet) -> io::Result<usize> {
    let now = Timespec::default();
    // SAFETY: the descriptors are open as long as the check runs, which alone puts them in, and the
    // set has room for `FD_SETSIZE` bits.
    #[expect(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
    let ready = unsafe {
        rustix::event::select(
            nfds.min(FD_SETSIZE),
            Some(&mut read.bits),
            None,
            None,
            Some(&now),
        )?
    };
    Ok(usize::try_from(ready).unwrap_or(0))
}
