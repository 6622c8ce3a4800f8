//! Whether a driver that waits still moves, for a watchdog.
//!
//! *Floor 4.* A loop can be asked whether it turns. A thread that sleeps in ppoll(2) cannot, and need
//! not: what must end is what it does in between. So that is counted when it begins and when it ends.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What has begun and what has ended.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// What was seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat {
    begun: u64,
    ended: u64,
}

impl Pulse {
    /// Something begins that must end.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    /// Does what must end.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Ends<'p>(&'p Pulse);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        self.begin();
        let _ends = Ends(self);
        work()
    }

    /// What can be seen now.
    pub(crate) fn beat(&self) -> Beat {
        // In this order, so that nothing has ended that is not seen to have begun.
        let ended = self.ended.load(Relaxed);
        let begun = self.begun.load(Relaxed);
        Beat { begun, ended }
    }

    /// Whether something has ended since `then`, or nothing was under way.
    pub(crate) fn has_moved_since(&self, then: Beat) -> bool {
        then.begun == then.ended || self.beat().ended != then.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_does_not_move_and_what_sleeps_does() {
        let pulse = Pulse::default();
        let asleep = pulse.beat();
        assert!(pulse.has_moved_since(asleep));
        pulse.begin();
        assert!(pulse.has_moved_since(asleep), "it has only just begun");
        let hangs = pulse.beat();
        assert!(!pulse.has_moved_since(hangs));
        pulse.during(|| ());
        assert!(pulse.has_moved_since(hangs), "others go on");
        pulse.end();
        assert!(pulse.has_moved_since(pulse.beat()));
    }
}
