//! The listeners of a loop: when it accepts, and when it stops accepting.
//!
//! *Floor 4.* A listener follows the same rule as a connection: accepting is always *wanted*, and *ready*
//! is "accept has not said EAGAIN since the last event". Without room, and without a connection that
//! may be dropped, a listener pauses.
//! Out of descriptors (EMFILE) it must leave a level-triggered interest set, or the loop spins;
//! under edge the kernel does not repeat an event, so the loop must try again by itself. Here it does
//! both under both. What is given up first, before a listener pauses, is said in `room.rs`. A
//! descriptor that another process frees raises no event at all, so a paused listener is tried
//! again by the clock, and so is one that the kernel will not watch again.
//!
//! *References:* accept(2).

use std::io;
use std::time::{Duration, Instant};

use super::EventLoop;
use super::room::{Made, VICTIMS_MAX, Victim};
use super::settle::{Bits, settle};
use super::slot::Slot;
use super::slots::RESERVED;
use crate::conn::CloseReason;
use crate::driver::exchange;
use crate::driver::failures::{Failed, Failures, RETRY};
use crate::driver::observe::observer::{Call, Fact, Observer};
use crate::driver::per_address::counts_in;
use crate::http::Tick;
use crate::kernel::{Kernel, Peer};
use crate::readiness::{Directions, Token, Trigger};
use crate::service::Service;

/// Connections accepted from one listener in one turn.
const ACCEPTS_MAX: usize = VICTIMS_MAX;

/// Of the connections that a stop waits for, so many are counted by what they have under way.
const TOLD_APART_MAX: usize = 1024;

/// The listeners of a loop.
pub(super) struct Listeners<K: Kernel> {
    each: Vec<Listening<K>>,
    /// Whether one may have to be looked at: in most turns none has.
    is_active: bool,
    /// The loop stops: from this moment on they close as soon as no client waits.
    closing_at: Option<Instant>,
}

struct Listening<K: Kernel> {
    listener: K::Listener,
    ready: bool,
    /// In the interest set.
    watched: bool,
    /// Full, or out of the interest set against our will: not before this moment.
    paused_until: Option<Instant>,
    failures: Failures,
}

impl<K: Kernel> Listening<K> {
    /// Accepting is always wanted here. About a listener that it does not watch, the kernel says
    /// nothing at all: that is work which no event announces.
    const fn bits(&self) -> Bits {
        let ready = Directions {
            readable: self.ready,
            writable: false,
        };
        let armed = match self.watched {
            true => Directions::READ,
            false => Directions::NONE,
        };
        Bits {
            wanted: Directions::READ,
            ready,
            armed,
            has_work: self.ready && !self.watched,
        }
    }
}

impl<K: Kernel> Listeners<K> {
    pub(super) fn open(kernel: &mut K, listeners: Vec<K::Listener>) -> io::Result<Self> {
        let mut each = Vec::new();
        for (at, listener) in listeners.into_iter().enumerate() {
            kernel.watch(&listener, token_of(at), true)?;
            each.push(Listening {
                listener,
                ready: false,
                watched: true,
                paused_until: None,
                failures: Failures::default(),
            });
        }
        Ok(Self {
            each,
            is_active: false,
            closing_at: None,
        })
    }

    pub(super) fn on_event(&mut self, token: Token) {
        if let Some(one) = self.each.get_mut((token.slot() - RESERVED) as usize) {
            one.ready = true;
            self.is_active = true;
        }
    }

    /// When a listener must be tried, or closed, without the kernel asking for it.
    pub(super) fn next_try(&self, now: Instant, trigger: Trigger) -> Option<Instant> {
        if !self.is_active {
            return None;
        }
        let closing = self.closing_at.filter(|at| *at > now);
        let tries = self.each.iter().filter_map(|one| match one.paused_until {
            Some(at) => Some(at),
            // Left early: it is settled like a connection.
            None => settle(trigger, one.bits()).queued.then_some(now),
        });
        tries.chain(closing).min()
    }

    /// Lets paused listeners be tried at once: there may be room again. They are watched again when
    /// accept finds the backlog empty.
    fn resume(&mut self) {
        self.is_active = true;
        for one in &mut self.each {
            one.ready |= one.paused_until.take().is_some();
        }
    }

