//! Time limits of a connection. They are only named here: the driver owns the clock.
//!
//! *Floor 1.* One moment per phase; nothing is armed or cancelled per request. Whether a reader
//! is slow or gone is judged by what it acknowledged, not by what fits our send buffer: the kernel
//! may hold megabytes that an honest modem takes minutes to fetch.
//!
//! The same knowledge says who is dropped first when there is no room for another client:
//! [`Connection::standing`].

use std::time::{Duration, Instant};

use super::{CloseReason, Connection, Phase};
use crate::http::{ProtocolError, Tick};

/// How often within a write time-out the acknowledgements are looked at.
const WRITE_CHECKS: u32 = 4;

/// How long a client is watched before it can be called slow; a reader is first looked at when its
/// answer has been under way for as long.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Why a connection may be dropped when room is needed for another; the first to go stands first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// It never completed a request.
    Newcomer,
    /// It owes nothing and is owed nothing.
    Idle,
    /// It sends a request, or takes an answer, below the minimal rate.
    Slow,
}

/// How long after it was let in a client that has not said anything yet keeps a stop waiting: a
/// round trip, more than the planet is wide.
const FIRST_WORD: Duration = Duration::from_millis(250);

impl Connection {
    /// When [`Connection::on_deadline`] wants to be called, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.buffers.is_none() && self.phase == Phase::AwaitHead && !self.eof {
            // Idle, as most are most of the time: a fifth of the instructions.
            let at = Some(self.since + self.head_timeout());
            debug_assert_eq!(at, self.deadline_of_phase());
            return at;
        }
        self.deadline_of_phase()
    }

    fn deadline_of_phase(&self) -> Option<Instant> {
        let limits = &self.limits;
        let reading = match self.phase {
            Phase::AwaitProxyHeader | Phase::AwaitHead if self.waits_for_head() => {
                Some(self.since + self.head_timeout())
            }
            Phase::AwaitBody | Phase::Draining if self.wants_content() => {
                Some(self.since + limits.body_timeout)
            }
            Phase::Lingering => Some(self.since + self.linger_timeout()),
            _ => None,
        };
        let writing = match self.is_taking() {
            true => self.next_write_check(),
            false => None,
        };
        match (reading, writing) {
            (Some(reading), Some(writing)) => Some(reading.min(writing)),
            (one, other) => one.or(other),
        }
    }

    /// Time has passed. `unacknowledged` is what the kernel still holds of what was sent.
    pub fn on_deadline(&mut self, now: &Tick, unacknowledged: usize) {
        if self.wants_write() && self.reader_is_gone(now, unacknowledged) {
            return self.over(CloseReason::WriteTimeout);
        }
        let waited = now.instant.saturating_duration_since(self.since);
        match self.phase {
            Phase::AwaitProxyHeader if waited >= self.head_timeout() => {
                self.over(CloseReason::HeaderTimeout);
            }
            Phase::AwaitHead if self.waits_for_head() && waited >= self.head_timeout() => {
                self.head_is_late(now);
            }
            Phase::AwaitBody | Phase::Draining
                if self.wants_content() && waited >= self.limits.body_timeout =>
            {
                self.refuse(ProtocolError::BodyTimeout, now);
            }
            Phase::Lingering => {
                if unacknowledged == 0 {
                    self.excuse_reader(now);
                }
                // The answer may still be on its way to a slow reader, which a reset would lose.
                let gone = self.reader_is_gone(now, unacknowledged);
                let waited = waited >= self.linger_timeout();
                if gone || waited && unacknowledged == 0 {
                    self.over(self.end_reason());
                } else if waited {
                    self.since = now.instant;
                }
            }
            _ => {}
        }
    }

    /// Why it may be dropped to make room; `None` if it must not be: a request is being answered,
    /// or its client does what it can. `unacknowledged` is asked only where it matters.
    pub fn standing(&self, now: &Tick, unacknowledged: impl FnOnce() -> usize) -> Option<Standing> {
        let stalled = now.instant.saturating_duration_since(self.since) >= SLOW_AFTER;
        match self.phase {
            _ if self.wants_write() => {
                (self.is_slow_reader(now, unacknowledged())).then_some(Standing::Slow)
            }
            Phase::AwaitProxyHeader => Some(Standing::Newcomer),
            Phase::AwaitHead if !self.served => Some(Standing::Newcomer),
            Phase::AwaitHead if self.is_idle() => Some(Standing::Idle),
            Phase::AwaitBody | Phase::Draining if stalled && self.wants_content() => {
                Some(match self.served {
                    true => Standing::Slow,
                    false => Standing::Newcomer,
                })
            }
            Phase::AwaitHead if stalled => Some(Standing::Slow),
            Phase::Lingering => {
                let is_slow = match unacknowledged() {
                    0 => stalled,
                    some => self.is_slow_reader(now, some),
                };
                is_slow.then_some(Standing::Slow)
            }
            _ => None,
        }
    }

    /// Whether its client has something to take, from us or from the kernel.
    fn is_taking(&self) -> bool {
        self.wants_write() || self.phase == Phase::Lingering
    }

    /// Whether an answer has been under way for a while to a reader slower than the minimal rate:
    /// the one kind of answer that may be cut when there is no other way to make room. Measured
    /// between two looks at what it acknowledged, the first of which was at a deadline.
    fn is_slow_reader(&self, now: &Tick, unacknowledged: usize) -> bool {
        let Some(writes) = self.buffers.as_ref().map(|b| &b.writes) else {
            return false;
        };
        let Some((marked, before)) = writes.mark else {
            return false;
        };
        let waited = now.instant.saturating_duration_since(marked);
        let due = i128::from(self.limits.rate_min) * waited.as_millis() as i128 / 1000;
        waited >= SLOW_AFTER && writes.acknowledged(unacknowledged) - before < due
    }

    /// Content slower than the minimal rate is no progress: the mark moves only when the average
    /// since the mark is fast enough.
    pub(super) fn on_content_progress(&mut self, n: usize, now: &Tick) {
        let Some(buffers) = &mut self.buffers else {
            return;
        };
        buffers.body.window += n as u64;
        let waited = now.instant.saturating_duration_since(self.since);
        let due = u128::from(self.limits.rate_min) * waited.as_millis() / 1000;
        if u128::from(buffers.body.window) >= due {
            buffers.body.window = 0;
            self.since = now.instant;
        }
    }

    /// All of it where request bytes are known to be under way, else enough for one that crosses
    /// the last answer.
    fn linger_timeout(&self) -> Duration {
        let owed = |b: &super::Buffers| b.ending.is_some() || b.body.is_pending();
        match self.buffers.as_deref().is_some_and(owed) {
            true => self.limits.linger_timeout,
            false => self.limits.linger_timeout / 10,
        }
    }

    /// Whether it is the client that keeps us waiting for a head. One that still takes its answers
    /// is not idle: the write time-out judges it, unless it has begun a head meanwhile.
    fn waits_for_head(&self) -> bool {
        self.wants_read() && (self.has_begun_head() || !self.wants_write())
    }

    fn has_begun_head(&self) -> bool {
        self.buffers.as_ref().is_some_and(|b| b.scan.has_begun())
    }

    /// For a head that has begun, or the first one, `--header-timeout`; else `--idle-timeout`.
    fn head_timeout(&self) -> Duration {
        if self.stopping && !self.served && !self.has_begun_head() {
            self.limits.header_timeout.min(FIRST_WORD)
        } else if self.has_begun_head() || !self.served {
            self.limits.header_timeout
        } else {
            self.limits.idle_timeout
        }
    }

    fn head_is_late(&mut self, now: &Tick) {
        if self.has_begun_head() {
            self.refuse(ProtocolError::HeaderTimeout, now);
        } else if self.served {
            self.over(CloseReason::IdleTimeout);
        } else if self.stopping {
            self.over(CloseReason::Shutdown);
        } else {
            self.over(CloseReason::HeaderTimeout);
        }
    }

    /// Whether it is the client that keeps us waiting, not the sink.
    fn wants_content(&self) -> bool {
        self.wants_read() && self.buffers.as_ref().is_some_and(|b| !b.body.blocked)
    }

    /// Nothing was there to be taken until now (a stream paused, a disk was slow): the write
    /// time-out begins again.
    pub fn excuse_reader(&mut self, now: &Tick) {
        if let Some(buffers) = &mut self.buffers {
            buffers.writes.since = Some(now.instant);
            buffers.writes.check = None;
        }
    }

    fn next_write_check(&self) -> Option<Instant> {
        let writes = &self.buffers.as_ref()?.writes;
        let first = SLOW_AFTER.min(self.limits.write_timeout / WRITE_CHECKS);
        writes.check.or(writes.since.map(|since| since + first))
    }

    /// Whether nothing was acknowledged for the whole write time-out.
    fn reader_is_gone(&mut self, now: &Tick, unacknowledged: usize) -> bool {
        let timeout = self.limits.write_timeout;
        let Some(buffers) = &mut self.buffers else {
            return true;
        };
        let writes = &mut buffers.writes;
        if writes.look(now, unacknowledged) || writes.since.is_none() {
            writes.since = Some(now.instant);
        }
        let gone_at = writes.since.unwrap_or(now.instant) + timeout;
        writes.check = Some(gone_at.min(now.instant + timeout / WRITE_CHECKS));
        gone_at <= now.instant
    }
}
