//! What is counted: plain integers in each loop, published once per turn.
//!
//! *Floor 4.* Knows what can be counted and where each number stands; does not know what reads it.
//!
//! ```text
//! Fact ─▶ Metrics, one addition ──┐ once per turn, what has changed
//!                                 ▼
//!              Published, a cache line only this loop writes ──▶ sum() on the admin thread
//! ```
//!
//! The idea: **a counter that two threads add to costs a cache line that travels.** So each loop
//! adds to memory of its own, and at the end of a turn to where other threads may look. Each number
//! is whole, and numbers of one turn may be seen a moment apart, which no rate notices. Without
//! `--admin` nothing is counted at all.
//!
//! The drivers that wait have a [`Metrics`] for each connection, and all of those one
//! [`Published`].
//!
//! *References:* Rust's `std::sync::atomic`, "Relaxed".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::observer::{Call, Fact, Observer};
use crate::conn::{CloseReason, Connection, Phase};
use crate::http::Status;
use crate::readiness::Token;

/// The words for system calls that are counted, in the order of [`call_cell`].
pub(crate) const CALLS: [&str; 7] = [
    "wait", "accept", "read", "write", "sendfile", "shutdown", "interest",
];

/// The words for what ended a wait, in the order of [`Woke`](super::observer::Woke).
pub(crate) const WAKINGS: [&str; 3] = ["ready", "message", "timeout"];

/// What connections are doing: [`Phase`], and the silent ones apart.
pub(crate) const PHASES: [&str; 7] = [
    "preface",
    "idle",
    "head",
    "body",
    "service",
    "replying",
    "lingering",
];

/// Upper bounds of the histogram of loop lag, in microseconds; a last bucket has none.
pub(crate) const LAG_BOUNDS: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000,
];

// Where each group of numbers begins.
pub(crate) const STATUS: usize = 0;
pub(crate) const CLOSED: usize = STATUS + Status::ALL.len();
pub(crate) const CALL: usize = CLOSED + CloseReason::NAMES.len();
pub(crate) const WAKING: usize = CALL + CALLS.len();
pub(crate) const PHASE: usize = WAKING + WAKINGS.len();
pub(crate) const LAG: usize = PHASE + PHASES.len();
pub(crate) const LAG_NANOS: usize = LAG + LAG_BOUNDS.len() + 1;
pub(crate) const ACCEPTED: usize = LAG_NANOS + 1;
pub(crate) const BODY_BYTES: usize = ACCEPTED + 1;
pub(crate) const RECEIVED_BYTES: usize = BODY_BYTES + 1;
const CELLS: usize = RECEIVED_BYTES + 1;

/// The numbers of one loop, or the sum of all.
pub(crate) struct Counts([u64; CELLS]);

impl Counts {
    pub(crate) const fn new() -> Self {
        Self([0; CELLS])
    }

    /// The number at a place named above.
    pub(crate) fn get(&self, cell: usize) -> u64 {
        self.0.get(cell).copied().unwrap_or(0)
    }

    fn add(&mut self, cell: usize, by: u64) {
        if let Some(count) = self.0.get_mut(cell) {
            *count = count.wrapping_add(by);
        }
    }

    /// A turn took so long.
    fn lagged(&mut self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let bucket = LAG_BOUNDS.partition_point(|bound| *bound < micros);
        self.add(LAG + bucket, 1);
        self.add(LAG_NANOS, u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Counts what a driver does. A clone has counted nothing yet, and shows it in the same place.
pub(crate) struct Metrics {
    /// What was counted since it was shown last; a phase that is left counts down, past nothing.
    counts: Counts,
    /// The phase in which each slot was seen last, or [`UNSEEN`].
    phases: Vec<u8>,
    shown: Arc<Published>,
}

/// No phase: the slot is empty, or its connection over.
const UNSEEN: u8 = u8::MAX;

impl Metrics {
    pub(crate) const fn new(shown: Arc<Published>) -> Self {
        Self {
            counts: Counts::new(),
            phases: Vec::new(),
            shown,
        }
    }

    /// A connection is seen in a phase, or no more.
    fn seen(&mut self, token: Token, phase: u8) {
        let slot = token.slot() as usize;
        if slot >= self.phases.len() {
            self.phases.resize(slot + 1, UNSEEN);
        }
        let before = std::mem::replace(&mut self.phases[slot], phase);
        self.moved(before, phase);
    }

    fn moved(&mut self, from: u8, to: u8) {
        if from != to {
            for (phase, by) in [(from, u64::MAX), (to, 1)] {
                if phase != UNSEEN {
                    self.counts.add(PHASE + usize::from(phase), by);
                }
            }
        }
    }

    fn show(&mut self) {
        self.shown.add(&self.counts);
        self.counts = Counts::new();
    }
}

impl Observer for Metrics {
    fn observe(&mut self, fact: &Fact<'_>) {
        match *fact {
            Fact::TurnStarted { woke, .. } => {
                self.counts.add(CALL, 1);
                self.counts.add(WAKING + woke as usize, 1);
            }
            Fact::Accepted { .. } => self.counts.add(ACCEPTED, 1),
            Fact::Refused { reason, .. } => {
                self.counts.add(ACCEPTED, 1);
                self.counts.add(CLOSED + reason.index(), 1);
            }
            Fact::Called { call, .. } => self.counts.add(call_cell(&call), 1),
            Fact::Answered { finished, .. } => {
                self.counts.add(status_cell(finished.status), 1);
                self.counts.add(BODY_BYTES, finished.body_bytes);
                self.counts.add(RECEIVED_BYTES, finished.received_bytes);
            }
            Fact::Settled { token, conn, .. } | Fact::Unwatched { token, conn } => {
                self.seen(token, phase_of(conn));
            }
            Fact::Closed { token, reason } => {
                self.seen(token, UNSEEN);
                self.counts.add(CLOSED + reason.index(), 1);
            }
            Fact::TurnEnded { lag } => {
                if let Some(lag) = lag {
                    self.counts.lagged(lag);
                }
                self.show();
            }
            Fact::Looked { .. } => {}
        }
    }
}

impl Clone for Metrics {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shown))
    }
}

