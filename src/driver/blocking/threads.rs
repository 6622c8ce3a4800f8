//! A thread for each client: the straight line of `mod.rs`, as often as there are clients.
//!
//! *Floor 4.* Knows who is being served and who may be dropped to make room; what happens on a
//! connection is `mod.rs`.
//!
//! The idea: a thread [lends](super::wait::Waiting::lend) its connection to the registry while it
//! waits for its client. So a connection that is found there has no answer being made or sent, and
//! ending it cuts nothing in the middle. Its thread, asleep in ppoll(2), is woken by shutdown(2) on
//! its socket.
//!
//! *References:* pthreads(7), shutdown(2).

#![expect(
    clippy::disallowed_methods,
    reason = "one thread per connection starts here"
)]

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use super::one_at_a_time::{Blocking, next_client, tokens};
use super::pulse::Pulse;
use super::registry::{MOMENT, MadeRoom, Registration, Registry};
use super::serve::{AcceptedClient, Around, serve};
use super::told::Told;
use crate::conn::CloseReason;
use crate::driver::exchange;
use crate::driver::failures::RETRY;
use crate::driver::observe::Watchers;
use crate::driver::per_address::Share;
use crate::driver::settings::Settings;
use crate::http::{Request, Tick};
use crate::kernel::{Acceptor, BlockingStream, Peer, Stream, Waited};
use crate::readiness::Token;
use crate::service::{Reply, Service};

/// Stack of a connection's thread: the deepest path is a directory listing.
const STACK_BYTES: usize = 512 * 1024;

impl<S: Service> Blocking<S> {
    /// The `threads` backend: a thread per client, up to a bound at which one must be dropped.
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
            let Some(share) = Share::take(self.settings.per_address.as_ref(), peer) else {
                Told::new(token, &mut watchers).refused(peer, CloseReason::AddressLimit);
                continue;
            };
            if !registry.wait_for_place(self.settings.connections_max, &mut acceptor) {
                break;
            }
            let conn = exchange::begin(peer, &self.settings.limits, &stream.now());
            let Some(thread) = start_thread(&registry, &mut acceptor) else {
                break;
            };
            let task = ConnectionThread {
                place: registry.enter(conn, stream.hold(), share, &acceptor.now()),
                stream,
                peer,
                service: service.clone(),
                settings: self.settings.clone(),
                around: self.around.clone(),
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

/// One thread's work.
struct ConnectionThread<S: Service> {
    stream: BlockingStream,
    peer: Peer,
    service: Shared<S>,
    settings: Settings,
    around: Around,
    token: Token,
    watchers: Watchers,
    /// Given back when the thread ends, however it ends.
    place: Registration,
}

impl<S: Service> ConnectionThread<S> {
    fn run(mut self) {
        let client = AcceptedClient {
            conn: self.place.take_back(),
            stream: self.stream,
            peer: self.peer,
            token: self.token,
        };
        let served = (&mut self.service, &self.settings);
        let (watchers, place) = (&mut self.watchers, &mut self.place);
        serve(client, served, &self.around, watchers, place);
    }
}

/// One service for all threads: locked while it decides, not while it works.
struct Shared<S> {
    service: Arc<Mutex<S>>,
    /// Shows that the lock is given back: while one thread keeps it, no other request is answered.
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
        // A thread that works with it has one of them in use.
        let service = self.service.try_lock();
        service.is_ok_and(|mut service| service.release_descriptors())
    }
}
