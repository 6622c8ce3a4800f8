//! Threads for work that may wait: a cold file, a slow disk, a huge directory.
//!
//! *Floor 4.* Regular files cannot be polled: epoll refuses them and poll calls them always ready.
//! A loop lives with that by asking the kernel not to wait (`RESOLVE_CACHED`, `RWF_NOWAIT`) and,
//! where the answer is "I would have to" or nothing at all, by handing the work to a thread. The
//! result comes back through the mailbox with the connection's token; if that connection is gone by
//! then, the token's generation says so and the result is dropped.
//!
//! The idea: five lanes, each with its own queue and threads, so that what is cheap never waits
//! behind what is dear, nor behind a file system that hangs.
//!
//! | lane | what | threads |
//! |---|---|---:|
//! | short | names resolved, files opened, small ones read | 8 |
//! | long | directories listed, content hashed | 2 |
//! | fetch | the next piece of a file that is being sent | 8 |
//! | make | the next piece of an answer that is made while it is sent | 4 |
//! | write | content of requests written to a disk | 8 |
//!
//! What is only to be closed goes to a thread of its own, `closing.rs`.

#![expect(
    clippy::disallowed_methods,
    reason = "the threads of the loop start here"
)]

pub(crate) mod closing;
pub(crate) mod fetch;
pub(crate) mod jobs;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::conn::Fetch;
use crate::driver::exchange::JobResult;
use crate::driver::mailbox::{Mailbox, Message};
use crate::http::{Notify, Wake};
use crate::readiness::Token;
use crate::service::{Gone, Job, Outcome, run_to_end};
use fetch::fetch;
use jobs::{Awaited, Popped, Queue, Queueable, Waiter};

/// How many requests may wait in the short lane of one loop, and in its long one; one beyond is
/// answered 503. The other three refuse nothing: an answer or an upload has begun there.
const WAITING_MAX: usize = 1024;

/// How often it is asked whether clients that say no more are still there.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One piece of work.
pub(crate) struct Task {
    pub(crate) token: Token,
    pub(crate) what: What,
    pub(crate) awaited: Awaited,
}

pub(crate) enum What {
    Answer(Job),
    Fetch(Fetch),
}

impl Queueable for Task {
    fn key(&self) -> Option<u64> {
        match &self.what {
            What::Answer(job) => job.key(),
            What::Fetch(_) => None,
        }
    }

    fn is_void(&self) -> bool {
        self.awaited.is_gone()
    }
}

/// Runs a job to its end on this thread; a panic in it costs its request, not the server.
pub(crate) fn run_job(job: Job, gone: &Gone<'_>) -> JobResult {
    match catch_unwind(AssertUnwindSafe(|| run_to_end(job, gone))) {
        Ok(outcome) => JobResult::of(outcome).unwrap_or(JobResult::Nothing),
        Err(_) => JobResult::Panicked,
    }
}

/// Where a loop sends work that may wait.
pub struct Offload {
    lanes: Option<Arc<Lanes>>,
    /// The connections that wait for work that is not back yet: none of it belongs to an idle
    /// connection.
    waiters: HashMap<Token, Waiter, RandomState>,
    /// When it is asked whether they are still there.
    look_at: Option<Instant>,
}

struct Lanes {
    short: Lane,
    long: Lane,
    fetch: Lane,
    make: Lane,
    write: Lane,
}

struct Lane {
    name: &'static str,
    threads_max: usize,
    state: Mutex<LaneState>,
    arrived: Condvar,
}

