//! Turns on their way to those who watch, as server-sent events.
//!
//! A loop never waits for a watcher: what a slow one does not take in time is dropped, the oldest
//! first, counted and told. Nothing is made while nobody watches.
//!
//! *References:* HTML, "Server-sent events".

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::recorder::Beginning;
use super::{Heading, Recorder, TurnRecord};
use crate::driver::observe::observer::{Fact, Observer};
use crate::http::{Chunk, Chunks, Wake};

/// Turns that one watcher may be behind.
const WAITING_MAX: usize = 256;

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
    watchers: Mutex<VecDeque<Arc<Mutex<Waiting>>>>,
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
}

/// What one watcher has not taken yet.
#[derive(Default)]
struct Waiting {
    turns: VecDeque<Arc<str>>,
    dropped: u64,
    wake: Option<Wake>,
    /// It has made room for another.
    over: bool,
}

impl Waiting {
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

    /// What tells of loop `worker`.
    pub(crate) fn observer(&self, worker: usize) -> impl Observer + Send + use<> {
        let broadcast = self.clone();
        // Numbers and text: none that serde_json is known to refuse.
        let tell = move |turn: &TurnRecord| {
            if let Ok(line) = serde_json::to_string(turn) {
                broadcast.tell(&line, 0);
            }
        };
        Sampled {
            broadcast: self.clone(),
            inner: Recorder::new(worker, tell).since(&self.0.began),
            is_on: false,
            second: None,
            turns: 0,
            skipped: 0,
        }
    }

    /// Another watcher, as a stream of events.
    pub(crate) fn watch(&self) -> impl Chunks + use<> {
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let mut watchers = lock(&self.0.watchers);
        watchers.push_back(Arc::clone(&waiting));
        if watchers.len() > WATCHERS_MAX
            && let Some(longest) = watchers.pop_front()
        {
            let mut longest = lock(&longest);
            longest.over = true;
            longest.wake();
        }
        self.0.count.store(watchers.len(), Relaxed);
        drop(watchers);
        let heading = serde_json::to_string(&self.0.heading).unwrap_or_default();
        EventStream {
            audience: Arc::clone(&self.0),
            waiting,
            first: Some(format!("event: heading\ndata: {heading}\n\n")),
        }
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
                waiting.turns.push_back(Arc::clone(&line));
            }
            if waiting.turns.len() > WAITING_MAX {
                waiting.turns.pop_front();
                waiting.dropped += 1;
            }
            waiting.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records while somebody watches, and not more than [`TURNS_MAX`] turns a second: whole ones, one
/// after the other, and then none until the next second.
struct Sampled<F> {
    broadcast: Broadcast,
    inner: Recorder<F>,
    /// Whether this turn is recorded.
    is_on: bool,
    /// The second that `turns` are counted in.
    second: Option<Instant>,
    turns: u32,
    skipped: u64,
}

impl<F> Sampled<F> {
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
    audience: Arc<Audience>,
    waiting: Arc<Mutex<Waiting>>,
    first: Option<String>,
}

impl Chunks for EventStream {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        if let Some(first) = self.first.take() {
            return Chunk::Bytes(first.into_bytes());
        }
        let mut waiting = lock(&self.waiting);
        if waiting.over {
            return Chunk::End;
        }
        let mut text = String::new();
        // A String takes everything.
        if waiting.dropped > 0 {
            let _ = write!(text, "event: dropped\ndata: {}\n\n", waiting.dropped);
            waiting.dropped = 0;
        }
        while let Some(turn) = waiting.turns.pop_front() {
            let _ = write!(text, "data: {turn}\n\n");
            if text.len() > PIECE_BYTES {
                break;
            }
        }
        if text.is_empty() {
            waiting.wake = Some(wake.clone());
            return Chunk::Pending;
        }
        Chunk::Bytes(text.into_bytes())
    }
}

/// How much is handed over at once.
const PIECE_BYTES: usize = 16 * 1024;

impl Drop for EventStream {
    fn drop(&mut self) {
        let mut watchers = lock(&self.audience.watchers);
        watchers.retain(|one| !Arc::ptr_eq(one, &self.waiting));
        self.audience.count.store(watchers.len(), Relaxed);
    }
}
