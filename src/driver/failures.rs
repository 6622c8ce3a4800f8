//! What it means that a client could not be taken in.
//!
//! *Floor 4.* The same for loops and for the drivers that wait.
//!
//! *References:* accept(2), epoll_ctl(2), pthread_create(3), each under ERRORS.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// How long a client without room waits before it is tried again.
pub(crate) const RETRY: Duration = Duration::from_millis(100);

/// So many accepts may fail in a row, each for a reason of its own, before that is no accident.
const FAILURES_MAX: u32 = 8;

/// Out of descriptors, memory or watches: no client's fault, and not over by trying at once.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    const MISSING: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::NOSPC,
    ];
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(errno) => MISSING.contains(&errno),
        // Not the kernel but a selector has refused: a descriptor that select(2) cannot watch.
        None => error.kind() == io::ErrorKind::InvalidInput,
    }
}

/// How an accept failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failed {
    /// No client waits.
    NoClient,
    /// Something is missing to let in the client that waits.
    NoRoom,
    /// That one connection failed before we had it (accept(2), "Error handling").
    Once,
    /// Not one connection but accepting fails: EPERM from a security module, for example. To try
    /// again at once is to spin.
    AgainAndAgain,
}

/// Accepts that failed in a row on one listener.
#[derive(Default)]
pub(crate) struct Failures(u32);

impl Failures {
    /// What this error means.
    pub(crate) fn judge(&mut self, error: &io::Error) -> Failed {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.0 = 0;
            return Failed::NoClient;
        }
        if is_missing(error) {
            return Failed::NoRoom;
        }
        self.0 = self.0.saturating_add(1);
        match self.0 > FAILURES_MAX {
            true => Failed::AgainAndAgain,
            false => Failed::Once,
        }
    }

    /// An accept has succeeded.
    pub(crate) fn end(&mut self) {
        self.0 = 0;
    }
}
