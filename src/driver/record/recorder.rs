//! An observer that makes a record.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{Announced, Called, Did, SettledRecord, TurnRecord};
use crate::conn::Connection;
use crate::driver::event_loop::settle::{Bits, Settled};
use crate::driver::event_loop::{MAILBOX, RESERVED};
use crate::driver::observe::observer::{Call, Fact, Observer, Woke};
use crate::http::Tick;
use crate::kernel::{LastFault, Sent, errno_name};
use crate::readiness::{Directions, Event, Token};

/// When a record began: with the first turn of any of its loops.
pub(super) type Beginning = Arc<OnceLock<Instant>>;

/// Makes a record of one loop, and hands over each turn when it has ended; or when the loop has, in
/// the middle of one, as by a panic.
///
/// ```
/// use httpoll::driver::record::{Recorder, TurnRecord};
/// let mut turns = Vec::new();
/// let observer = Recorder::new(0, |turn: &TurnRecord| turns.push(turn.clone()));
/// # drop(observer);
/// ```
pub struct Recorder<F: FnMut(&TurnRecord)> {
    take: F,
    began: Beginning,
    /// The start of the present turn, if there is one.
    now: Option<Instant>,
    turn: TurnRecord,
    requests: bool,
    last_fault: LastFault,
}

/// A loop that is recorded.
#[derive(Default)]
pub(crate) struct RecordedLoop {
    pub(crate) worker: usize,
    /// What was injected into its last call.
    pub(crate) last_fault: LastFault,
}

impl<F: FnMut(&TurnRecord)> Recorder<F> {
    /// A recorder of loop `worker`; `take` is given each turn.
    pub fn new(worker: usize, take: F) -> Self {
        let turn = TurnRecord {
            worker,
            ..TurnRecord::default()
        };
        Self {
            take,
            began: Beginning::default(),
            now: None,
            turn,
            requests: false,
            last_fault: LastFault::default(),
        }
    }

    pub(super) fn of(recorded: &RecordedLoop, take: F) -> Self {
        Self::new(recorded.worker, take).injected_by(recorded.last_fault.clone())
    }

    /// Marks the calls that were spoiled on purpose: see
    /// [`Injector::last`](crate::kernel::Injector::last).
    #[must_use]
    pub fn injected_by(mut self, last_fault: LastFault) -> Self {
        self.last_fault = last_fault;
        self
    }

    /// Keeps request lines, too. They are told only if
    /// [`Limits::report_finished`](crate::conn::Limits::report_finished) and
    /// [`Limits::report_lines`](crate::conn::Limits::report_lines) say so.
    #[must_use]
    pub const fn with_requests(mut self) -> Self {
        self.requests = true;
        self
    }

    /// Has its times in common with other loops of the same record.
    #[must_use]
    pub(super) fn since(mut self, began: &Beginning) -> Self {
        self.began = Arc::clone(began);
        self
    }

    /// A turn begins that is not recorded. It is counted.
    pub(super) const fn pass_over(&mut self) {
        self.turn.turn += 1;
    }

    fn start(&mut self, timeout: Option<Duration>, events: &[Event], woke: Woke, now: &Tick) {
        let began = *self.began.get_or_init(|| now.instant);
        self.now = Some(now.instant);
        let turn = &mut self.turn;
        turn.turn += 1;
        turn.at_us = micros(now.instant.saturating_duration_since(began));
        turn.timeout_us = timeout.map(micros);
        woke_word(woke).clone_into(&mut turn.woke);
        turn.injected = self.last_fault.name();
        turn.events.clear();
        turn.events.extend(events.iter().map(announced));
        turn.facts.clear();
    }

    fn end(&mut self, lag: Option<Duration>) {
        self.turn.lag_us = lag.map(micros);
        self.now = None;
        (self.take)(&self.turn);
    }

    fn left(&self, token: Token, bits: Bits, settled: Settled, conn: &Connection) -> Did {
        let due = conn.next_deadline().zip(self.now);
        Did::Settled(SettledRecord {
            who: name(token),
            phase: format!("{:?}", conn.phase()),
            wanted: bits.wanted,
            ready: bits.ready,
            was_armed: bits.armed,
            armed: settled.armed,
            queued: settled.queued,
            work: bits.has_work,
            forgotten: settled.ready != bits.ready,
            inbox: conn.inbox_bytes(),
            outbox: conn.outbox_bytes(),
            due_us: due.map(|(at, now)| micros(at.saturating_duration_since(now))),
        })
    }

