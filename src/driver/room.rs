//! What is done when something is missing to take a client in.
//!
//! *Floor 4.* A place among the connections, a descriptor, memory, an entry in the selector, a
//! thread: whichever it is, the same three things follow. The caches close the descriptors that
//! they keep only to be faster; one connection that may be dropped makes room, and no second one
//! if that did not help, for what is missing may be missing to the whole system; and whoever still
//! has no room waits and is tried again by the clock. What others free raises no event.
//!
//! *References:* accept(2), epoll_ctl(2), poll(2), pthread_create(3), each under ERRORS.
//! *Read next:* `listeners.rs`, where clients come in.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::event_loop::{EventLoop, Slot};
use crate::conn::{CloseReason, Standing};
use crate::http::Tick;
use crate::kernel::Kernel;
use crate::readiness::Token;
use crate::service::Service;

/// How long whoever has no room waits before it is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// How many connections a turn may have to drop at most: as many as it accepts.
pub(super) const VICTIMS_MAX: usize = 64;

/// Out of descriptors, memory or watches: nobody's fault, and not over by trying at once.
pub(super) fn is_missing(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// What a loop knows about the room it has.
#[derive(Default)]
pub(super) struct Room {
    /// Somebody was dropped for want of room, and nobody has come in since.
    made: bool,
    /// Connections that may be dropped to make room, the first to go last, as of a turn.
    victims: Vec<Token>,
    victims_of: u64,
}

impl Room {
    /// Somebody has come in.
    pub(super) fn was_found(&mut self) {
        self.made = false;
    }
}

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// Makes room where the kernel had none; `false` if that is not to be had now.
    ///
    /// PITFALL: one at a time. What is missing may be missing to the whole system, and then it is
    /// not had by dropping our clients (`room_that_cannot_be_made_costs_one_connection_per_try`).
    pub(super) fn make_room(&mut self, now: &Tick) -> bool {
        if std::mem::take(&mut self.room.made) {
            return false;
        }
        let victim = self.next_victim(now);
        self.evict(victim);
        self.room.made = victim.is_some();
        self.room.made
    }

    /// Who must go next: first the oldest connection that never completed a request, then the
    /// longest idle one, then one below the minimal rate; never an answer in flight.
    pub(super) fn next_victim(&mut self, now: &Tick) -> Option<Token> {
        if self.room.victims_of != now.turn {
            self.room.victims_of = now.turn;
            self.room.victims = self.list_victims(now);
        }
        while let Some(token) = self.room.victims.last().copied() {
            // Served, gone or come back since the list was made?
            let slot = self.slots.get_mut(token);
            if slot.is_some_and(|slot| standing(slot, &self.kernel, now).is_some()) {
                return Some(token);
            }
            self.room.victims.pop();
        }
        None
    }

    /// Makes room.
    pub(super) fn evict(&mut self, victim: Option<Token>) {
        if let Some(token) = victim {
            self.close(token, CloseReason::Evicted);
        }
    }

    /// Who may be dropped, the first to go last. Made once per turn: at the limit, a list per
    /// accepted client would cost every client a walk over all others.
    fn list_victims(&self, now: &Tick) -> Vec<Token> {
        let mut victims: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(token, slot)| {
                let standing = standing(slot, &self.kernel, now)?;
                Some((standing, slot.conn.since(), token.0))
            })
            .collect();
        let wanted = VICTIMS_MAX.min(victims.len());
        if wanted < victims.len() {
            victims.select_nth_unstable(wanted);
            victims.truncate(wanted);
        }
        victims.sort_unstable_by(|a, b| b.cmp(a));
        victims
            .into_iter()
            .map(|(_, _, token)| Token(token))
            .collect()
    }
}

/// Why a connection may be dropped. Not one that something has just come for; nor one that came in
/// this turn, about whose request the kernel has not been asked yet.
fn standing<K: Kernel>(slot: &Slot<K>, kernel: &K, now: &Tick) -> Option<Standing> {
    if slot.queued || slot.conn.since() >= now.instant {
        return None;
    }
    slot.conn
        .standing(now, || kernel.unacknowledged(&slot.socket))
}
