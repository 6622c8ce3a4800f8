//! The table of `settle.rs`, proven from what an observer is told, and from nothing else.
//!
//! What is remembered as ready follows from three things: what the kernel has announced, what the
//! calls have come to, and which connections the loop has looked at by the clock. So a record that
//! holds these is enough to check every decision of the loop, in the simulator or anywhere else.

use std::collections::HashMap;
use std::io;

use httpoll::driver::{Bits, Call, Fact, Observer, Rule, Settled, settle};
use httpoll::kernel::Sent;
use httpoll::kernel::sim::Schedule;
use httpoll::readiness::{Directions, Event, Token, Trigger};

use super::mutants::{
    SEEDS, budget_forgotten, event_dropped, never_armed, never_disarmed, work_forgotten,
};
use super::schedules::{Cast, recorded_by};

/// What the record says of one connection.
#[derive(Clone, Copy, Default)]
struct Known {
    ready: Directions,
    armed: Directions,
    /// The interest set that was asked for since it was settled last.
    asked: Option<Directions>,
    eof_possible: bool,
    /// It must be served in this turn or the next one.
    owed: bool,
}

/// Follows a record, and says what in it breaks the table.
pub(crate) struct Checker {
    trigger: Trigger,
    known: HashMap<Token, Known>,
    broken: Option<String>,
    settled: u64,
}

impl Checker {
    pub(crate) fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            known: HashMap::new(),
            broken: None,
            settled: 0,
        }
    }

    /// What broke the table first: `stall` or `spin`, or a record that contradicts itself.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    fn follow(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::TurnStarted {
                timeout, events, ..
            } => {
                let queued = self.known.values().any(|one| one.owed);
                if queued && timeout.is_none_or(|time| !time.is_zero()) {
                    return Err(format!("stall: a queue, and a wait of {timeout:?}"));
                }
                events.iter().for_each(|event| self.announce(event));
            }
            Fact::Accepted { token, .. } => {
                let ready = Directions::WRITE;
                let new = Known {
                    ready,
                    ..Known::default()
                };
                self.known.insert(token, new);
            }
            Fact::Looked { token, ready } => {
                if let Some(one) = self.known.get_mut(&token) {
                    one.ready = one.ready.or(ready);
                    one.owed = true;
                }
            }
            Fact::Called { token, call } => {
                if let Some(one) = self.known.get_mut(&token) {
                    one.called(&call);
                }
            }
            Fact::Settled {
                token,
                bits,
                settled,
                ..
            } => {
                let one = self.known.get_mut(&token).ok_or("settled: no connection")?;
                self.settled += 1;
                one.settle(bits, settled)?;
                check_table(self.trigger, bits, settled)?;
            }
            Fact::Unwatched { token, .. } => {
                let one = self
                    .known
                    .get_mut(&token)
                    .ok_or("unwatched: no connection")?;
                one.armed = Directions::NONE;
                (one.asked, one.owed) = (None, false);
            }
            Fact::Closed { token, .. } => {
                self.known.remove(&token).ok_or("closed: no connection")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn announce(&mut self, event: &Event) {
        if let Some(one) = self.known.get_mut(&event.token) {
            one.ready = one.ready.or(Directions {
                readable: event.readable,
                writable: event.writable,
            });
            one.eof_possible |= event.eof_possible;
            one.owed = true;
        }
    }
}

impl Observer for Checker {
    fn observe(&mut self, fact: &Fact<'_>) {
        if self.broken.is_none() {
            self.broken = self.follow(fact).err();
        }
    }
}

impl Known {
    /// What a call has told of the socket.
    fn called(&mut self, call: &Call<'_>) {
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        match *call {
            Call::Read { room, held, result } => match result {
                Ok(0) => self.ready.readable = false,
                Ok(_) if held => {}
                Ok(n) => self.ready.readable = n == room || self.eof_possible,
                Err(error) if is_full(error) => self.ready.readable = false,
                Err(_) => {}
            },
            Call::Write { offered, result } => match result {
                Ok(n) => self.ready.writable = n >= offered,
                Err(error) if is_full(error) => self.ready.writable = false,
                Err(_) => {}
            },
            Call::SendFile { result, .. } => match result {
                Ok(Sent::SocketFull) => self.ready.writable = false,
                Err(error) if is_full(error) => self.ready.writable = false,
                Ok(_) | Err(_) => {}
            },
            Call::Interest {
                armed,
                result: Ok(()),
            } => self.asked = Some(armed),
            Call::LayerRead(Err(error)) if is_full(error) => self.ready.readable = false,
            Call::LayerWrite(Err(error)) if is_full(error) => self.ready.writable = false,
            _ => {}
        }
    }

    /// Whether what the rule was given and what it said is what the record leads to.
    fn settle(&mut self, bits: Bits, settled: Settled) -> Result<(), String> {
        let agree = |what: &str, told: Directions, followed: Directions| match told == followed {
            true => Ok(()),
            false => Err(format!("{what}: {told:?} is told, {followed:?} follows")),
        };
        agree("ready", bits.ready, self.ready)?;
        agree("armed", bits.armed, self.armed)?;
        let asked = self.asked.take().unwrap_or(bits.armed);
        agree("interest", settled.armed, asked)?;
        self.armed = settled.armed;
        self.owed = settled.queued;
        Ok(())
    }
}

/// The four rows of the table, from the side of what must never be.
fn check_table(trigger: Trigger, bits: Bits, settled: Settled) -> Result<(), String> {
    let broken = |word: &str| Err(format!("{word}: {trigger:?} {bits:?} {settled:?}"));
    if settled.ready != bits.ready {
        return broken("stall, what was announced is forgotten");
    }
    if bits.has_work && !settled.queued {
        return broken("stall, with work");
    }
    let ways = |of: fn(Directions) -> bool| {
        let announced = of(settled.armed) && (trigger == Trigger::Level || !of(bits.ready));
        !of(bits.wanted) || announced || settled.queued
    };
    if !(ways(|set| set.readable) && ways(|set| set.writable)) {
        return broken("stall, what is wanted is not announced");
    }
    if trigger == Trigger::Level && settled.armed.and(bits.wanted) != settled.armed {
        return broken("spin, what is not wanted is announced");
    }
    if settled.queued && !bits.has_work && !bits.wanted.and(bits.ready).any() {
        return broken("spin, with nothing to do");
    }
    Ok(())
}

/// What the record of a loop that settles by `rule` breaks within the first seeds.
fn broken<const EDGE: bool>(rule: Rule) -> Option<String> {
    (0..SEEDS).find_map(|seed| recorded_by::<EDGE>(rule, &Cast::draw(seed), Schedule::seeded(seed)))
}

fn check<const EDGE: bool>(rule: Rule, word: &str) {
    let broken = broken::<EDGE>(rule).expect("the record does not show the mistake");
    assert!(broken.starts_with(word), "{broken}");
}

#[test]
fn the_record_alone_proves_the_table() {
    assert_eq!(broken::<true>(settle), None);
    assert_eq!(broken::<false>(settle), None);
}

#[test]
fn the_record_alone_shows_each_row_that_is_missing() {
    check::<false>(never_armed, "stall, what is wanted");
    check::<false>(never_disarmed, "spin, what is not wanted");
    check::<true>(event_dropped, "stall, what was announced");
    check::<true>(budget_forgotten, "stall, what is wanted");
    check::<true>(work_forgotten, "stall, with work");
    check::<false>(work_forgotten, "stall, with work");
    // What a row does not ask for is not missed.
    assert_eq!(broken::<false>(budget_forgotten), None);
    assert_eq!(broken::<true>(never_armed), None);
}
