//! Rules that leave out a row of the table of `settle.rs`, to watch them fail.

use crate::driver::event_loop::settle::{Bits, Rule, Settled, settle};
use crate::readiness::Trigger;

/// A deliberate mistake.
#[derive(Clone, Copy)]
pub struct Mistake {
    /// Its name in an address.
    pub name: &'static str,
    /// What is done wrong.
    pub title: &'static str,
    /// Instead of `settle`.
    pub rule: Rule,
    /// Events do not say that the peer has ended.
    pub hides_ends: bool,
    /// The triggers under which it does harm.
    pub hurts: &'static [Trigger],
    /// The scenario in which that is seen best.
    pub shown_by: &'static str,
    /// `stall` or `spin`.
    pub word: &'static str,
}

/// All of them.
pub const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "never-armed",
        title: "a direction that comes to be wanted never enters the interest set",
        rule: never_armed,
        hides_ends: false,
        hurts: &[Trigger::Level],
        shown_by: "slow",
        word: "stall",
    },
    Mistake {
        name: "never-disarmed",
        title: "a direction that is no longer wanted never leaves the interest set",
        rule: never_disarmed,
        hides_ends: false,
        hurts: &[Trigger::Level],
        shown_by: "slow",
        word: "spin",
    },
    Mistake {
        name: "forgotten",
        title: "what is announced while it is not wanted is not remembered",
        rule: event_dropped,
        hides_ends: false,
        hurts: &[Trigger::Edge],
        shown_by: "slow",
        word: "stall",
    },
    Mistake {
        name: "budget",
        title: "a connection whose share of the turn is used up is not queued",
        rule: budget_forgotten,
        hides_ends: false,
        hurts: &[Trigger::Edge],
        shown_by: "early",
        word: "stall",
    },
    Mistake {
        name: "work",
        title: "bytes that were read and not used yet are not queued",
        rule: work_forgotten,
        hides_ends: false,
        hurts: &[Trigger::Edge, Trigger::Level],
        shown_by: "flood",
        word: "stall",
    },
    Mistake {
        name: "end",
        title: "the end behind the bytes is not looked for",
        rule: settle,
        hides_ends: true,
        hurts: &[Trigger::Edge],
        shown_by: "end",
        word: "stall",
    },
];

/// Level, row 1: a direction that is wanted never enters the interest set.
fn never_armed(trigger: Trigger, bits: Bits) -> Settled {
    let right = settle(trigger, bits);
    // A new connection is asked about once; after that nothing is added.
    let known = if bits.armed.any() {
        bits.armed
    } else {
        right.armed
    };
    Settled {
        armed: right.armed.and(known),
        ..right
    }
}

/// Level, row 2: a direction that is no longer wanted never leaves it.
fn never_disarmed(trigger: Trigger, bits: Bits) -> Settled {
    let right = settle(trigger, bits);
    Settled {
        armed: right.armed.or(bits.armed),
        ..right
    }
}

/// Edge, row 2: what is announced while it is not wanted is not remembered.
fn event_dropped(trigger: Trigger, bits: Bits) -> Settled {
    let ready = bits.ready.and(bits.wanted);
    settle(trigger, Bits { ready, ..bits })
}

/// Edge, row 3: a connection whose budget ran out is not queued.
fn budget_forgotten(trigger: Trigger, bits: Bits) -> Settled {
    Settled {
        queued: bits.has_work,
        ..settle(trigger, bits)
    }
}

/// Both, row 4: work already taken from the kernel is not queued.
fn work_forgotten(trigger: Trigger, bits: Bits) -> Settled {
    let has_work = false;
    settle(trigger, Bits { has_work, ..bits })
}
