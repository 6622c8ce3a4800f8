//! The table of `settle.rs`, proven from a record and from nothing else.
//!
//! What is remembered as ready follows from three things: what the kernel has announced, what the
//! calls have come to, and which connections the loop has looked at by the clock. So a record is
//! enough to check every decision of a loop, in the simulator or anywhere else.

use std::collections::HashMap;

use super::{Announced, Called, Did, SettledRecord, TurnRecord};
use crate::readiness::{Directions, Trigger};

/// Follows a record, and says what in it breaks the table.
///
/// Each loop in it is followed by itself. Where turns are missing, because they were lost or because
/// it was not looked in time, what is remembered of the connections is taken up again as each of them
/// is left.
pub struct Checker {
    trigger: Trigger,
    loops: HashMap<usize, FollowedLoop>,
    broken: Option<String>,
    settled: u64,
}

/// What the record says of one loop.
#[derive(Default)]
struct FollowedLoop {
    known: HashMap<String, Followed>,
    /// Its last turn that was followed.
    turn: u64,
    /// Turns are missing: there may be connections that nothing is known of.
    is_partial: bool,
}

/// What the record says of one connection.
#[derive(Clone, Copy, Default)]
struct Followed {
    ready: Directions,
    armed: Directions,
    /// The interest set that was asked for since it was settled last.
    asked: Option<Directions>,
    end: bool,
    /// It was taken up in the middle: its end may have been announced before.
    was_missed: bool,
    /// What was remembered was changed to what is not told: by the rule, or where an end may stand
    /// behind the bytes and that is not known.
    unsure: bool,
    /// It must be served in this turn or the next one.
    owed: bool,
}

impl Checker {
    /// A checker of loops on a kernel that speaks at this trigger.
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            loops: HashMap::new(),
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
            self.broken = broken.map(|fault| match turn.worker {
                0 => format!("{fault}, in turn {}", turn.turn),
                worker => format!("{fault}, in turn {} of loop {worker}", turn.turn),
            });
        }
    }

    fn through(&mut self, turn: &TurnRecord) -> Result<(), String> {
        let followed = self.loops.entry(turn.worker).or_default();
        followed.begin(turn)?;
        for did in &turn.facts {
            followed.did(did)?;
            if let Did::Settled(left) = did {
                self.settled += 1;
                if let Some(fault) = left.fault(self.trigger) {
                    return Err(format!("{fault}: {left:?}"));
                }
            }
        }
        Ok(())
    }
}

impl FollowedLoop {
    fn begin(&mut self, turn: &TurnRecord) -> Result<(), String> {
        if turn.turn != self.turn + 1 {
            self.known.clear();
            self.is_partial = true;
        }
        self.turn = turn.turn;
        let is_owed = self.known.values().any(|one| one.owed);
        if is_owed && turn.timeout_us != Some(0) {
            let timeout = turn.timeout_us;
            return Err(format!("stall: a queue, and a wait of {timeout:?} us"));
        }
        turn.events.iter().for_each(|event| self.announce(event));
        Ok(())
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
            Did::Settled(left) => match self.find("settled", &left.who)? {
                Some(one) => one.settle(left)?,
                None => self.take_up(left),
            },
            Did::Unwatched { who } => {
                if let Some(one) = self.find("unwatched", who)? {
                    one.armed = Directions::NONE;
                    (one.asked, one.owed) = (None, false);
                }
            }
            Did::Closed { who, .. } => {
                self.find("closed", who)?;
                self.known.remove(who);
            }
            Did::Refused { .. } | Did::Answered { .. } => {}
        }
        Ok(())
    }

    fn take_up(&mut self, left: &SettledRecord) {
        self.known
            .insert(left.who.clone(), Followed::taken_up(left));
    }

    /// What is known of it. Where turns are missing, that may be nothing.
    fn find(&mut self, what: &str, who: &str) -> Result<Option<&mut Followed>, String> {
        match self.known.get_mut(who) {
            None if !self.is_partial => Err(format!("{what}: {who} has not come in")),
            found => Ok(found),
        }
    }
}

