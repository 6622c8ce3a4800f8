//! How many documents are rendered at a time.
//!
//! *Floor 3.* Knows threads that wait for each other; does not know documents.
//!
//! One that is rendered takes up to seventy times its length of memory. A loop has ten threads for that,
//! but `threads` has one for each connection: for 300 clients, each with a file of 256 KiB, it took
//! 1.2 GB, and 0.75 GB with these, most of which is what malloc(3) keeps for each of its arenas (0.2 GB
//! where `MALLOC_MMAP_THRESHOLD_` is 128 KiB).

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// As many as a loop has threads for work that may wait, so that there nobody waits here.
pub(super) static SLOTS: RenderSlots = RenderSlots::new(10);

/// Each is for one document at a time.
pub(super) struct RenderSlots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Given back when it is dropped.
pub(super) struct RenderSlot<'s>(&'s RenderSlots);

impl RenderSlots {
    pub(super) const fn new(number: usize) -> Self {
        Self {
            free: Mutex::new(number),
            freed: Condvar::new(),
        }
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one is free.
    pub(super) fn take(&self) -> RenderSlot<'_> {
        let waited = self.freed.wait_while(self.free(), |free| *free == 0);
        *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
        RenderSlot(self)
    }
}

impl Drop for RenderSlot<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    #[test]
    fn no_more_is_rendered_than_there_are_slots() {
        let (slots, at_work, done) = (
            RenderSlots::new(2),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let slot = slots.take();
                        assert!(at_work.fetch_add(1, SeqCst) < 2);
                        thread::yield_now();
                        at_work.fetch_sub(1, SeqCst);
                        drop(slot);
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert_eq!((done.into_inner(), *slots.free()), (800, 2));
    }

    #[test]
    fn a_panic_gives_its_slot_back() {
        let slots = RenderSlots::new(1);
        let panicked = thread::scope(|scope| {
            let work = scope.spawn(|| {
                let _slot = slots.take();
                panic!("as a document might make it");
            });
            work.join()
        });
        assert!(panicked.is_err() && *slots.free() == 1);
    }
}
