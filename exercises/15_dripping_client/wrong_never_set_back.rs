//! Remembers when the first head began, and forgets to forget it when that head is complete: the
//! second one is late before it has begun.
//! a client that takes 3 s for its second request was cut off after 31 s

use std::time::Duration;

pub const HEAD: Duration = Duration::from_secs(10);
pub const IDLE: Duration = Duration::from_secs(60);

pub struct HeadTimer {
    began: Option<Duration>,
    deadline: Duration,
}

impl HeadTimer {
    pub fn new(now: Duration) -> Self {
        Self {
            began: None,
            deadline: now + IDLE,
        }
    }

    pub fn on_bytes(&mut self, now: Duration, is_complete: bool) {
        let began = *self.began.get_or_insert(now);
        self.deadline = if is_complete {
            now + IDLE
        } else {
            began + HEAD
        };
    }

    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}
