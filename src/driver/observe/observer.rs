//! What happens in a driver, told as it happens: the one stream that everything watches.
//!
//! *Floor 4.* Knows what can be told; does not know what becomes of it. A driver is generic over
//! its [`Observer`], so that one which is not watched, `()`, has not a single instruction of it.
//!
//! ```text
//! TurnStarted { timeout, events, woke }
//!   Accepted                              listeners, once per client
//!   Called { Read { room: 65536, Ok(78) } }        first pass
//!   Called { Write { offered: 212, Ok(212) } }     second pass
//!   Answered { finished }
//!   Called { Interest { armed } }         if that changes
//!   Settled { bits, settled, conn }       what is left behind, by the table of `settle.rs`
//!   Closed { reason }                     or the end, instead
//! TurnEnded { lag }
//! ```
//!
//! The stream is whole: what is remembered as ready follows from the events, the calls and
//! [`Fact::Looked`] alone, and `tests/it/sim/observed.rs` proves the table of `settle.rs` from
//! nothing else.

use std::io;
use std::time::Duration;

use crate::conn::{CloseReason, Connection, Finished};
use crate::driver::event_loop::settle::{Bits, Settled};
use crate::http::Tick;
use crate::kernel::{Peer, Sent};
use crate::readiness::{Directions, Event, Token};

/// Takes note of what happens in a driver.
///
/// `()` watches nothing, a pair tells both, an `Option` may be empty; a reference and a `Box` tell
/// what they point to.
///
/// ```
/// use httpoll::driver::{Fact, Observer};
///
/// /// Counts requests that were answered.
/// #[derive(Default)]
/// struct Answers(u64);
///
/// impl Observer for Answers {
///     fn observe(&mut self, fact: &Fact<'_>) {
///         self.0 += u64::from(matches!(fact, Fact::Answered { .. }));
///     }
/// }
/// ```
pub trait Observer {
    /// Something has happened.
    fn observe(&mut self, fact: &Fact<'_>);

    /// Whether the facts are used: one that costs more than an instruction is not made otherwise.
    fn is_watching(&self) -> bool {
        true
    }
}

/// Something that has happened.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Fact<'a> {
    /// A wait has ended, and a turn begins. To a driver that waits, each wait of a connection is
    /// one.
    TurnStarted {
        /// How long the wait might have taken; `None` is for ever.
        timeout: Option<Duration>,
        /// What the kernel said, listeners and the mailbox's notifier included. A driver that waits
        /// has none.
        events: &'a [Event],
        /// What ended it.
        woke: Woke,
        /// The time of this turn.
        now: &'a Tick,
    },
    /// A client came in.
    Accepted {
        /// Its connection from now on. Writing will not wait, for all that is known.
        token: Token,
        /// Its address.
        peer: Peer,
    },
    /// A client came in and was not kept.
    Refused {
        /// Its address.
        peer: Peer,
        /// Why not.
        reason: CloseReason,
    },
    /// A connection is taken for ready without an announcement: by the clock.
    Looked {
        /// Which.
        token: Token,
        /// In these directions.
        ready: Directions,
    },
    /// A system call was made, but for waits.
    Called {
        /// For which connection or listener.
        token: Token,
        /// What was asked and what came of it.
        call: Call<'a>,
    },
    /// An answer is out or was cut short; told only if
    /// [`Limits::report_finished`](crate::conn::Limits::report_finished) says so.
    Answered {
        /// On which connection.
        token: Token,
        /// The other end, unless `finished` names another client.
        peer: Peer,
        /// Which answer.
        finished: &'a Finished,
        /// The moment at which it left.
        now: &'a Tick,
    },
    /// A connection has been served and is left.
    Settled {
        /// Which.
        token: Token,
        /// What the rule was given.
        bits: Bits,
        /// What it decided.
        settled: Settled,
        /// The connection, with its phase.
        conn: &'a Connection,
    },
    /// The kernel refuses to watch a connection for want of room: the clock looks at it.
    Unwatched {
        /// Which.
        token: Token,
        /// The connection, with its phase.
        conn: &'a Connection,
    },
    /// A connection has ended.
    Closed {
        /// Which.
        token: Token,
        /// Why.
        reason: CloseReason,
    },
    /// All that could be done is done.
    TurnEnded {
        /// How long that took, which is what the next event had to wait. `None` where no event
        /// waits for it: a driver with a thread for each connection.
        lag: Option<Duration>,
    },
}

