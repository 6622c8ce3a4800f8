//! Answers: the commands of a service, turned into framing.
//!
//! *Floor 1.* The connection owns `Content-Length`, `Transfer-Encoding`, `Connection` and `Date`;
//! everything else in an answer is the service's.
//!
//! *References:* RFC 9112 §6.3 (length), §9.3 (persistence), §9.6 (closing);
//! RFC 9110 §8.6, §9.3.2 (HEAD), §10.1.1 (Expect).

use std::net::IpAddr;
use std::time::Instant;

use super::buffers::{Answers, LOGGED_LINE_MAX};
use super::{Cause, CloseReason, Connection, Phase};
use crate::http::{Body, HeaderBlock, Method, ProtocolError, Request, Response, Status, Tick};

/// One answer that is out, for the access line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The request line as it was received; empty if none could be read.
    pub request_line: Vec<u8>,
    /// The answer's status.
    pub status: Status,
    /// Fields of the request, where [`Limits::report_fields`](super::Limits::report_fields) asks for
    /// them.
    pub fields: Option<Box<LoggedFields>>,
    /// Bytes of content sent.
    pub body_bytes: u64,
    /// Bytes of content that came with the request.
    pub received_bytes: u64,
    /// When the request's head was complete.
    pub started: Instant,
    /// Whether all of the answer was given to the kernel.
    pub complete: bool,
    /// The client that a trusted proxy named; `None` if the peer is the client.
    pub client: Option<IpAddr>,
}

/// Content on its way.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay<'a> {
    /// The request line as it was received.
    pub request_line: &'a [u8],
    /// When the request's head was complete.
    pub started: Instant,
    /// Whether it comes from the client.
    pub is_upload: bool,
    /// Bytes that have come or were given to the kernel.
    pub done: u64,
    /// Of so many; `None` for a stream.
    pub of: Option<u64>,
}

/// What access lines of some formats show of a request's fields: at most
/// [`LOGGED_FIELD_MAX`] bytes of each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LoggedFields {
    /// `Referer` (RFC 9110 §10.1.3).
    pub referer: Option<Box<[u8]>>,
    /// `User-Agent` (RFC 9110 §10.1.5).
    pub user_agent: Option<Box<[u8]>>,
}

/// Of the answers that wait to be taken, how many keep what is logged of their requests whole.
const WHOLE_LINES_MAX: usize = 16;

/// How much of a field is worth logging.
pub const LOGGED_FIELD_MAX: usize = 1024;

impl Finished {
    pub(super) fn new(request_line: &[u8], now: &Tick) -> Self {
        Self {
            request_line: request_line.to_vec(),
            ..Self::unread(now)
        }
    }

    fn unread(now: &Tick) -> Self {
        Self {
            request_line: Vec::new(),
            fields: None,
            status: Status::BAD_REQUEST,
            body_bytes: 0,
            received_bytes: 0,
            started: now.instant,
            complete: false,
            client: None,
        }
    }
}

impl Answers {
    /// What the access line will show of a request: all of its line, unless so many answers wait
    /// already that a flood of long lines would cost memory.
    pub(super) fn loggable<'r>(&self, request: &Request<'r>) -> &'r [u8] {
        let line = request.line();
        match self.queue.len() {
            0..WHOLE_LINES_MAX => line,
            _ => line.get(..LOGGED_LINE_MAX).unwrap_or(line),
        }
    }

    /// The same of its fields.
    pub(super) fn loggable_fields(&self, request: &Request<'_>) -> Box<LoggedFields> {
        let max = match self.queue.len() {
            0..WHOLE_LINES_MAX => LOGGED_FIELD_MAX,
            _ => LOGGED_LINE_MAX,
        };
        let field = |name| {
            let value = request.field(name)?;
            Some(value.get(..max).unwrap_or(value).into())
        };
        Box::new(LoggedFields {
            referer: field("Referer"),
            user_agent: field("User-Agent"),
        })
    }

    /// The current answer's content, `len` bytes of it, begins at this position; that of its
    /// request was `received` bytes long.
    fn queue(&mut self, status: Status, before: u64, len: Option<u64>, received: u64) {
        if let Some(mut finished) = self.current.take() {
            finished.status = status;
            finished.body_bytes = len.unwrap_or(0);
            finished.received_bytes = received;
            let end = len.map(|n| before + n);
            self.queue.push_back((before, end, finished));
        }
    }

    /// The stream that was being sent is complete at `position`: `len` bytes of content.
    pub(super) fn end_of_stream(&mut self, position: u64, len: u64) {
        if let Some((_, end @ None, finished)) = self.queue.back_mut() {
            *end = Some(position);
            finished.body_bytes = len;
        }
    }
}