struct LaneState {
    queue: Queue<Task>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Offload {
    /// Threads, started when there is work for them.
    pub fn threads() -> Self {
        Self::with(Some(Arc::new(Lanes {
            short: Lane::new("short", 8, WAITING_MAX),
            long: Lane::new("long", 2, WAITING_MAX),
            // One for each connection at most: an answer that has begun is not refused.
            fetch: Lane::new("fetch", 8, usize::MAX),
            // As many as are not missed by the loop: a piece may be all computation.
            make: Lane::new("make", 4, usize::MAX),
            // The same for content that is being received.
            write: Lane::new("write", 8, usize::MAX),
        })))
    }

    /// No threads: work is done where it is handed over. For the simulator, whose world must
    /// depend on nothing but its seed.
    pub fn inline() -> Self {
        Self::with(None)
    }

    fn with(lanes: Option<Arc<Lanes>>) -> Self {
        let waiters = HashMap::default();
        Self {
            lanes,
            waiters,
            look_at: None,
        }
    }

    /// Hands work over for a connection; its result arrives in `mailbox`. `false` if too much waits
    /// already.
    pub(crate) fn submit(&mut self, token: Token, what: What, mailbox: &Arc<Mailbox>) -> bool {
        let (waiter, awaited) = Waiter::new();
        let task = Task {
            token,
            what,
            awaited,
        };
        let Some(lanes) = &self.lanes else {
            task.run(None, mailbox);
            return true;
        };
        self.waiters.insert(token, waiter);
        let lane = match &task.what {
            What::Answer(job) if job.writes() => &lanes.write,
            What::Answer(_) => &lanes.short,
            What::Fetch(Fetch::Bytes { .. }) => &lanes.fetch,
            What::Fetch(Fetch::Chunk(_)) => &lanes.make,
        };
        let has_room = lane.submit(task, lanes, mailbox).is_ok();
        if !has_room {
            self.settle(token);
        }
        has_room
    }

    /// The connection has what it waited for, or waits for nothing any more.
    pub(crate) fn settle(&mut self, token: Token) {
        if !self.waiters.is_empty() {
            self.waiters.remove(&token);
        }
    }

    /// When to look whether the clients that wait for a job are still there; `None` if none waits.
    pub(crate) fn next_look(&mut self, now: Instant) -> Option<Instant> {
        if self.waiters.is_empty() {
            self.look_at = None;
            return None;
        }
        Some(*self.look_at.get_or_insert(now + LOOK_EVERY))
    }

    /// Whether it is time for that.
    pub(crate) fn is_look_due(&self, now: Instant) -> bool {
        self.look_at.is_some_and(|at| at <= now)
    }

    /// The connections that wait, now that they are looked at.
    pub(crate) fn look(&mut self) -> Vec<Token> {
        self.look_at = None;
        self.waiters.keys().copied().collect()
    }

    /// What waits in the lanes, to be looked at from elsewhere.
    pub(crate) fn view(&self) -> JobsView {
        JobsView(self.lanes.clone())
    }
}

/// What waits in the lanes of a loop.
pub(crate) struct JobsView(Option<Arc<Lanes>>);

impl JobsView {
    pub(crate) fn tally(&self) -> JobTally {
        let mut tally = JobTally::default();
        let Some(lanes) = &self.0 else {
            return tally;
        };
        for (waiting, lane) in tally.waiting.iter_mut().zip([&lanes.short, &lanes.long]) {
            let queue = &lane.state().queue;
            *waiting = queue.len() as u64;
            tally.refused += queue.refused;
            tally.voided += queue.voided;
        }
        tally
    }
}

/// What a loop has handed to other threads.
#[derive(Clone, Copy, Default)]
pub(crate) struct JobTally {
    /// Requests that wait for a thread: short ones, long ones.
    pub(crate) waiting: [u64; 2],
    pub(crate) refused: u64,
    pub(crate) voided: u64,
}

impl std::iter::Sum for JobTally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            waiting: [
                sum.waiting[0] + one.waiting[0],
                sum.waiting[1] + one.waiting[1],
            ],
            refused: sum.refused + one.refused,
            voided: sum.voided + one.voided,
        })
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        for lane in self.lanes.iter().flat_map(|lanes| lanes.all()) {
            lane.state().closed = true;
            lane.arrived.notify_all();
        }
    }
}

