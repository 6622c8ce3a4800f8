//! Who comes in, who must go, and when the door closes.
//!
//! *Floor 4.* A listener follows the same rule as a connection: *wanted* is "there is room, or
//! somebody to make room", *ready* is "accept has not said EAGAIN since the kernel last spoke".
//! Out of descriptors (EMFILE) it must leave a level-triggered interest set, or the loop spins;
//! under edge the kernel will never repeat itself, so somebody must try again. Descriptors that
//! others free raise no event at all, so a paused listener tries again by the clock, and so does one
//! that the kernel will not watch again.
//!
//! *References:* accept(2); `LESSONS` 8 and 10 in the tour. *Read next:* `settle.rs`.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::counters::Call;
use super::deadlines::NEVER;
use super::event_loop::{EventLoop, Slot};
use super::exchange;
use super::slots::RESERVED;
use crate::conn::{CloseReason, Standing};
use crate::http::Tick;
use crate::kernel::{Kernel, Peer};
use crate::readiness::{Interest, Token, Trigger};
use crate::service::Service;

/// How long a paused listener waits before it tries again.
const RETRY: Duration = Duration::from_millis(100);

/// Connections accepted from one listener in one turn.
const ACCEPTS_MAX: usize = 64;

/// The listeners of a loop.
pub(super) struct Door<K: Kernel> {
    gates: Vec<Gate<K>>,
    /// Whether a gate may have to be looked at: in most turns none has.
    stirs: bool,
    /// The loop stops: from this moment on the door shuts behind the last one who waits.
    closing_at: Option<Instant>,
    /// Somebody was dropped for want of room, and nobody has come in since.
    made_room: bool,
    /// Connections that may be dropped to make room, the first to go last, as of a turn.
    victims: Vec<Token>,
    victims_of: u64,
}

struct Gate<K: Kernel> {
    listener: K::Listener,
    ready: bool,
    /// In the interest set.
    watched: bool,
    /// Full, or out of the interest set against our will: not before this moment.
    paused_until: Option<Instant>,
}

impl<K: Kernel> Door<K> {
    pub(super) fn open(kernel: &mut K, listeners: Vec<K::Listener>) -> io::Result<Self> {
        let mut gates = Vec::new();
        for (at, listener) in listeners.into_iter().enumerate() {
            kernel.watch(&listener, gate_token(at), true)?;
            gates.push(Gate {
                listener,
                ready: false,
                watched: true,
                paused_until: None,
            });
        }
        Ok(Self {
            gates,
            stirs: false,
            closing_at: None,
            made_room: false,
            victims: Vec::new(),
            victims_of: 0,
        })
    }

    pub(super) fn on_event(&mut self, token: Token) {
        if let Some(gate) = self.gates.get_mut((token.slot() - RESERVED) as usize) {
            gate.ready = true;
            self.stirs = true;
        }
    }

    /// When a listener must be tried, or closed, without the kernel asking for it.
    pub(super) fn next_try(&self, now: Instant, trigger: Trigger) -> Option<Instant> {
        if !self.stirs {
            return None;
        }
        let closing = self.closing_at.filter(|at| *at > now);
        let tries = self
            .gates
            .iter()
            .filter_map(|gate| match gate.paused_until {
                Some(at) => Some(at),
                // Left early: under edge the kernel will not repeat itself, and about what it does
                // not watch it says nothing at all.
                None if gate.ready && (trigger == Trigger::Edge || !gate.watched) => Some(now),
                None => None,
            });
        tries.chain(closing).min()
    }

    /// Lets paused listeners try at once: there is room again.
    fn resume(&mut self, kernel: &mut K) {
        self.stirs = true;
        for (at, gate) in self.gates.iter_mut().enumerate() {
            if gate.paused_until.take().is_some() {
                gate.ready = true;
                if !gate.watched {
                    let watched = kernel.watch(&gate.listener, gate_token(at), true);
                    gate.watched = watched.is_ok();
                }
            }
        }
    }

    /// Closes all listeners, if it is time and nobody waits. To be called after all were tried.
    ///
    /// PITFALL: a connection in the backlog is reset when its listener closes. So first it must be
    /// empty; and first of all, nobody new must come, see `kernel/handover.rs`.
    fn shut_when_empty(&mut self, kernel: &mut K, now: Instant) {
        let empty = self.gates.iter().all(|gate| !gate.ready);
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
        for (at, gate) in self.gates.drain(..).enumerate() {
            if gate.watched {
                // Nothing is left to be done about one that cannot be taken out.
                let _ = kernel.watch(&gate.listener, gate_token(at), false);
            }
        }
    }

    fn pause(&mut self, at: usize, kernel: &mut K, now: &Tick) {
        let Some(gate) = self.gates.get_mut(at) else {
            return;
        };
        gate.paused_until = Some(now.instant + RETRY);
        if K::TRIGGER == Trigger::Level && gate.watched {
            let unwatched = kernel.watch(&gate.listener, gate_token(at), false);
            gate.watched = unwatched.is_err();
        }
    }

