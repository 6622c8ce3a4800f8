//! The linear reading: read, answer, send, again. One connection from its first byte to its last.
//!
//! *Floor 4.* What the event loop does for thousands of connections in turns, this does for one,
//! waiting wherever that one makes it wait. The `blocking` backend calls it for one client after
//! the other, which is why a silent client stops everybody and every answer says
//! `Connection: close`; `threads` calls it once per thread, which is why a thousand clients cost a
//! thousand stacks. The protocol, its limits and its deadlines are the same [`Connection`].

pub(crate) mod pulse;
#[cfg(test)]
mod tests;
pub(crate) mod threads;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::conn::{CloseReason, Connection, Limits};
use crate::driver::event_loop::settle::{Bits, Settled};
use crate::driver::exchange::{self, Advanced, Asker};
use crate::driver::failures::{Failed, Failures, RETRY};
use crate::driver::observe::Watchers;
use crate::driver::observe::in_flight::InFlight;
use crate::driver::observe::lines::Lines;
use crate::driver::observe::observer::{Call, Fact, Observer, Woke};
use crate::driver::offload::run_job;
use crate::driver::per_address::{PerAddress, Share};
use crate::driver::receive::{Intake, receive_some};
use crate::driver::transmit::{Allowance, Sending, send_some};
use crate::driver::wanted::Wanted;
use crate::http::{Notify, Tick, TrustedProxies, Wake};
use crate::kernel::{Acceptor, Arrival, BlockingStream, Peer, Stream, Traced, Waited};
use crate::readiness::{Directions, Token};
use crate::service::{Service, Sink};
use pulse::Pulse;

/// How long a thread sleeps at most when only other work can wake it.
const DOZE: Duration = Duration::from_millis(500);

/// A connection and who is at its other end.
///
/// The lock is held while there is work for the connection and let go while waiting for its
/// client. So whoever gets it from another thread has found a connection that waits, and may look
/// at it or end it: that is how `threads.rs` makes room.
pub(crate) struct SharedConnection {
    pub(crate) peer: Peer,
    conn: Mutex<Connection>,
}

impl SharedConnection {
    pub(crate) fn new(peer: Peer, limits: &Arc<Limits>, now: &Tick) -> Self {
        Self {
            peer,
            conn: Mutex::new(exchange::begin(peer, limits, now)),
        }
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if nobody works on it now.
    pub(crate) fn waiting(&self) -> Option<MutexGuard<'_, Connection>> {
        self.conn.try_lock().ok()
    }
}

/// Serves one connection to its end. `on_stop` is called when the server stops, once.
///
/// Answer, send, judge, wait, read: the whole of it is this loop.
fn serve_connection<T: Stream, S: Service, O: Observer>(
    mut served: Served<'_, T, S, O>,
    shared: &SharedConnection,
    on_stop: &mut dyn FnMut(),
) -> CloseReason {
    let mut conn = shared.conn();
    let mut has_waited = false;
    loop {
        if let Some(reason) = served.answer(&mut conn) {
            served.report(&mut conn);
            return reason;
        }
        served.transmit(&mut conn);
        let judged = std::mem::take(&mut has_waited) && served.judge(&mut conn);
        served.report(&mut conn);
        if judged || conn.has_work() {
            continue;
        }
        let wants = served.wants(&conn);
        served.settled(&wants, &conn);
        drop(conn);
        let waited = served.wait(&wants);
        conn = shared.conn();
        has_waited = true;
        if matches!(waited, Ok(Waited::Stopping)) {
            served.stop_at = Some(served.now.instant + served.terms.grace);
            on_stop();
        }
        served.on_waited(waited, &wants, &mut conn);
    }
}

/// One connection's stream and service, and what is remembered from one turn to the next.
struct Served<'a, T, S, O> {
    stream: &'a mut T,
    service: &'a mut S,
    terms: &'a Terms,
    /// What it is called by who watches.
    token: Token,
    observer: &'a mut O,
    peer: Peer,
    /// Its part of what its address may hold, once a proxy has named it.
    share: Option<Share>,
    sink: Option<Box<dyn Sink>>,
    flag: Arc<WakeFlag>,
    scratch: Vec<u8>,
    /// The moment at which a stop stops waiting.
    stop_at: Option<Instant>,
    now: Tick,
}