impl Lanes {
    fn all(&self) -> [&Lane; 5] {
        [
            &self.short,
            &self.long,
            &self.fetch,
            &self.make,
            &self.write,
        ]
    }
}

impl Lane {
    fn new(name: &'static str, threads_max: usize, waiting_max: usize) -> Self {
        Self {
            name,
            threads_max,
            state: Mutex::new(LaneState {
                queue: Queue::new(waiting_max),
                threads: 0,
                idle: 0,
                closed: false,
            }),
            arrived: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds work, and a thread for it if all are busy.
    fn submit(&self, task: Task, lanes: &Arc<Lanes>, mailbox: &Arc<Mailbox>) -> Result<(), Task> {
        let mut state = self.state();
        state.queue.push(task)?;
        let starved = state.queue.len() > state.idle && state.threads < self.threads_max;
        state.threads += usize::from(starved);
        drop(state);
        self.arrived.notify_one();
        if starved {
            self.start(lanes, mailbox);
        }
        Ok(())
    }

    /// Starts a thread that was counted already.
    fn start(&self, lanes: &Arc<Lanes>, mailbox: &Arc<Mailbox>) {
        let (all, post) = (Arc::clone(lanes), Arc::clone(mailbox));
        let which = lanes
            .all()
            .iter()
            .position(|lane| std::ptr::eq(*lane, self));
        let work = move || {
            if let Some(lane) = which.and_then(|at| all.all().get(at).copied()) {
                lane.work(&all, &post);
            }
        };
        let thread = thread::Builder::new().name(self.name.to_owned());
        if thread.spawn(work).is_ok() {
            return;
        }
        let mut state = self.state();
        state.threads -= 1;
        // Not one thread can be had: slow is better than never.
        while state.threads == 0
            && let Some(task) = state.queue.pop()
        {
            drop(state);
            self.carry_out(task, lanes, mailbox);
            state = self.state();
        }
    }

    fn work(&self, lanes: &Arc<Lanes>, mailbox: &Arc<Mailbox>) {
        let mut state = self.state();
        loop {
            if let Some(task) = state.queue.pop() {
                drop(state);
                self.carry_out(task, lanes, mailbox);
                state = self.state();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = (self.arrived.wait(state)).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    fn carry_out(&self, task: Popped<Task>, lanes: &Arc<Lanes>, mailbox: &Arc<Mailbox>) {
        let Popped::Work(task) = task else { return };
        let key = task.key();
        task.run(Some(lanes), mailbox);
        if key.is_some() {
            self.state().queue.done(key);
        }
    }
}

impl Task {
    /// Does it, or hands what is long to its lane.
    fn run(self, lanes: Option<&Arc<Lanes>>, mailbox: &Arc<Mailbox>) {
        let Self {
            token,
            what,
            awaited,
        } = self;
        let job = match what {
            What::Fetch(what) => {
                let wake = Wake::new(Arc::clone(mailbox) as Arc<dyn Notify>, token.0);
                return mailbox.post(Message::Fetched(token, fetch(what, &wake)));
            }
            What::Answer(job) => job,
        };
        let gone = || awaited.is_gone();
        let Some(lanes) = lanes else {
            return mailbox.post(Message::Answer(token, run_job(job, &gone)));
        };
        let made = match catch_unwind(AssertUnwindSafe(|| job.run(&gone))) {
            Err(_) => JobResult::Panicked,
            Ok(Outcome::Abandoned) => return,
            Ok(outcome) => match JobResult::of(outcome) {
                Ok(made) => made,
                Err(rest) => {
                    let what = What::Answer(rest);
                    let task = Self {
                        token,
                        what,
                        awaited,
                    };
                    if lanes.long.submit(task, lanes, mailbox).is_ok() {
                        return;
                    }
                    JobResult::Refused
                }
            },
        };
        mailbox.post(Message::Answer(token, made));
    }
}
