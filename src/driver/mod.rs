//! Drivers: six ways to carry connections, one match to choose.
//!
//! *Floor 4.* May use everything below. [`Server`] binds and starts; `event_loop.rs` is one loop
//! over any kernel, with `settle.rs` as the page on which edge and level differ; `blocking.rs` is
//! the same protocol in a program that waits, once for the `blocking` backend and, by `threads.rs`,
//! once per thread for `threads`.
//!
//! *Read next:* `blocking.rs` for the linear reading, then `event_loop.rs`.

mod access_log;
mod admin;
mod blocking;
mod buffers;
mod counters;
mod deadlines;
mod event_loop;
mod exchange;
mod fetch;
mod in_flight;
mod jobs;
mod lines;
mod listeners;
mod mailbox;
mod metrics;
mod offload;
mod per_address;
mod pulse;
mod room;
mod server;
mod settings;
mod settle;
mod slots;
mod supervisor;
mod threads;
mod transmit;

pub use crate::config::Backend;
pub use access_log::{AccessLog, LogBuffer};
pub use counters::Published;
pub use event_loop::EventLoop;
pub use lines::LogEnd;
pub use mailbox::{Handle, OtherLoops};
pub use offload::Offload;
pub use per_address::PerAddress;
pub use server::{Server, Stopper};
pub use settings::{Budget, Settings};
pub use settle::{Bits, Rule, Settled, settle};
pub use supervisor::Supervisor;

use crate::conn::CloseReason;

/// How many connections ended for which reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Closed([u64; CloseReason::NAMES.len()]);

impl Closed {
    /// Counts one.
    pub(crate) fn count(&mut self, reason: CloseReason) {
        if let Some(n) = self.0.get_mut(reason.index()) {
            *n += 1;
        }
    }

    /// The numbers, in the order of [`CloseReason::NAMES`].
    pub(crate) const fn all(&self) -> &[u64] {
        &self.0
    }

    /// How many ended for the reason of this name.
    pub fn get(&self, name: &str) -> u64 {
        let at = CloseReason::NAMES.iter().position(|n| *n == name);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(0)
    }

    /// How many ended.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