impl<'a, T: Stream, S: Service, O: Observer> Served<'a, T, S, O> {
    fn new(
        stream: &'a mut T,
        service: &'a mut S,
        terms: &'a Terms,
        (token, observer): (Token, &'a mut O),
        peer: Peer,
    ) -> Self {
        let now = stream.now();
        Self {
            stream,
            service,
            terms,
            token,
            observer,
            peer,
            share: None,
            sink: None,
            flag: Arc::default(),
            scratch: vec![0; READ_BYTES],
            stop_at: None,
            now,
        }
    }

    /// Answers all that has come; the reason if the connection is over.
    fn answer(&mut self, conn: &mut Connection) -> Option<CloseReason> {
        loop {
            let flag = &self.flag;
            let wake = || Wake::new(Arc::clone(flag) as Arc<dyn Notify>, 0);
            let asker = Asker {
                peer: self.peer.ip(),
                proxies: self.terms.proxies.as_deref(),
            };
            let (service, sink) = (&mut *self.service, &mut self.sink);
            let mut steps = u32::MAX;
            match exchange::advance(conn, sink, service, asker, wake, &mut steps, &self.now) {
                Advanced::Job(job) => {
                    let made = run_job(job, &|| self.stream.is_gone());
                    self.now = self.stream.now();
                    exchange::finish_job(conn, &mut self.sink, made, &self.now);
                }
                Advanced::Client(client) => {
                    self.peer = self.peer.speaking_for(client);
                    self.share = Share::take(self.terms.per_address.as_ref(), self.peer);
                    if self.share.is_none() {
                        return Some(CloseReason::AddressLimit);
                    }
                }
                Advanced::Close(reason) => return Some(reason),
                Advanced::Waiting | Advanced::Spent => return None,
            }
        }
    }

    /// Sends until nothing is left, the socket is full or the client has had its share.
    fn transmit(&mut self, conn: &mut Connection) {
        let mut allowance = Allowance {
            bytes: SEND_BYTES,
            writable: true,
            waits: true,
        };
        let (stream, token) = (&mut *self.stream, self.token);
        let observer = &mut *self.observer;
        loop {
            if conn.wants_pull() {
                let flag = Arc::clone(&self.flag) as Arc<dyn Notify>;
                exchange::pull(conn, &Wake::new(flag, 0));
            }
            let told = |call: Call<'_>| observer.observe(&Fact::Called { token, call });
            match send_some(stream, conn, &mut allowance, told, &self.now) {
                Sending::More => {}
                Sending::Cold | Sending::Stop => return,
            }
        }
    }

    /// Tells a connection that its time is over, if it is.
    ///
    /// PITFALL: only when all that was there has been served, because it may have come in time,
    /// while the process was stopped. But then in any case, and not only after `TimedOut`: a client
    /// that never stops sending is always ready.
    fn judge(&mut self, conn: &mut Connection) -> bool {
        let is_late = conn
            .next_deadline()
            .is_some_and(|at| at <= self.now.instant);
        if is_late {
            conn.on_deadline(&self.now, self.stream.unacknowledged());
        }
        is_late
    }

    /// Tells of answers that are out.
    fn report(&mut self, conn: &mut Connection) {
        while let Some(finished) = conn.next_finished() {
            self.observer.observe(&Fact::Answered {
                token: self.token,
                peer: self.peer,
                finished: &finished,
                now: &self.now,
            });
        }
    }

    /// Tells what is waited for: all that is wanted, and nothing is remembered as ready.
    fn settled(&mut self, wants: &Wants, conn: &Connection) {
        let bits = Bits {
            wanted: wants.wanted,
            ready: Directions::NONE,
            armed: wants.wanted,
            has_work: false,
        };
        let settled = Settled {
            armed: wants.wanted,
            ready: Directions::NONE,
            queued: false,
        };
        self.observer.observe(&Fact::Settled {
            token: self.token,
            bits,
            settled,
            conn,
        });
        self.observer.observe(&Fact::TurnEnded { lag: None });
    }

    /// What it waits for, now that all that was there has been used.
    fn wants(&self, conn: &Connection) -> Wants {
        let wanted = Wanted::of(self.stream, conn);
        // What a layer holds is read at once, with no more than a look at the stop before.
        let at_once = wanted.has_work.then_some(self.now.instant);
        let ends = [conn.next_deadline(), self.stop_at, at_once];
        Wants {
            wanted: wanted.directions,
            deadline: ends.into_iter().flatten().min(),
            wake: conn.waits_for_wake() && !wanted.directions.writable && !wanted.has_work,
        }
    }

    fn wait(&mut self, wants: &Wants) -> io::Result<Waited> {
        let (stream, flag) = (&mut *self.stream, &self.flag);
        let began = self.now.instant;
        let waited = self.terms.asleep(|| wants.wait(stream, flag));
        self.now = self.stream.now();
        self.observer.observe(&Fact::TurnStarted {
            timeout: (wants.deadline).map(|at| at.saturating_duration_since(began)),
            events: &[],
            woke: match waited {
                Ok(Waited::Ready) | Err(_) => Woke::Ready,
                Ok(Waited::Stopping) => Woke::Message,
                Ok(Waited::TimedOut) => Woke::Timeout,
            },
            now: &self.now,
        });
        waited
    }

    /// Tells the connection what came of its wait.
    fn on_waited(&mut self, waited: io::Result<Waited>, wants: &Wants, conn: &mut Connection) {
        match waited {
            Ok(Waited::Ready) => self.read(conn, wants.wanted.readable),
            Ok(Waited::TimedOut) => self.read(conn, false),
            Ok(Waited::Stopping) => conn.on_shutdown(&self.now),
            Err(_) => conn.on_abort(CloseReason::SocketFailed),
        }
        if self.stop_at.is_some_and(|at| at <= self.now.instant) {
            conn.on_abort(CloseReason::Shutdown);
        }
        if self.flag.take() {
            conn.on_wake(&self.now);
        }
    }

    /// Reads once, if the kernel says that there is something or a layer holds it.
    fn read(&mut self, conn: &mut Connection, readable: bool) {
        let mut intake = Intake {
            into: &mut self.scratch,
            readable,
            eof_possible: true,
        };
        let (observer, token) = (&mut *self.observer, self.token);
        let told = |call: Call<'_>| observer.observe(&Fact::Called { token, call });
        let n = receive_some(self.stream, conn, &mut intake, told, &self.now);
        if n > 0 {
            conn.on_bytes(&self.scratch[..n], &self.now);
        }
    }
}

/// Serves one connection, its calls printed if that is wanted.
pub(crate) fn serve<S: Service>(
    mut stream: BlockingStream,
    shared: &SharedConnection,
    (service, terms): (&mut S, &Terms),
    (token, watchers): (Token, &mut Watchers),
    on_stop: &mut dyn FnMut(),
) -> CloseReason {
    let _counted = terms.in_flight.begin();
    let peer = shared.peer;
    tell_of_accept(watchers, token, peer);
    watchers.observe(&Fact::Accepted { token, peer });
    let watched = (token, &mut *watchers);
    let reason = match &terms.trace {
        Some(lines) => {
            let mut traced = Traced::printing(stream, lines.sink()).with_times();
            let served = Served::new(&mut traced, service, terms, watched, peer);
            serve_connection(served, shared, on_stop)
        }
        None => {
            let served = Served::new(&mut stream, service, terms, watched, peer);
            serve_connection(served, shared, on_stop)
        }
    };
    watchers.observe(&Fact::Closed { token, reason });
    watchers.observe(&Fact::TurnEnded { lag: None });
    reason
}

/// A client of an address that holds its share is not kept.
pub(crate) fn refuse(watchers: &mut Watchers, token: Token, peer: Peer) {
    let reason = CloseReason::AddressLimit;
    tell_of_accept(watchers, token, peer);
    watchers.observe(&Fact::Refused { peer, reason });
    watchers.observe(&Fact::TurnEnded { lag: None });
}

fn tell_of_accept(watchers: &mut Watchers, token: Token, peer: Peer) {
    let call = Call::Accept(Ok(peer));
    watchers.observe(&Fact::Called { token, call });
}

/// What every connection of a blocking driver is held to.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) limits: Arc<Limits>,
    /// How long a stop waits for what is in flight.
    pub(crate) grace: Duration,
    /// Where each connection's calls are printed, if anywhere.
    pub(crate) trace: Option<Lines>,
    /// Whose word about their clients is taken.
    pub(crate) proxies: Option<Arc<TrustedProxies>>,
    /// Connections that one address may hold.
    pub(crate) per_address: Option<PerAddress>,
    /// How many connections are being served.
    pub(crate) in_flight: InFlight,
    /// Told of each wait, where one that does not come means that nobody is served.
    pub(crate) pulse: Option<Arc<Pulse>>,
}