/// A system call on a socket or about it, and what came of it.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// accept4(2).
    Accept(Result<Peer, &'a io::Error>),
    /// recv(2).
    Read {
        /// How many bytes there was room for.
        room: usize,
        /// Whether a layer beneath held some, so that few bytes do not mean that there are no more.
        held: bool,
        /// How many came; 0 is the end.
        result: Result<usize, &'a io::Error>,
    },
    /// send(2) or sendmsg(2).
    Write {
        /// How many bytes were offered.
        offered: usize,
        /// How many were taken.
        result: Result<usize, &'a io::Error>,
    },
    /// sendfile(2).
    SendFile {
        /// How many bytes were offered.
        offered: usize,
        /// How many were taken.
        result: Result<Sent, &'a io::Error>,
    },
    /// shutdown(2) of our half.
    Shutdown(Result<(), &'a io::Error>),
    /// recv(2) of what a layer beneath [owes](crate::kernel::Layer::owes) to read.
    LayerRead(Result<(), &'a io::Error>),
    /// send(2) of what it owes to write.
    LayerWrite(Result<(), &'a io::Error>),
    /// A change of the interest set: epoll_ctl(2), or none on poll and select.
    Interest {
        /// What the kernel is asked to announce.
        armed: Directions,
        /// Whether it will.
        result: Result<(), &'a io::Error>,
    },
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woke {
    /// A socket or a listener has something.
    Ready,
    /// Another thread has left a message.
    Message,
    /// Nothing but time.
    Timeout,
}

impl Observer for () {
    #[inline]
    fn observe(&mut self, _: &Fact<'_>) {}

    #[inline]
    fn is_watching(&self) -> bool {
        false
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, fact: &Fact<'_>) {
        self.0.observe(fact);
        self.1.observe(fact);
    }

    fn is_watching(&self) -> bool {
        self.0.is_watching() || self.1.is_watching()
    }
}

impl<O: Observer> Observer for Option<O> {
    fn observe(&mut self, fact: &Fact<'_>) {
        if let Some(observer) = self {
            observer.observe(fact);
        }
    }

    fn is_watching(&self) -> bool {
        self.as_ref().is_some_and(O::is_watching)
    }
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn observe(&mut self, fact: &Fact<'_>) {
        (**self).observe(fact);
    }

    fn is_watching(&self) -> bool {
        (**self).is_watching()
    }
}

impl<O: Observer + ?Sized> Observer for Box<O> {
    fn observe(&mut self, fact: &Fact<'_>) {
        (**self).observe(fact);
    }

    fn is_watching(&self) -> bool {
        (**self).is_watching()
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed::Closed;
    use super::*;

    fn told<O: Observer>(mut observer: O) -> O {
        let reason = CloseReason::Evicted;
        let token = Token::new(1, 2);
        observer.observe(&Fact::Closed { token, reason });
        observer
    }

    #[test]
    fn observers_compose() {
        let absent = None::<Closed>;
        let (one, (other, none)) = told((Closed::default(), (Some(Closed::default()), absent)));
        assert_eq!((one.total(), one.get("evicted")), (1, 1));
        assert_eq!(other, Some(one));
        assert_eq!(none, None);
        let mut lent = Closed::default();
        told(Box::new(&mut lent) as Box<dyn Observer + '_>);
        assert_eq!(lent, one);
    }

    #[test]
    fn nobody_is_told_what_it_costs_to_find_out() {
        assert!(!().is_watching() && !((), None::<Closed>).is_watching());
        assert!(((), Some(Closed::default())).is_watching());
        assert!(!Some(()).is_watching());
    }
}
