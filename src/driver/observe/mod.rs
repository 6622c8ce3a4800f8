//! What happened, told to others: access lines, counters, metrics.
//!
//! *Floor 4.* Knows what can be told and how it is kept from hurting; does not know what made it
//! happen.
//!
//! *Read next:* `counters.rs` for numbers, `access_log.rs` and `lines.rs` for words.

pub(crate) mod access_log;
pub(crate) mod counters;
pub(crate) mod in_flight;
pub(crate) mod lines;
pub(crate) mod metrics;

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
