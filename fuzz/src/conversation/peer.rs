//! The driver's part and the client's, in one: feeds, serves, sends, and keeps an eye on all.

use std::sync::Arc;

use httpoll::conn::{Buffers, CloseReason, Connection, Finished, Limits, Phase, Step, Transmit};
use httpoll::http::framing::BodyLength;
use httpoll::http::{Method, Request, Response, Tick, Wake};
use httpoll::service::{Flow, Job, Reply, Sink, finish};

use super::super::{count, naive};
use super::service;

/// What may happen in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Run {
    /// Nothing is ever short or late.
    Plain,
    /// Everything is short and late, and nothing fails.
    Pieces,
    /// Things fail.
    Trouble,
}

/// What came of a conversation.
pub(super) struct Talk {
    pub(super) output: Vec<u8>,
    pub(super) requests: Vec<Asked>,
    /// Whether what was refused, beyond the requests, was a HEAD.
    pub(super) refused_head: bool,
    pub(super) finished: Vec<Finished>,
    pub(super) closed: CloseReason,
    /// Whether the client or the server went before the end.
    pub(super) cut: bool,
}

/// A request the service has seen.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) minor_version: u8,
    /// What it answered, if it came to that.
    pub(super) status: Option<u16>,
}

impl Asked {
    fn of(request: &Request<'_>) -> Self {
        Self {
            method: request.method(),
            minor_version: request.minor_version(),
            status: None,
        }
    }
}

pub(super) struct Peer<'a> {
    conn: Connection,
    now: Tick,
    run: Run,
    plan: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    sent: &'a [u8],
    fed: usize,
    /// Of it, what a head could be read from.
    fed_to_heads: usize,
    /// The most that was given at once.
    piece_max: usize,
    /// What the client's side of the socket still takes.
    room: usize,
    follow: Follow<'a>,
    sink: Option<Box<dyn Sink>>,
    job: Option<Job>,
    spare: Option<Box<Buffers>>,
    talk: Talk,
    closed: Option<CloseReason>,
    eof: bool,
}

/// Small, so that a small input reaches them.
fn limits() -> Limits {
    Limits {
        head_bytes_max: 512,
        fields_max: 16,
        target_bytes_max: 96,
        body_bytes_max: 512,
        chunk_extra_bytes_max: EXTRA_MAX,
        drain_bytes_max: 128,
        inline_bytes_max: INLINE_MAX,
        outbox_bytes_max: OUTBOX_MAX,
        inbox_bytes_max: INBOX_MAX,
        report_finished: true,
        ..Limits::default()
    }
}

const EXTRA_MAX: usize = 64;
const INLINE_MAX: usize = 64;
const OUTBOX_MAX: usize = 400;
const INBOX_MAX: usize = 600;

/// No head of an answer made here is longer.
const ANSWER_HEAD_MAX: usize = 300;

/// Far more than any conversation needs that is going anywhere.
const PATIENCE: usize = 1_000_000;

impl<'a> Peer<'a> {
    pub(super) fn new(plan: &'a [u8], sent: &'a [u8], run: Run) -> Self {
        let now = Tick::for_tests();
        Self {
            conn: Connection::new(Arc::new(limits()), &now),
            now,
            run,
            plan: plan.iter().cycle(),
            sent,
            fed: 0,
            fed_to_heads: 0,
            piece_max: 0,
            room: if run == Run::Plain { usize::MAX } else { 0 },
            follow: Follow::new(sent),
            sink: None,
            job: None,
            spare: None,
            talk: Talk {
                output: Vec::new(),
                requests: Vec::new(),
                refused_head: false,
                finished: Vec::new(),
                closed: CloseReason::ClientClosed,
                cut: false,
            },
            closed: None,
            eof: false,
        }
    }

    /// The next number of the plan; without a plan it is beyond all others.
    fn next_count(&mut self) -> usize {
        self.plan.next().map_or(usize::MAX, |b| count(*b))
    }

    // ------------------------------------------------------------------ the course of things

    /// Delivers all there is, as far as it is wanted.
    pub(super) fn deliver(&mut self) {
        while self.closed.is_none() && self.fed < self.sent.len() {
            if self.run == Run::Trouble && (self.trouble() || self.closed.is_some()) {
                return;
            }
            if self.conn.wants_read() {
                self.feed();
            } else {
                self.relieve();
            }
            self.turn();
        }
    }

