//! A schedule is data: every decision of the simulated world is one number.
//!
//! *Floor 2.* Zero is always the friendliest choice (deliver everything, disturb nothing), and a
//! schedule that has run out goes on with zeros. So every run ends, the empty list is the run in
//! which nothing goes wrong, and a property test that shortens the list or lowers its numbers
//! shrinks towards it.

use crate::kernel::injected::splitmix64;

/// Where the decisions come from.
#[derive(Clone, Debug)]
pub struct Schedule {
    source: Choices,
}

#[derive(Clone, Debug)]
enum Choices {
    Seed { state: u64, left: u32 },
    List(std::vec::IntoIter<u16>),
}

impl Schedule {
    /// [`SEEDED_CHOICES`] decisions drawn from `seed`.
    pub const fn seeded(seed: u64) -> Self {
        let source = Choices::Seed {
            state: seed,
            left: SEEDED_CHOICES,
        };
        Self { source }
    }

    /// These decisions, each taken modulo the number of possibilities at its moment.
    pub fn of(choices: Vec<u16>) -> Self {
        Self {
            source: Choices::List(choices.into_iter()),
        }
    }

    /// The schedule in which nothing is late, split or disturbed.
    pub fn friendly() -> Self {
        Self::of(Vec::new())
    }

    /// A number below `n`; `n` must not be 0.
    pub fn pick(&mut self, n: usize) -> usize {
        match &mut self.source {
            Choices::Seed { left: 0, .. } => 0,
            Choices::Seed { state, left } => {
                *left -= 1;
                usize::from(splitmix64(state)) % n
            }
            Choices::List(choices) => usize::from(choices.next().unwrap_or(0)) % n,
        }
    }

    /// A part of `whole`: 0 stands for all of it, anything else for a length from 1 upwards,
    /// short ones being the likelier by far.
    pub fn part(&mut self, whole: usize) -> usize {
        match self.pick(4) {
            0 => whole,
            1 => whole.min(1),
            2 => whole.min(1 + self.pick(16)),
            _ => whole.min(1 + self.pick(whole.max(1))),
        }
    }
}

/// Decisions of a seeded schedule before the world turns friendly: what bounds a run.
pub const SEEDED_CHOICES: u32 = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_decides_the_same() {
        let draw = |seed| {
            let mut schedule = Schedule::seeded(seed);
            (0..32).map(|_| schedule.pick(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_schedule_that_has_run_out_is_friendly() {
        let mut schedule = Schedule::of(vec![5, 1, 9]);
        assert_eq!(
            [schedule.pick(4), schedule.pick(4), schedule.pick(4)],
            [1, 1, 1]
        );
        assert_eq!(schedule.pick(4), 0);
        assert_eq!(schedule.part(100), 100);
        let mut seeded = Schedule::seeded(1);
        for _ in 0..SEEDED_CHOICES {
            seeded.pick(2);
        }
        assert!((0..100).all(|_| seeded.pick(9) == 0));
    }

    #[test]
    fn a_part_is_never_empty_and_never_more() {
        let mut schedule = Schedule::seeded(3);
        for whole in 1..500 {
            assert!((1..=whole).contains(&schedule.part(whole)));
        }
    }
}