impl Terms {
    /// Waits for a client, which may take as long as its deadlines let it.
    fn asleep(&self, wait: impl FnOnce() -> io::Result<Waited>) -> io::Result<Waited> {
        if let Some(pulse) = &self.pulse {
            pulse.end();
        }
        let waited = wait();
        if let Some(pulse) = &self.pulse {
            pulse.begin();
        }
        waited
    }
}

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Bytes sent before the deadlines and the stop are looked at again, however fast the client
/// takes them.
const SEND_BYTES: usize = 4 * 1024 * 1024;

/// What a connection waits for.
struct Wants {
    wanted: Directions,
    deadline: Option<Instant>,
    /// Whether other work wakes it, which no descriptor announces.
    wake: bool,
}

impl Wants {
    fn wait<T: Stream>(&self, stream: &mut T, flag: &WakeFlag) -> io::Result<Waited> {
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
struct WakeFlag {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl WakeFlag {
    fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self
            .changed
            .wait_timeout_while(rung, at_most, |rung| !*rung);
    }

    fn take(&self) -> bool {
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notify for WakeFlag {
    fn notify(&self, _: u64) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// What the blocking drivers are told.
pub(crate) struct Blocking<S: Service> {
    pub(crate) acceptor: Acceptor,
    pub(crate) service: S,
    pub(crate) terms: Terms,
    pub(crate) threads_max: usize,
    pub(crate) watchers: Watchers,
    /// Where it is seen that it moves.
    pub(crate) pulse: Arc<Pulse>,
}

impl<S: Service> Blocking<S> {
    /// The `blocking` backend: one client after the other. When the server stops, new ones are
    /// refused while the present one is still being served; those who waited are served after it.
    pub(crate) fn run_one_at_a_time(mut self) -> io::Result<()> {
        // There is only one thread: all that it does between two waits must end.
        self.terms.pulse = Some(Arc::clone(&self.pulse));
        let mut acceptor = Some(self.acceptor);
        let mut waiting = VecDeque::new();
        let mut ends_at = None;
        let mut tokens = tokens();
        while let Some((mut stream, peer)) = waiting.pop_front().or_else(|| {
            let release = &mut |_: &mut Acceptor| self.service.release_descriptors();
            next_client(acceptor.as_mut()?, release)
        }) {
            let now = stream.now();
            if let Some(at) = ends_at {
                self.terms.grace = Instant::saturating_duration_since(&at, now.instant);
            }
            let shared = SharedConnection::new(peer, &self.terms.limits, &now);
            let grace = self.terms.grace;
            let mut on_stop = || {
                let Some(open) = &mut acceptor else { return };
                ends_at.get_or_insert_with(|| open.now().instant + grace);
                if take_in_all(open, &mut waiting) {
                    acceptor = None;
                }
            };
            let watched = (tokens.next().unwrap_or(Token(0)), &mut self.watchers);
            self.pulse.during(|| {
                let served = (&mut self.service, &self.terms);
                serve(stream, &shared, served, watched, &mut on_stop);
            });
        }
        Ok(())
    }
}

/// What connections are called that have no place in a table: one slot, used again and again.
pub(crate) fn tokens() -> impl Iterator<Item = Token> {
    (0..=u32::MAX).cycle().map(|n| Token::new(0, n))
}

/// Takes in all who wait at a server that stops; `false` if there is no room for all of them yet.
///
/// PITFALL: whoever waits in the backlog of a listener is reset when it is closed
/// (`a_stop_answers_those_who_wait_to_be_let_in`).
fn take_in_all(acceptor: &mut Acceptor, waiting: &mut VecDeque<(BlockingStream, Peer)>) -> bool {
    let mut failures = Failures::default();
    loop {
        match acceptor.accept(None) {
            Ok(Arrival::Client(stream, peer)) => waiting.push_back((stream, peer)),
            Ok(Arrival::TimedOut) => {}
            Ok(Arrival::Stopping) => return true,
            Err(error) => match failures.judge(&error) {
                Failed::Nobody | Failed::Once => {}
                Failed::NoRoom | Failed::AgainAndAgain => return false,
            },
        }
    }
}

/// The next client, or `None` when the server stops. Where there is no room for it, `make_room` is
/// asked for some, and without that accepting rests.
pub(crate) fn next_client(
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
            Failed::Nobody | Failed::Once => true,
            Failed::NoRoom => make_room(acceptor),
            Failed::AgainAndAgain => false,
        };
        if !at_once && acceptor.rest(RETRY) == Waited::Stopping {
            return None;
        }
    }
}
