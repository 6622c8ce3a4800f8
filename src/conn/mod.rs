//! The connection automaton: bytes in, steps out; answers in, bytes and file ranges out.
//!
//! *Floor 1.* Knows HTTP's framing, reuse and time limits. Does not know sockets, the clock, files
//! or threads: what happened comes in through `on_*`, what to do comes out of `next_*`, what it
//! is interested in out of `wants_*`, and plain verbs are commands. So six backends share it, a
//! test is one line of bytes, and the simulator can feed it any schedule.
//!
//! A request is answered only when it is complete: content that is not wanted is drained first if
//! it is small, else the answer goes out at once and the connection closes behind it. So an
//! answer and unread content are never in flight together on a connection that lives on.
//!
//! *References:* RFC 9112 §6, §9; RFC 9110 §10.1.1.

mod answer;
mod buffers;
mod close;
mod deadline;
mod fetch;
mod limits;
mod outbox;
mod phase;
mod proxy_header;
mod receive;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

pub use answer::{Finished, LOGGED_FIELD_MAX, LoggedFields, UnderWay};
pub use buffers::Buffers;
pub use close::CloseReason;
pub use deadline::Standing;
pub use fetch::{Fetch, Fetched};
pub use limits::Limits;
pub use outbox::Transmit;
pub use phase::{Cause, Phase, TRANSITIONS};

use crate::http::{Request, Tick, Wake};

/// One HTTP/1.1 connection, server side.
///
/// The order of calls: [`on_bytes`](Self::on_bytes) what was read, then
/// [`next_step`](Self::next_step) until it has nothing to say, answering each
/// [`Step::Request`]; then [`next_transmit`](Self::next_transmit) and
/// [`on_sent`](Self::on_sent) until nothing is left or the socket is full.
///
/// ```
/// use std::sync::Arc;
/// use httpoll::conn::{Connection, Limits, Step, Transmit};
/// use httpoll::http::{Response, Tick};
///
/// # let now = Tick::for_tests();
/// let mut conn = Connection::new(Arc::new(Limits::default()), &now);
/// conn.on_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &now);
/// assert!(matches!(conn.next_step(&now), Step::Request(r) if r.path() == "/"));
/// conn.respond(Response::text("hi"), &now);
/// let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() else { panic!() };
/// assert!(slices[0].starts_with(b"HTTP/1.1 200 OK\r\n") && slices[0].ends_with(b"\r\n\r\nhi"));
/// ```
pub struct Connection {
    limits: Arc<Limits>,
    buffers: Option<Box<Buffers>>,
    /// When the present wait for the client began; what it means depends on the phase.
    since: Instant,
    closed: Option<CloseReason>,
    phase: Phase,
    /// The client will send no more.
    eof: bool,
    /// `next_step` can do nothing more with the bytes it has.
    starved: bool,
    /// In [`Phase::Ending`], whether closing must wait for the client to have read the answer.
    lingers: bool,
    /// The server is stopping.
    stopping: bool,
    /// Whether any request was answered here.
    served: bool,
    /// Bytes given to the kernel since the begin, as far as the type counts: whether some of them
    /// may still be there, see [`CERTAIN_BYTES`].
    given: u32,
}

/// What is given to the kernel up to here is on its way at once, in the first segments of a new
/// connection, and a close cannot take it back: twice a full segment, less than the receive window
/// of the smallest clients (lwIP offers 2,144 bytes) and than any first congestion window
/// (RFC 6928 §2).
///
/// Beyond it, a client that asked for the close is looked at before it gets it. What is still in
/// our send buffer is lost if the client says one word more: for bytes that come after the close,
/// an empty line behind the request or a pipelined one, the kernel sends a reset and drops the
/// buffer (RFC 9112 §9.6, RFC 1122 §4.2.2.13). One system call tells that all has arrived, which
/// is the rule in a LAN; only if not, our half is closed first and the connection lingers.
const CERTAIN_BYTES: u32 = 2048;

