//! One limit for the whole connection. The drip is cut off, and so is everybody who uses the
//! connection again:
//! a client that is idle for 30 s between two requests was cut off after 10 s

use std::time::Duration;

pub const HEAD: Duration = Duration::from_secs(10);

pub struct HeadTimer {
    accepted: Duration,
}

impl HeadTimer {
    pub fn new(now: Duration) -> Self {
        Self { accepted: now }
    }

    pub fn on_bytes(&mut self, _now: Duration, _is_complete: bool) {}

    pub fn deadline(&self) -> Duration {
        self.accepted + HEAD
    }
}
