//! Turns on their way to those who watch, as server-sent events.
//!
//! A loop never waits for a watcher: what a slow one does not take in time is dropped, the oldest
//! first, counted and told. Nothing is made while there is no watcher.
//!
//! *References:* HTML, "Server-sent events".

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::recorder::{Beginning, RecordedLoop};
use super::{Heading, Recorder, TurnRecord};
use crate::driver::observe::observer::{Fact, Observer};
use crate::http::{Chunk, Chunks, Wake};

/// Turns that one watcher may be behind.
const WAITING_MAX: usize = 256;

/// And how long they may be together: a turn of a thousand connections is most of a megabyte.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Those that watch at once. The one that has watched longest makes room for another: it may be gone
/// without a word, which an answer that has nothing to send would not notice.
const WATCHERS_MAX: usize = 8;

/// Turns of one loop that are told in one second. A page shows no more to anybody.
const TURNS_MAX: u32 = 200;

/// Where turns go to all that watch.
#[derive(Clone)]
pub(crate) struct Broadcast(Arc<Audience>);

struct Audience {
    heading: Heading,
    began: Beginning,
    watchers: Mutex<VecDeque<Arc<Mutex<Untaken>>>>,
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
}

/// What one watcher has not taken yet.
#[derive(Default)]
struct Untaken {
    turns: VecDeque<Arc<str>>,
    /// Of all of them.
    bytes: usize,
    dropped: u64,
    wake: Option<Wake>,
    /// It has made room for another.
    over: bool,
}

impl Untaken {
    fn push(&mut self, turn: Arc<str>) {
        self.bytes += turn.len();
        self.turns.push_back(turn);
        while self.turns.len() > WAITING_MAX || self.bytes > WAITING_BYTES_MAX {
            self.pop();
            self.dropped += 1;
        }
    }

    fn pop(&mut self) -> Option<Arc<str>> {
        let first = self.turns.pop_front()?;
        self.bytes -= first.len();
        Some(first)
    }

    /// The next turns: as many as make a piece.
    fn take(&mut self) -> Vec<Arc<str>> {
        let mut left = PIECE_BYTES;
        let next = std::iter::from_fn(|| {
            let turn = (left > 0).then(|| self.pop())??;
            left = left.saturating_sub(turn.len());
            Some(turn)
        });
        next.collect()
    }

    fn wake(&mut self) {
        if let Some(wake) = self.wake.take() {
            wake.wake();
        }
    }
}

impl Broadcast {
    pub(crate) fn new(heading: Heading) -> Self {
        Self(Arc::new(Audience {
            heading,
            began: Beginning::default(),
            watchers: Mutex::default(),
            count: AtomicUsize::new(0),
        }))
    }

    /// What tells of another loop.
    pub(crate) fn observer(&self, of: &RecordedLoop) -> impl Observer + Send + use<> {
        let broadcast = self.clone();
        // Numbers and text: none that serde_json is known to refuse.
        let tell = move |turn: &TurnRecord| {
            if let Ok(line) = serde_json::to_string(turn) {
                broadcast.tell(&line, 0);
            }
        };
        Sampled {
            broadcast: self.clone(),
            inner: Recorder::of(of, tell).since(&self.0.began),
            is_on: false,
            second: None,
            turns: 0,
            skipped: 0,
        }
    }

    /// Another watcher, as a stream of events. It watches from the first that it is asked for: the
    /// answer to a HEAD never is.
    pub(crate) fn watch(&self) -> impl Chunks + use<> {
        EventStream {
            broadcast: self.clone(),
            waiting: Arc::default(),
            has_begun: false,
        }
    }

    fn join(&self, waiting: &Arc<Mutex<Untaken>>) {
        let mut watchers = lock(&self.0.watchers);
        watchers.push_back(Arc::clone(waiting));
        if watchers.len() > WATCHERS_MAX
            && let Some(longest) = watchers.pop_front()
        {
            let mut longest = lock(&longest);
            longest.over = true;
            longest.wake();
        }
        self.0.count.store(watchers.len(), Relaxed);
    }

    fn is_watched(&self) -> bool {
        self.0.count.load(Relaxed) > 0
    }

