//! When to look at which connection, without work per request.
//!
//! *Floor 4.* A connection only names its next deadline, and for keep-alive traffic that moves
//! *later* with every request. So at most one entry per slot lives in the heap: pushed when the
//! deadline moves earlier than the entry, left alone when it moves later, and put back when it
//! comes up too early. A busy connection costs one comparison per request.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::readiness::Token;

/// Time in steps of this length, rounded up: deadlines are for giving up, not for music.
const STEP: Duration = Duration::from_millis(100);

/// A moment in steps since the loop began; [`NEVER`] is none.
pub(super) type Step = u32;

/// No deadline.
pub(super) const NEVER: Step = Step::MAX;

/// The pending deadlines of one loop.
pub(super) struct Deadlines {
    base: Instant,
    heap: BinaryHeap<Reverse<(Step, u64)>>,
}

impl Deadlines {
    pub(super) const fn new(base: Instant) -> Self {
        Self {
            base,
            heap: BinaryHeap::new(),
        }
    }

    /// The step at whose end `at` has passed.
    pub(super) fn step(&self, at: Instant) -> Step {
        let since = at.saturating_duration_since(self.base);
        // PITFALL: in nanoseconds. Cut to milliseconds first, 100.5 ms would come up at 100, early:
        // `expire` would put it back at the same step and find it due again, for ever.
        Step::try_from(since.as_nanos().div_ceil(STEP.as_nanos())).unwrap_or(NEVER - 1)
    }

    /// Names `token` at `step`.
    pub(super) fn push(&mut self, step: Step, token: Token) {
        self.heap.push(Reverse((step, token.0)));
    }

    /// The next entry that is due, to be held against its slot: it may be stale.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Step, Token)> {
        let Reverse((step, token)) = *self.heap.peek()?;
        if self.time(step) > now {
            return None;
        }
        self.heap.pop();
        Some((step, Token(token)))
    }

    /// How long until the next entry.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let Reverse((step, _)) = self.heap.peek()?;
        Some(self.time(*step).saturating_duration_since(now))
    }

    fn time(&self, step: Step) -> Instant {
        self.base + STEP * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Tick;

    #[test]
    fn entries_come_up_in_order_and_never_early() {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        for millis in [250u64, 50, 100] {
            let step = deadlines.step(base + Duration::from_millis(millis));
            deadlines.push(step, Token(millis));
        }
        assert_eq!(deadlines.next(base), Some(Duration::from_millis(100)));
        assert_eq!(deadlines.pop_due(base + Duration::from_millis(99)), None);
        let now = base + Duration::from_millis(100);
        assert_eq!(deadlines.pop_due(now), Some((1, Token(50))));
        assert_eq!(deadlines.pop_due(now), Some((1, Token(100))));
        assert_eq!(deadlines.pop_due(now), None);
        assert_eq!(deadlines.next(now), Some(Duration::from_millis(200)));
        assert_eq!(deadlines.step(base + Duration::from_nanos(100_000_001)), 2);
    }
}