    fn did(&self, fact: &Fact<'_>) -> Option<Did> {
        Some(match *fact {
            Fact::Accepted { token, .. } => Did::Accepted { who: name(token) },
            Fact::Refused { reason, .. } => Did::Refused {
                reason: reason.name().to_owned(),
            },
            Fact::Looked { token, ready } => Did::Looked {
                who: name(token),
                ready,
            },
            Fact::Called { token, call } => Did::Call(Called {
                injected: self.last_fault.name(),
                ..called(token, &call)
            }),
            Fact::Answered {
                token, finished, ..
            } => Did::Answered {
                who: name(token),
                status: finished.status.code(),
                bytes: finished.body_bytes,
                request: (self.requests).then(|| finished.request_line.escape_ascii().to_string()),
            },
            Fact::Settled {
                token,
                bits,
                settled,
                conn,
            } => self.left(token, bits, settled, conn),
            Fact::Unwatched { token, .. } => Did::Unwatched { who: name(token) },
            Fact::Closed { token, reason } => Did::Closed {
                who: name(token),
                reason: reason.name().to_owned(),
            },
            Fact::TurnStarted { .. } | Fact::TurnEnded { .. } => return None,
        })
    }
}

impl<F: FnMut(&TurnRecord)> Drop for Recorder<F> {
    fn drop(&mut self) {
        if self.now.is_some() {
            self.end(None);
        }
    }
}

impl<F: FnMut(&TurnRecord)> Observer for Recorder<F> {
    fn observe(&mut self, fact: &Fact<'_>) {
        match *fact {
            Fact::TurnStarted {
                timeout,
                events,
                woke,
                now,
            } => self.start(timeout, events, woke, now),
            Fact::TurnEnded { lag } => self.end(lag),
            _ => {
                let did = self.did(fact);
                self.turn.facts.extend(did);
            }
        }
    }
}

fn announced(event: &Event) -> Announced {
    Announced {
        who: name(event.token),
        ready: Directions {
            readable: event.readable,
            writable: event.writable,
        },
        end: event.eof_possible,
    }
}

fn called(token: Token, call: &Call<'_>) -> Called {
    let mut called = Called {
        who: name(token),
        ..Called::default()
    };
    let (word, error) = match *call {
        Call::Accept(result) => ("accept", result.err()),
        Call::Read { room, held, result } => {
            called.asked = Some(room as u64);
            called.got = result.ok().map(|n| n as u64);
            called.held = held;
            ("read", result.err())
        }
        Call::Write { offered, result } => {
            called.asked = Some(offered as u64);
            called.got = result.ok().map(|n| n as u64);
            ("write", result.err())
        }
        Call::SendFile { offered, result } => {
            called.asked = Some(offered as u64);
            match result {
                Ok(Sent::Bytes(n)) => called.got = Some(n as u64),
                Ok(Sent::SocketFull) => called.error = Some("EAGAIN".to_owned()),
                Ok(Sent::SourceEnd) => called.error = Some("END".to_owned()),
                Err(_) => {}
            }
            ("sendfile", result.err())
        }
        Call::Shutdown(result) => ("shutdown", result.err()),
        Call::LayerRead(result) => ("layer_read", result.err()),
        Call::LayerWrite(result) => ("layer_write", result.err()),
        Call::Interest { armed, result } => {
            called.armed = Some(armed);
            ("interest", result.err())
        }
    };
    word.clone_into(&mut called.call);
    if let Some(error) = error {
        called.error = Some(errno_name(error));
    }
    called
}

const fn woke_word(woke: Woke) -> &'static str {
    match woke {
        Woke::Ready => "ready",
        Woke::Message => "message",
        Woke::Timeout => "timeout",
    }
}

/// How a record calls what a token stands for.
fn name(token: Token) -> String {
    match token.slot() {
        _ if token == MAILBOX => "waker".to_owned(),
        slot if slot >= RESERVED => "listener".to_owned(),
        slot => format!("{slot}.{}", token.generation()),
    }
}

/// Microseconds: half a million years fit.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
