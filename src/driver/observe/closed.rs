//! Why connections ended, by reason: the smallest observer.
//!
//! *Floor 4.*

use super::observer::{Fact, Observer};
use crate::conn::CloseReason;

/// How many connections ended for which reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Closed([u64; CloseReason::NAMES.len()]);

impl Closed {
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

impl Observer for Closed {
    fn observe(&mut self, fact: &Fact<'_>) {
        if let Fact::Closed { reason, .. } | Fact::Refused { reason, .. } = fact
            && let Some(n) = self.0.get_mut(reason.index())
        {
            *n += 1;
        }
    }
}
