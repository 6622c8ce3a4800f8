//! What is done when something is missing to take a client in.
//!
//! *Floor 4.* A place among the connections, a descriptor, memory, an entry in the selector, a
//! thread: whichever it is, the same three things follow. The caches close the descriptors that
//! they keep only to be faster. One connection that may be dropped is dropped; if that did not help
//! no second one is, because the whole system may be out of it. A client that still has no room
//! waits and is tried again by the clock, because what another process frees raises no event.
//!
//! *References:* accept(2), epoll_ctl(2), poll(2), pthread_create(3), each under ERRORS.

use std::time::{Duration, Instant};

use super::EventLoop;
use super::serve::PassEnd;
use super::slot::Slot;
use super::slots::Slots;
use crate::conn::{CloseReason, Standing};
use crate::driver::failures::RETRY;
use crate::driver::observe::observer::{Fact, Observer};
use crate::http::Tick;
use crate::kernel::{Kernel, Socket};
use crate::readiness::{Directions, Token};
use crate::service::Service;

/// How many connections a turn may have to drop at most: as many as it accepts.
pub(super) const VICTIMS_MAX: usize = 64;

/// Which connection to drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Victim {
    /// This one.
    Now(Token),
    /// Only the next turn will know.
    Later,
    /// None may be dropped.
    None,
}

/// What came of making room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// There may be some.
    Some,
    /// There is none for a while.
    None,
    /// It can be made in the next turn.
    Later,
}

/// What a loop knows about the room it has.
#[derive(Default)]
pub(super) struct Room {
    /// A connection was dropped for want of room, and no client was accepted since.
    made: bool,
    /// Connections that may be dropped to make room, the first to go last, as of a turn.
    victims: Vec<Token>,
    victims_of: u64,
    /// A client was accepted a moment ago, and it is not known yet whether it is silent.
    undecided: bool,
    /// Connections that the selector refuses to watch: they are looked at by the clock.
    unwatched: Vec<Token>,
    /// When that is, and the turn in which it was last.
    look_at: Option<Instant>,
    looked_in: u64,
    /// Waits that have failed in a row: no event says which socket is ready.
    failed_waits: u32,
}

impl Room {
    /// A client was accepted.
    pub(super) fn was_found(&mut self, now: &Tick) {
        self.made = false;
        self.undecided |= self.victims_of == now.turn;
    }

    /// When connections must be looked at that the kernel says nothing about.
    pub(super) const fn next_look(&self) -> Option<Instant> {
        self.look_at
    }

    /// A wait has succeeded again.
    pub(super) fn end_of_failed_waits(&mut self) {
        self.failed_waits = 0;
    }
}

impl<K: Kernel, S: Service, O: Observer> EventLoop<K, S, O> {
    /// Makes room where the kernel had none.
    ///
    /// PITFALL: one connection at a time. What is missing may be missing to the whole system, and
    /// then it is not had by dropping our clients
    /// (`room_that_cannot_be_made_costs_one_connection_per_try`).
    pub(super) fn make_room(&mut self) -> Made {
        if self.context.service.release_descriptors() {
            return Made::Some;
        }
        if std::mem::take(&mut self.room.made) {
            return Made::None;
        }
        match self.next_victim() {
            Victim::Now(token) => {
                self.evict(Some(token));
                self.room.made = true;
                Made::Some
            }
            Victim::Later => Made::Later,
            Victim::None => Made::None,
        }
    }

    /// A connection was left that the selector refuses to watch: room is made for that, or it is
    /// served by the clock meanwhile.
    pub(super) fn watch_or_look(&mut self, token: Token) {
        while self.make_room_to_watch() {
            let Some(slot) = self.slots.get_mut(token) else {
                return;
            };
            slot.socket.renumber();
            match self.context.leave(token, slot) {
                PassEnd::Settled => return,
                PassEnd::Unwatched => {}
                PassEnd::Over(reason) => return self.close(token, reason),
            }
        }
        self.look_by_clock(token);
    }

    /// Whether it is worth another try. Not again for one that is served by the clock, nor for a
    /// second one in the meantime: what it is refused is what the first was.
    fn make_room_to_watch(&mut self) -> bool {
        let room = &self.room;
        let is_known = room.look_at.is_some() || room.looked_in == self.context.now.turn;
        !is_known && self.make_room() == Made::Some
    }