    /// Whether a gate must be looked at again without the kernel saying anything about it.
    fn has_business(&self) -> bool {
        let at_rest = |gate: &Gate<K>| !gate.ready && gate.watched && gate.paused_until.is_none();
        self.closing_at.is_some() || !self.gates.iter().all(at_rest)
    }

    /// PITFALL: the kernel may refuse to watch a listener again that was paused. Nobody would come
    /// back to it (`a_listener_that_cannot_be_watched_again_is_tried_until_it_can`).
    fn come_back_to_unwatched(&mut self, now: &Tick) {
        for gate in self.gates.iter_mut().filter(|gate| !gate.watched) {
            gate.paused_until.get_or_insert(now.instant + RETRY);
        }
    }
}

fn gate_token(at: usize) -> Token {
    Token::new(RESERVED + u32::try_from(at).unwrap_or(0), 0)
}

/// How an accept went.
enum Accepted {
    One,
    Nobody,
    NoRoom,
}

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// Accepts who is waiting.
    pub(super) fn admit(&mut self, now: &Tick) {
        if !self.door.stirs {
            return;
        }
        let due = |gate: &Gate<K>| gate.paused_until.is_some_and(|at| at <= now.instant);
        if self.door.gates.iter().any(due) {
            self.door.resume(&mut self.kernel);
        }
        for at in 0..self.door.gates.len() {
            for _ in 0..ACCEPTS_MAX {
                let gate = &self.door.gates[at];
                if !gate.ready || gate.paused_until.is_some() {
                    break;
                }
                match self.accept_one(at, now) {
                    Accepted::One => {}
                    Accepted::Nobody => self.door.gates[at].ready = false,
                    Accepted::NoRoom => self.door.pause(at, &mut self.kernel, now),
                }
            }
        }
        self.door.come_back_to_unwatched(now);
        self.door.shut_when_empty(&mut self.kernel, now.instant);
        self.door.stirs = self.door.has_business();
    }

    /// PITFALL: who must go is chosen before the accept and dropped after it. Under edge a listener
    /// counts as ready until an accept finds nobody, and that must not cost a connection.
    fn accept_one(&mut self, at: usize, now: &Tick) -> Accepted {
        let full = self.slots.len() >= self.settings.connections_max;
        let victim = if full { self.next_victim(now) } else { None };
        if full && victim.is_none() {
            return Accepted::NoRoom;
        }
        self.counts.call(Call::Accept);
        let error = match self.kernel.accept(&self.door.gates[at].listener) {
            Ok((socket, peer)) => {
                self.counts.accepted();
                self.door.made_room = false;
                if counts_in(self.settings.per_address.as_ref(), peer) {
                    self.evict(victim);
                    self.welcome(socket, peer, now);
                } else {
                    self.closed.count(CloseReason::AddressLimit);
                }
                return Accepted::One;
            }
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            Accepted::Nobody
        } else if is_out_of_room(&error) {
            // PITFALL: one at a time. What is missing may be missing to the whole system, and then it
            // is not had by dropping our clients (`room_that_cannot_be_made_costs_one_connection_per_try`).
            if std::mem::take(&mut self.door.made_room) {
                return Accepted::NoRoom;
            }
            match victim.or_else(|| self.next_victim(now)) {
                None => return Accepted::NoRoom,
                victim => self.evict(victim),
            }
            self.door.made_room = true;
            Accepted::One
        } else {
            // That one connection failed before we had it (accept(2), "Error handling").
            Accepted::One
        }
    }

    /// Takes a connection in. It is served when the kernel says that it has something: a
    /// registration reports what is already there, under both triggers.
    fn welcome(&mut self, socket: K::Socket, peer: Peer, now: &Tick) {
        let slot = Slot {
            socket,
            conn: exchange::begin(peer, &self.settings.limits, now),
            sink: None,
            peer,
            // Nothing was sent yet, so there is room to write.
            ready: Interest::WRITE,
            armed: Interest::NONE,
            read_closed: false,
            queued: false,
            seen_as: None,
            armed_at: NEVER,
        };
        let Some(token) = self.slots.insert(slot) else {
            return self.door_closed(peer);
        };
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        if self.stop_at.is_some() {
            slot.conn.on_shutdown(now);
        }
        // Settled like any other: the kernel is asked to announce what it wants.
        self.leave(token);
    }

    /// A proxy has said for whom it speaks. Until then its connection counted for nobody: at the
    /// door a proxy is one address for all its clients.
    pub(super) fn introduce(
        &mut self,
        token: Token,
        client: Option<IpAddr>,
    ) -> Result<(), CloseReason> {
        let Some(slot) = self.slots.get_mut(token) else {
            return Ok(());
        };
        let peer = slot.peer.speaking_for(client);
        if !counts_in(self.settings.per_address.as_ref(), peer) {
            return Err(CloseReason::AddressLimit);
        }
        slot.peer = peer;
        Ok(())
    }

    /// Who must go next: first the oldest connection that never completed a request, then the
    /// longest idle one, then one below the minimal rate; never an answer in flight.
    fn next_victim(&mut self, now: &Tick) -> Option<Token> {
        if self.door.victims_of != now.turn {
            self.door.victims_of = now.turn;
            self.door.victims = self.list_victims(now);
        }
        while let Some(token) = self.door.victims.last().copied() {
            // Served, gone or come back since the list was made?
            let slot = self.slots.get_mut(token);
            if slot.is_some_and(|slot| standing(slot, &self.kernel, now).is_some()) {
                return Some(token);
            }
            self.door.victims.pop();
        }
        None
    }

    /// Makes room.
    fn evict(&mut self, victim: Option<Token>) {
        if let Some(token) = victim {
            self.close(token, CloseReason::Evicted);
        }
    }

    /// Who may be dropped, the first to go last. Made once per turn: at the limit, a list per
    /// accepted client would cost every client a walk over all others.
    fn list_victims(&self, now: &Tick) -> Vec<Token> {
        let mut victims: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(token, slot)| {
                let standing = standing(slot, &self.kernel, now)?;
                Some((standing, slot.conn.since(), token.0))
            })
            .collect();
        let wanted = ACCEPTS_MAX.min(victims.len());
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

    /// A connection has left.
    pub(super) fn door_closed(&mut self, peer: Peer) {
        if let (Some(counts), Some(address)) = (&self.settings.per_address, peer.ip()) {
            counts.leave(address);
        }
        self.door.resume(&mut self.kernel);
    }

    /// Stops accepting once `drain` is over and nobody waits; idle connections end, busy ones
    /// after their answers.
    pub(super) fn begin_stop(&mut self, drain: Duration, now: &Tick) {
        if self.stop_at.is_some() {
            return;
        }
        self.stop_at = Some(now.instant + self.settings.grace);
        self.door.closing_at = Some(now.instant + drain.min(self.settings.grace));
        self.door.resume(&mut self.kernel);
        for gate in &mut self.door.gates {
            // Whoever came since the last wait is there, whether we were told or not.
            gate.ready = true;
        }
        let tokens: Vec<Token> = self.slots.iter().map(|(token, _)| token).collect();
        for token in tokens {
            if let Some(slot) = self.slots.get_mut(token) {
                slot.conn.on_shutdown(now);
                self.schedule(token);
            }
        }
    }

    /// Whether a stop has come to its end; what is left then is cut off.
    pub(super) fn is_done(&mut self, now: &Tick) -> bool {
        let Some(at) = self.stop_at else { return false };
        if now.instant >= at {
            self.door.shut(&mut self.kernel);
            let left: Vec<Token> = self.slots.iter().map(|(token, _)| token).collect();
            for token in left {
                self.close(token, CloseReason::Shutdown);
            }
        }
        self.settings.in_flight.set(self.slots.len());
        self.slots.len() == 0 && self.door.gates.is_empty()
    }
}

