//! A thread for each client: the straight line of `blocking.rs`, as often as there are clients.
//!
//! *Floor 4.* Knows who is being served and who may be dropped to make room; what happens on a
//! connection is `blocking.rs`.
//!
//! The idea: a thread holds its connection's lock while it works and lets go of it while it waits.
//! So a lock that can be had *is* the proof that no answer is being made or sent, and a connection
//! that is ended under it is never cut in the middle. Its thread, asleep in ppoll(2), is woken by
//! shutdown(2) on its socket.
//!
//! *References:* pthreads(7), shutdown(2). *Read next:* `event_loop.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "one thread per connection starts here"
)]

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::access_log::LogBuffer;
use super::blocking::{Blocking, Guest, Terms, serve};
use super::per_address::Share;
use super::pulse::Pulse;
use super::room::{RETRY, is_missing};
use crate::conn::{CloseReason, Standing};
use crate::http::{Request, Tick};
use crate::kernel::{Acceptor, Arrival, BlockingStream, Hold, Peer, Stream, Waited};
use crate::service::{CacheTally, Reply, Service};

/// Stack of a connection's thread: the deepest path is a directory listing.
const STACK_BYTES: usize = 512 * 1024;

impl<S: Service> Blocking<S> {
    /// The `threads` backend: a thread per client, up to a bound at which somebody must go.
    pub(super) fn run_threads(self) -> io::Result<()> {
        let mut acceptor = self.acceptor;
        let crew = Arc::new(Crew::default());
        let service = Shared {
            service: Arc::new(Mutex::new(self.service)),
            pulse: self.pulse,
        };
        while let Some((mut stream, peer)) = next_client(&mut acceptor, &crew)? {
            let Some(share) = Share::take(self.terms.per_address.as_ref(), peer) else {
                if let Some(shown) = &self.terms.shown {
                    shown.accepted();
                    shown.closed(CloseReason::AddressLimit);
                }
                continue;
            };
            if !crew.make_room(self.threads_max, &mut acceptor)? {
                break;
            }
            let guest = Arc::new(Guest::new(peer, &self.terms.limits, &stream.now()));
            let task = Task {
                place: crew.enter(Arc::clone(&guest), stream.hold(), share),
                guest,
                stream,
                service: service.clone(),
                terms: self.terms.clone(),
                log: self.log.as_ref().map(LogBuffer::fork),
            };
            let thread = thread::Builder::new().name("connection".into());
            let started = thread.stack_size(STACK_BYTES).spawn(move || task.run());
            if started.is_err() {
                acceptor.rest(RETRY)?;
            }
        }
        drop(acceptor);
        crew.wait_below(1, self.terms.grace);
        Ok(())
    }
}

/// The next client, or `None` when the server stops. Without a descriptor for it, somebody goes
/// who may, but no second one if that did not help: then, and without such a one, accepting rests.
fn next_client(acceptor: &mut Acceptor, crew: &Crew) -> io::Result<Option<(BlockingStream, Peer)>> {
    let mut made_room = false;
    loop {
        match acceptor.accept(None) {
            Ok(Arrival::Client(stream, peer)) => return Ok(Some((stream, peer))),
            Ok(Arrival::Stopping) => return Ok(None),
            Ok(Arrival::TimedOut) => {}
            Err(error) if is_missing(&error) => {
                let there = crew.count();
                made_room = !made_room && crew.evict(&acceptor.now());
                if made_room {
                    crew.wait_below(there, RETRY);
                } else if acceptor.rest(RETRY)? == Waited::Stopping {
                    return Ok(None);
                }
            }
            // That one connection failed before we had it.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        }
    }
}

/// One thread's work.
struct Task<S: Service> {
    stream: BlockingStream,
    guest: Arc<Guest>,
    service: Shared<S>,
    terms: Terms,
    log: Option<LogBuffer>,
    /// Given back when the thread ends, however it ends.
    place: Place,
}

impl<S: Service> Task<S> {
    fn run(mut self) {
        let (service, log) = (&mut self.service, self.log.as_mut());
        serve(
            self.stream,
            &self.guest,
            service,
            &self.terms,
            log,
            &mut || {},
        );
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

    fn cache_tally(&self) -> CacheTally {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        service.cache_tally()
    }
}

/// The threads at work.
#[derive(Default)]
struct Crew {
    seats: Mutex<Seats>,
    left: Condvar,
}

#[derive(Default)]
struct Seats {
    taken: HashMap<u64, Seat>,
    /// How many were ever taken: the next one's number.
    ever: u64,
}

/// Where one connection is looked at from outside.
struct Seat {
    guest: Arc<Guest>,
    hold: Hold,
}

impl Crew {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.seats().taken.len()
    }

    /// Waits until fewer than `n` are at work, but no longer than `at_most`. Whether that is so.
    fn wait_below(&self, n: usize, at_most: Duration) -> bool {
        let too_many = |seats: &mut Seats| seats.taken.len() >= n;
        let waited = self
            .left
            .wait_timeout_while(self.seats(), at_most, too_many);
        let (seats, _) = waited.unwrap_or_else(PoisonError::into_inner);
        seats.taken.len() < n
    }

    /// Waits for a place below `max`, making one where that is allowed; `false` when the server
    /// stops instead. The client for whom it is done waits in the acceptor's hands: it is known
    /// to be there, and nobody is dropped for nobody.
    fn make_room(&self, max: usize, acceptor: &mut Acceptor) -> io::Result<bool> {
        while self.count() >= max {
            self.evict(&acceptor.now());
            if !self.wait_below(max, RETRY) && acceptor.rest(Duration::ZERO)? == Waited::Stopping {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Drops one connection that may be dropped, as [`Standing`] says; its thread then ends.
    fn evict(&self, now: &Tick) -> bool {
        let seats = self.seats();
        let mut victims: Vec<_> = seats
            .taken
            .values()
            .filter_map(|seat| Some((seat.standing(now)?, seat)))
            .collect();
        victims.sort_unstable_by_key(|(standing, _)| *standing);
        victims.into_iter().any(|(_, seat)| seat.vacate(now))
    }

    fn enter(self: &Arc<Self>, guest: Arc<Guest>, hold: Hold, share: Share) -> Place {
        let mut seats = self.seats();
        let number = seats.ever;
        seats.ever += 1;
        seats.taken.insert(number, Seat { guest, hold });
        Place {
            crew: Arc::clone(self),
            number,
            _share: share,
        }
    }
}

impl Seat {
    /// Why it may be dropped, and since when it waits; `None` while its thread works.
    fn standing(&self, now: &Tick) -> Option<(Standing, Instant)> {
        let conn = self.guest.waiting()?;
        let standing = conn.standing(now, || self.hold.unacknowledged())?;
        Some((standing, conn.since()))
    }

    /// Ends the connection, unless something has come for it meanwhile.
    fn vacate(&self, now: &Tick) -> bool {
        let Some(mut conn) = self.guest.waiting() else {
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

/// A thread's place in the crew.
struct Place {
    crew: Arc<Crew>,
    number: u64,
    _share: Share,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.seats().taken.remove(&self.number);
        self.crew.left.notify_all();
    }
}
