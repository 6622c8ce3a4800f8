//! Threads for what may block: a cold file, a slow disk, a huge directory.
//!
//! *Floor 4.* Regular files cannot be polled: epoll refuses them and poll calls them always ready.
//! A loop lives with that by asking the kernel not to wait (`RESOLVE_CACHED`, `RWF_NOWAIT`) and,
//! where the answer is "I would have to", by handing the work to a thread. The result comes back
//! through the mailbox with the connection's token; if that connection is gone by then, the
//! token's generation says so and the result is dropped.

#![expect(
    clippy::disallowed_methods,
    reason = "the threads of the loop start here"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use super::mailbox::{Mailbox, Message};
use crate::http::{Response, Source};
use crate::readiness::Token;
use crate::service::Job;

/// How many pieces of blocking work may run at once for one loop.
const THREADS_MAX: usize = 4;

/// How much of a file is brought into memory at a time.
const WARM_BYTES: usize = 1024 * 1024;

/// One piece of work.
pub(super) enum Task {
    Answer(Token, Job),
    Warm(Token, Arc<dyn Source>, u64),
}

impl Task {
    fn run(self, mailbox: &Mailbox) {
        match self {
            Self::Answer(token, job) => mailbox.post(Message::Answer(token, run_job(job))),
            Self::Warm(token, source, offset) => {
                // The bytes are thrown away: what counts is that they were read.
                let mut buffer = vec![0; WARM_BYTES];
                let read = catch_unwind(AssertUnwindSafe(|| source.read_at(&mut buffer, offset)));
                mailbox.post(Message::Warm(token, matches!(read, Ok(Ok(_)))));
            }
        }
    }
}

/// Runs a job; a panic in it costs its request, not the server.
pub(super) fn run_job(job: Job) -> Option<Box<Response>> {
    catch_unwind(AssertUnwindSafe(job)).ok().map(Box::new)
}

/// Where a loop sends what may block.
pub struct Offload {
    shared: Option<Arc<Shared>>,
    threads: usize,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    tasks: std::collections::VecDeque<Task>,
    idle: usize,
    closed: bool,
}

impl Offload {
    /// Threads, started when there is work for them.
    pub fn threads() -> Self {
        let shared = Shared {
            state: Mutex::default(),
            arrived: Condvar::new(),
        };
        Self {
            shared: Some(Arc::new(shared)),
            threads: 0,
        }
    }

    /// No threads: work is done where it is handed over. For the simulator, whose world must
    /// depend on nothing but its seed.
    pub const fn inline() -> Self {
        Self {
            shared: None,
            threads: 0,
        }
    }

    /// Hands work over; its result arrives in `mailbox`.
    pub(super) fn submit(&mut self, task: Task, mailbox: &Arc<Mailbox>) {
        let Some(shared) = &self.shared else {
            return task.run(mailbox);
        };
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tasks.push_back(task);
        let starved = state.tasks.len() > state.idle;
        drop(state);
        shared.arrived.notify_one();
        if starved && self.threads < THREADS_MAX {
            self.start(mailbox);
        }
    }

    fn start(&mut self, mailbox: &Arc<Mailbox>) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        let worker_mailbox = Arc::clone(mailbox);
        let name = "offload".to_owned();
        match thread::Builder::new()
            .name(name)
            .spawn(move || work(&shared, &worker_mailbox))
        {
            Ok(_) => self.threads += 1,
            Err(_) if self.threads > 0 => {}
            // Not one thread can be had: slow is better than never.
            Err(_) => {
                if let Some(shared) = &self.shared {
                    while let Some(task) = next_task(shared) {
                        task.run(mailbox);
                    }
                }
            }
        }
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .closed = true;
            shared.arrived.notify_all();
        }
    }
}

fn next_task(shared: &Shared) -> Option<Task> {
    shared
        .state
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .tasks
        .pop_front()
}

fn work(shared: &Shared, mailbox: &Mailbox) {
    loop {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let task = loop {
            if let Some(task) = state.tasks.pop_front() {
                break task;
            }
            if state.closed {
                return;
            }
            state.idle += 1;
            state = shared
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        };
        drop(state);
        task.run(mailbox);
    }
}
