//! What became of uploads, for readers in another thread.
//!
//! *Floor 3.* Shared by all loops, and written by the threads that write to the disk: one addition
//! for each file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The uploads of one directory. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct UploadTallies(Arc<UploadCells>);

/// How many files have come to which end since the start. One that may be gone on with has come to
/// none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UploadTally {
    /// Files that got their names.
    pub kept: u64,
    /// Files of which some may have come, and nothing is left: refused, failed, broken off.
    pub dropped: u64,
}

#[derive(Default, Debug)]
struct UploadCells {
    kept: AtomicU64,
    dropped: AtomicU64,
}

impl UploadTallies {
    /// How many there are now.
    pub fn get(&self) -> UploadTally {
        UploadTally {
            kept: self.0.kept.load(Relaxed),
            dropped: self.0.dropped.load(Relaxed),
        }
    }

    pub(super) fn keep(&self) {
        self.0.kept.fetch_add(1, Relaxed);
    }

    pub(super) fn drop_one(&self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}