    /// Closes all listeners, if it is time and no client waits. To be called after all were tried.
    ///
    /// PITFALL: a connection in the backlog is reset when its listener closes. So first it must be
    /// empty; and before that no new client must come, see `kernel/handover.rs`.
    fn shut_when_empty(&mut self, kernel: &mut K, now: Instant) {
        let empty = self.each.iter().all(|one| !one.ready);
        if empty && self.closing_at.is_some_and(|at| at <= now) {
            self.shut(kernel);
        }
    }

    /// Closes all listeners.
    ///
    /// PITFALL: out of the selector first. A closed descriptor that poll(2) or select(2) is still
    /// asked about is an error at every wait, while answers in flight have to be finished
    /// (`a_stop_finishes_what_is_in_flight`).
    fn shut(&mut self, kernel: &mut K) {
        for (at, one) in self.each.drain(..).enumerate() {
            if one.watched {
                // Nothing is left to be done about one that cannot be taken out.
                let _ = kernel.watch(&one.listener, token_of(at), false);
            }
        }
    }

    /// Takes all listeners for ready: a client may wait that no event has announced.
    pub(super) fn look_at_all(&mut self) {
        self.is_active = true;
        for one in &mut self.each {
            one.ready = true;
        }
    }

    /// Lets a listener wait for room, out of the selector: level-triggered it would be reported at
    /// every wait, and a shared one would be told of clients that another loop could let in.
    /// Whether it has been told of some, of which the kernel then tells no other loop.
    fn pause(&mut self, at: usize, kernel: &mut K, now: &Tick) -> bool {
        let Some(one) = self.each.get_mut(at) else {
            return false;
        };
        one.paused_until = Some(now.instant + RETRY);
        let was_watched = one.watched;
        if one.watched {
            let unwatched = kernel.watch(&one.listener, token_of(at), false);
            one.watched = unwatched.is_err();
        }
        was_watched && kernel.is_shared(&one.listener)
    }

    /// The backlog is empty: the next client is to be announced. Registering a listener reports the
    /// clients that came before it.
    ///
    /// PITFALL: the kernel may refuse to watch a listener again that was paused. Then no event
    /// would come for it (`a_listener_that_cannot_be_watched_again_is_tried_until_it_can`).
    fn rest(&mut self, at: usize, kernel: &mut K, now: &Tick) {
        let Some(one) = self.each.get_mut(at) else {
            return;
        };
        one.ready = false;
        if !one.watched {
            one.watched = kernel.watch(&one.listener, token_of(at), true).is_ok();
            one.paused_until = (!one.watched).then(|| now.instant + RETRY);
        }
    }

    /// Whether one must be looked at again without the kernel saying anything about it.
    fn has_business(&self) -> bool {
        let at_rest = |one: &Listening<K>| !one.ready && one.watched && one.paused_until.is_none();
        self.closing_at.is_some() || !self.each.iter().all(at_rest)
    }
}

fn token_of(at: usize) -> Token {
    Token::new(RESERVED + u32::try_from(at).unwrap_or(0), 0)
}

/// How an accept went.
enum AcceptResult {
    One,
    NoClient,
    NoRoom,
    /// A client waits, and only the next turn will know which connection to drop for it.
    Later,
}

impl<K: Kernel, S: Service, O: Observer> EventLoop<K, S, O> {
    /// Accepts the clients that wait.
    pub(super) fn admit(&mut self) {
        if !self.listeners.is_active {
            return;
        }
        let now = &self.context.now;
        let due = |one: &Listening<K>| one.paused_until.is_some_and(|at| at <= now.instant);
        if self.listeners.each.iter().any(due) {
            self.listeners.resume();
        }
        for at in 0..self.listeners.each.len() {
            for _ in 0..ACCEPTS_MAX {
                let one = &self.listeners.each[at];
                if !one.ready || one.paused_until.is_some() {
                    break;
                }
                match self.accept_one(at) {
                    AcceptResult::One => {}
                    AcceptResult::NoClient => {
                        let context = &mut self.context;
                        self.listeners.rest(at, &mut context.kernel, &context.now);
                    }
                    AcceptResult::Later => break,
                    AcceptResult::NoRoom => {
                        let context = &mut self.context;
                        if (self.listeners).pause(at, &mut context.kernel, &context.now) {
                            context.settings.other_loops.pass_on(&context.mailbox);
                        }
                    }
                }
            }
        }
        let (kernel, now) = (&mut self.context.kernel, self.context.now.instant);
        self.listeners.shut_when_empty(kernel, now);
        self.listeners.is_active = self.listeners.has_business();
    }

