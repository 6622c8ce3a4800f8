//! What a simulated client does, as data.
//!
//! *Floor 2.* A client knows bytes, not HTTP: it awaits a *number* of bytes, which the author of
//! the script has computed. It must wait for its answers before it closes. A client that fires its
//! requests and hangs up wakes the server with its FIN, and hides every answer that was forgotten.

use std::collections::VecDeque;
use std::time::Duration;

/// One thing a client does before it goes on to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Sends these bytes, in pieces of the schedule's choosing.
    Send(Vec<u8>),
    /// Waits until it has received so many bytes since it connected.
    Await(usize),
    /// Waits until the server has ended its sending half.
    AwaitEnd,
    /// Does nothing for so long, but goes on receiving.
    Pause(Duration),
    /// Ends its sending half (FIN) and goes on receiving.
    Finish,
    /// Closes. Answers still under way are met with a reset.
    Close,
    /// Vanishes with a reset.
    Reset,
    /// Receives nothing from here on; whatever it does afterwards, it waits without complaint.
    StopReceiving,
    /// Receives nothing and never does anything again; the server has to end this.
    Vanish,
}

/// Where a client is in its script.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) acts: VecDeque<Act>,
    pub(super) got: Vec<u8>,
    /// No script: a test moves this one by hand.
    pub(super) by_hand: bool,
    /// Its socket is closed: it takes nothing more.
    pub(super) gone: bool,
    /// It has stopped receiving.
    pub(super) deaf: bool,
    /// When the pause in front of the script is over.
    pub(super) paused_until: Option<Duration>,
}

impl Client {
    pub(super) fn new(acts: Vec<Act>, by_hand: bool) -> Self {
        Self {
            acts: acts.into(),
            got: Vec::new(),
            by_hand,
            gone: false,
            deaf: false,
            paused_until: None,
        }
    }

    /// Whether it takes what the server sends.
    pub(super) fn receives(&self) -> bool {
        !self.gone && !self.deaf && self.acts.front() != Some(&Act::Vanish)
    }

    /// What it is waiting for, if that must come without the passing of time.
    pub(super) fn awaits(&self) -> Option<&Act> {
        let waits = |act: &&Act| matches!(act, Act::Await(_) | Act::AwaitEnd | Act::Send(_));
        self.acts.front().filter(waits).filter(|_| !self.deaf)
    }
}
