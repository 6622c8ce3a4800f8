//! Counts from the first byte of a head. Who never sends one is never cut off:
//! a client that says nothing is still connected after 300 s

use std::time::Duration;

pub const HEAD: Duration = Duration::from_secs(10);

pub struct HeadTimer {
    began: Option<Duration>,
}

impl HeadTimer {
    pub fn new(_now: Duration) -> Self {
        Self { began: None }
    }

    pub fn on_bytes(&mut self, now: Duration, is_complete: bool) {
        self.began = if is_complete {
            None
        } else {
            self.began.or(Some(now))
        };
    }

    pub fn deadline(&self) -> Duration {
        self.began.map_or(Duration::MAX, |began| began + HEAD)
    }
}