    /// PITFALL: the connection to drop is chosen before the accept and dropped after it. Under edge
    /// a listener counts as ready until an accept finds no client, and that must not cost a
    /// connection.
    fn accept_one(&mut self, at: usize) -> AcceptResult {
        let victim = match self.slots.len() >= self.context.settings.connections_max {
            false => None,
            true => match self.next_victim() {
                Victim::Now(token) => Some(token),
                Victim::Later => return AcceptResult::Later,
                Victim::None => return AcceptResult::NoRoom,
            },
        };
        let one = &mut self.listeners.each[at];
        let accepted = self.context.kernel.accept(&one.listener);
        let told = accepted.as_ref().map(|(_, peer)| *peer);
        self.context.called(token_of(at), Call::Accept(told));
        let error = match accepted {
            Ok((socket, peer)) => {
                one.failures.end();
                self.room.was_found(&self.context.now);
                if !counts_in(self.context.settings.per_address.as_ref(), peer) {
                    let reason = CloseReason::AddressLimit;
                    self.context.tell(&Fact::Refused { peer, reason });
                    return AcceptResult::One;
                }
                self.evict(victim);
                return match self.welcome(socket, peer) {
                    true => AcceptResult::One,
                    false => AcceptResult::NoRoom,
                };
            }
            Err(error) => error,
        };
        match one.failures.judge(&error) {
            Failed::NoClient => AcceptResult::NoClient,
            Failed::NoRoom => match self.make_room() {
                Made::Some => AcceptResult::One,
                Made::None => AcceptResult::NoRoom,
                Made::Later => AcceptResult::Later,
            },
            Failed::Once => AcceptResult::One,
            Failed::AgainAndAgain => AcceptResult::NoRoom,
        }
    }

    /// Takes a connection in. It is served when the kernel says that it has something: a
    /// registration reports what is already there, under both triggers. `false` if there was no
    /// room to watch it.
    fn welcome(&mut self, socket: K::Socket, peer: Peer) -> bool {
        let context = &mut self.context;
        let mut conn = exchange::begin(peer, &context.settings.limits, &context.now);
        if self.stop_at.is_some() {
            conn.on_shutdown(&context.now);
        }
        let Some(token) = self.slots.insert(Slot::new(socket, conn, peer)) else {
            self.free_place(peer);
            return false;
        };
        context.tell(&Fact::Accepted { token, peer });
        if let Some(slot) = self.slots.get_mut(token) {
            // Settled like any other: the kernel is asked to announce what it wants.
            let left = context.leave(token, slot);
            self.conclude(token, left);
        }
        let slot = self.slots.get_mut(token);
        slot.is_none_or(|slot| slot.is_armed())
    }

    /// A connection has left.
    pub(super) fn free_place(&mut self, peer: Peer) {
        if let (Some(counts), Some(address)) = (&self.context.settings.per_address, peer.ip()) {
            counts.leave(address);
        }
        self.listeners.resume();
    }

    /// Stops accepting once `drain` is over and no client waits; idle connections end, busy ones
    /// after their answers.
    pub(super) fn begin_stop(&mut self, drain: Duration) {
        if self.stop_at.is_some() {
            return;
        }
        let (now, grace) = (self.context.now, self.context.settings.grace);
        self.stop_at = Some(now.instant + grace);
        self.listeners.closing_at = Some(now.instant + drain.min(grace));
        self.listeners.resume();
        // A client that came since the last wait is in the backlog, announced or not.
        self.listeners.look_at_all();
        for token in self.slots.tokens() {
            self.deliver(token, |_, slot| slot.conn.on_shutdown(&now));
        }
    }

    /// Whether a stop has come to its end; what is left then is cut off.
    pub(super) fn is_done(&mut self) -> bool {
        let Some(at) = self.stop_at else { return false };
        if self.context.now.instant >= at {
            self.listeners.shut(&mut self.context.kernel);
            for token in self.slots.tokens() {
                self.close(token, CloseReason::Shutdown);
            }
        }
        // In each turn of a stop: the last one before it is asked may be long ago.
        let phases = self.slots.iter().map(|(_, slot)| slot.conn.phase());
        let in_flight = &self.context.settings.in_flight;
        in_flight.set(self.slots.len(), phases.take(TOLD_APART_MAX));
        self.slots.len() == 0 && self.listeners.each.is_empty()
    }
}
