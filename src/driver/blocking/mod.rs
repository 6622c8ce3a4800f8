//! The straight line: answer, send, wait, read, again. One connection from its first byte to its last.
//!
//! *Floor 4.* What the event loop does for thousands of connections in turns, this does for one,
//! waiting wherever that one makes it wait. The `blocking` backend calls it for one client after
//! the other, which is why a silent client stops all others and every answer says
//! `Connection: close`; `threads` calls it once per thread, which is why a thousand clients cost a
//! thousand stacks. The protocol, its limits and its deadlines are the same [`Connection`].

mod one_at_a_time;
pub(crate) mod pulse;
mod registry;
mod serve;
#[cfg(test)]
mod tests;
mod threads;
mod told;
mod wait;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::conn::{CloseReason, Connection};
use crate::driver::exchange::{self, Advanced};
use crate::driver::observe::in_flight::Begun;
use crate::driver::observe::observer::{Call, Observer};
use crate::driver::offload::run_job;
use crate::driver::per_address::Share;
use crate::driver::receive::{Intake, receive_some};
use crate::driver::settings::Settings;
use crate::driver::transmit::send_all;
use crate::http::Tick;
use crate::kernel::{Peer, Stream, Waited};
use crate::service::{Job, Service, Sink};
pub(crate) use one_at_a_time::Blocking;
pub(crate) use serve::Around;
use told::Told;
use wait::{Waiting, WakeFlag, Wants};

/// Serves one connection to its end: answer, send, judge, wait, read.
fn serve_connection<T: Stream, S: Service, O: Observer>(
    mut served: Served<'_, T, S, O>,
    mut conn: Connection,
    waiting: &mut impl Waiting,
) -> CloseReason {
    let mut has_waited = false;
    loop {
        if let Some(reason) = served.answer(&mut conn) {
            served.told.answers(&mut conn, served.peer, &served.now);
            return reason;
        }
        let told = |call: Call<'_>| served.told.called(call);
        let wake = || served.flag.wake();
        send_all(served.stream, &mut conn, wake, told, &served.now);
        let judged = std::mem::take(&mut has_waited) && served.judge(&mut conn);
        served.told.answers(&mut conn, served.peer, &served.now);
        if judged || conn.has_work() {
            continue;
        }
        let wants = Wants::of(served.stream, &conn, served.stop_at, &served.now);
        served.told.settled(&wants, &conn);
        served.counted.is_in(conn.phase());
        let waited;
        (conn, waited) = waiting.lend(conn, || wants.wait(served.stream, &served.flag));
        has_waited = true;
        served.on_waited(&waited, &wants, &mut conn);
        if matches!(waited, Ok(Waited::Stopping)) {
            waiting.on_stop();
        }
    }
}

/// One connection's stream and service, and what is remembered from one turn to the next.
struct Served<'a, T, S, O> {
    stream: &'a mut T,
    service: &'a mut S,
    settings: &'a Settings,
    told: Told<'a, O>,
    peer: Peer,
    /// What a stop waits for.
    counted: Begun,
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
        (service, settings): (&'a mut S, &'a Settings),
        told: Told<'a, O>,
        peer: Peer,
    ) -> Self {
        Self {
            now: stream.now(),
            stream,
            service,
            settings,
            told,
            peer,
            counted: settings.in_flight.begin(),
            share: None,
            sink: None,
            flag: Arc::default(),
            scratch: vec![0; settings.read_bytes],
            stop_at: None,
        }
    }

    /// Answers all that has come; the reason if the connection is over.
    fn answer(&mut self, conn: &mut Connection) -> Option<CloseReason> {
        loop {
            let (service, sink, wake) = (&mut *self.service, &mut self.sink, || self.flag.wake());
            let (asker, mut steps) = (self.settings.asker(self.peer), u32::MAX);
            match exchange::advance(conn, sink, service, asker, wake, &mut steps, &self.now) {
                Advanced::Job(job) => self.run(job, conn),
                Advanced::Client(client) => {
                    self.peer = self.peer.speaking_for(client);
                    self.share = Share::take(self.settings.per_address.as_ref(), self.peer);
                    if self.share.is_none() {
                        return Some(CloseReason::AddressLimit);
                    }
                }
                Advanced::Close(reason) => return Some(reason),
                Advanced::Waiting | Advanced::Spent => return None,
            }
        }
    }

    fn run(&mut self, job: Job, conn: &mut Connection) {
        let mut next = Some(job);
        while let Some(job) = next {
            let made = run_job(job, &|| self.stream.is_gone());
            self.now = self.stream.now();
            let (service, sink) = (&mut *self.service, &mut self.sink);
            let again = exchange::finish_job(conn, sink, made, &self.now);
            next = again
                .and_then(|request| exchange::ask_again(conn, sink, service, &request, &self.now));
        }
    }

    /// Tells a connection that its time is over, if it is.
    ///
    /// PITFALL: only when all that was there has been served, because it may have come in time,
    /// while the process was stopped. But then in any case, and not only after `TimedOut`: a client
    /// that never stops sending is always ready
    /// (`a_client_that_never_stops_sending_is_late_all_the_same`).
    fn judge(&mut self, conn: &mut Connection) -> bool {
        let deadline = conn.next_deadline();
        let is_late = deadline.is_some_and(|at| at <= self.now.instant);
        if is_late {
            conn.on_deadline(&self.now, self.stream.unacknowledged());
        }
        is_late
    }

    /// Tells the connection what came of its wait, and reads once if there may be something.
    fn on_waited(&mut self, waited: &io::Result<Waited>, wants: &Wants, conn: &mut Connection) {
        let began = std::mem::replace(&mut self.now, self.stream.now()).instant;
        self.told.waited(wants, began, waited, &self.now);
        match waited {
            Ok(Waited::Ready) => self.read(conn, wants.wanted.readable),
            Ok(Waited::TimedOut) => self.read(conn, false),
            Ok(Waited::Stopping) => {
                self.stop_at = Some(self.now.instant + self.settings.grace);
                conn.on_shutdown(&self.now);
            }
            Err(_) => conn.on_abort(CloseReason::SocketFailed),
        }
        if self.stop_at.is_some_and(|at| at <= self.now.instant) {
            conn.on_abort(CloseReason::Shutdown);
        }
        if self.flag.take() {
            conn.on_wake(&self.now);
        }
    }

    fn read(&mut self, conn: &mut Connection, readable: bool) {
        let mut intake = Intake::new(&mut self.scratch, readable);
        let told = |call: Call<'_>| self.told.called(call);
        let n = receive_some(self.stream, conn, &mut intake, told, &self.now);
        if n > 0 {
            conn.on_bytes(&self.scratch[..n], &self.now);
        }
    }
}