/// A driver that ends, be it by a panic, has no connections.
impl Drop for Metrics {
    fn drop(&mut self) {
        for phase in std::mem::take(&mut self.phases) {
            self.moved(phase, UNSEEN);
        }
        self.show();
    }
}

/// Which of [`PHASES`] a connection is in.
fn phase_of(conn: &Connection) -> u8 {
    match conn.phase() {
        Phase::AwaitProxyHeader => 0,
        Phase::AwaitHead if conn.is_idle() => 1,
        Phase::AwaitHead => 2,
        Phase::AwaitBody | Phase::Draining => 3,
        Phase::AwaitReply => 4,
        Phase::Replying | Phase::Ending => 5,
        Phase::Lingering => 6,
        Phase::Closed => UNSEEN,
    }
}

/// Where a call is counted; waits stand first.
const fn call_cell(call: &Call<'_>) -> usize {
    CALL + match call {
        Call::Accept(_) => 1,
        Call::Read { .. } | Call::LayerRead(_) => 2,
        Call::Write { .. } | Call::LayerWrite(_) => 3,
        Call::SendFile { .. } => 4,
        Call::Shutdown(_) => 5,
        Call::Interest { .. } => 6,
    }
}

fn status_cell(status: Status) -> usize {
    let known = Status::ALL.iter().position(|known| *known == status);
    STATUS + known.unwrap_or(0)
}

/// What one loop, or all threads of a blocking driver, show to other threads. Aligned so that two
/// of them share no cache line, nor a pair of lines that is fetched together.
#[repr(align(128))]
pub(crate) struct Published([AtomicU64; CELLS]);

impl Published {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self([const { AtomicU64::new(0) }; CELLS]))
    }

    /// Adds what was counted since the last time.
    fn add(&self, counts: &Counts) {
        for (shown, counted) in self.0.iter().zip(&counts.0) {
            if *counted != 0 {
                shown.fetch_add(*counted, Relaxed);
            }
        }
    }

    /// The sum of all.
    pub(crate) fn sum(all: &[Arc<Self>]) -> Counts {
        let mut sum = Counts::new();
        for one in all {
            for (sum, shown) in sum.0.iter_mut().zip(&one.0) {
                *sum = sum.wrapping_add(shown.load(Relaxed));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::observer::Woke;
    use super::*;
    use crate::http::Tick;

    #[test]
    fn a_lag_falls_into_the_first_bucket_that_holds_it() {
        let check = |micros: u64, bucket: usize| {
            let mut counts = Counts::new();
            counts.lagged(Duration::from_micros(micros));
            assert_eq!(counts.get(LAG + bucket), 1, "{micros}");
            assert_eq!(counts.get(LAG_NANOS), micros * 1000);
        };
        check(0, 0);
        check(100, 0);
        check(101, 1);
        check(1_000_000, 12);
        check(1_000_001, 13);
    }

    #[test]
    fn loops_are_added_up_and_a_gauge_comes_back_to_nothing() {
        let places = [Published::new(), Published::new()];
        let mut loops = places.clone().map(Metrics::new);
        let seen = |cell| Published::sum(&places).get(cell);
        let wait = |one: &mut Metrics, woke| {
            one.observe(&Fact::TurnStarted {
                timeout: None,
                events: &[],
                woke,
                now: &Tick::for_tests(),
            });
        };
        for one in &mut loops {
            wait(one, Woke::Message);
            one.seen(Token::new(7, 1), 2);
            assert_eq!(seen(PHASE + 2), 0, "a turn is shown when it has ended");
        }
        for one in &mut loops {
            one.observe(&Fact::TurnEnded { lag: None });
        }
        assert_eq!((seen(CALL), seen(WAKING + 1)), (2, 2));
        assert_eq!(seen(PHASE + 2), 2);
        for one in &mut loops {
            one.seen(Token::new(7, 1), 1);
            let reason = CloseReason::ClientClosed;
            let token = Token::new(7, 1);
            one.observe(&Fact::Closed { token, reason });
            one.observe(&Fact::TurnEnded { lag: None });
        }
        assert_eq!((seen(PHASE + 1), seen(PHASE + 2)), (0, 0));
        assert_eq!(seen(CLOSED + CloseReason::ClientClosed.index()), 2);
    }

    #[test]
    fn a_driver_that_ends_has_no_connections() {
        let place = [Published::new()];
        let mut one = Metrics::new(Arc::clone(&place[0]));
        one.seen(Token::new(0, 3), 1);
        one.seen(Token::new(0, 3), 5);
        one.show();
        let seen = |at| Published::sum(&place).get(PHASE + at);
        assert_eq!((seen(1), seen(5)), (0, 1));
        drop(one);
        assert_eq!((seen(1), seen(5)), (0, 0));
    }
}
