//! One client after the other, and where the blocking drivers get their clients from.
//!
//! *Floor 4.* Knows the acceptor and one client at a time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pulse::Pulse;
use super::serve::{AcceptedClient, Around, serve};
use super::wait::Waiting;
use crate::conn::Connection;
use crate::driver::exchange;
use crate::driver::failures::{Failed, Failures, RETRY};
use crate::driver::observe::Watchers;
use crate::driver::settings::Settings;
use crate::kernel::{Acceptor, Arrival, BlockingStream, Peer, Stream, Waited};
use crate::readiness::Token;
use crate::service::Service;

/// What the blocking drivers are told.
pub(crate) struct Blocking<S: Service> {
    pub(crate) acceptor: Acceptor,
    pub(crate) service: S,
    /// For the `threads` backend, `connections_max` counts threads.
    pub(crate) settings: Settings,
    pub(crate) around: Around,
    pub(crate) watchers: Watchers,
    /// Where it is seen that it moves.
    pub(crate) pulse: Arc<Pulse>,
}

impl<S: Service> Blocking<S> {
    /// The `blocking` backend: one client after the other. When the server stops, new ones are
    /// refused while the present one is still being served; those that waited are served after it.
    pub(crate) fn run_one_at_a_time(mut self) -> io::Result<()> {
        let mut clients = Clients {
            acceptor: Some(self.acceptor),
            waiting: VecDeque::new(),
            ends_at: None,
            grace: self.settings.grace,
            pulse: Arc::clone(&self.pulse),
        };
        let mut tokens = tokens();
        while let Some((mut stream, peer)) = clients.next(&mut self.service) {
            let now = stream.now();
            if let Some(at) = clients.ends_at {
                self.settings.grace = at.saturating_duration_since(now.instant);
            }
            let client = AcceptedClient {
                conn: exchange::begin(peer, &self.settings.limits, &now),
                stream,
                peer,
                token: tokens.next().unwrap_or(Token(0)),
            };
            let served = (&mut self.service, &self.settings);
            let around = &self.around;
            // There is only one thread: all that it does between two waits must end.
            self.pulse
                .during(|| serve(client, served, around, &mut self.watchers, &mut clients));
        }
        Ok(())
    }
}

/// The clients that are still to be served.
struct Clients {
    acceptor: Option<Acceptor>,
    /// Those that were taken in when the server was told to stop.
    waiting: VecDeque<(BlockingStream, Peer)>,
    /// The moment at which a stop stops waiting.
    ends_at: Option<Instant>,
    grace: Duration,
    pulse: Arc<Pulse>,
}

impl Clients {
    fn next(&mut self, service: &mut impl Service) -> Option<(BlockingStream, Peer)> {
        self.waiting.pop_front().or_else(|| {
            let release = &mut |_: &mut Acceptor| service.release_descriptors();
            next_client(self.acceptor.as_mut()?, release)
        })
    }
}

impl Waiting for Clients {
    /// No other thread looks at the connection.
    fn lend<R>(&mut self, conn: Connection, wait: impl FnOnce() -> R) -> (Connection, R) {
        self.pulse.end();
        let waited = wait();
        self.pulse.begin();
        (conn, waited)
    }

    fn on_stop(&mut self) {
        let Some(open) = &mut self.acceptor else {
            return;
        };
        let ends_at = open.now().instant + self.grace;
        self.ends_at.get_or_insert(ends_at);
        if take_in_all(open, &mut self.waiting) {
            self.acceptor = None;
        }
    }
}

/// What connections are called that have no place in a table: one slot, used again and again.
pub(super) fn tokens() -> impl Iterator<Item = Token> {
    (0..=u32::MAX).cycle().map(|n| Token::new(0, n))
}

/// Takes in all clients that wait at a server that stops; `false` if there is no room for all of
/// them yet.
///
/// PITFALL: a client in the backlog of a listener is reset when that is closed
/// (`a_stop_answers_those_who_wait_to_be_let_in`).
fn take_in_all(acceptor: &mut Acceptor, waiting: &mut VecDeque<(BlockingStream, Peer)>) -> bool {
    let mut failures = Failures::default();
    loop {
        match acceptor.accept(None) {
            Ok(Arrival::Client(stream, peer)) => waiting.push_back((stream, peer)),
            Ok(Arrival::TimedOut) => {}
            Ok(Arrival::Stopping) => return true,
            Err(error) => match failures.judge(&error) {
                Failed::NoClient | Failed::Once => {}
                Failed::NoRoom | Failed::AgainAndAgain => return false,
            },
        }
    }
}

/// The next client, or `None` when the server stops. Where there is no room for it, `make_room` is
/// asked for some, and without that accepting rests.
pub(super) fn next_client(
    acceptor: &mut Acceptor,
    make_room: &mut dyn FnMut(&mut Acceptor) -> bool,
) -> Option<(BlockingStream, Peer)> {
    let mut failures = Failures::default();
    loop {
        let error = match acceptor.accept(None) {
            Ok(Arrival::Client(stream, peer)) => return Some((stream, peer)),
            Ok(Arrival::Stopping) => return None,
            Ok(Arrival::TimedOut) => continue,
            Err(error) => error,
        };
        let at_once = match failures.judge(&error) {
            Failed::NoClient | Failed::Once => true,
            Failed::NoRoom => make_room(acceptor),
            Failed::AgainAndAgain => false,
        };
        if !at_once && acceptor.rest(RETRY) == Waited::Stopping {
            return None;
        }
    }
}
