//! Only the first byte of a head sets the clock, and only its last one sets it back.

use std::time::Duration;

/// From the first byte of a head to its last.
pub const HEAD: Duration = Duration::from_secs(10);
/// Between two requests.
pub const IDLE: Duration = Duration::from_secs(60);

/// Until when one client is waited for.
pub struct HeadTimer {
    deadline: Duration,
    has_begun: bool,
}

impl HeadTimer {
    /// A client has connected.
    pub fn new(now: Duration) -> Self {
        Self {
            deadline: now + IDLE,
            has_begun: false,
        }
    }

    /// Bytes of a head have come.
    pub fn on_bytes(&mut self, now: Duration, is_complete: bool) {
        if is_complete {
            *self = Self::new(now);
        } else if !self.has_begun {
            self.has_begun = true;
            self.deadline = now + HEAD;
        }
    }

    /// When the client is to be cut off, unless something comes before.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}
