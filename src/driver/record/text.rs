//! A record as lines of text, without times: two runs that did the same are the same text.

use std::fmt::{self, Display, Formatter};

use super::words::directions::letters;
use super::{Announced, Called, Did, SettledRecord, TurnRecord};
use crate::readiness::Trigger;

/// Shows one turn, each line with its end; of the first loop unless it says so.
///
/// A connection that is left shows four letters for each direction: `W`anted, `R`eady, `A`rmed,
/// `Q`ueued, or a dot; and the word of what never should be. `wait 0` is a wait that only asks: the
/// loop has something to go on with.
///
/// ```text
/// turn 3 ready: 0.1 r
///   0.1 read(65536) = 36
///   0.1 write(125) = 125
///   0.1 AwaitHead        read W.A. write .RA.
/// ```
pub struct Text<'t> {
    /// What is shown.
    pub turn: &'t TurnRecord,
    /// When its kernel speaks.
    pub trigger: Trigger,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.turn.worker > 0 {
            write!(f, "loop {} ", self.turn.worker)?;
        }
        let asks = if self.turn.timeout_us == Some(0) {
            "wait 0 "
        } else {
            ""
        };
        write!(f, "turn {} {asks}{}", self.turn.turn, self.turn.woke)?;
        for (at, event) in self.turn.events.iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { ", " })?;
            show_event(event, f)?;
        }
        show_fault(self.turn.injected.as_ref(), f)?;
        f.write_str("\n")?;
        self.turn.facts.iter().try_for_each(|did| {
            f.write_str("  ")?;
            self.show(did, f)?;
            f.write_str("\n")
        })?;
        match self.turn.lag_us {
            Some(_) => Ok(()),
            None => f.write_str("  the turn did not end\n"),
        }
    }
}

impl Text<'_> {
    fn show(&self, did: &Did, f: &mut Formatter<'_>) -> fmt::Result {
        match did {
            Did::Accepted { who } => write!(f, "{who} accepted"),
            Did::Refused { reason } => write!(f, "refused: {reason}"),
            Did::Looked { who, ready } => write!(f, "{who} looked at: {}", letters(*ready)),
            Did::Call(call) => show_call(call, f),
            Did::Answered {
                who,
                status,
                bytes,
                request,
            } => {
                let request = request.as_deref().unwrap_or_default();
                let space = if request.is_empty() { "" } else { ": " };
                write!(f, "{who} answered {status}, {bytes} bytes{space}{request}")
            }
            Did::Settled(left) => self.show_left(left, f),
            Did::Unwatched { who } => write!(f, "{who} cannot be watched"),
            Did::Closed { who, reason } => write!(f, "{who} closed: {reason}"),
        }
    }

    fn show_left(&self, left: &SettledRecord, f: &mut Formatter<'_>) -> fmt::Result {
        let bits = |of: fn(crate::readiness::Directions) -> bool| {
            let all = [
                (of(left.wanted), 'W'),
                (of(left.ready), 'R'),
                (of(left.armed), 'A'),
                (left.queued, 'Q'),
            ];
            all.map(|(is_set, letter)| if is_set { letter } else { '.' })
                .into_iter()
                .collect::<String>()
        };
        let (read, write) = (bits(|set| set.readable), bits(|set| set.writable));
        write!(
            f,
            "{} {:<16} read {read} write {write}",
            left.who, left.phase
        )?;
        match left.fault(self.trigger) {
            Some(fault) => write!(f, "  {fault}"),
            None => Ok(()),
        }
    }
}

fn show_event(event: &Announced, f: &mut Formatter<'_>) -> fmt::Result {
    let end = if event.end { " end" } else { "" };
    write!(f, "{} {}{end}", event.who, letters(event.ready))
}

fn show_call(call: &Called, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{} {}(", call.who, call.call)?;
    if let Some(asked) = call.asked {
        write!(f, "{asked}")?;
    }
    if let Some(armed) = call.armed {
        f.write_str(letters(armed))?;
    }
    match (&call.error, call.got) {
        (Some(error), _) => write!(f, ") = {error}")?,
        (None, Some(got)) => write!(f, ") = {got}")?,
        (None, None) => f.write_str(")")?,
    }
    show_fault(call.injected.as_ref(), f)
}

fn show_fault(injected: Option<&String>, f: &mut Formatter<'_>) -> fmt::Result {
    match injected {
        Some(fault) => write!(f, "  injected: {fault}"),
        None => Ok(()),
    }
}