impl Connection {
    /// Answers the request of the last [`Step::Request`](super::Step::Request) or
    /// [`Step::BodyEnd`](super::Step::BodyEnd), or ends a reception early.
    pub fn respond(&mut self, mut response: Response, now: &Tick) {
        debug_assert!(
            response.status.code() >= 200,
            "an interim answer is not an answer"
        );
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let body = &mut buffers.body;
        if body.is_pending() {
            // A client that sends at once does not wait for our permission.
            body.awaits_continue &= buffers.inbox.is_empty();
            let small = body
                .known_left()
                .is_none_or(|n| n <= self.limits.drain_bytes_max);
            if small && !body.awaits_continue && !response.close {
                body.blocked = false;
                buffers.held = Some(response);
                if self.phase == Phase::AwaitReply {
                    self.since = now.instant;
                }
                self.phase.change(Cause::Discard, Phase::Draining);
                return;
            }
            response.close = true;
            self.lingers = true;
        }
        self.answer(response, Cause::AnsweredLast, now);
    }

    /// The answer comes later, from other work; until then the request is in the service's hands.
    pub fn respond_later(&mut self) {
        debug_assert!(self.phase == Phase::AwaitReply, "nothing to answer");
    }

    /// The client of the present request, for the access line, where a proxy named it.
    pub fn name_client(&mut self, client: Option<IpAddr>) {
        if let Some(finished) = self
            .buffers
            .as_mut()
            .and_then(|b| b.answers.current.as_mut())
        {
            finished.client = client;
        }
    }

    /// Receives the request's content: [`Step::Body`](super::Step::Body) follows.
    pub fn receive(&mut self, now: &Tick) {
        self.receive_up_to(None, now);
    }

    /// [`Connection::receive`] with a limit of its own instead of that of any request.
    pub fn receive_up_to(&mut self, bytes_max: Option<u64>, now: &Tick) {
        debug_assert!(self.phase == Phase::AwaitReply, "nothing to receive");
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        buffers.body.bytes_max = bytes_max.unwrap_or(self.limits.body_bytes_max);
        if buffers.body.announced() > buffers.body.bytes_max {
            return self.refuse(ProtocolError::ContentTooLong, now);
        }
        if buffers.body.awaits_continue && buffers.inbox.is_empty() {
            if buffers.outbox.is_empty() {
                buffers.writes.begin(now);
            }
            let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
            buffers.outbox.encode().extend_from_slice(interim);
        }
        buffers.body.awaits_continue = false;
        self.phase.change(Cause::Receive, Phase::AwaitBody);
        self.since = now.instant;
        self.starved = false;
    }

    /// The service failed: 500, and nothing more on this connection.
    pub fn fail(&mut self, now: &Tick) {
        let response = Response::plain(Status::INTERNAL_SERVER_ERROR);
        self.refuse_with(response, CloseReason::Panicked, now);
    }

    /// Whether content is being received for a sink.
    pub fn is_receiving(&self) -> bool {
        self.phase == Phase::AwaitBody
    }

    /// The content has been drained, or has become too much: the answer may go.
    pub(super) fn answer_held(&mut self, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let Some(mut response) = buffers.held.take() else {
            return;
        };
        if buffers.body.is_pending() {
            response.close = true;
            self.lingers = true;
        }
        self.answer(response, Cause::AnsweredLast, now);
    }

    /// Answers what cannot be understood, and lets nothing follow.
    pub(super) fn refuse(&mut self, error: ProtocolError, now: &Tick) {
        let text = format!("{}: {}\n", error.status(), error.explain());
        let response = Response {
            status: error.status(),
            ..Response::text(text)
        };
        self.refuse_with(response, CloseReason::Refused(error), now);
    }

    /// A request that ends before it is complete (RFC 9112 §8).
    pub(super) fn refuse_truncated(&mut self, error: ProtocolError, now: &Tick) {
        let response = Response::plain(error.status());
        self.refuse_with(response, CloseReason::Truncated, now);
    }