/// What a connection wants done.
#[derive(Debug)]
pub enum Step<'c> {
    /// Nothing before more bytes come.
    NeedBytes,
    /// Nothing before an answer is given or sent.
    Paused,
    /// A request: answer it by [`Connection::respond`], [`Connection::respond_later`] or
    /// [`Connection::receive`].
    Request(Request<'c>),
    /// Content for the sink: say how much it took by [`Connection::on_body_taken`].
    Body(&'c [u8]),
    /// The content is complete: answer the request.
    BodyEnd,
    /// The proxy has named its client: `None` for itself. Only the first step of a
    /// connection that was made by [`Connection::behind_proxy`].
    Client(Option<IpAddr>),
    /// Close the socket.
    Close(CloseReason),
}

/// [`Step`] without its borrow: a function cannot return a borrow on one path and go on on
/// another, so ranges are found first and borrowed at the end.
enum Next {
    NeedBytes,
    Paused,
    Request { len: usize },
    Body { len: usize },
    BodyEnd,
    Client(Option<IpAddr>),
    Close(CloseReason),
}

impl Connection {
    /// A new connection, waiting for its first request.
    pub fn new(limits: Arc<Limits>, now: &Tick) -> Self {
        Self {
            limits,
            buffers: None,
            since: now.instant,
            closed: None,
            phase: Phase::AwaitHead,
            eof: false,
            starved: true,
            lingers: false,
            stopping: false,
            served: false,
            given: 0,
        }
    }

    /// A new connection from a proxy that begins with a PROXY header.
    pub fn behind_proxy(limits: Arc<Limits>, now: &Tick) -> Self {
        Self {
            phase: Phase::AwaitProxyHeader,
            ..Self::new(limits, now)
        }
    }

    // ------------------------------------------------------------------ what happened

    /// Bytes were read.
    pub fn on_bytes(&mut self, bytes: &[u8], now: &Tick) {
        self.starved = false;
        if matches!(self.phase, Phase::Ending | Phase::Lingering | Phase::Closed) {
            return;
        }
        let buffers = self.buffers.get_or_insert_default();
        buffers.inbox.push(bytes);
        if matches!(self.phase, Phase::AwaitBody | Phase::Draining) {
            self.on_content_progress(bytes.len(), now);
        }
    }

    /// The client closed its sending half. What it asked before is still answered.
    pub fn on_eof(&mut self, now: &Tick) {
        let _ = now;
        self.eof = true;
        self.starved = false;
    }

    /// The sink took `n` bytes of the content last offered; 0 means that it is busy.
    pub fn on_body_taken(&mut self, n: usize) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        buffers.body.blocked = n == 0;
        if n > 0 {
            buffers.body.take(n);
            buffers.inbox.take(n);
        }
    }

    /// Something that a sink or a stream waited for has happened.
    pub fn on_wake(&mut self, now: &Tick) {
        if self.waits_for_wake() {
            self.excuse_reader(now);
        }
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        if std::mem::take(&mut buffers.body.blocked) {
            self.since = now.instant;
            self.starved = false;
        }
        buffers.outbox.on_wake();
    }

    /// The server is stopping: an idle connection ends, a busy one after its answer. One on which
    /// nothing was asked yet gets a moment to do so: its client has just been let in, and cannot
    /// know that a request lost here was not acted upon (RFC 9110 §9.2.2).
    pub fn on_shutdown(&mut self, now: &Tick) {
        self.stopping = true;
        self.starved = false;
        if self.is_idle() && !self.served {
            self.since = now.instant;
        }
    }

    /// The socket failed, or the driver decided to end the connection.
    pub fn on_abort(&mut self, reason: CloseReason) {
        self.over(reason);
    }

    // ------------------------------------------------------------------ what to do

    /// What to do next. To be called until it answers [`Step::NeedBytes`], [`Step::Paused`] or
    /// [`Step::Close`].
    pub fn next_step(&mut self, now: &Tick) -> Step<'_> {
        let next = loop {
            if let Some(next) = self.advance(now) {
                break next;
            }
        };
        self.starved = matches!(next, Next::NeedBytes);
        match next {
            Next::NeedBytes => Step::NeedBytes,
            Next::Paused => Step::Paused,
            Next::BodyEnd => Step::BodyEnd,
            Next::Client(client) => Step::Client(client),
            Next::Close(reason) => Step::Close(reason),
            Next::Request { len } => match &self.buffers {
                Some(b) => Step::Request(Request::new(b.inbox.taken_last(len), b.head)),
                None => Step::NeedBytes,
            },
            Next::Body { len } => match &self.buffers {
                Some(b) => Step::Body(b.inbox.unread().get(..len).unwrap_or_default()),
                None => Step::NeedBytes,
            },
        }
    }

    /// One change, or what must happen outside first.
    fn advance(&mut self, now: &Tick) -> Option<Next> {
        match self.phase {
            Phase::AwaitProxyHeader => self.await_proxy_header(now),
            Phase::AwaitHead => self.await_head(now),
            Phase::AwaitReply => Some(Next::Paused),
            Phase::AwaitBody => self.await_body(now),
            Phase::Draining => self.draining(now),
            Phase::Replying => self.replying(now),
            Phase::Ending => self.ending(),
            Phase::Lingering if self.eof => {
                self.over(self.end_reason());
                None
            }
            Phase::Lingering => Some(Next::NeedBytes),
            Phase::Closed => Some(Next::Close(
                self.closed.unwrap_or(CloseReason::ClientClosed),
            )),
        }
    }

    /// An answer is on its way out.
    fn replying(&mut self, now: &Tick) -> Option<Next> {
        let buffers = self.buffers.as_mut()?;
        if !buffers.outbox.is_empty() {
            return Some(Next::Paused);
        }
        if self.stopping && buffers.inbox.is_empty() {
            // The socket was not read while the answer was made: a next request may be unread.
            self.phase.change(Cause::Stopping, Phase::Ending);
            self.lingers = true;
        } else {
            self.phase.change(Cause::Sent, Phase::AwaitHead);
            self.since = now.instant;
        }
        None
    }

    /// The last answer is on its way out.
    fn ending(&mut self) -> Option<Next> {
        if !self.buffers.as_ref()?.outbox.is_empty() {
            return Some(Next::Paused);
        }
        if (self.lingers || self.given > CERTAIN_BYTES) && !self.eof {
            return Some(Next::Paused); // until our half is closed, see next_transmit
        }
        self.over(self.end_reason());
        None
    }

    /// What may be sent next.
    pub fn next_transmit(&self) -> Option<Transmit<'_>> {
        let outbox = &self.buffers.as_ref()?.outbox;
        let ends = self.phase == Phase::Ending && !self.eof && outbox.is_empty();
        if ends && self.lingers {
            return Some(Transmit::Shutdown);
        }
        if ends && self.given > CERTAIN_BYTES {
            return Some(Transmit::LastLook);
        }
        outbox.next_transmit()
    }

    /// `n` bytes of what [`Connection::next_transmit`] offered were taken by the socket.
    pub fn on_sent(&mut self, n: usize, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        buffers.outbox.on_sent(n);
        buffers.writes.on_sent(n, now);
        self.given = self
            .given
            .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        if self.phase == Phase::AwaitHead && buffers.outbox.is_empty() && !buffers.scan.has_begun()
        {
            self.since = now.instant; // idle only from here on
        }
    }

    /// Whether a close would destroy nothing: what [`Transmit::LastLook`] asked.
    pub fn on_last_look(&mut self, is_clean: bool) {
        if is_clean {
            self.over(self.end_reason());
        } else {
            self.lingers = true;
        }
    }

    /// Our half is closed, as [`Transmit::Shutdown`] asked.
    pub fn on_shutdown_sent(&mut self, now: &Tick) {
        if self.phase == Phase::Ending {
            self.phase.change(Cause::SentLast, Phase::Lingering);
            self.since = now.instant;
        }
    }

    /// The file being sent ended early: the length already promised cannot be kept.
    pub fn on_source_end(&mut self) {
        self.cut_short(CloseReason::SourceEnded);
    }

    /// The stream being sent broke: there will be no last chunk.
    pub fn on_stream_broken(&mut self, reason: CloseReason) {
        self.cut_short(reason);
    }

    /// The next piece of a stream that may wait: to be asked before [`Connection::pull`] by who
    /// may not. What comes of it is told by [`Connection::on_fetched`].
    pub fn fetch_chunk(&mut self) -> Option<Fetch> {
        self.buffers.as_mut()?.outbox.fetch_chunk()
    }

    /// The next piece of the file being sent, which is not in memory.
    pub fn fetch_bytes(&mut self) -> Option<Fetch> {
        self.buffers.as_mut()?.outbox.fetch_bytes()
    }

    /// A piece that was asked for is here, or never will be: asking again would fail again, as fast
    /// as the disk can say so.
    pub fn on_fetched(&mut self, fetched: Fetched, now: &Tick) {
        self.excuse_reader(now);
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let ended = buffers.outbox.on_fetched(fetched);
        self.on_pulled(ended);
    }

    /// Whether [`Connection::pull`] has something to do before [`Connection::next_transmit`].
    pub fn wants_pull(&self) -> bool {
        self.buffers.as_ref().is_some_and(|b| b.outbox.wants_pull())
    }

    /// Takes what a [`Body::Stream`](crate::http::Body::Stream) has now.
    pub fn pull(&mut self, wake: &Wake) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let ended = buffers.outbox.pull(wake);
        self.on_pulled(ended);
    }

    /// How the stream being sent ended, if it did.
    fn on_pulled(&mut self, ended: Option<Result<(), CloseReason>>) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        match ended {
            None => {}
            Some(Ok(())) => {
                let position = buffers.writes.sent + buffers.outbox.pending_bytes() as u64;
                let len = buffers.outbox.take_streamed();
                buffers.answers.end_of_stream(position, len);
            }
            Some(Err(reason)) => self.cut_short(reason),
        }
    }

    // ------------------------------------------------------------------ what it is interested in

    /// Whether bytes from the client would be used now.
    #[inline]
    pub fn wants_read(&self) -> bool {
        if self.eof {
            return false;
        }
        let Some(buffers) = &self.buffers else {
            // Between two requests, mostly: nothing is here, so there is room.
            return !matches!(self.phase, Phase::Replying | Phase::Ending | Phase::Closed);
        };
        let inbox = buffers.inbox.len();
        let pending = buffers.outbox.pending_bytes();
        let room = inbox < self.limits.inbox_bytes_max;
        match self.phase {
            Phase::AwaitProxyHeader | Phase::AwaitHead => {
                (self.starved || inbox == 0) && room && pending <= self.limits.outbox_bytes_max
            }
            Phase::AwaitBody | Phase::Draining => room,
            // Only to learn that the client is gone while nothing is being written to it.
            Phase::Replying | Phase::Ending => room && buffers.outbox.is_waiting(),
            Phase::Lingering => true,
            // Only to learn that the client is gone while its answer is made.
            Phase::AwaitReply => room,
            Phase::Closed => false,
        }
    }

    /// Whether there is something to give to the client.
    pub fn wants_write(&self) -> bool {
        self.phase != Phase::Closed
            && self
                .buffers
                .as_ref()
                .is_some_and(|b| b.outbox.is_sendable())
    }

    /// Whether [`Connection::next_step`] can go on without anything happening: bytes already taken
    /// from the kernel, which no event will announce again.
    pub fn has_work(&self) -> bool {
        if self.phase == Phase::Closed {
            return true; // the driver has not been told yet: Step::Close is waiting
        }
        if self.starved {
            return false;
        }
        let Some(buffers) = &self.buffers else {
            return self.eof || self.stopping;
        };
        match self.phase {
            Phase::AwaitProxyHeader | Phase::Draining => true,
            Phase::AwaitHead if buffers.inbox.is_empty() => {
                (self.eof || self.stopping) && buffers.outbox.is_empty()
            }
            Phase::AwaitHead => buffers.outbox.pending_bytes() <= self.limits.outbox_bytes_max,
            Phase::AwaitBody => !buffers.body.blocked,
            Phase::Replying | Phase::Ending => buffers.outbox.is_empty(),
            Phase::Lingering => self.eof,
            Phase::AwaitReply | Phase::Closed => false,
        }
    }

    /// Whether it goes on only after [`Connection::on_wake`].
    pub fn waits_for_wake(&self) -> bool {
        self.buffers
            .as_ref()
            .is_some_and(|b| b.body.blocked || b.outbox.is_waiting())
    }

    /// What it is doing, for metrics and eviction.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it waits for a next request and owes nothing.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::AwaitHead
            && self
                .buffers
                .as_ref()
                .is_none_or(|b| b.inbox.is_empty() && b.outbox.is_empty())
    }

    /// Bytes that came and are not understood yet.
    pub fn inbox_bytes(&self) -> usize {
        self.buffers.as_ref().map_or(0, |b| b.inbox.len())
    }

    /// Bytes that are encoded and not sent yet, without what is still behind them.
    pub fn outbox_bytes(&self) -> usize {
        (self.buffers.as_ref()).map_or(0, |b| b.outbox.pending_bytes())
    }

    /// Whether any request was answered on it.
    pub const fn has_served(&self) -> bool {
        self.served
    }

    /// When the present wait for the client began.
    pub const fn since(&self) -> Instant {
        self.since
    }

    // ------------------------------------------------------------------ buffers

    /// Whether buffers are lent.
    pub const fn has_buffers(&self) -> bool {
        self.buffers.is_some()
    }

    /// Lends buffers; without, the first bytes allocate their own.
    pub fn lend(&mut self, buffers: Box<Buffers>) {
        debug_assert!(self.buffers.is_none(), "lent twice");
        self.buffers = Some(buffers);
    }

    /// Exchanges the memory that answers are encoded into for `memory`, which is empty, unless a part of
    /// an answer waits in it. Whether it did. For a driver that serves one connection after the other,
    /// and has them use the same.
    pub fn exchange_output(&mut self, memory: &mut Vec<u8>) -> bool {
        let buffers = self.buffers.as_mut();
        buffers.is_some_and(|buffers| buffers.outbox.exchange(memory))
    }

    /// Gives the buffers back if nothing is owed.
    pub fn reclaim(&mut self) -> Option<Box<Buffers>> {
        let over = self.phase == Phase::Closed || self.is_idle();
        let silent = self
            .buffers
            .as_ref()
            .is_some_and(|b| b.answers.queue.is_empty());
        if !(over && silent) {
            return None;
        }
        let mut buffers = self.buffers.take()?;
        buffers.reset();
        Some(buffers)
    }
}
