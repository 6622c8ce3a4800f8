//! Each row of settle's table left out: the schedules must notice, with the right word.

use httpoll::driver::lab::MISTAKES;
use httpoll::driver::{Rule, settle};
use httpoll::kernel::sim::Schedule;

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

/// The rule that makes one of the mistakes of the lab.
pub(super) fn mistaken(name: &str) -> Rule {
    let found = MISTAKES.iter().find(|mistake| mistake.name == name);
    found.expect("a mistake of the lab").rule
}

#[test]
fn level_without_row_1_stalls() {
    check::<false>(mistaken("never-armed"), "stall");
}

#[test]
fn level_without_row_2_spins() {
    check::<false>(mistaken("never-disarmed"), "spin");
}

#[test]
fn edge_without_row_2_stalls() {
    check::<true>(mistaken("forgotten"), "stall");
}

#[test]
fn edge_without_row_3_stalls() {
    check::<true>(mistaken("budget"), "stall");
}

#[test]
fn both_without_row_4_stall() {
    check::<true>(mistaken("work"), "stall");
    check::<false>(mistaken("work"), "stall");
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
    assert_eq!(failure::<false>(mistaken("budget")), None);
    assert_eq!(failure::<true>(mistaken("never-armed")), None);
}

/// Enough for the rarest mistake, and few enough for a debug build.
pub(super) const SEEDS: u64 = 150;
