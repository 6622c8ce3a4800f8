//! The linear reading: read, answer, send, again. One connection from its first byte to its last.
//!
//! *Floor 4.* What the event loop does for thousands of connections in turns, this does for one,
//! waiting wherever that one makes it wait. The `blocking` backend calls it for one client after
//! the other, which is why a silent client stops everybody and every answer says
//! `Connection: close`; `threads` calls it once per thread, which is why a thousand clients cost a
//! thousand stacks. The protocol, its limits and its deadlines are the same [`Connection`].
//!
//! *Read next:* `event_loop.rs`, which turns this inside out.

#![expect(
    clippy::disallowed_methods,
    reason = "one thread per connection starts here"
)]

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::access_log::LogBuffer;
use super::door::PerAddress;
use super::exchange::{self, Advanced};
use super::offload::run_job;
use crate::conn::{CloseReason, Connection, Limits, Transmit};
use crate::http::{Notify, Request, Tick, Wake};
use crate::kernel::{Acceptor, Arrival, BlockingStream, Peer, Sent, Stream, Traced, Waited};
use crate::readiness::Interest;
use crate::service::{Reply, Service};

/// How long accepting rests when the process is out of descriptors.
const REST: Duration = Duration::from_millis(100);

/// How long a thread sleeps at most when only other work can wake it.
const DOZE: Duration = Duration::from_millis(500);

/// Serves one connection to its end.
pub(super) fn serve_connection<T: Stream, S: Service>(
    stream: &mut T,
    peer: Peer,
    service: &mut S,
    terms: &Terms,
    mut log: Option<&mut LogBuffer>,
) -> CloseReason {
    let mut now = stream.now();
    let mut conn = Connection::new(Arc::clone(&terms.limits), &now);
    let mut sink = None;
    let bell = Arc::new(Bell::default());
    let wake = || Wake::new(Arc::clone(&bell) as Arc<dyn Notify>, 0);
    let mut scratch = vec![0; READ_BYTES];
    let mut stop_at = None;
    loop {
        let mut steps = u32::MAX;
        let ip = peer.ip();
        match exchange::advance(&mut conn, &mut sink, service, ip, wake, &mut steps, &now) {
            Advanced::Job(job) => {
                let made = run_job(job);
                now = stream.now();
                exchange::finish_job(&mut conn, made, &now);
                continue;
            }
            Advanced::Close(reason) => {
                report(&mut conn, peer, &mut log, &now);
                return reason;
            }
            Advanced::Waiting | Advanced::Spent => {}
        }
        if let Err(reason) = transmit(stream, &mut conn, wake, &now) {
            conn.on_abort(reason);
        }
        report(&mut conn, peer, &mut log, &now);
        if !conn.has_work() {
            let waited = wait(stream, &mut conn, &bell, &mut scratch, stop_at);
            now = stream.now();
            match waited {
                Ok(Waited::Stopping) => {
                    stop_at = Some(now.instant + terms.grace);
                    conn.on_shutdown(&now);
                }
                Ok(_) if stop_at.is_some_and(|at| at <= now.instant) => {
                    conn.on_abort(CloseReason::Shutdown);
                }
                Ok(_) => {}
                Err(_) => conn.on_abort(CloseReason::SocketFailed),
            }
            if bell.take() {
                conn.on_wake(&now);
            }
        }
    }
}

/// Serves one connection, its calls printed if that is wanted.
fn serve<S: Service>(
    mut stream: BlockingStream,
    peer: Peer,
    service: &mut S,
    terms: &Terms,
    trace: Option<fn(&str)>,
    log: Option<&mut LogBuffer>,
) -> CloseReason {
    match trace {
        Some(print) => {
            let mut traced = Traced::printing(stream, Box::new(print)).with_times();
            serve_connection(&mut traced, peer, service, terms, log)
        }
        None => serve_connection(&mut stream, peer, service, terms, log),
    }
}