    /// Tells all watchers of a turn, and that `skipped` before it are not told.
    fn tell(&self, line: &str, skipped: u64) {
        let line: Arc<str> = line.into();
        for watcher in &*lock(&self.0.watchers) {
            let mut waiting = lock(watcher);
            waiting.dropped += skipped;
            if !line.is_empty() {
                waiting.push(Arc::clone(&line));
            }
            waiting.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records while there is a watcher, and not more than [`TURNS_MAX`] turns a second: whole ones, one
/// after the other, and then none until the next second.
struct Sampled<F: FnMut(&TurnRecord)> {
    broadcast: Broadcast,
    inner: Recorder<F>,
    /// Whether this turn is recorded.
    is_on: bool,
    /// The second that `turns` are counted in.
    second: Option<Instant>,
    turns: u32,
    skipped: u64,
}

impl<F: FnMut(&TurnRecord)> Sampled<F> {
    fn start(&mut self, now: Instant) {
        self.is_on = self.broadcast.is_watched();
        if !self.is_on {
            self.skipped = 0;
            return;
        }
        let elapsed = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.second.is_none_or(elapsed) {
            (self.second, self.turns) = (Some(now), 0);
            let skipped = std::mem::take(&mut self.skipped);
            if skipped > 0 {
                self.broadcast.tell("", skipped);
            }
        }
        self.turns += 1;
        if self.turns > TURNS_MAX {
            self.is_on = false;
            self.skipped += 1;
        }
    }
}

impl<F: FnMut(&TurnRecord)> Observer for Sampled<F> {
    fn observe(&mut self, fact: &Fact<'_>) {
        if let Fact::TurnStarted { now, .. } = fact {
            self.start(now.instant);
            if !self.is_on {
                self.inner.pass_over();
            }
        }
        if self.is_on {
            self.inner.observe(fact);
        }
    }

    fn is_watching(&self) -> bool {
        self.is_on || self.broadcast.is_watched()
    }
}

/// The events of one watcher. Dropped with its answer, when the client is gone.
struct EventStream {
    broadcast: Broadcast,
    waiting: Arc<Mutex<Untaken>>,
    has_begun: bool,
}

impl Chunks for EventStream {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.broadcast.join(&self.waiting);
            let heading = serde_json::to_string(&self.broadcast.0.heading).unwrap_or_default();
            return Chunk::Bytes(format!("event: heading\ndata: {heading}\n\n").into_bytes());
        }
        let mut waiting = lock(&self.waiting);
        if waiting.over {
            return Chunk::End;
        }
        let (dropped, turns) = (std::mem::take(&mut waiting.dropped), waiting.take());
        if dropped == 0 && turns.is_empty() {
            waiting.wake = Some(wake.clone());
            return Chunk::Pending;
        }
        // What follows takes longer than a loop should wait for.
        drop(waiting);
        let mut text = String::new();
        // A String takes everything.
        if dropped > 0 {
            let _ = write!(text, "event: dropped\ndata: {dropped}\n\n");
        }
        for turn in turns {
            let _ = write!(text, "data: {turn}\n\n");
        }
        Chunk::Bytes(text.into_bytes())
    }
}

/// How much is handed over at once.
const PIECE_BYTES: usize = 16 * 1024;

impl Drop for EventStream {
    fn drop(&mut self) {
        let audience = &self.broadcast.0;
        let mut watchers = lock(&audience.watchers);
        watchers.retain(|one| !Arc::ptr_eq(one, &self.waiting));
        audience.count.store(watchers.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::Trigger;

    /// What comes of all that is there now.
    fn taken(watcher: &mut impl Chunks) -> String {
        let mut text = String::new();
        loop {
            match watcher.next_chunk(&Wake::noop()) {
                Chunk::Bytes(bytes) => text += std::str::from_utf8(&bytes).unwrap(),
                _ => return text,
            }
        }
    }

    #[test]
    fn a_watcher_that_takes_nothing_holds_little_however_large_the_turns_are() {
        let broadcast = Broadcast::new(Heading::new("edge", Trigger::Edge));
        let mut watcher = broadcast.watch();
        assert!(!broadcast.is_watched(), "nothing is asked of it yet");
        assert!(taken(&mut watcher).starts_with("event: heading\n"));
        let large = "x".repeat(400 * 1024);
        for line in [&large, "a", &large, "b", &large, "c"] {
            broadcast.tell(line, 0);
        }
        let text = taken(&mut watcher);
        assert!(text.contains("event: dropped\ndata: 1\n\n"), "the first");
        // What was dropped, and five turns.
        assert_eq!(text.matches("data: ").count(), 6);
        // One that is too long by itself is not told at all.
        broadcast.tell(&"x".repeat(WAITING_BYTES_MAX + 1), 0);
        assert_eq!(taken(&mut watcher), "event: dropped\ndata: 1\n\n");
        let audience = lock(&broadcast.0.watchers);
        assert_eq!(lock(&audience[0]).bytes, 0);
    }
}
