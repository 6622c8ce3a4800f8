//! A record as text while it is made: `--trace`.
//!
//! The lines of a turn go together, so that those of another loop do not come between them; the
//! way of access lines, to a thread that may wait for standard error.

use std::io::Write as _;

use super::recorder::RecordedLoop;
use super::{Recorder, Text, TurnRecord};
use crate::driver::observe::lines::Lines;
use crate::driver::observe::observer::Observer;
use crate::readiness::Trigger;

/// What prints the turns of another loop, each when it has ended.
pub(crate) fn printed_to(
    lines: &Lines,
    trigger: Trigger,
    of: &RecordedLoop,
) -> impl Observer + Send + use<> {
    let (lines, mut bytes) = (lines.clone(), Vec::new());
    Recorder::of(of, move |turn: &TurnRecord| {
        // A Vec takes everything.
        let _ = write!(bytes, "{}", Text { turn, trigger });
        let count = memchr::memchr_iter(b'\n', &bytes).count();
        lines.send(&mut bytes, count as u64);
    })
}