    fn refuse_with(&mut self, mut response: Response, reason: CloseReason, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return self.over(reason);
        };
        let fields = [response.fields.as_bytes(), &self.limits.refusal_fields];
        response.fields = HeaderBlock::Owned(fields.concat());
        if self.phase == Phase::AwaitHead {
            let line = buffers.inbox.line_of_refused(buffers.refusable);
            let is_head = line.starts_with(b"HEAD ");
            buffers.head.method = if is_head { Method::Head } else { Method::Get };
            // What was received for the request before it.
            buffers.body.total = 0;
            if self.limits.report_finished {
                let mut finished = Finished::unread(now);
                if self.limits.report_lines {
                    let shown = match reason {
                        CloseReason::Refused(error) => error.stands_for_line(),
                        _ => None,
                    };
                    finished.request_line = shown.map_or(line, str::as_bytes).to_vec();
                }
                buffers.answers.current = Some(finished);
            }
        }
        buffers.head.section.keep_alive = false;
        buffers.ending = Some(reason);
        buffers.held = None;
        buffers.inbox.clear();
        self.lingers = true;
        self.answer(response.close(), Cause::Refused, now);
    }

    /// Encodes an answer. If it is the last one, `ending` says why.
    fn answer(&mut self, response: Response, ending: Cause, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        let (head, outbox) = (&buffers.head, &mut buffers.outbox);
        let framing = Framing::of(&response, head.method, head.minor_version);
        let last = response.close
            || !head.section.keep_alive
            || self.limits.close_always
            || self.stopping
            || head.method == Method::Connect
            || framing == Framing::UntilClose;
        if outbox.is_empty() {
            buffers.writes.begin(now);
        }
        let out = outbox.encode();
        encode_head(out, &response, framing, now);
        end_head(out, last, head.minor_version);
        let before = buffers.writes.sent + outbox.pending_bytes() as u64;
        let body = if framing.sends_body(head.method) {
            response.body
        } else {
            Body::Empty
        };
        let received = buffers.body.total;
        (buffers.answers).queue(response.status, before, body.len(), received);
        outbox.push_body(
            body,
            self.limits.inline_bytes_max,
            framing == Framing::Chunked,
        );
        self.answered(last.then_some(ending), now);
    }

    /// Decides what becomes of the connection now that an answer is encoded.
    fn answered(&mut self, ending: Option<Cause>, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        self.served = true;
        self.starved = false;
        if let Some(cause) = ending {
            // A client that meant to stay may be sending its next request just now, and bytes that
            // are unread at the close reset the connection: the answer would be lost with it.
            self.lingers |= !buffers.inbox.is_empty() || buffers.head.section.keep_alive;
            buffers.inbox.clear();
            self.phase.change(cause, Phase::Ending);
        } else if buffers.outbox.has_tail() || self.phase != Phase::AwaitReply {
            self.phase.change(Cause::Answered, Phase::Replying);
        } else {
            self.phase.change(Cause::AnsweredWhole, Phase::AwaitHead);
            self.since = now.instant;
        }
    }

    /// An answer that is out or cut short, in order; to be asked until it says `None`. Nothing
    /// unless [`Limits::report_finished`](super::Limits) is set.
    pub fn next_finished(&mut self) -> Option<Finished> {
        let buffers = self.buffers.as_mut()?;
        let over = self.phase == Phase::Closed;
        let (_, end, _) = buffers.answers.queue.front()?;
        let complete = end.is_some_and(|end| buffers.writes.sent >= end);
        if !complete && !over {
            return None;
        }
        let (begin, end, mut finished) = buffers.answers.queue.pop_front()?;
        finished.complete = complete;
        let sent = buffers.writes.sent;
        match end {
            Some(end) => {
                let missing = end.saturating_sub(sent);
                finished.body_bytes = finished.body_bytes.saturating_sub(missing);
            }
            // A stream that was cut, counted with the framing of its chunks.
            None => finished.body_bytes = sent.saturating_sub(begin),
        }
        Some(finished)
    }

    /// What is being received or sent, for those who show how far it is. Nothing unless
    /// [`Limits::report_lines`](super::Limits::report_lines) is set.
    pub fn under_way(&self) -> Option<UnderWay<'_>> {
        let buffers = self.buffers.as_ref()?;
        if self.is_receiving() {
            let request = buffers.answers.current.as_ref()?;
            let (done, announced) = (buffers.body.total, buffers.body.announced());
            return Some(UnderWay {
                request_line: &request.request_line,
                started: request.started,
                is_upload: true,
                done,
                of: Some(announced).filter(|_| buffers.body.known_left().is_some()),
            });
        }
        let (begin, end, answer) = buffers.answers.queue.front()?;
        Some(UnderWay {
            request_line: &answer.request_line,
            started: answer.started,
            is_upload: false,
            done: buffers.writes.sent.saturating_sub(*begin),
            of: end.map(|end| end - begin),
        })
    }

    /// The present answer cannot be completed, and must look like it (RFC 9112 §8): its end never
    /// comes, and the connection closes.
    ///
    /// PITFALL: not at once. Answers before this one are whole, and may still be in the outbox
    /// (`answers_before_a_stream_that_fails_are_sent_whole`) or in the kernel, from where a reset
    /// would take them (`answers_before_a_file_that_ends_early_survive_a_request_behind_it`).
    pub(super) fn cut_short(&mut self, reason: CloseReason) {
        let sends = matches!(self.phase, Phase::Replying | Phase::Ending);
        let Some(buffers) = self.buffers.as_mut().filter(|_| sends) else {
            return self.over(reason);
        };
        buffers.outbox.drop_tail();
        buffers.ending = Some(reason);
        buffers.inbox.clear();
        if self.phase == Phase::Replying {
            self.phase.change(Cause::CutShort, Phase::Ending);
            self.lingers = true;
        }
        self.starved = false;
    }

    /// The end, for the first reason given.
    pub(super) fn over(&mut self, reason: CloseReason) {
        if self.phase != Phase::Closed {
            let receives = self.is_receiving();
            self.phase.change(Cause::Over, Phase::Closed);
            self.closed = Some(reason);
            if let Some(buffers) = &mut self.buffers {
                if receives {
                    // It is told like any answer that never left: an incomplete request is a 400
                    // (RFC 9112 §8).
                    let (sent, received) = (buffers.writes.sent, buffers.body.total);
                    (buffers.answers).queue(Status::BAD_REQUEST, sent, None, received);
                }
                buffers.outbox.discard();
                buffers.inbox.clear();
                buffers.held = None;
            }
        }
        self.starved = false;
    }

    /// Why the connection ends once its last answer is out.
    pub(super) fn end_reason(&self) -> CloseReason {
        let stated = self.buffers.as_ref().and_then(|b| b.ending);
        stated.unwrap_or(if self.stopping {
            CloseReason::Shutdown
        } else {
            CloseReason::Answered
        })
    }
}

