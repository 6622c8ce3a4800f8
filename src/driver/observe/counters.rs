//! What is counted: plain integers in each loop, shown to others once per turn.
//!
//! *Floor 4.* Knows what can be counted and where each number stands; does not know who asks.
//!
//! ```text
//! loop ── Counts, its own: one addition ──┐ once per turn, relaxed stores
//!                                         ▼
//!                      Published, a cache line nobody else writes ──▶ sum() on the admin thread
//! ```
//!
//! The idea: **a counter that two threads add to costs a cache line that travels.** So each loop
//! adds to memory of its own and copies it, at the end of a turn, to where others may look. Relaxed
//! stores are ordinary moves; each number is whole, and numbers of one turn may be seen a moment
//! apart, which no rate notices. Without `--admin` nothing is copied at all.
//!
//! The drivers that wait, of which many threads share one [`Published`], add to it directly.
//!
//! *References:* Rust's `std::sync::atomic`, "Relaxed". *Read next:* `metrics.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::conn::{CloseReason, Connection, Finished, Phase};
use crate::driver::Closed;
use crate::http::Status;
use crate::service::CacheTally;

/// System calls that are counted, with the words for them.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Wait,
    Accept,
    Read,
    Write,
    SendFile,
    Shutdown,
    /// A change of the interest set: epoll_ctl(2), or none on poll and select.
    Interest,
}

pub(crate) const CALLS: [&str; 7] = [
    "wait", "accept", "read", "write", "sendfile", "shutdown", "interest",
];

/// Why a wait ended.
#[derive(Clone, Copy)]
pub(crate) enum Waking {
    /// A socket or a listener has something.
    Ready,
    /// Another thread knocked.
    Message,
    /// Nothing but time.
    Timeout,
}

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

/// Lanes in which requests wait for a thread.
pub(crate) const LANES: [&str; 2] = ["short", "long"];

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
pub(crate) const CACHE_HITS: usize = BODY_BYTES + 1;
pub(crate) const CACHE_MISSES: usize = CACHE_HITS + 1;
pub(crate) const CACHE_EVICTIONS: usize = CACHE_MISSES + 1;
pub(crate) const CACHE_BYTES: usize = CACHE_EVICTIONS + 1;
pub(crate) const JOBS_WAITING: usize = CACHE_BYTES + 1;
pub(crate) const JOBS_REFUSED: usize = JOBS_WAITING + LANES.len();
pub(crate) const JOBS_VOID: usize = JOBS_REFUSED + 1;
const CELLS: usize = JOBS_VOID + 1;

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

    pub(crate) const fn call(&mut self, call: Call) {
        self.0[CALL + call as usize] += 1;
    }

    pub(crate) const fn accepted(&mut self) {
        self.0[ACCEPTED] += 1;
    }

    pub(crate) const fn woken(&mut self, why: Waking) {
        self.0[WAKING + why as usize] += 1;
    }

    pub(crate) fn answered(&mut self, finished: &Finished) {
        self.0[status_cell(finished.status)] += 1;
        self.0[BODY_BYTES] += finished.body_bytes;
    }

    /// A connection is seen in another phase than before; `None` before it came and after it went.
    pub(crate) fn moved(&mut self, from: Option<u8>, to: Option<u8>) {
        if from != to {
            for (phase, by) in [(from, -1_i64), (to, 1)] {
                if let Some(cell) = phase.and_then(|at| self.0.get_mut(PHASE + usize::from(at))) {
                    *cell = cell.wrapping_add_signed(by);
                }
            }
        }
    }

    /// A turn took so long.
    pub(crate) fn lagged(&mut self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let bucket = LAG_BOUNDS.partition_point(|bound| *bound < micros);
        self.0[LAG + bucket] += 1;
        self.0[LAG_NANOS] += u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
    }

    /// What is counted elsewhere.
    pub(crate) fn copy(&mut self, closed: &Closed, cache: CacheTally) {
        self.0[CLOSED..CALL].copy_from_slice(closed.all());
        self.0[CACHE_HITS] = cache.hits;
        self.0[CACHE_MISSES] = cache.misses;
        self.0[CACHE_EVICTIONS] = cache.evictions;
        self.0[CACHE_BYTES] = cache.bytes;
    }

    /// What the threads of the loop say of their work.
    pub(crate) fn copy_jobs(&mut self, jobs: JobTally) {
        self.0[JOBS_WAITING..JOBS_REFUSED].copy_from_slice(&jobs.waiting);
        self.0[JOBS_REFUSED] = jobs.refused;
        self.0[JOBS_VOID] = jobs.voided;
    }
}

/// What a loop has handed to other threads.
#[derive(Clone, Copy, Default)]
pub(crate) struct JobTally {
    /// Requests that wait for a thread: short ones, long ones.
    pub(crate) waiting: [u64; 2],
    pub(crate) refused: u64,
    pub(crate) voided: u64,
}

