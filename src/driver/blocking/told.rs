//! What an observer is told of a connection that a thread serves.
//!
//! *Floor 4.* Knows what can be told (`driver/observe/observer.rs`); does not know what becomes of
//! it.

use std::io;
use std::time::Instant;

use super::wait::Wants;
use crate::conn::{CloseReason, Connection};
use crate::driver::event_loop::settle::{Bits, Settled};
use crate::driver::observe::observer::{Call, Fact, Observer, Woke};
use crate::http::Tick;
use crate::kernel::{Peer, Waited};
use crate::readiness::{Directions, Token};

/// An observer of one connection.
pub(super) struct Told<'a, O> {
    /// What the connection is called.
    token: Token,
    observer: &'a mut O,
}

impl<'a, O: Observer> Told<'a, O> {
    pub(super) const fn new(token: Token, observer: &'a mut O) -> Self {
        Self { token, observer }
    }

    /// The client has come in.
    pub(super) fn accepted(&mut self, peer: Peer) {
        let token = self.token;
        self.called(Call::Accept(Ok(peer)));
        self.observer.observe(&Fact::Accepted { token, peer });
    }

    /// The client has come in and is not kept.
    pub(super) fn refused(&mut self, peer: Peer, reason: CloseReason) {
        self.called(Call::Accept(Ok(peer)));
        self.observer.observe(&Fact::Refused { peer, reason });
        self.observer.observe(&Fact::TurnEnded { lag: None });
    }

    pub(super) fn called(&mut self, call: Call<'_>) {
        let token = self.token;
        self.observer.observe(&Fact::Called { token, call });
    }

    /// Some answers may be out.
    pub(super) fn answers(&mut self, conn: &mut Connection, peer: Peer, now: &Tick) {
        while let Some(finished) = conn.next_finished() {
            self.observer.observe(&Fact::Answered {
                token: self.token,
                peer,
                finished: &finished,
                now,
            });
        }
    }

    /// It is about to wait: for all that is wanted, and nothing is remembered as ready.
    pub(super) fn settled(&mut self, wants: &Wants, conn: &Connection) {
        let (armed, ready) = (wants.wanted, Directions::NONE);
        self.observer.observe(&Fact::Settled {
            token: self.token,
            bits: Bits {
                wanted: armed,
                ready,
                armed,
                has_work: false,
            },
            settled: Settled {
                armed,
                ready,
                queued: false,
            },
            conn,
        });
        self.observer.observe(&Fact::TurnEnded { lag: None });
    }

    /// It has waited.
    pub(super) fn waited(
        &mut self,
        wants: &Wants,
        began: Instant,
        waited: &io::Result<Waited>,
        now: &Tick,
    ) {
        self.observer.observe(&Fact::TurnStarted {
            timeout: (wants.deadline).map(|at| at.saturating_duration_since(began)),
            events: &[],
            woke: match waited {
                Ok(Waited::Ready) | Err(_) => Woke::Ready,
                Ok(Waited::Stopping) => Woke::Message,
                Ok(Waited::TimedOut) => Woke::Timeout,
            },
            now,
        });
    }

    /// It has ended.
    pub(super) fn closed(&mut self, reason: CloseReason) {
        let token = self.token;
        self.observer.observe(&Fact::Closed { token, reason });
        self.observer.observe(&Fact::TurnEnded { lag: None });
    }
}