    /// The end: the client closes its half and reads, or in trouble perhaps falls silent.
    pub(super) fn finish(&mut self) {
        if self.run == Run::Trouble && self.next_count().is_multiple_of(2) {
            self.fall_silent();
        }
        while self.closed.is_none() {
            if !self.eof && self.conn.wants_read() {
                self.eof = true;
                self.conn.on_eof(&self.now);
            } else {
                self.relieve();
            }
            self.turn();
        }
    }

    pub(super) fn talk(mut self) -> Talk {
        if let Some(reason) = self.closed {
            self.conn.on_abort(reason);
            self.talk.closed = reason;
        }
        self.report();
        self.follow.sent = &self.sent[..self.fed_to_heads];
        self.talk.refused_head = self.follow.starts_with(b"HEAD ");
        self.talk
    }

    fn feed(&mut self) {
        let n = self.next_count().min(self.sent.len() - self.fed);
        if !self.conn.has_buffers() {
            self.conn.lend(self.spare.take().unwrap_or_default());
        }
        self.conn
            .on_bytes(&self.sent[self.fed..self.fed + n], &self.now);
        self.fed += n;
        self.piece_max = self.piece_max.max(n);
    }

    /// One thing that the connection may be waiting for, besides bytes. That there is none is a
    /// stall: nobody would come back to it.
    fn relieve(&mut self) {
        if let Some(job) = self.job.take() {
            let response = finish(job, &|| false).expect("it is not given up");
            self.respond(response);
        } else if self.conn.waits_for_wake() {
            self.conn.on_wake(&self.now);
        } else if self.conn.wants_write() && self.room == 0 {
            self.room = self.next_count().saturating_mul(8);
        } else {
            panic!(
                "stall in {:?}, {} of {} sent",
                self.conn.phase(),
                self.fed,
                self.sent.len()
            );
        }
    }

    /// Something that need not happen. Whether the client is gone.
    fn trouble(&mut self) -> bool {
        match self.next_count() {
            n @ (1 | 2) => self.pass_time(n),
            3 => self.conn.on_wake(&self.now),
            4 => self.conn.on_shutdown(&self.now),
            5 => {
                self.talk.cut = true;
                self.conn.on_abort(CloseReason::SocketFailed);
            }
            6 => self.relieve_if_waiting(),
            7 => return true,
            _ => return false,
        }
        self.turn();
        false
    }

    fn relieve_if_waiting(&mut self) {
        if self.job.is_some() || self.conn.waits_for_wake() {
            self.relieve();
        }
    }

    /// Neither sends nor reads any more: time alone must end it.
    fn fall_silent(&mut self) {
        self.talk.cut = true;
        let unacknowledged = self.next_count() % 3;
        for _ in 0..100 {
            if self.closed.is_some() {
                return;
            }
            self.relieve_if_waiting();
            self.turn();
            self.pass_time(unacknowledged);
            self.turn();
        }
        panic!("silence has no end in {:?}", self.conn.phase());
    }

    fn pass_time(&mut self, unacknowledged: usize) {
        self.now.instant += super::STEP;
        let due = |conn: &Connection, now: &Tick| {
            conn.next_deadline().is_some_and(|at| at <= now.instant)
        };
        if due(&self.conn, &self.now) {
            self.talk.cut = true;
            self.conn.on_deadline(&self.now, unacknowledged);
            self.turn();
            assert!(!due(&self.conn, &self.now), "a deadline that stays due");
        }
    }

    // ------------------------------------------------------------------ the driver

    /// Serves until nothing moves.
    fn turn(&mut self) {
        let mut idle = false;
        for _ in 0..PATIENCE {
            let stepped = self.steps();
            let sent = self.closed.is_none() && self.send();
            self.report();
            if self.closed.is_some() {
                return;
            }
            // A stream may have ended without a byte, which is work but nothing that moved.
            if !(stepped || sent) && (idle || !self.conn.has_work()) {
                self.rest();
                return;
            }
            idle = !(stepped || sent);
        }
        panic!("no end of turns in {:?}", self.conn.phase());
    }