/// How the end of an answer's content is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    /// There never is content (1xx, 204, 304): no length either (RFC 9110 §8.6).
    Bodiless,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// By closing: what HTTP/1.0 clients understand.
    UntilClose,
}

impl Framing {
    fn of(response: &Response, method: Method, minor_version: u8) -> Self {
        match response.body.len() {
            _ if response.status.is_bodiless() => Self::Bodiless,
            Some(len) => Self::Length(len),
            None if minor_version == 0 && method == Method::Head => Self::Bodiless,
            None if minor_version == 0 => Self::UntilClose,
            None => Self::Chunked,
        }
    }

    fn sends_body(self, method: Method) -> bool {
        self != Self::Bodiless && method != Method::Head
    }
}

/// The status line and the fields, ours before the service's; in as few pieces as there can be,
/// since each costs a look at the capacity.
fn encode_head(out: &mut Vec<u8>, response: &Response, framing: Framing, now: &Tick) {
    let mut date = *b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    date[6..35].copy_from_slice(&now.http_date);
    out.extend_from_slice(response.status.line());
    out.extend_from_slice(&date);
    out.extend_from_slice(response.fields.as_bytes());
    match framing {
        Framing::Length(len) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Bodiless | Framing::UntilClose => {}
    }
}

/// The `Connection` field, where its default would not do (RFC 9112 §9.3), and the empty line.
fn end_head(out: &mut Vec<u8>, last: bool, minor_version: u8) {
    match (last, minor_version) {
        (true, _) => out.extend_from_slice(b"Connection: close\r\n\r\n"),
        (false, 0) => out.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
        (false, _) => out.extend_from_slice(b"\r\n"),
    }
}
