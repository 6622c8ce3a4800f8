//! The table of `settle.rs`, proven from a record and from nothing else.
//!
//! What is remembered as ready follows from three things: what the kernel has announced, what the
//! calls have come to, and which connections the loop has looked at by the clock. So a record is
//! enough to check every decision of a loop, in the simulator or anywhere else.

use std::collections::HashMap;

use super::{Announced, Called, Did, SettledRecord, TurnRecord};
use crate::readiness::{Directions, Trigger};

/// Follows the record of one loop, and says what in it breaks the table.
pub struct Checker {
    trigger: Trigger,
    known: HashMap<String, Followed>,
    broken: Option<String>,
    settled: u64,
}

/// What the record says of one connection.
#[derive(Clone, Copy, Default)]
struct Followed {
    ready: Directions,
    armed: Directions,
    /// The interest set that was asked for since it was settled last.
    asked: Option<Directions>,
    end: bool,
    /// What was remembered was changed by the rule, to what is not told.
    unsure: bool,
    /// It must be served in this turn or the next one.
    owed: bool,
}

impl Checker {
    /// A checker of a loop on a kernel that speaks at this trigger.
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            known: HashMap::new(),
            broken: None,
            settled: 0,
        }
    }

    /// What broke the table first: `stall` or `spin`, or a record that contradicts itself.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// How often a connection was left by the rule.
    pub const fn settled(&self) -> u64 {
        self.settled
    }

    /// Follows another turn. After a fault the rest of the record says nothing any more.
    pub fn follow(&mut self, turn: &TurnRecord) {
        if self.broken.is_none() {
            let broken = self.through(turn).err();
            self.broken = broken.map(|fault| format!("{fault}, in turn {}", turn.turn));
        }
    }

    fn through(&mut self, turn: &TurnRecord) -> Result<(), String> {
        let is_owed = self.known.values().any(|one| one.owed);
        if is_owed && turn.timeout_us != Some(0) {
            let timeout = turn.timeout_us;
            return Err(format!("stall: a queue, and a wait of {timeout:?} us"));
        }
        turn.events.iter().for_each(|event| self.announce(event));
        turn.facts.iter().try_for_each(|did| self.did(did))
    }

    fn announce(&mut self, event: &Announced) {
        if let Some(one) = self.known.get_mut(&event.who) {
            one.ready = one.ready.or(event.ready);
            one.end |= event.end;
            one.owed = true;
        }
    }

    fn did(&mut self, did: &Did) -> Result<(), String> {
        match did {
            Did::Accepted { who } => {
                let ready = Directions::WRITE;
                let new = Followed {
                    ready,
                    ..Followed::default()
                };
                self.known.insert(who.clone(), new);
            }
            Did::Looked { who, ready } => {
                if let Some(one) = self.known.get_mut(who) {
                    one.ready = one.ready.or(*ready);
                    one.owed = true;
                }
            }
            Did::Call(call) => {
                if let Some(one) = self.known.get_mut(&call.who) {
                    one.called(call);
                }
            }
            Did::Settled(left) => {
                self.settled += 1;
                self.find("settled", &left.who)?.settle(left)?;
                if let Some(fault) = left.fault(self.trigger) {
                    return Err(format!("{fault}: {left:?}"));
                }
            }
            Did::Unwatched { who } => {
                let one = self.find("unwatched", who)?;
                one.armed = Directions::NONE;
                (one.asked, one.owed) = (None, false);
            }
            Did::Closed { who, .. } => {
                self.find("closed", who)?;
                self.known.remove(who);
            }
            Did::Refused { .. } | Did::Answered { .. } => {}
        }
        Ok(())
    }

    fn find(&mut self, what: &str, who: &str) -> Result<&mut Followed, String> {
        let none = || format!("{what}: {who} has not come in");
        self.known.get_mut(who).ok_or_else(none)
    }
}

impl Followed {
    /// What a call has told of the socket.
    fn called(&mut self, call: &Called) {
        let is_full = call.error.as_deref() == Some("EAGAIN");
        let came = call.got.zip(call.asked);
        match (call.call.as_str(), came) {
            ("read", Some((0, _))) => self.ready.readable = false,
            ("read", Some((got, asked))) if !call.held => {
                self.ready.readable = got == asked || self.end;
            }
            ("write", Some((got, asked))) => self.ready.writable = got >= asked,
            ("read" | "layer_read", None) if is_full => self.ready.readable = false,
            ("write" | "layer_write" | "sendfile", None) if is_full => self.ready.writable = false,
            ("interest", _) if call.error.is_none() => self.asked = call.armed,
            _ => {}
        }
    }

    /// Whether what the rule was given and what it said is what the record leads to.
    fn settle(&mut self, left: &SettledRecord) -> Result<(), String> {
        let agree = |what: &str, told: Directions, followed: Directions| match told == followed {
            true => Ok(()),
            false => Err(format!("{what}: {told:?} is told, {followed:?} follows")),
        };
        if self.unsure {
            self.ready = left.ready;
        }
        agree("ready", left.ready, self.ready)?;
        self.unsure = left.forgotten;
        agree("armed", left.was_armed, self.armed)?;
        let asked = self.asked.take().unwrap_or(left.was_armed);
        agree("interest", left.armed, asked)?;
        self.armed = left.armed;
        self.owed = left.queued;
        Ok(())
    }
}
