//! What is left behind when a connection has been served: the page on which edge and level differ.
//!
//! *Floor 4.* A pure function over the trigger and three facts; the fourth, what is armed already, is
//! for the loop, which makes a system call only where that changes. Per direction there are two bits.
//! **Wanted**: the protocol would use it
//! ([`Connection::wants_read`](crate::conn::Connection::wants_read), `wants_write`). **Ready**: the
//! kernel said so, and no call has shown since that it is over, by EAGAIN or by a short read or write
//! that means the same. Input and output happen only where both
//! are set. After that:
//!
//! | a direction ended the turn … | edge (epoll `EPOLLET`) | level (epoll, poll, select) |
//! |---|---|---|
//! | at EAGAIN, still wanted | nothing: the next arrival is a new edge | must be **in** the interest set |
//! | no longer wanted | nothing; an edge that comes is *remembered* in `ready` | must be **out** of the interest set, or the loop spins |
//! | early, budget spent, still wanted and ready | must be **queued**: the kernel will not repeat itself | nothing: the kernel repeats itself |
//! | with work already taken from the kernel | must be **queued**: no event will ever announce it | must be **queued** too |
//!
//! That work is the connection's, or what a [layer](crate::kernel::Layer) beneath it holds.
//!
//! Edge fails by sleeping for ever, level fails by never sleeping: the two words the simulator
//! reports when a row is missing. `tests/it/sim/mutants.rs` leaves each row out by giving the loop
//! another [`Rule`], and `tests/it/sim/layers.rs` gives it layers that say less than is true.
//!
//! *References:* epoll(7), "Level-triggered and edge-triggered".

use crate::readiness::{Directions, Trigger};

/// What is known of a connection at the end of its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    /// What the protocol would do, or the layer beneath it, which comes first.
    pub wanted: Directions,
    /// What the kernel said can be done, and no EAGAIN, short read or short write has taken back.
    pub ready: Directions,
    /// What the kernel has been asked to announce: its interest set.
    pub armed: Directions,
    /// Bytes or requests were taken from the kernel and not used yet, by the connection or by a
    /// layer beneath it.
    pub has_work: bool,
}

/// What is left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// What the kernel shall announce from now on.
    pub armed: Directions,
    /// What is remembered of what it said.
    pub ready: Directions,
    /// Whether the connection goes on in the next turn without an announcement.
    pub queued: bool,
}

/// A way to settle: [`settle`], or a deliberately wrong one, for tests and exercises.
pub type Rule = fn(Trigger, Bits) -> Settled;

/// Leaves things so that the kernel, or the loop itself, comes back to the connection when there is
/// something to do, and not before.
///
/// ```
/// use httpoll::driver::{Bits, settle};
/// use httpoll::readiness::{Directions, Trigger};
/// // The budget was spent in the middle of a large answer.
/// let bits = Bits {
///     wanted: Directions::WRITE,
///     ready: Directions::WRITE,
///     armed: Directions::BOTH,
///     has_work: false,
/// };
/// assert!(settle(Trigger::Edge, bits).queued); // the kernel has said so once
/// assert!(!settle(Trigger::Level, bits).queued); // the kernel will say so again
/// ```
pub const fn settle(trigger: Trigger, bits: Bits) -> Settled {
    let Bits {
        wanted,
        ready,
        has_work,
        ..
    } = bits;
    match trigger {
        // Registered once, for both directions: what is announced too early is remembered.
        Trigger::Edge => Settled {
            armed: Directions::BOTH,
            ready,
            queued: has_work || wanted.and(ready).any(),
        },
        Trigger::Level => Settled {
            armed: wanted,
            ready,
            queued: has_work,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [Directions; 4] = [
        Directions::NONE,
        Directions::READ,
        Directions::WRITE,
        Directions::BOTH,
    ];

    /// Every combination: what is wanted, ready and armed, with and without work, by both triggers.
    fn each(mut check: impl FnMut(Trigger, Bits, Settled)) {
        for at in 0..4 * 4 * 4 * 2 {
            let bits = Bits {
                wanted: SETS[at % 4],
                ready: SETS[at / 4 % 4],
                armed: SETS[at / 16 % 4],
                has_work: at / 64 == 1,
            };
            for trigger in [Trigger::Edge, Trigger::Level] {
                check(trigger, bits, settle(trigger, bits));
            }
        }
    }

    /// Where a direction is wanted, an event is asked for or the connection is queued.
    #[test]
    fn nothing_stalls() {
        each(|trigger, bits, settled| {
            let ways = [
                (
                    bits.wanted.readable,
                    bits.ready.readable,
                    settled.armed.readable,
                ),
                (
                    bits.wanted.writable,
                    bits.ready.writable,
                    settled.armed.writable,
                ),
            ];
            for (wanted, ready, armed) in ways {
                // An edge announces what is not ready yet; a level announces what is, too.
                let announced = armed && (trigger == Trigger::Level || !ready);
                assert!(
                    !wanted || announced || settled.queued,
                    "{trigger:?} {bits:?} {settled:?}"
                );
            }
            assert!(!bits.has_work || settled.queued, "{trigger:?} {bits:?}");
        });
    }

    /// The loop wakes only to do something: no level is watched that is not wanted, and no
    /// connection is queued that has nothing to do.
    #[test]
    fn nothing_spins() {
        each(|trigger, bits, settled| {
            if trigger == Trigger::Level {
                assert_eq!(settled.armed.and(bits.wanted), settled.armed, "{bits:?}");
            }
            let to_do = bits.has_work || bits.wanted.and(bits.ready).any();
            assert!(!settled.queued || to_do, "{trigger:?} {bits:?}");
        });
    }

    /// Under edge the interest set never changes, and under level it is all that changes.
    #[test]
    fn what_costs_a_system_call() {
        each(|trigger, bits, settled| match trigger {
            Trigger::Edge => assert_eq!(settled.armed, Directions::BOTH),
            Trigger::Level => {
                assert_eq!(settled.armed, bits.wanted);
                assert_eq!(settled.queued, bits.has_work);
            }
        });
    }

    /// Calls take readiness back; `settle` itself takes nothing back.
    #[test]
    fn what_the_kernel_said_is_remembered() {
        each(|_, bits, settled| assert_eq!(settled.ready, bits.ready));
    }
}
