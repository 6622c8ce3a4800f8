//! How many connections a stop waits for.
//!
//! *Floor 4.* One number, written by a loop or by the threads of a waiting driver, and read by the
//! thread that waits for signals: a user who stops a server wants to know why it is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count that is shared.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// A loop has so many left.
    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// One more, until the value is dropped.
    pub(crate) fn begin(&self) -> Begun {
        self.0.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection that a thread serves.
pub(crate) struct Begun(InFlight);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
