//! One connection of a loop, and what the loop knows of its socket.
//!
//! *Floor 4.* *Read next:* `serve.rs`, which works on it.

use super::deadlines::DueStep;
use crate::conn::Connection;
use crate::driver::observe::access_log::LogBuffer;
use crate::driver::observe::counters::{Counts, seen_as};
use crate::driver::wanted::Wanted;
use crate::http::Tick;
use crate::kernel::{Kernel, Peer};
use crate::readiness::Directions;
use crate::service::Sink;

/// One connection of the loop. Kept small: 10,000 idle ones should cost little.
pub(super) struct Slot<K: Kernel> {
    pub(super) socket: K::Socket,
    pub(super) conn: Connection,
    pub(super) sink: Option<Box<dyn Sink>>,
    pub(super) peer: Peer,
    /// Directions in which the kernel has not said EAGAIN since it last said "ready".
    pub(super) ready: Directions,
    /// The kernel's interest set.
    pub(super) armed: Directions,
    /// The end of the client's stream has been announced: a short read does not mean "empty".
    pub(super) eof_possible: bool,
    /// In the run queue or in this turn's batch.
    pub(super) queued: bool,
    /// Looked at by the clock: see `room.rs`.
    pub(super) unwatched: bool,
    /// The phase in which it was seen last, for the counters.
    pub(super) seen_as: Option<u8>,
    /// Its entry among the deadlines.
    pub(super) deadline_entry: DueStep,
}

impl<K: Kernel> Slot<K> {
    /// What would be done, whatever the kernel says.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::of(&self.socket, &self.conn)
    }

    pub(super) fn is_due(&self, now: &Tick) -> bool {
        let deadline = self.conn.next_deadline();
        deadline.is_some_and(|at| at <= now.instant)
    }

    /// Counts it under what it is doing now.
    pub(super) fn see(&mut self, counts: &mut Counts) {
        let seen = seen_as(&self.conn);
        counts.moved(self.seen_as, seen);
        self.seen_as = seen;
    }

    /// Tells of answers that are out, or cut short.
    pub(super) fn report(
        &mut self,
        counts: &mut Counts,
        mut log: Option<&mut LogBuffer>,
        now: &Tick,
    ) {
        while let Some(finished) = self.conn.next_finished() {
            counts.answered(&finished);
            if let Some(log) = &mut log {
                log.line(now, self.peer, &finished);
            }
        }
    }
}
