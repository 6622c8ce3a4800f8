//! What becomes of a direction of a connection that has been left.

use super::SettledRecord;
use crate::readiness::{Directions, Trigger};

/// Who comes back to a direction, and whether anybody should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirectionState {
    /// Not wanted, and nothing announces it again and again.
    Resting,
    /// Wanted and not ready: the kernel will say when it is.
    Sleeping,
    /// Wanted, and the run queue or, at level, the next wait comes back at once.
    Due,
    /// Not wanted, and every wait ends at once because of it.
    Spinning,
    /// Wanted, and nothing will ever come back.
    Stalled,
}

impl DirectionState {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Sleeping => "sleeping",
            Self::Due => "due",
            Self::Spinning => "spinning",
            Self::Stalled => "stalled",
        }
    }

    /// Whether it never should be.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Spinning | Self::Stalled)
    }

    const fn of(trigger: Trigger, wanted: bool, ready: bool, armed: bool, queued: bool) -> Self {
        match (wanted, armed) {
            (true, _) if queued => Self::Due,
            (true, true) if !ready => Self::Sleeping,
            // A level is announced as long as it lasts, an edge once.
            (true, true) if matches!(trigger, Trigger::Level) => Self::Due,
            (true, _) => Self::Stalled,
            // Whether or not it is ready now: it may become ready at any time.
            (false, true) if matches!(trigger, Trigger::Level) => Self::Spinning,
            (false, _) => Self::Resting,
        }
    }
}

impl SettledRecord {
    /// The states on reading and on writing.
    pub const fn states(&self, trigger: Trigger) -> [DirectionState; 2] {
        let Self {
            wanted,
            ready,
            armed,
            queued,
            ..
        } = *self;
        [
            DirectionState::of(
                trigger,
                wanted.readable,
                ready.readable,
                armed.readable,
                queued,
            ),
            DirectionState::of(
                trigger,
                wanted.writable,
                ready.writable,
                armed.writable,
                queued,
            ),
        ]
    }

    /// What in it never should be, if anything: it begins with `stall` or `spin`.
    pub fn fault(&self, trigger: Trigger) -> Option<&'static str> {
        let states = self.states(trigger);
        // A level would be announced again.
        if self.forgotten && matches!(trigger, Trigger::Edge) {
            return Some("stall, what was announced is forgotten");
        }
        if self.work && !self.queued {
            return Some("stall, with work");
        }
        if states.contains(&DirectionState::Stalled) {
            return Some("stall, what is wanted is not announced");
        }
        if states.contains(&DirectionState::Spinning) {
            return Some("spin, what is not wanted is announced");
        }
        let to_do = self.work || self.wanted.and(self.ready) != Directions::NONE;
        (self.queued && !to_do).then_some("spin, with nothing to do")
    }
}
