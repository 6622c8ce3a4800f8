//! A thread for each client: the straight line of `mod.rs`, as often as there are clients.
//!
//! *Floor 4.* Knows who is being served and who may be dropped to make room; what happens on a
//! connection is `mod.rs`.
//!
//! The idea: a thread holds its connection's lock while it works and lets go of it while it waits.
//! So a lock that can be had *is* the proof that no answer is being made or sent, and a connection
//! that is ended under it is never cut in the middle. Its thread, asleep in ppoll(2), is woken by
//! shutdown(2) on its socket.
//!
//! *References:* pthreads(7), shutdown(2).

#![expect(
    clippy::disallowed_methods,
    reason = "one thread per connection starts here"
)]

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::pulse::Pulse;
use super::{Blocking, SharedConnection, Terms, next_client, refuse, serve, tokens};
use crate::conn::{CloseReason, Standing};
use crate::driver::failures::RETRY;
use crate::driver::observe::Watchers;
use crate::driver::per_address::Share;
use crate::http::{Request, Tick};
use crate::kernel::{Acceptor, BlockingStream, Hold, Stream, Waited};
use crate::readiness::Token;
use crate::service::{Reply, Service};

/// Stack of a connection's thread: the deepest path is a directory listing.
const STACK_BYTES: usize = 512 * 1024;

impl<S: Service> Blocking<S> {
    /// The `threads` backend: a thread per client, up to a bound at which somebody must go.
    pub(crate) fn run_threads(self) -> io::Result<()> {
        let mut acceptor = self.acceptor;
        let (mut watchers, mut tokens) = (self.watchers, tokens());
        let registry = Arc::new(Registry::default());
        let service = Shared {
            service: Arc::new(Mutex::new(self.service)),
            pulse: self.pulse,
        };
        loop {
            let mut room = MadeRoom::default();
            let mut release = service.clone();
            let make_room = &mut |acceptor: &mut Acceptor| {
                release.release_descriptors() || room.make(&registry, acceptor)
            };
            let Some((mut stream, peer)) = next_client(&mut acceptor, make_room) else {
                break;
            };
            let token = tokens.next().unwrap_or(Token(0));
            let Some(share) = Share::take(self.terms.per_address.as_ref(), peer) else {
                refuse(&mut watchers, token, peer);
                continue;
            };
            if !registry.wait_for_place(self.threads_max, &mut acceptor) {
                break;
            }
            let shared = Arc::new(SharedConnection::new(
                peer,
                &self.terms.limits,
                &stream.now(),
            ));
            let Some(thread) = start_thread(&registry, &mut acceptor) else {
                break;
            };
            let task = ConnectionThread {
                place: registry.enter(Arc::clone(&shared), stream.hold(), share, &acceptor.now()),
                shared,
                stream,
                service: service.clone(),
                terms: self.terms.clone(),
                token,
                watchers: watchers.clone(),
            };
            // The thread ends without a task only if this one does.
            let _ = thread.send(task);
        }
        let left = acceptor.patience_left() + RETRY;
        drop(acceptor);
        registry.wait_below(1, left);
        Ok(())
    }
}

/// A thread that waits for its task, or `None` when the server stops before there is one.
///
/// PITFALL: the connection is not given to a thread that may not start: it would be closed with it
/// (`without_threads_newcomers_wait_and_nobody_is_reset`).
fn start_thread<S: Service>(
    registry: &Registry,
    acceptor: &mut Acceptor,
) -> Option<mpsc::Sender<ConnectionThread<S>>> {
    let mut room = MadeRoom::default();
    loop {
        let (give, take) = mpsc::channel::<ConnectionThread<S>>();
        let work = move || {
            if let Ok(task) = take.recv() {
                task.run();
            }
        };
        let thread = thread::Builder::new().name("connection".into());
        if thread.stack_size(STACK_BYTES).spawn(work).is_ok() {
            return Some(give);
        }
        // One that has given its place back is not gone at once.
        let pause = match room.make(registry, acceptor) {
            true => MOMENT,
            false => RETRY,
        };
        if acceptor.rest(pause) == Waited::Stopping {
            return None;
        }
    }
}

/// How long to wait for what takes no more than a moment.
const MOMENT: Duration = Duration::from_millis(5);

/// What was done for one client for whom something is missing.
#[derive(Default)]
struct MadeRoom(bool);

impl MadeRoom {
    /// Somebody goes who may, but no second one if that did not help; `false` if nobody did.
    fn make(&mut self, registry: &Registry, acceptor: &mut Acceptor) -> bool {
        let there = registry.count();
        self.0 = !self.0 && registry.evict(&acceptor.now()) == Evicted::One;
        if self.0 {
            registry.wait_below(there, RETRY);
        }
        self.0
    }
}

