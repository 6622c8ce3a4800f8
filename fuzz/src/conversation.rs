//! A whole conversation through the connection automaton.
//!
//! [`check`] holds three runs of it against the rules:
//!
//! 1. *plain*: everything arrives as it is sent, the client reads everything at once;
//! 2. *in pieces*: input and output are cut as the plan says, sinks and streams must wait, buffers
//!    are taken back and lent again: the same bytes must come out;
//! 3. *in trouble*: time passes too, the server stops, the client goes: whatever comes out must be
//!    the beginning of something right.
//!
//! In each, a naive reader follows what was sent and says where every request begins and ends. A
//! request that begins elsewhere is a request somebody smuggled in.
//!
//! The driver in here does what `driver/` does and asks what the drivers rely on: that there is
//! an end, no spinning, no stall, and bounds on what is kept.

mod answers;
mod peer;
mod service;

use std::time::Duration;

use peer::{Peer, Run, Talk};

/// Panics if something that must hold of every conversation does not.
pub fn check(data: &[u8]) {
    let (plan, sent) = super::plan_and_sent(data);
    let plain = converse(b"", sent, Run::Plain);
    let pieces = converse(plan, sent, Run::Pieces);
    same(sent, &plain, &pieces);
    converse(plan, sent, Run::Trouble);
}

/// One conversation: its talk, after it has been held against what must be true of each.
fn converse(plan: &[u8], sent: &[u8], run: Run) -> Talk {
    let mut peer = Peer::new(plan, sent, run);
    peer.deliver();
    peer.finish();
    let talk = peer.talk();
    answers::check(&talk);
    talk
}

/// Nothing but time may make a difference.
fn same(sent: &[u8], plain: &Talk, pieces: &Talk) {
    // Whether its content comes before the client was told to go on decides what it is told.
    if sent
        .to_ascii_lowercase()
        .windows(12)
        .any(|w| w == b"100-continue")
    {
        return;
    }
    // Where an answer breaks off, too: what is encoded is sent, however it came about.
    assert_eq!(
        plain.output.escape_ascii().to_string(),
        pieces.output.escape_ascii().to_string()
    );
    assert_eq!(plain.closed, pieces.closed, "why it ended");
}

/// One step of the clock in trouble: several reach every time limit.
const STEP: Duration = Duration::from_secs(7);