    /// What must be true when a driver goes to sleep.
    fn rest(&mut self) {
        let conn = &mut self.conn;
        assert!(
            !conn.has_work(),
            "spin: work that is never done in {:?}",
            conn.phase()
        );
        assert!(
            self.room == 0 || !conn.wants_write(),
            "spin: nothing to send, yet it wants to"
        );
        // While its answer is made elsewhere, it reads only to learn that the client is gone.
        let waits_for_other = conn.waits_for_wake() || self.job.is_some();
        let waits_for_client = conn.wants_write() || (conn.wants_read() && !waits_for_other);
        assert!(
            !waits_for_client || conn.next_deadline().is_some(),
            "it would wait for ever in {:?}",
            conn.phase()
        );
        assert!(
            conn.wants_read() || conn.wants_write() || conn.waits_for_wake() || self.job.is_some(),
            "stall: it waits for nothing in {:?}",
            conn.phase()
        );
        if let Some(buffers) = conn.reclaim() {
            self.spare = Some(buffers);
        }
    }

    fn steps(&mut self) -> bool {
        let mut any = false;
        for _ in 0..PATIENCE {
            if !self.step() {
                return any;
            }
            any = true;
        }
        panic!("no end of steps in {:?}", self.conn.phase());
    }

    /// As `driver/exchange.rs` does it.
    fn step(&mut self) -> bool {
        if !matches!(self.conn.phase(), Phase::Lingering | Phase::Closed) {
            self.fed_to_heads = self.fed;
        }
        let reply = match self.conn.next_step(&self.now) {
            Step::NeedBytes | Step::Paused => {
                if !self.conn.is_receiving() {
                    self.sink = None;
                }
                return false;
            }
            Step::Close(reason) => {
                self.closed = Some(reason);
                return false;
            }
            Step::Request(request) => {
                assert!(self.job.is_none(), "a request while one is being answered");
                self.follow.on_request(&request);
                self.talk.requests.push(Asked::of(&request));
                service::call(&request, self.run != Run::Plain)
            }
            Step::Body(content) => {
                let sink = self.sink.as_mut().expect("content without a sink");
                let kept = self.follow.on_content(content, self.fed);
                assert!(kept < INBOX_MAX + self.piece_max, "{kept} bytes are kept");
                let n = match sink.write(content, &Wake::noop()) {
                    Ok(Flow::Taken(n)) => n,
                    Ok(Flow::Busy | Flow::Full(_)) => 0,
                    Err(refusal) => {
                        self.sink = None;
                        self.respond(refusal);
                        return true;
                    }
                };
                self.follow.taken += n;
                self.conn.on_body_taken(n);
                return true;
            }
            Step::Client(_) => panic!("a PROXY header where none was declared"),
            Step::BodyEnd => {
                self.follow.on_body_end();
                let sink = self.sink.take().expect("an end without a sink");
                Some(sink.finish())
            }
        };
        self.take(reply);
        true
    }

    /// What the service decided; `None` if it panicked.
    fn take(&mut self, reply: Option<Reply>) {
        match reply {
            Some(Reply::Now(response)) => self.respond(response),
            Some(Reply::Receive(sink)) => {
                self.sink = Some(sink);
                self.conn.receive(&self.now);
            }
            Some(Reply::Later(job)) if self.run == Run::Plain => {
                self.respond(finish(job, &|| false).expect("it is not given up"));
            }
            Some(Reply::Later(job)) => {
                self.conn.respond_later();
                self.job = Some(job);
            }
            None => self.conn.fail(&self.now),
        }
    }

    fn respond(&mut self, response: Response) {
        let asked = self.talk.requests.last_mut().expect("an answer to nothing");
        asked.status = Some(response.status.code());
        self.conn.respond(response, &self.now);
    }

