//! When to look at which connection, without work per request.
//!
//! *Floor 4.* A connection only names its next deadline, and for keep-alive traffic that moves
//! *later* with every request. So its entry in the heap is left alone when the deadline moves later, and
//! put back when it comes up too early; only a deadline that moves earlier than the entry is pushed
//! anew, and the later entry is then of no use. A busy connection costs one comparison per request.
//!
//! Nor is what is left in the heap by a connection that has ended, until it comes up, a minute later
//! perhaps. Taking it out at once would cost a search per close. So it is only counted, and
//! when such entries are the larger part the heap is made anew: each close pays for two entries.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::readiness::Token;

/// Time in steps of this length, rounded up: a deadline may come up a little late, never early.
const STEP: Duration = Duration::from_millis(100);

/// So many entries of no use may be there, however few the others are: 16 KiB.
const STALE_MAX: usize = 1_024;

/// A moment in steps since the loop began; [`NEVER`] is none.
pub(super) type DueStep = u32;

/// No deadline.
pub(super) const NEVER: DueStep = DueStep::MAX;

/// The pending deadlines of one loop.
pub(super) struct Deadlines {
    base: Instant,
    heap: BinaryHeap<DueEntry>,
    /// When the entry on top is due: every turn asks twice, and few turns change it.
    next: Option<Instant>,
    /// Entries that became stale since the last sweep. Some have come up since, which only makes
    /// the next one earlier.
    stale: usize,
}

/// When, and a token's number; the earliest is on top.
type DueEntry = Reverse<(DueStep, u64)>;

/// What one connection's entry takes.
#[cfg(test)]
pub(super) const ENTRY_BYTES: usize = size_of::<DueEntry>();

impl Deadlines {
    pub(super) const fn new(base: Instant) -> Self {
        Self {
            base,
            heap: BinaryHeap::new(),
            next: None,
            stale: 0,
        }
    }

    /// The step at whose end `at` has passed.
    fn step(&self, at: Instant) -> DueStep {
        let since = at.saturating_duration_since(self.base);
        // PITFALL: in nanoseconds. Cut to milliseconds first, 100.5 ms would come up at 100, early:
        // `expire` would put it back at the same step and find it due again, for ever.
        DueStep::try_from(since.as_nanos().div_ceil(STEP.as_nanos())).unwrap_or(NEVER - 1)
    }

    /// Names `token` at `at`, unless its entry at `armed` comes up before that anyway. Returns
    /// where its entry is.
    ///
    /// The first comparison is the one per request: making a step of `at` costs 130 instructions.
    pub(super) fn arm(&mut self, armed: DueStep, at: Instant, token: Token) -> DueStep {
        if at >= self.time(armed) {
            return armed;
        }
        let due = self.step(at);
        if due >= armed {
            return armed;
        }
        self.heap.push(Reverse((due, token.0)));
        self.look_at_top();
        self.disarm(armed);
        due
    }

    /// The entry at `armed`, if there is one, is of no use any more.
    pub(super) fn disarm(&mut self, armed: DueStep) {
        self.stale += usize::from(armed != NEVER);
    }

    /// Forgets the entries of no use if they are too many. `deadline_entry` says where the entry of a
    /// token is that counts.
    pub(super) fn sweep(&mut self, mut deadline_entry: impl FnMut(Token) -> DueStep) {
        if self.stale <= STALE_MAX.max(self.heap.len() / 2) {
            return;
        }
        self.heap
            .retain(|Reverse((step, token))| deadline_entry(Token(*token)) == *step);
        self.heap.shrink_to(2 * self.heap.len() + STALE_MAX);
        self.look_at_top();
        self.stale = 0;
    }

