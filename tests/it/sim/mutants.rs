//! Each row of settle's table left out: the schedules must notice, with the right word.

use httpoll::driver::Mistake;
use httpoll::kernel::sim::Schedule;

use super::schedules::{Cast, run};

/// How the loop of this trigger fails within the first seeds when it makes `mistake`.
fn failure<const EDGE: bool>(mistake: Mistake) -> Option<String> {
    mistake.make();
    let failed = (0..SEEDS)
        .find_map(|seed| run::<EDGE>(&Cast::draw(seed), Schedule::seeded(seed), false).err());
    Mistake::None.make();
    failed
}

fn check<const EDGE: bool>(mistake: Mistake, word: &str) {
    let failed = failure::<EDGE>(mistake).unwrap_or_else(|| panic!("{mistake:?} is not noticed"));
    assert!(failed.starts_with(word), "{mistake:?}: {failed}");
}

#[test]
fn level_without_row_1_stalls() {
    check::<false>(Mistake::NeverArmed, "stall");
}

#[test]
fn level_without_row_2_spins() {
    check::<false>(Mistake::NeverDisarmed, "spin");
}

#[test]
fn edge_without_row_2_stalls() {
    check::<true>(Mistake::EventDropped, "stall");
}

#[test]
fn edge_without_row_3_stalls() {
    check::<true>(Mistake::BudgetForgotten, "stall");
}

#[test]
fn both_without_row_4_stall() {
    check::<true>(Mistake::WorkForgotten, "stall");
    check::<false>(Mistake::WorkForgotten, "stall");
}

/// The table says "nothing" there, and means it.
#[test]
fn what_a_row_does_not_ask_for_is_not_missed() {
    assert_eq!(failure::<false>(Mistake::BudgetForgotten), None);
    assert_eq!(failure::<true>(Mistake::NeverArmed), None);
}

/// Enough for the rarest mistake, and few enough for a debug build.
const SEEDS: u64 = 150;
