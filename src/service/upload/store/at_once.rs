//! How many uploads are received at once.
//!
//! *Floor 3.* Knows descriptors and their limit; does not know what is received.
//!
//! An upload holds its file, the directory of that and, while it can be followed, the file once
//! more. Connections leave a quarter of the descriptors for them; more uploads than that is enough
//! for would take away those that answers need (`uploads_leave_descriptors_for_files`).
//!
//! *References:* getrlimit(2).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, getrlimit};

use super::failure::Failure;

/// The part of all descriptors that the uploads of a process may hold: three for each, of a quarter.
const PART_OF_DESCRIPTORS: u64 = 12;

/// Counts the uploads of one store.
pub(super) struct AtOnce {
    now: Arc<AtomicUsize>,
    max: usize,
}

/// One of them, until it is dropped.
pub(super) struct Counted(Arc<AtomicUsize>);

impl AtOnce {
    pub(super) fn new(max: usize) -> Self {
        let now = Arc::default();
        Self { now, max }
    }

    /// Counts one more, unless there are as many as there may be.
    pub(super) fn begin(&self) -> Result<Counted, Failure> {
        // Not known when the store is opened: the server raises it later.
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let part = usize::try_from(descriptors / PART_OF_DESCRIPTORS).unwrap_or(usize::MAX);
        let max = self.max.min(part).max(1);
        let more = |now: usize| (now < max).then_some(now + 1);
        let counted = self.now.fetch_update(Relaxed, Relaxed, more);
        counted.map_err(|_| Failure::Busy)?;
        Ok(Counted(Arc::clone(&self.now)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more_until_one_has_ended() {
        let uploads = AtOnce::new(2);
        let first = uploads.begin();
        let _second = uploads.begin();
        assert_eq!(uploads.begin().err(), Some(Failure::Busy));
        drop(first);
        let _third = uploads.begin();
        assert_eq!(uploads.begin().err(), Some(Failure::Busy));
    }
}
