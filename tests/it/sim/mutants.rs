//! Each row of settle's table left out: the schedules must notice, with the right word.

use httpoll::driver::{Bits, Rule, Settled, settle};
use httpoll::kernel::sim::Schedule;
use httpoll::readiness::Trigger;

use super::schedules::{Cast, run_by};

/// How the loop of this trigger fails within the first seeds when it settles by `rule`.
fn failure<const EDGE: bool>(rule: Rule) -> Option<String> {
    (0..SEEDS).find_map(|seed| {
        let cast = Cast::draw(seed);
        run_by::<EDGE>(rule, &cast, Schedule::seeded(seed), false).err()
    })
}

fn check<const EDGE: bool>(rule: Rule, word: &str) {
    let failed = failure::<EDGE>(rule).expect("the mistake is not noticed");
    assert!(failed.starts_with(word), "{failed}");
}

/// Level, row 1: a direction that is wanted never enters the interest set.
pub(super) fn never_armed(trigger: Trigger, bits: Bits) -> Settled {
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
pub(super) fn never_disarmed(trigger: Trigger, bits: Bits) -> Settled {
    let right = settle(trigger, bits);
    Settled {
        armed: right.armed.or(bits.armed),
        ..right
    }
}

/// Edge, row 2: what is announced while it is not wanted is not remembered.
pub(super) fn event_dropped(trigger: Trigger, bits: Bits) -> Settled {
    let ready = bits.ready.and(bits.wanted);
    settle(trigger, Bits { ready, ..bits })
}

/// Edge, row 3: a connection whose budget ran out is not queued.
pub(super) fn budget_forgotten(trigger: Trigger, bits: Bits) -> Settled {
    Settled {
        queued: bits.has_work,
        ..settle(trigger, bits)
    }
}

/// Both, row 4: work already taken from the kernel is not queued.
pub(super) fn work_forgotten(trigger: Trigger, bits: Bits) -> Settled {
    let has_work = false;
    settle(trigger, Bits { has_work, ..bits })
}

#[test]
fn level_without_row_1_stalls() {
    check::<false>(never_armed, "stall");
}

#[test]
fn level_without_row_2_spins() {
    check::<false>(never_disarmed, "spin");
}

#[test]
fn edge_without_row_2_stalls() {
    check::<true>(event_dropped, "stall");
}

#[test]
fn edge_without_row_3_stalls() {
    check::<true>(budget_forgotten, "stall");
}

#[test]
fn both_without_row_4_stall() {
    check::<true>(work_forgotten, "stall");
    check::<false>(work_forgotten, "stall");
}

/// A short read does not empty a socket whose peer has ended: the end is announced with the data.
#[test]
fn edge_that_does_not_hear_of_the_end_stalls() {
    let failed = (0..SEEDS).find_map(|seed| {
        let mut cast = Cast::draw(seed);
        cast.disturbances.hides_ends = true;
        run_by::<true>(settle, &cast, Schedule::seeded(seed), false).err()
    });
    let failed = failed.expect("the mistake is not noticed");
    assert!(failed.starts_with("stall"), "{failed}");
}

/// The table says "nothing" there, and means it.
#[test]
fn what_a_row_does_not_ask_for_is_not_missed() {
    assert_eq!(failure::<false>(budget_forgotten), None);
    assert_eq!(failure::<true>(never_armed), None);
}

/// Enough for the rarest mistake, and few enough for a debug build.
pub(super) const SEEDS: u64 = 150;