/// Counts a newcomer for its address, if it may come in.
fn counts_in(counts: Option<&PerAddress>, peer: Peer) -> bool {
    match (counts, peer.ip()) {
        (Some(counts), Some(address)) => counts.enter(address),
        _ => true,
    }
}

/// Why a connection may be dropped. Not one that something has just come for; nor one that came in
/// this turn, about whose request the kernel has not been asked yet.
fn standing<K: Kernel>(slot: &Slot<K>, kernel: &K, now: &Tick) -> Option<Standing> {
    if slot.queued || slot.conn.since() >= now.instant {
        return None;
    }
    slot.conn
        .standing(now, || kernel.unacknowledged(&slot.socket))
}

/// Out of descriptors or memory: not this client's fault, and not over by trying at once.
pub(super) fn is_out_of_room(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// How many connections each address holds, over all loops.
#[derive(Clone, Debug)]
pub struct PerAddress {
    max: u32,
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl PerAddress {
    /// Counts up to `max` for each address.
    pub fn new(max: u32) -> Self {
        Self {
            max,
            counts: Arc::default(),
        }
    }

    /// Counts a new connection; `false` if the address holds its share already.
    pub fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        let enters = *count < self.max;
        *count += u32::from(enters);
        enters
    }

    /// Counts a connection that has left.
    pub fn leave(&self, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// One connection of what its address may hold.
pub(super) struct Share(Option<(PerAddress, IpAddr)>);

impl Share {
    /// `None` if the address holds its share already.
    pub(super) fn take(per_address: Option<&PerAddress>, peer: Peer) -> Option<Self> {
        let (Some(counts), Some(ip)) = (per_address, peer.ip()) else {
            return Some(Self(None));
        };
        counts.enter(ip).then(|| Self(Some((counts.clone(), ip))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((counts, ip)) = &self.0 {
            counts.leave(*ip);
        }
    }
}