/// What every connection of a blocking driver is held to.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) limits: Arc<Limits>,
    /// How long a stop waits for what is in flight.
    pub(super) grace: Duration,
}

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Sends until nothing is left or the socket is full.
fn transmit<T: Stream>(
    stream: &mut T,
    conn: &mut Connection,
    wake: impl Fn() -> Wake,
    now: &Tick,
) -> Result<(), CloseReason> {
    loop {
        if conn.wants_pull() {
            conn.pull(&wake());
        }
        let sent = match conn.next_transmit() {
            None => return Ok(()),
            Some(Transmit::Shutdown) => {
                let _ = stream.shutdown_write();
                conn.on_shutdown_sent(now);
                return Ok(());
            }
            Some(Transmit::Bytes { slices, more }) => {
                let used = if slices[1].is_empty() {
                    &slices[..1]
                } else {
                    &slices[..]
                };
                stream.write(used, more).map(Sent::Bytes)
            }
            Some(Transmit::File {
                source,
                offset,
                len,
            }) => stream.send_file(source, offset, usize::try_from(len).unwrap_or(usize::MAX)),
        };
        match sent {
            Ok(Sent::Bytes(n)) => conn.on_sent(n, now),
            Ok(Sent::SocketFull | Sent::SourceCold) => return Ok(()),
            Ok(Sent::SourceEnd) => conn.on_source_end(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::SocketFailed),
        }
    }
}

/// Waits for whatever the connection is interested in, and tells it.
fn wait<T: Stream>(
    stream: &mut T,
    conn: &mut Connection,
    bell: &Bell,
    scratch: &mut [u8],
    stop_at: Option<Instant>,
) -> io::Result<Waited> {
    let wanted = Interest {
        readable: conn.wants_read(),
        writable: conn.wants_write(),
    };
    let own = [conn.next_deadline(), stop_at];
    let mut deadline = own.into_iter().flatten().min();
    if conn.waits_for_wake() && !wanted.writable {
        // A stream or a sink has something soon: the socket is only looked at in between.
        bell.wait(DOZE);
        deadline = Some(stream.now().instant);
    }
    let waited = stream.wait(wanted, deadline)?;
    let now = stream.now();
    match waited {
        Waited::Ready if wanted.readable => read(stream, conn, scratch, &now),
        Waited::TimedOut if conn.next_deadline().is_some_and(|at| at <= now.instant) => {
            conn.on_deadline(&now, stream.unacknowledged());
        }
        _ => {}
    }
    Ok(waited)
}

fn read<T: Stream>(stream: &mut T, conn: &mut Connection, scratch: &mut [u8], now: &Tick) {
    match stream.read(scratch) {
        Ok(0) => conn.on_eof(now),
        Ok(n) => conn.on_bytes(scratch.get(..n).unwrap_or_default(), now),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
            _ => conn.on_abort(CloseReason::SocketFailed),
        },
    }
}

fn report(conn: &mut Connection, peer: Peer, log: &mut Option<&mut LogBuffer>, now: &Tick) {
    if let Some(log) = log {
        while let Some(finished) = conn.next_finished() {
            log.line(now, peer, &finished);
        }
        log.flush();
    }
}

/// How other work wakes a thread that waits for it.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
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

impl Notify for Bell {
    fn notify(&self, _: u64) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// What the blocking drivers are told.
pub(super) struct Blocking<S: Service> {
    pub(super) acceptor: Acceptor,
    pub(super) service: S,
    pub(super) terms: Terms,
    pub(super) per_address: Option<PerAddress>,
    pub(super) threads_max: usize,
    /// Where each connection's calls are printed, if anywhere.
    pub(super) trace: Option<fn(&str)>,
    pub(super) log: Option<LogBuffer>,
}

impl<S: Service> Blocking<S> {
    /// The `blocking` backend: one client after the other.
    pub(super) fn run_one_at_a_time(mut self) -> io::Result<()> {
        loop {
            match self.next_client(None)? {
                Arrival::Client(stream, peer) => {
                    let service = &mut self.service;
                    let log = self.log.as_mut();
                    serve(stream, peer, service, &self.terms, self.trace, log);
                }
                Arrival::TimedOut => {}
                Arrival::Stopping => return Ok(()),
            }
        }
    }