/// One thread's work.
struct ConnectionThread<S: Service> {
    stream: BlockingStream,
    shared: Arc<SharedConnection>,
    service: Shared<S>,
    terms: Terms,
    token: Token,
    watchers: Watchers,
    /// Given back when the thread ends, however it ends.
    place: Registration,
}

impl<S: Service> ConnectionThread<S> {
    fn run(mut self) {
        let served = (&mut self.service, &self.terms);
        let watched = (self.token, &mut self.watchers);
        serve(self.stream, &self.shared, served, watched, &mut || {});
        drop(self.place);
    }
}

/// One service for all threads: locked while it decides, not while it works.
struct Shared<S> {
    service: Arc<Mutex<S>>,
    /// Whoever has the lock must give it back, or nobody is served.
    pulse: Arc<Pulse>,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            pulse: Arc::clone(&self.pulse),
        }
    }
}

impl<S: Service> Service for Shared<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        self.pulse.during(|| {
            let service = self.service.lock();
            service
                .unwrap_or_else(PoisonError::into_inner)
                .call(request, now)
        })
    }

    fn release_descriptors(&mut self) -> bool {
        // Whoever works with it has one of them in use.
        let service = self.service.try_lock();
        service.is_ok_and(|mut service| service.release_descriptors())
    }
}

/// The threads at work.
#[derive(Default)]
struct Registry {
    registered: Mutex<Registered>,
    left: Condvar,
}

#[derive(Default)]
struct Registered {
    taken: HashMap<u64, RegistryEntry>,
    /// How many were ever taken: the next one's number.
    ever: u64,
}

/// Where one connection is looked at from outside.
struct RegistryEntry {
    shared: Arc<SharedConnection>,
    hold: Hold,
    came_at: Instant,
}

/// What came of an eviction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Evicted {
    One,
    /// Nobody may go.
    Nobody,
    /// Somebody may go, but it is not known yet who goes first.
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
    fn wait_below(&self, n: usize, at_most: Duration) -> bool {
        let too_many = |registered: &mut Registered| registered.taken.len() >= n;
        let waited = self
            .left
            .wait_timeout_while(self.registered(), at_most, too_many);
        let (registered, _) = waited.unwrap_or_else(PoisonError::into_inner);
        registered.taken.len() < n
    }

    /// Waits for a place below `max`, making one where that is allowed; `false` when the server
    /// stops and will wait no longer. The client for whom it is done waits in the acceptor's hands:
    /// it is known to be there.
    fn wait_for_place(&self, max: usize, acceptor: &mut Acceptor) -> bool {
        while self.count() >= max {
            let soon = match self.evict(&acceptor.now()) {
                Evicted::Later => MOMENT,
                Evicted::One | Evicted::Nobody => RETRY,
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
    /// PITFALL: who was served is not dropped while somebody has just come in and is at work:
    /// a moment later that one may turn out to be silent, and goes first
    /// (`a_burst_of_silent_clients_evicts_none_that_was_served`).
    fn evict(&self, now: &Tick) -> Evicted {
        let registered = self.registered();
        let mut victims: Vec<_> = registered
            .taken
            .values()
            .filter_map(|entry| Some((entry.standing(now)?, entry)))
            .collect();
        victims.sort_unstable_by_key(|(standing, _)| *standing);
        let is_new =
            |entry: &RegistryEntry| entry.shared.waiting().is_none() && entry.has_just_come(now);
        for ((standing, _), entry) in victims {
            if standing != Standing::Newcomer && registered.taken.values().any(is_new) {
                return Evicted::Later;
            }
            if entry.vacate(now) {
                return Evicted::One;
            }
        }
        Evicted::Nobody
    }

    fn enter(
        self: &Arc<Self>,
        shared: Arc<SharedConnection>,
        hold: Hold,
        share: Share,
        now: &Tick,
    ) -> Registration {
        let mut registered = self.registered();
        let number = registered.ever;
        registered.ever += 1;
        let came_at = now.instant;
        registered.taken.insert(
            number,
            RegistryEntry {
                shared,
                hold,
                came_at,
            },
        );
        Registration {
            registry: Arc::clone(self),
            number,
            _share: share,
        }
    }
}

impl RegistryEntry {
    fn has_just_come(&self, now: &Tick) -> bool {
        now.instant.saturating_duration_since(self.came_at) < RETRY
    }

    /// Why it may be dropped, and since when it waits; `None` while its thread works.
    fn standing(&self, now: &Tick) -> Option<(Standing, Instant)> {
        let conn = self.shared.waiting()?;
        let standing = conn.standing(now, || self.hold.unacknowledged())?;
        Some((standing, conn.since()))
    }

    /// Ends the connection, unless something has come for it meanwhile.
    fn vacate(&self, now: &Tick) -> bool {
        let Some(mut conn) = self.shared.waiting() else {
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

/// A thread's place in the registry.
struct Registration {
    registry: Arc<Registry>,
    number: u64,
    _share: Share,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.registered().taken.remove(&self.number);
        self.registry.left.notify_all();
    }
}
