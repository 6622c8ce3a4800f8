//! The time, read once per turn.
//!
//! *Floor 2.* One of the few places that ask for the time; everything above is handed a [`Tick`].
//!
//! *References:* clock_gettime(2): answered by the vDSO, without entering the kernel.

#![expect(clippy::disallowed_methods, reason = "this is where ticks come from")]

use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::{Tick, date};
use crate::readiness::timespec;

/// Waits for the clock alone (nanosleep(2)), or for a signal.
pub(super) fn rest(time: Duration) {
    if let Some(time) = timespec(Some(time)) {
        let _ = rustix::thread::nanosleep(&time);
    }
}

/// Makes ticks, and formats the `Date` field only when its second has changed: formatting costs
/// 300 instructions, which every request of a busy turn would pay.
pub(super) struct Clock {
    turn: u64,
    /// The second that `http_date` says: two comparisons tell whether it is still that one, a
    /// quarter of what the time since 1970 costs.
    second: Range<SystemTime>,
    http_date: [u8; 29],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            turn: 0,
            second: UNIX_EPOCH..UNIX_EPOCH,
            http_date: date::format(UNIX_EPOCH),
        }
    }

    /// This moment, with a turn number that no earlier one had.
    ///
    /// std's clocks, not rustix's: those look for the vDSO themselves and crash under Valgrind,
    /// which counts our instructions.
    pub(super) fn now(&mut self) -> Tick {
        let (instant, wall) = (Instant::now(), SystemTime::now());
        if !self.second.contains(&wall) {
            // A clock before 1970 is a machine without a battery: `Date` then says 1970.
            let second = wall.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            let begin = UNIX_EPOCH + Duration::from_secs(second);
            self.second = begin..begin + Duration::from_secs(1);
            self.http_date = date::format(wall);
        }
        self.turn += 1;
        Tick {
            instant,
            wall,
            turn: self.turn,
            http_date: self.http_date,
        }
    }
}

/// Monotonic time, for a wait with a deadline.
pub(super) fn instant() -> Instant {
    Instant::now()
}