    /// The `threads` backend: a thread per client, up to a bound at which accepting stops.
    pub(super) fn run_threads(mut self) -> io::Result<()> {
        let crew = Arc::new(Crew::default());
        let service = Arc::new(Mutex::new(self.service));
        loop {
            let (next, log) = (&mut self.acceptor, &self.log);
            crew.wait_below(self.threads_max, None);
            match next_client(next, None)? {
                Arrival::Client(stream, peer) => {
                    let Some(place) = crew.enter(self.per_address.clone(), peer) else {
                        continue;
                    };
                    let task = Task {
                        stream,
                        peer,
                        service: Shared(Arc::clone(&service)),
                        terms: self.terms.clone(),
                        trace: self.trace,
                        log: log.as_ref().map(LogBuffer::fork),
                        _place: place,
                    };
                    let thread = thread::Builder::new().name("connection".into());
                    if thread
                        .stack_size(STACK_BYTES)
                        .spawn(move || task.run())
                        .is_err()
                    {
                        self.acceptor.rest(REST)?;
                    }
                }
                Arrival::TimedOut => {}
                Arrival::Stopping => break,
            }
        }
        drop(self.acceptor);
        crew.wait_below(1, Some(self.terms.grace));
        Ok(())
    }

    fn next_client(&mut self, deadline: Option<Instant>) -> io::Result<Arrival> {
        next_client(&mut self.acceptor, deadline)
    }
}

/// Stack of a connection's thread: the deepest path is a directory listing.
const STACK_BYTES: usize = 512 * 1024;

/// The next client, however often the process is out of descriptors meanwhile.
fn next_client(acceptor: &mut Acceptor, deadline: Option<Instant>) -> io::Result<Arrival> {
    loop {
        match acceptor.accept(deadline) {
            Ok(arrival) => return Ok(arrival),
            Err(error) if super::door::is_out_of_room(&error) => {
                if acceptor.rest(REST)? == Waited::Stopping {
                    return Ok(Arrival::Stopping);
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
    peer: Peer,
    service: Shared<S>,
    terms: Terms,
    trace: Option<fn(&str)>,
    log: Option<LogBuffer>,
    /// Given back when the thread ends, however it ends.
    _place: Place,
}

impl<S: Service> Task<S> {
    fn run(mut self) {
        let log = self.log.as_mut();
        serve(
            self.stream,
            self.peer,
            &mut self.service,
            &self.terms,
            self.trace,
            log,
        );
    }
}

/// One service for all threads: locked while it decides, not while it works.
struct Shared<S>(Arc<Mutex<S>>);

impl<S: Service> Service for Shared<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .call(request, now)
    }
}

/// The threads at work.
#[derive(Default)]
struct Crew {
    count: Mutex<usize>,
    left: Condvar,
}

impl Crew {
    /// Waits until fewer than `n` are at work; with `at_most`, no longer than that.
    fn wait_below(&self, n: usize, at_most: Option<Duration>) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let too_many = |count: &mut usize| *count >= n;
        match at_most {
            None => drop(self.left.wait_while(count, too_many)),
            Some(at_most) => drop(self.left.wait_timeout_while(count, at_most, too_many)),
        }
    }

    /// A place for one more; `None` if its address holds its share already.
    fn enter(self: &Arc<Self>, per_address: Option<PerAddress>, peer: Peer) -> Option<Place> {
        let shared = per_address.zip(peer.ip());
        if shared
            .as_ref()
            .is_some_and(|(counts, ip)| !counts.enter(*ip))
        {
            return None;
        }
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Some(Place {
            crew: Arc::clone(self),
            shared,
        })
    }
}

/// A thread's place in the crew.
struct Place {
    crew: Arc<Crew>,
    shared: Option<(PerAddress, std::net::IpAddr)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((counts, ip)) = &self.shared {
            counts.leave(*ip);
        }
        *self
            .crew
            .count
            .lock()
            .unwrap_or_else(PoisonError::into_inner) -= 1;
        self.crew.left.notify_all();
    }
}