    /// One write. Whether anything moved.
    fn send(&mut self) -> bool {
        if self.conn.wants_pull() {
            self.conn.pull(&Wake::noop());
        }
        let phase = self.conn.phase();
        let n = match self.conn.next_transmit() {
            None => return false,
            Some(Transmit::LastLook) => {
                let is_clean = self.next_count().is_multiple_of(2);
                self.conn.on_last_look(is_clean);
                return true;
            }
            Some(Transmit::Shutdown) => {
                self.conn.on_shutdown_sent(&self.now);
                return true;
            }
            Some(_) if self.room == 0 => return false,
            Some(Transmit::Bytes { slices, .. }) => {
                let owed = slices[0].len();
                let bound = OUTBOX_MAX + ANSWER_HEAD_MAX + INLINE_MAX;
                assert!(
                    phase != Phase::AwaitHead || owed <= bound,
                    "{owed} bytes are kept"
                );
                let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                assert!(!all.is_empty(), "nothing to send, yet it is offered");
                let n = all.len().min(self.room);
                self.talk.output.extend_from_slice(&all[..n]);
                n
            }
            Some(Transmit::File {
                source,
                offset,
                len,
            }) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.room);
                let mut bytes = vec![0; len];
                let n = source.read_at(&mut bytes, offset).expect("it is in memory");
                self.talk.output.extend_from_slice(&bytes[..n]);
                n
            }
        };
        if n == 0 {
            self.conn.on_source_end();
            return true;
        }
        if self.run != Run::Plain {
            self.room -= n;
        }
        self.conn.on_sent(n, &self.now);
        true
    }

    fn report(&mut self) {
        while let Some(finished) = self.conn.next_finished() {
            self.talk.finished.push(finished);
        }
    }
}

/// The naive reader beside the connection: where requests begin, and what their content is.
struct Follow<'a> {
    sent: &'a [u8],
    /// Where the next request begins; `None` once that cannot be known.
    next: Option<usize>,
    content_at: usize,
    content: Vec<u8>,
    /// Whether all of the content was sent.
    whole: bool,
    /// Whether it stands on the wire as it is.
    plain: bool,
    taken: usize,
}

impl<'a> Follow<'a> {
    const fn new(sent: &'a [u8]) -> Self {
        Self {
            sent,
            next: Some(0),
            content_at: 0,
            content: Vec::new(),
            whole: true,
            plain: true,
            taken: 0,
        }
    }

    /// What stands where the next request begins, behind empty lines.
    fn rest(&self) -> Option<&'a [u8]> {
        let mut rest = self.sent.get(self.next?..)?;
        while let Some(behind) = rest.strip_prefix(b"\r\n") {
            rest = behind;
        }
        Some(rest)
    }

    fn starts_with(&self, word: &[u8]) -> bool {
        self.rest().is_some_and(|rest| rest.starts_with(word))
    }

    fn on_request(&mut self, request: &Request<'_>) {
        let rest = self.rest().expect("a request that nobody sent");
        let end = rest
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("the end of a head")
            + 4;
        let line = rest.split(|b| *b == b'\r').next().unwrap_or_default();
        assert_eq!(
            line.escape_ascii().to_string(),
            request.line().escape_ascii().to_string()
        );
        let lines = rest[..end].windows(2).filter(|w| w == b"\r\n").count();
        assert_eq!(request.fields().count(), lines - 2, "fields");
        let behind = &rest[end..];
        self.content_at = self.sent.len() - behind.len();
        self.content.clear();
        self.taken = 0;
        self.plain = true;
        let len = match request.body_length() {
            BodyLength::None => Some(0),
            BodyLength::Exactly(n) => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                self.content
                    .extend_from_slice(&behind[..n.min(behind.len())]);
                (n <= behind.len()).then_some(n)
            }
            BodyLength::Chunked => {
                self.plain = false;
                naive::unchunk(behind, EXTRA_MAX, &mut self.content).ok()
            }
        };
        self.whole = len.is_some();
        self.next = len.map(|len| self.content_at + len);
    }

    /// `fed` bytes were given so far. Returns how many of them are certainly kept.
    fn on_content(&self, offered: &[u8], fed: usize) -> usize {
        let left = &self.content[self.taken..];
        assert!(
            !offered.is_empty() && left.starts_with(offered),
            "content that nobody sent"
        );
        fed - self.content_at - self.taken_on_wire(fed)
    }

    /// Chunked content takes more room on the wire than it is long; how much, only its end tells.
    fn taken_on_wire(&self, fed: usize) -> usize {
        if self.plain {
            self.taken
        } else {
            fed - self.content_at
        }
    }

    fn on_body_end(&self) {
        assert!(
            self.whole && self.taken == self.content.len(),
            "an end that nobody sent"
        );
    }
}