/// Which of [`PHASES`] a connection is in; `None` when it is over.
pub(crate) fn seen_as(conn: &Connection) -> Option<u8> {
    Some(match conn.phase() {
        Phase::AwaitProxyHeader => 0,
        Phase::AwaitHead if conn.is_idle() => 1,
        Phase::AwaitHead => 2,
        Phase::AwaitBody | Phase::Draining => 3,
        Phase::AwaitReply => 4,
        Phase::Replying | Phase::Ending => 5,
        Phase::Lingering => 6,
        Phase::Closed => return None,
    })
}

fn status_cell(status: Status) -> usize {
    let known = Status::ALL.iter().position(|known| *known == status);
    STATUS + known.unwrap_or(0)
}

/// What one loop, or all threads of a blocking driver, show to others. Aligned so that two of them
/// share no cache line, nor a pair of lines that is fetched together.
#[repr(align(128))]
pub struct Published([AtomicU64; CELLS]);

impl Published {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self([const { AtomicU64::new(0) }; CELLS]))
    }

    /// Shows what the only writer has counted.
    pub(crate) fn show(&self, counts: &Counts) {
        for (shown, counted) in self.0.iter().zip(&counts.0) {
            shown.store(*counted, Relaxed);
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

    /// One more, by one of several writers.
    fn bump(&self, cell: usize) {
        if let Some(cell) = self.0.get(cell) {
            cell.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn accepted(&self) {
        self.bump(CALL + Call::Accept as usize);
        self.bump(ACCEPTED);
    }

    /// A call was made.
    pub(crate) fn called(&self, call: Call) {
        self.bump(CALL + call as usize);
    }

    /// A wait ended.
    pub(crate) fn woken(&self, why: Waking) {
        self.bump(WAKING + why as usize);
    }

    pub(crate) fn answered(&self, finished: &Finished) {
        self.bump(status_cell(finished.status));
        self.0[BODY_BYTES].fetch_add(finished.body_bytes, Relaxed);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        self.bump(CLOSED + reason.index());
    }

    pub(crate) fn cache(&self, cache: CacheTally) {
        self.0[CACHE_HITS].store(cache.hits, Relaxed);
        self.0[CACHE_MISSES].store(cache.misses, Relaxed);
        self.0[CACHE_EVICTIONS].store(cache.evictions, Relaxed);
        self.0[CACHE_BYTES].store(cache.bytes, Relaxed);
    }
}

/// Where a connection of a blocking driver is seen; gone when it is dropped.
pub(crate) struct Sighting {
    shown: Option<Arc<Published>>,
    phase: Option<u8>,
}

impl Sighting {
    pub(crate) fn new(shown: Option<&Arc<Published>>) -> Self {
        Self {
            shown: shown.cloned(),
            phase: None,
        }
    }

    /// It is in this phase now.
    pub(crate) fn look(&mut self, conn: &Connection) {
        self.at(seen_as(conn));
    }

    fn at(&mut self, phase: Option<u8>) {
        let Some(shown) = self.shown.as_ref().filter(|_| phase != self.phase) else {
            return;
        };
        if let Some(before) = self.phase {
            shown.0[PHASE + usize::from(before)].fetch_sub(1, Relaxed);
        }
        if let Some(now) = phase {
            shown.bump(PHASE + usize::from(now));
        }
        self.phase = phase;
    }
}

impl Drop for Sighting {
    fn drop(&mut self) {
        self.at(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let loops = [Published::new(), Published::new()];
        let mut counts = Counts::new();
        counts.call(Call::Interest);
        counts.moved(None, Some(2));
        loops[0].show(&counts);
        loops[1].show(&counts);
        let sum = Published::sum(&loops);
        assert_eq!(sum.get(CALL + Call::Interest as usize), 2);
        assert_eq!(sum.get(PHASE + 2), 2);
        counts.moved(Some(2), Some(1));
        counts.moved(Some(1), None);
        loops[0].show(&counts);
        loops[1].show(&counts);
        let sum = Published::sum(&loops);
        assert_eq!((sum.get(PHASE + 1), sum.get(PHASE + 2)), (0, 0));
    }

    #[test]
    fn a_thread_that_ends_is_seen_no_more() {
        let shown = Published::new();
        let mut sighting = Sighting::new(Some(&shown));
        sighting.at(Some(1));
        sighting.at(Some(5));
        let seen = |at| Published::sum(&[Arc::clone(&shown)]).get(PHASE + at);
        assert_eq!((seen(1), seen(5)), (0, 1));
        drop(sighting);
        assert_eq!((seen(1), seen(5)), (0, 0));
    }
}