impl Followed {
    /// What is left tells of it, and nothing before that.
    const fn taken_up(left: &SettledRecord) -> Self {
        Self {
            ready: left.ready,
            armed: left.armed,
            asked: None,
            end: false,
            was_missed: true,
            unsure: left.forgotten,
            owed: left.queued,
        }
    }

    /// What a call has told of the socket.
    fn called(&mut self, call: &Called) {
        let is_full = call.error.as_deref() == Some("EAGAIN");
        let came = call.got.zip(call.asked);
        match (call.call.as_str(), came) {
            ("read", Some((0, _))) => self.ready.readable = false,
            ("read", Some((got, asked))) if !call.held => {
                self.ready.readable = got == asked || self.end;
                self.unsure |= got != asked && self.was_missed;
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

#[cfg(test)]
mod tests {
    use super::*;

    const TURNS: [&str; 4] = [
        r#"{"turn":1,"at_us":0,"woke":"ready","events":[{"who":"listener","ready":"r"}],"facts":[
            {"did":"accepted","who":"0.0"},
            {"did":"call","who":"0.0","call":"interest","armed":"rw"},
            {"did":"settled","who":"0.0","phase":"AwaitHead","wanted":"r","ready":"w","was_armed":"",
             "armed":"rw","queued":false,"work":false,"inbox":0,"outbox":0}]}"#,
        r#"{"turn":2,"at_us":1,"woke":"ready","events":[{"who":"0.0","ready":"rw","end":true}],"facts":[
            {"did":"call","who":"0.0","call":"read","asked":100,"got":9},
            {"did":"settled","who":"0.0","phase":"AwaitHead","wanted":"r","ready":"rw","was_armed":"rw",
             "armed":"rw","queued":true,"work":false,"inbox":0,"outbox":0}]}"#,
        r#"{"turn":3,"at_us":2,"timeout_us":0,"woke":"timeout","events":[],"facts":[
            {"did":"call","who":"0.0","call":"read","asked":100,"got":9},
            {"did":"settled","who":"0.0","phase":"AwaitHead","wanted":"r","ready":"rw","was_armed":"rw",
             "armed":"rw","queued":true,"work":false,"inbox":0,"outbox":0}]}"#,
        r#"{"turn":4,"at_us":3,"timeout_us":0,"woke":"timeout","events":[],"facts":[
            {"did":"call","who":"0.0","call":"read","asked":100,"got":0},
            {"did":"closed","who":"0.0","reason":"client_closed"}]}"#,
    ];

    /// What is broken in these turns, as (loop, index in [`TURNS`]).
    fn broken(which: &[(usize, usize)]) -> Option<String> {
        let mut checker = Checker::new(Trigger::Edge);
        for (worker, at) in which {
            let mut turn: TurnRecord = serde_json::from_str(TURNS[*at]).unwrap();
            turn.worker = *worker;
            checker.follow(&turn);
        }
        checker.broken().map(str::to_owned)
    }

    #[test]
    fn each_loop_is_followed_by_itself() {
        let in_turns: Vec<_> = (0..4).flat_map(|at| [(0, at), (1, at)]).collect();
        assert_eq!(broken(&in_turns), None);
    }

    #[test]
    fn what_was_lost_is_not_held_against_the_loop() {
        for lost in 0..4 {
            let rest: Vec<_> = (0..4).filter(|at| *at != lost).map(|at| (0, at)).collect();
            assert_eq!(broken(&rest), None, "without {lost}");
        }
        assert_eq!(broken(&[(0, 3)]), None);
        // But a whole record tells of all.
        let mut whole = Checker::new(Trigger::Edge);
        let mut turn: TurnRecord = serde_json::from_str(TURNS[3]).unwrap();
        turn.turn = 1;
        whole.follow(&turn);
        assert!(whole.broken().is_some());
    }
}
