//! Which thread serves which connection, and which may be dropped to make room for another.
//!
//! *Floor 4.* Knows connections only while their threads wait; does not know what is served. Which
//! one is dropped first is said by [`Connection::standing`].

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::wait::Waiting;
use crate::conn::{CloseReason, Connection, Standing};
use crate::driver::failures::RETRY;
use crate::driver::per_address::Share;
use crate::http::Tick;
use crate::kernel::{Acceptor, Hold, Waited};

/// How long to wait for what takes no more than a moment.
pub(super) const MOMENT: Duration = Duration::from_millis(5);

/// What was done for one client for which something is missing.
#[derive(Default)]
pub(super) struct MadeRoom(bool);

impl MadeRoom {
    /// Drops a connection that may be dropped, but no second one if that did not help; `false` if
    /// none was dropped.
    pub(super) fn make(&mut self, registry: &Registry, acceptor: &mut Acceptor) -> bool {
        let there = registry.count();
        self.0 = !self.0 && registry.evict(&acceptor.now()) == Evicted::One;
        if self.0 {
            registry.wait_below(there, RETRY);
        }
        self.0
    }
}

/// The threads at work.
#[derive(Default)]
pub(super) struct Registry {
    registered: Mutex<Registered>,
    left: Condvar,
}

#[derive(Default)]
struct Registered {
    taken: HashMap<u64, Arc<Place>>,
    /// How many were ever taken: the next one's number.
    ever: u64,
}

/// Where one connection is while its thread waits.
struct Place {
    waiting: Mutex<Option<Connection>>,
    hold: Hold,
    came_at: Instant,
}

/// What came of an eviction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Evicted {
    One,
    /// None may be dropped.
    None,
    /// Some may be dropped, but it is not known yet which one goes first.
    Later,
}

impl Registry {
    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.registered().taken.len()
    }

    /// Waits until fewer than `n` are at work, but no longer than `at_most`. Whether that is so.
    pub(super) fn wait_below(&self, n: usize, at_most: Duration) -> bool {
        let too_many = |registered: &mut Registered| registered.taken.len() >= n;
        let waited = self
            .left
            .wait_timeout_while(self.registered(), at_most, too_many);
        let (registered, _) = waited.unwrap_or_else(PoisonError::into_inner);
        registered.taken.len() < n
    }

    /// Waits for a place below `max`, making one where that is allowed; `false` when the server
    /// stops and will wait no longer. The client for which it is done was accepted already: it is
    /// known to be there.
    pub(super) fn wait_for_place(&self, max: usize, acceptor: &mut Acceptor) -> bool {
        while self.count() >= max {
            let soon = match self.evict(&acceptor.now()) {
                Evicted::Later => MOMENT,
                Evicted::One | Evicted::None => RETRY,
            };
            let mut stopping = || acceptor.rest(Duration::ZERO) == Waited::Stopping;
            if !self.wait_below(max, soon) && stopping() {
                return false;
            }
        }
        true
    }

    /// Drops one connection that may be dropped, as [`Standing`] says; its thread then ends.
    ///
    /// PITFALL: a client that was served is not dropped while the thread of a new one works: a
    /// moment later the new one may turn out to be silent, and is dropped first
    /// (`a_burst_of_silent_clients_evicts_none_that_was_served`).
    fn evict(&self, now: &Tick) -> Evicted {
        let registered = self.registered();
        let mut victims: Vec<_> = registered
            .taken
            .values()
            .filter_map(|place| Some((place.standing(now)?, place)))
            .collect();
        victims.sort_unstable_by_key(|(standing, _)| *standing);
        let is_new = |place: &Arc<Place>| place.waiting().is_none() && place.has_just_come(now);
        for ((standing, _), place) in victims {
            if standing != Standing::Newcomer && registered.taken.values().any(is_new) {
                return Evicted::Later;
            }
            if place.evict(now) {
                return Evicted::One;
            }
        }
        Evicted::None
    }

    /// Takes in a connection whose thread has not begun yet.
    pub(super) fn enter(
        self: &Arc<Self>,
        conn: Connection,
        hold: Hold,
        share: Share,
        now: &Tick,
    ) -> Registration {
        let mut registered = self.registered();
        let number = registered.ever;
        registered.ever += 1;
        let place = Arc::new(Place {
            waiting: Mutex::new(Some(conn)),
            hold,
            came_at: now.instant,
        });
        registered.taken.insert(number, Arc::clone(&place));
        Registration {
            registry: Arc::clone(self),
            number,
            place,
            _share: share,
        }
    }
}

impl Place {
    /// The connection, unless its thread works on it.
    fn waiting(&self) -> MutexGuard<'_, Option<Connection>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_just_come(&self, now: &Tick) -> bool {
        now.instant.saturating_duration_since(self.came_at) < RETRY
    }

    /// Why it may be dropped, and since when it waits; `None` while its thread works.
    fn standing(&self, now: &Tick) -> Option<(Standing, Instant)> {
        let waiting = self.waiting();
        let conn = waiting.as_ref()?;
        let standing = conn.standing(now, || self.hold.unacknowledged())?;
        Some((standing, conn.since()))
    }

    /// Ends the connection, unless something has come for it meanwhile.
    fn evict(&self, now: &Tick) -> bool {
        let mut waiting = self.waiting();
        let Some(conn) = waiting.as_mut() else {
            return false;
        };
        match conn.standing(now, || self.hold.unacknowledged()) {
            None => return false,
            Some(Standing::Slow) => {}
            // Its thread is about to wake to what has come, or has not even begun.
            Some(_) if !self.hold.is_quiet() => return false,
            Some(_) => {}
        }
        conn.on_abort(CloseReason::Evicted);
        self.hold.hang_up();
        true
    }
}

/// A thread's place in the registry, given back when the thread ends, however it ends.
pub(super) struct Registration {
    registry: Arc<Registry>,
    number: u64,
    place: Arc<Place>,
    _share: Share,
}

impl Registration {
    /// The connection, which the thread works on from now.
    #[expect(
        clippy::expect_used,
        reason = "only its thread takes it, and only after it was lent"
    )]
    pub(super) fn take_back(&mut self) -> Connection {
        self.place.waiting().take().expect("it was lent")
    }
}

impl Waiting for Registration {
    fn lend<R>(&mut self, conn: Connection, wait: impl FnOnce() -> R) -> (Connection, R) {
        *self.place.waiting() = Some(conn);
        let waited = wait();
        (self.take_back(), waited)
    }

    fn on_stop(&mut self) {}
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.registered().taken.remove(&self.number);
        self.registry.left.notify_all();
    }
}
