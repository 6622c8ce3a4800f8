//! A queue of work: bounded, in order, without jobs whose client is gone, no two alike at once.
//!
//! *Floor 4.* Plain values behind the caller's lock; does not know threads.
//!
//! ```text
//! push ──▶ waiting ──pop──▶ at work
//!             ▲                │ same key as one at work
//!             └──── done ──── held
//! ```
//!
//! Of a thousand requests for the same listing one is at work and the others are held; when it has
//! ended they come one after the other, and find in the service what it made.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What can stand in a [`Queue`].
pub(crate) trait Queueable {
    /// Alike work has the same key.
    fn key(&self) -> Option<u64>;
    /// Whether its client is gone.
    fn is_void(&self) -> bool;
}

/// Held by the connection that waits for a piece of work: dropping it makes the work void.
pub(crate) struct Waiter(Arc<AtomicBool>);

/// Goes with the work.
#[derive(Clone)]
pub(crate) struct Awaited(Arc<AtomicBool>);

impl Waiter {
    pub(crate) fn new() -> (Self, Awaited) {
        let gone = Arc::new(AtomicBool::new(false));
        (Self(Arc::clone(&gone)), Awaited(gone))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Awaited {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// What comes out of a [`Queue`].
pub(crate) enum Popped<T> {
    /// To be done; [`Queue::done`] is to be told of its key then.
    Work(T),
    /// To be dropped, but not under the queue's lock: that may close a file.
    Void(T),
}

/// Work that waits for a thread.
pub(crate) struct Queue<T> {
    waiting: VecDeque<T>,
    /// By the keys that are at work, what is alike.
    held: HashMap<u64, VecDeque<T>>,
    len: usize,
    len_max: usize,
    /// How often there was no room.
    pub(crate) refused: u64,
    /// How many were void when their turn came.
    pub(crate) voided: u64,
}

impl<T: Queueable> Queue<T> {
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            held: HashMap::new(),
            len: 0,
            len_max,
            refused: 0,
            voided: 0,
        }
    }

    /// How many wait, the held ones too.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds work at the end.
    ///
    /// # Errors
    /// The work, if too much waits already that is not void.
    pub(crate) fn push(&mut self, work: T) -> Result<(), T> {
        if self.len >= self.len_max {
            self.purge();
        }
        if self.len >= self.len_max {
            self.refused += 1;
            return Err(work);
        }
        self.len += 1;
        self.waiting.push_back(work);
        Ok(())
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<Popped<T>> {
        while let Some(work) = self.waiting.pop_front() {
            if work.is_void() {
                self.len -= 1;
                self.voided += 1;
                return Some(Popped::Void(work));
            }
            if let Some(key) = work.key() {
                if let Some(alike) = self.held.get_mut(&key) {
                    alike.push_back(work);
                    continue;
                }
                self.held.insert(key, VecDeque::new());
            }
            self.len -= 1;
            return Some(Popped::Work(work));
        }
        None
    }

    /// Work with this key has ended: what is alike comes first.
    pub(crate) fn done(&mut self, key: Option<u64>) {
        let Some(mut alike) = key.and_then(|key| self.held.remove(&key)) else {
            return;
        };
        while let Some(last) = alike.pop_back() {
            self.waiting.push_front(last);
        }
    }

    /// Forgets void work.
    fn purge(&mut self) {
        self.waiting.retain(|work| !work.is_void());
        for alike in self.held.values_mut() {
            alike.retain(|work| !work.is_void());
        }
        let held: usize = self.held.values().map(VecDeque::len).sum();
        let len = self.waiting.len() + held;
        self.voided += (self.len - len) as u64;
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestJob(&'static str, Option<u64>, Awaited);

    impl Queueable for TestJob {
        fn key(&self) -> Option<u64> {
            self.1
        }
        fn is_void(&self) -> bool {
            self.2.is_gone()
        }
    }

    /// Pushes work of this name; `None` if there was no room.
    fn push(queue: &mut Queue<TestJob>, name: &'static str, key: Option<u64>) -> Option<Waiter> {
        let (waiter, awaited) = Waiter::new();
        queue.push(TestJob(name, key, awaited)).ok()?;
        Some(waiter)
    }

    fn pop(queue: &mut Queue<TestJob>) -> Option<&'static str> {
        loop {
            match queue.pop()? {
                Popped::Work(job) => return Some(job.0),
                Popped::Void(_) => {}
            }
        }
    }

    #[test]
    fn what_nobody_waits_for_is_not_done() {
        let mut queue = Queue::new(8);
        let first = push(&mut queue, "first", None);
        let _second = push(&mut queue, "second", None);
        drop(first);
        assert_eq!(queue.len(), 2, "it is noticed when its turn comes");
        assert_eq!(pop(&mut queue), Some("second"));
        assert_eq!((pop(&mut queue), queue.len(), queue.voided), (None, 0, 1));
    }

    #[test]
    fn when_it_is_full_the_void_goes_and_then_newcomers_are_refused() {
        let mut queue = Queue::new(2);
        let gone = push(&mut queue, "gone", None);
        let _a = push(&mut queue, "a", None);
        drop(gone);
        let _b = push(&mut queue, "b", None).unwrap();
        assert!(push(&mut queue, "c", None).is_none());
        assert_eq!((queue.len(), queue.refused, queue.voided), (2, 1, 1));
        assert_eq!([pop(&mut queue), pop(&mut queue)], [Some("a"), Some("b")]);
    }

    #[test]
    fn alike_work_is_done_one_after_the_other() {
        let mut queue = Queue::new(8);
        let list = ["one", "two", "three"].map(|name| push(&mut queue, name, Some(7)));
        let _other = push(&mut queue, "other", Some(8));
        assert_eq!(pop(&mut queue), Some("one"));
        assert_eq!(pop(&mut queue), Some("other"), "it is not held up");
        assert_eq!((pop(&mut queue), queue.len()), (None, 2));
        queue.done(Some(7));
        assert_eq!((pop(&mut queue), pop(&mut queue)), (Some("two"), None));
        // The held ones count for the bound and can become void like others.
        drop(list);
        queue.done(Some(7));
        queue.done(Some(8));
        assert_eq!((pop(&mut queue), queue.len(), queue.voided), (None, 0, 1));
        assert!(queue.held.is_empty(), "a key that is at rest costs nothing");
    }
}