    /// The next entry that is due, to be held against its slot: it may be stale.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(DueStep, Token)> {
        self.next.filter(|next| *next <= now)?;
        let Reverse((step, token)) = self.heap.pop()?;
        self.look_at_top();
        Some((step, Token(token)))
    }

    /// When the next entry is due.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn look_at_top(&mut self) {
        let top = self.heap.peek();
        self.next = top.map(|Reverse((step, _))| self.time(*step));
    }

    fn time(&self, step: DueStep) -> Instant {
        self.base + STEP * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{EventLoop, Offload, Settings};
    use crate::http::{Request, Response, Tick};
    use crate::kernel::sim::{Schedule, Sim};
    use crate::service::Reply;

    #[test]
    fn entries_come_up_in_order_and_never_early() {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        let after = |millis| base + Duration::from_millis(millis);
        for (millis, step) in [(250, 3), (50, 1), (100, 1)] {
            assert_eq!(deadlines.arm(NEVER, after(millis), Token(millis)), step);
        }
        assert_eq!(deadlines.next(), Some(after(100)));
        assert_eq!(deadlines.pop_due(after(99)), None);
        let now = after(100);
        assert_eq!(deadlines.pop_due(now), Some((1, Token(50))));
        assert_eq!(deadlines.pop_due(now), Some((1, Token(100))));
        assert_eq!(deadlines.pop_due(now), None);
        assert_eq!(deadlines.next(), Some(after(300)));
        assert_eq!(deadlines.step(base + Duration::from_nanos(100_000_001)), 2);
    }

    /// 3,000 clients, one after the other, long before any of their deadlines.
    #[test]
    fn connections_that_are_gone_do_not_pile_up() {
        let sim = Sim::<true>::new(Schedule::friendly());
        let hello = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("hi"));
        let (listeners, settings) = (vec![sim.listen()], Settings::default());
        let offload = Offload::inline();
        let mut own = EventLoop::new(sim.clone(), listeners, hello, settings, offload).unwrap();
        let stays = sim.connect(1_000);
        own.turn().unwrap();
        for _ in 0..3_000 {
            let client = sim.connect(1_000);
            own.turn().unwrap();
            client.close();
            while own.connections() > 1 {
                own.turn().unwrap();
            }
        }
        let entries = own.context.deadlines.heap.len();
        assert!(entries <= 1 + STALE_MAX, "{entries}");
        assert!(own.context.deadlines.heap.capacity() <= 4 * STALE_MAX);
        // The one that stayed is still told when its time is over.
        sim.pass(Duration::from_secs(11));
        own.turn().unwrap();
        assert!(stays.has_ended());
    }

    /// `count` entries at step 10, of which three count, and one for another token at step 5.
    fn with_stale(count: u64) -> Deadlines {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        for token in 0..count {
            deadlines.arm(NEVER, base + 10 * STEP, Token(token));
        }
        deadlines.arm(NEVER, base + 5 * STEP, Token(count));
        for _ in 0..count {
            deadlines.disarm(10);
        }
        deadlines
    }

    #[test]
    fn a_sweep_takes_what_is_of_no_use_and_only_when_there_is_much_of_it() {
        let many = STALE_MAX as u64 + 1;
        let three_count = |token| match token {
            Token(0..3) => 10,
            _ => NEVER,
        };
        let mut few = with_stale(many - 1);
        few.sweep(three_count);
        assert_eq!(few.heap.len() as u64, many);

        let mut deadlines = with_stale(many);
        let top = deadlines.next().unwrap();
        deadlines.sweep(three_count);
        assert_eq!(deadlines.heap.len(), 3);
        assert_eq!(deadlines.next(), Some(top + 5 * STEP));
        assert_eq!(
            (deadlines.stale, deadlines.heap.capacity()),
            (0, 6 + STALE_MAX)
        );
        for token in 0..3 {
            let due = deadlines.pop_due(top + 5 * STEP);
            assert_eq!(due, Some((10, Token(token))));
        }
        assert_eq!(deadlines.next(), None);
    }

    /// Beside many entries of use, as many of no use as half of all may stay.
    #[test]
    fn a_sweep_is_paid_for_by_the_closes_before_it() {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        let all = 4 * STALE_MAX;
        for token in 0..all as u64 {
            deadlines.arm(NEVER, base + STEP, Token(token));
        }
        for disarmed in 1..=all / 2 + 1 {
            deadlines.disarm(1);
            deadlines.sweep(|token| if token.0 <= disarmed as u64 { NEVER } else { 1 });
            let swept = deadlines.heap.len() < all;
            assert_eq!(swept, disarmed > all / 2, "{disarmed}");
        }
    }

    #[test]
    fn an_entry_that_another_replaces_is_of_no_use() {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        let armed = deadlines.arm(NEVER, base + 9 * STEP, Token(0));
        assert_eq!((armed, deadlines.stale), (9, 0));
        let armed = deadlines.arm(armed, base + 4 * STEP, Token(0));
        assert_eq!((armed, deadlines.stale), (4, 1));
        deadlines.disarm(NEVER);
        assert_eq!(deadlines.stale, 1);
        assert_eq!(deadlines.next(), Some(base + 4 * STEP));
        // Further away than steps can count is still a deadline.
        let ages = base + STEP * (NEVER - 1) + 9 * STEP;
        assert_eq!(deadlines.step(ages), NEVER - 1);
    }

    #[test]
    fn only_an_earlier_deadline_needs_another_entry() {
        let base = Tick::for_tests().instant;
        let mut deadlines = Deadlines::new(base);
        let after = |millis| base + Duration::from_millis(millis);
        let rows = [
            (NEVER, 950, 10, 1),
            (10, 901, 10, 1),
            (10, 2000, 10, 1),
            (10, 900, 9, 2),
        ];
        for (armed, millis, expected, entries) in rows {
            assert_eq!(
                deadlines.arm(armed, after(millis), Token(0)),
                expected,
                "{millis}"
            );
            assert_eq!(deadlines.heap.len(), entries, "{millis}");
        }
    }
}
