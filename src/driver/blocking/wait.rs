//! How a connection's thread waits: for its client, for the clock, or for other work.
//!
//! *Floor 4.* *References:* ppoll(2), pthread_cond_timedwait(3).

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::conn::Connection;
use crate::driver::wanted::Wanted;
use crate::http::{Notify, Tick, Wake};
use crate::kernel::{Stream, Waited};
use crate::readiness::Directions;

/// How long a thread sleeps at most when only other work can wake it.
const DOZE: Duration = Duration::from_millis(500);

/// What becomes of a connection while its thread waits, and what else the thread must do.
pub(super) trait Waiting {
    /// Waits, and gives the connection back.
    fn lend<R>(&mut self, conn: Connection, wait: impl FnOnce() -> R) -> (Connection, R);

    /// The server stops. Said once.
    fn on_stop(&mut self);
}

/// What a connection waits for.
pub(super) struct Wants {
    pub(super) wanted: Directions,
    pub(super) deadline: Option<Instant>,
    /// Whether other work wakes it, which no descriptor announces.
    wake: bool,
}

impl Wants {
    /// To be asked when all that was there has been used. What a layer holds is not, and is read at
    /// once: no longer than a look at the stop is waited before.
    pub(super) fn of<T: Stream>(
        stream: &T,
        conn: &Connection,
        stop_at: Option<Instant>,
        now: &Tick,
    ) -> Self {
        let wanted = Wanted::of(stream, conn);
        let at_once = wanted.has_work.then_some(now.instant);
        let ends = [conn.next_deadline(), stop_at, at_once];
        Self {
            wanted: wanted.directions,
            deadline: ends.into_iter().flatten().min(),
            wake: conn.waits_for_wake() && !wanted.directions.writable && !wanted.has_work,
        }
    }

    pub(super) fn wait<T: Stream>(&self, stream: &mut T, flag: &WakeFlag) -> io::Result<Waited> {
        if !self.wake {
            return stream.wait(self.wanted, self.deadline);
        }
        // A stream or a sink has something soon: the socket is only looked at in between.
        flag.wait(DOZE);
        let at_once = stream.now().instant;
        stream.wait(self.wanted, Some(at_once))
    }
}

/// How other work wakes a thread that waits for it.
#[derive(Default)]
pub(super) struct WakeFlag {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl WakeFlag {
    fn wait(&self, at_most: Duration) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self
            .changed
            .wait_timeout_while(woken, at_most, |woken| !*woken);
    }

    /// What sets it off.
    pub(super) fn wake(self: &Arc<Self>) -> Wake {
        Wake::new(Arc::clone(self) as Arc<dyn Notify>, 0)
    }

    pub(super) fn take(&self) -> bool {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notify for WakeFlag {
    fn notify(&self, _: u64) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
