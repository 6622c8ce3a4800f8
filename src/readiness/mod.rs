//! Readiness: which descriptors can be read or written without waiting. The part under study.
//!
//! *Floor 2.* Knows descriptors; knows nothing of HTTP. Four files with the same five functions, and
//! `register_shared` where the kernel can do more, to be read side by side:
//!
//! | file | system call | trigger | cost of one wake among N idle |
//! |---|---|---|---|
//! | `edge_mio.rs` | epoll_wait(2), `EPOLLET`, through mio | edge | O(ready) |
//! | `level_epoll.rs` | epoll_wait(2) | level | O(ready) |
//! | `poll_array.rs` | poll(2) | level | O(N) |
//! | `select_sets.rs` | select(2) | level | O(highest descriptor), at most 1,024 |
//!
//! *References:* epoll(7), poll(2), select(2) BUGS.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::Timespec;

mod edge_mio;
mod level_epoll;
mod poll_array;
mod select_sets;

pub use edge_mio::EpollEdge;
pub use level_epoll::EpollLevel;
pub use poll_array::PollArray;
pub use select_sets::{FD_SETSIZE, SelectSets};

/// Who a readiness event is about: `generation << 32 | slot`.
///
/// The generation changes when a slot is used again, so that an event collected before a close
/// cannot reach the connection that took the slot afterwards in the same batch (epoll(7), "if you
/// use an event cache").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token(pub u64);

impl Token {
    /// The token of `slot` in its `generation`.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | slot as u64)
    }

    /// The slot's index.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// The slot's generation.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A set of directions. What holds it says of what kind: `interest` and `armed` are what the kernel is
/// asked to announce, `ready` is what it has announced, `wanted` is what the protocol would do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Directions {
    /// Data, an end of file or a new connection can be taken.
    pub readable: bool,
    /// Bytes can be given.
    pub writable: bool,
}

impl Directions {
    /// Neither direction.
    pub const NONE: Self = Self {
        readable: false,
        writable: false,
    };
    /// Reading only.
    pub const READ: Self = Self {
        readable: true,
        writable: false,
    };
    /// Writing only.
    pub const WRITE: Self = Self {
        readable: false,
        writable: true,
    };
    /// Both directions.
    pub const BOTH: Self = Self {
        readable: true,
        writable: true,
    };

    /// Whether any direction is in the set.
    pub const fn any(self) -> bool {
        self.readable || self.writable
    }

    /// The directions in both sets.
    pub const fn and(self, other: Self) -> Self {
        Self {
            readable: self.readable && other.readable,
            writable: self.writable && other.writable,
        }
    }

    /// The directions in either set.
    pub const fn or(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
        }
    }
}

/// What the kernel said about one descriptor.
///
/// An error or a hang-up is reported as both directions: the next read or write tells which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Who it is about.
    pub token: Token,
    /// Reading will not wait.
    pub readable: bool,
    /// Writing will not wait.
    pub writable: bool,
    /// The peer has closed its sending half (`EPOLLRDHUP`, `EPOLLHUP`, `EPOLLERR`), or the
    /// selector cannot tell: an end of file may stand behind the data, so a short read does not
    /// mean that nothing is left. Nor does it behind urgent data (`EPOLLPRI`).
    pub eof_possible: bool,
}

/// When the kernel speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// When something changes: once, until more arrives.
    Edge,
    /// While something is the case: at every wait.
    Level,
}

/// The whole of what differs between select, poll and epoll.
pub trait Selector: Sized {
    /// For messages and traces.
    const NAME: &'static str;
    /// Which promise [`Selector::wait`] makes.
    const TRIGGER: Trigger;

    /// Whether the kernel forgets a descriptor by itself when its last copy is closed (epoll(7), on
    /// closing: ours are never duplicated), which saves a system call per connection. An array of our
    /// own does not.
    const FORGETS_CLOSED: bool = false;

    /// An empty set of descriptors.
    ///
    /// # Errors
    /// What epoll_create1(2) reports; the arrays cannot fail.
    fn new() -> io::Result<Self>;

    /// Starts watching `fd`. Readiness that is already there is reported by the next wait.
    ///
    /// `interest` names a direction at least: errors and hang-ups are reported even for an empty
    /// set, so who wants nothing calls [`Selector::deregister`].
    ///
    /// # Errors
    /// Of the system call; select(2) refuses a descriptor of `FD_SETSIZE` or above.
    fn register(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()>;

    /// Starts watching a listener that several loops share. Where the kernel can, it wakes only
    /// one of them for a new connection (`EPOLLEXCLUSIVE`, epoll_ctl(2)); elsewhere all that
    /// wait may wake, and all but one find an empty queue.
    ///
    /// # Errors
    /// As [`Selector::register`].
    fn register_shared(&mut self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.register(fd, token, Directions::READ)
    }

    /// Changes what is watched. Readiness that is already there is reported by the next wait.
    ///
    /// # Errors
    /// Of the system call; `NotFound` if `fd` is not registered.
    fn reregister(
        &mut self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Directions,
    ) -> io::Result<()>;

    /// Stops watching `fd`. To be called before it is closed: a duplicate elsewhere would keep
    /// reporting (epoll(7), on closing).
    ///
    /// # Errors
    /// Of the system call; `NotFound` if `fd` is not registered.
    fn deregister(&mut self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits until something is ready or `timeout` has passed, and replaces `events`.
    ///
    /// The time-out is rounded **up** to the clock of the call: rounded down, a timer of less than
    /// a millisecond would be a busy loop.
    ///
    /// # Errors
    /// Of the system call, `Interrupted` (EINTR) among them.
    fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;
}

/// The most events one wait of an epoll instance brings; the rest come with the next.
const EVENTS_MAX: usize = 1024;

/// A time-out as the system calls take it. One too long to be told is none.
pub(crate) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.and_then(|timeout| timeout.try_into().ok())
}