    /// From now on a connection is looked at by the clock, until the selector watches it again.
    ///
    /// PITFALL: out of the selector altogether. An interest that cannot be changed would be
    /// reported at every wait, although it is not wanted any more
    /// (`a_connection_that_cannot_be_watched_is_served_by_the_clock`).
    fn look_by_clock(&mut self, token: Token) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        self.context.unwatch(token, slot);
        let (room, soon) = (&mut self.room, self.context.now.instant + RETRY);
        room.look_at.get_or_insert(soon);
        if slot.on_unwatched() {
            room.unwatched.push(token);
        }
        let conn = &slot.conn;
        self.context.tell(&Fact::Unwatched { token, conn });
        self.context.await_deadline(token, slot);
    }

    /// Serves the connections that are not watched, if it is time; `settle` asks for each of them
    /// to be watched again.
    pub(super) fn look_at_unwatched(&mut self) {
        let now = &self.context.now;
        if self.room.look_at.is_none_or(|at| at > now.instant) {
            return;
        }
        self.room.look_at = None;
        self.room.looked_in = now.turn;
        for token in std::mem::take(&mut self.room.unwatched) {
            self.deliver(token, |_, slot| slot.on_looked_at());
            self.look(token, Directions::BOTH);
        }
    }

    /// Ends connections that are broken while work is done for them, and with them that work.
    ///
    /// PITFALL: a client that has closed its sending half, or has sent more than is read ahead, is
    /// not read from, and where nothing is wanted no selector tells of a reset
    /// (`work_for_a_client_that_is_gone_stops`).
    pub(super) fn look_for_the_gone(&mut self) {
        let context = &mut self.context;
        if !context.offload.is_look_due(context.now.instant) {
            return;
        }
        for token in context.offload.look() {
            let slot = self.slots.get_mut(token);
            if slot.is_some_and(|slot| !slot.wanted().directions.readable && slot.socket.is_gone())
            {
                self.close(token, CloseReason::SocketFailed);
            }
        }
    }

    /// The wait has failed, for want of memory or because there are more descriptors than it may
    /// be asked about (poll(2), EINVAL). It is tried again after a while.
    pub(super) fn rest_instead(&mut self, timeout: Option<Duration>) {
        self.room.failed_waits = self.room.failed_waits.saturating_add(1);
        let rest = timeout.map_or(RETRY, |timeout| timeout.min(RETRY));
        self.context.kernel.rest(rest);
    }

    /// Takes all connections for ready after a wait that failed: no event says which are.
    pub(super) fn look_at_all(&mut self) {
        if self.room.failed_waits == 0 {
            return;
        }
        self.read_mail();
        self.listeners.look_at_all();
        for token in self.slots.tokens() {
            self.look(token, Directions::BOTH);
        }
    }

    /// Makes room where a second wait has failed too. To be called after all connections were
    /// served: a client whose request no event has announced must not be taken for a silent one.
    pub(super) fn make_room_to_wait(&mut self) {
        match self.room.failed_waits {
            0 => {}
            1 => {
                self.context.service.release_descriptors();
            }
            _ => {
                self.make_room();
            }
        }
    }

    /// The connection to drop next: first the oldest one that never completed a request, then the
    /// longest idle one, then one whose client sends or takes below the minimal rate; never another
    /// answer in flight.
    ///
    /// PITFALL: no connection that was served is dropped while a client that was just accepted has
    /// not been read from: in a later turn that one may prove silent, and is dropped first
    /// (`a_burst_of_silent_clients_evicts_none_that_was_served`).
    pub(super) fn next_victim(&mut self) -> Victim {
        let now = &self.context.now;
        if self.room.victims_of != now.turn {
            self.room.victims_of = now.turn;
            self.room.victims = list_victims(&self.slots, now);
            let mut all = self.slots.iter();
            self.room.undecided = all.any(|(_, slot)| is_undecided(slot, now));
        }
        while let Some(token) = self.room.victims.last().copied() {
            // Served, gone or come back since the list was made?
            let slot = self.slots.get_mut(token);
            match slot.and_then(|slot| standing(slot, now)) {
                Some(Standing::Newcomer) => return Victim::Now(token),
                Some(_) if self.room.undecided => return Victim::Later,
                Some(_) => return Victim::Now(token),
                None => self.room.victims.pop(),
            };
        }
        Victim::None
    }

    /// Makes room.
    pub(super) fn evict(&mut self, victim: Option<Token>) {
        if let Some(token) = victim {
            self.close(token, CloseReason::Evicted);
        }
    }
}

/// The connections that may be dropped, the first to go last. Made once per turn: at the limit, a
/// list per accepted client would cost every client a walk over all others.
fn list_victims<K: Kernel>(slots: &Slots<Slot<K>>, now: &Tick) -> Vec<Token> {
    let mut victims: Vec<_> = slots
        .iter()
        .filter_map(|(token, slot)| {
            let standing = standing(slot, now)?;
            Some((standing, slot.conn.since(), token.0))
        })
        .collect();
    let wanted = VICTIMS_MAX.min(victims.len());
    if wanted < victims.len() {
        victims.select_nth_unstable(wanted);
        victims.truncate(wanted);
    }
    victims.sort_unstable_by(|a, b| b.cmp(a));
    victims
        .into_iter()
        .map(|(_, _, token)| Token(token))
        .collect()
}

/// Whether a connection has just come in, and may turn out to be silent: it came in this turn, or
/// something has come for it, if only that it can be written to. Not one that waits to be watched.
fn is_undecided<K: Kernel>(slot: &Slot<K>, now: &Tick) -> bool {
    let age = now.instant.saturating_duration_since(slot.conn.since());
    let is_new = !slot.conn.has_served() && slot.is_armed() && age < RETRY;
    is_new && (slot.is_queued() || age.is_zero())
}

/// Why a connection may be dropped. Not one that something has just come for; nor one that came in
/// this turn, about whose request the kernel has not been asked yet.
fn standing<K: Kernel>(slot: &Slot<K>, now: &Tick) -> Option<Standing> {
    if slot.is_queued() || slot.conn.since() >= now.instant {
        return None;
    }
    slot.conn.standing(now, || slot.socket.unacknowledged())
}
