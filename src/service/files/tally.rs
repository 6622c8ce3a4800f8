//! What caches count, for readers in another thread.
//!
//! *Floor 3.* One cell for each cache, written by its owner alone: one addition without a locked
//! instruction, and no cache line that travels unless it is read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often caches could help, and what they hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CacheTally {
    /// Look-ups that found what they looked for, still true.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Entries that had to go to make room.
    pub evictions: u64,
    /// Bytes in memory.
    pub bytes: u64,
}

/// The caches of a file service and of all its clones. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct CacheTallies(Arc<Mutex<Vec<Arc<CacheCells>>>>);

impl CacheTallies {
    /// All of them together.
    pub fn sum(&self) -> CacheTally {
        let mut sum = CacheTally::default();
        for one in self.all().iter() {
            sum.hits += one.hits.load(Relaxed);
            sum.misses += one.misses.load(Relaxed);
            sum.evictions += one.evictions.load(Relaxed);
            sum.bytes += one.bytes.load(Relaxed);
        }
        sum
    }

    /// A place for one more cache.
    pub(super) fn join(&self) -> Arc<CacheCells> {
        let cells = Arc::default();
        self.all().push(Arc::clone(&cells));
        cells
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<CacheCells>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one cache counts. Aligned so that two of them share no cache line, nor a pair of lines that
/// is fetched together.
#[derive(Default, Debug)]
#[repr(align(128))]
pub(super) struct CacheCells {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    bytes: AtomicU64,
}

impl CacheCells {
    pub(super) fn hit(&self) {
        add_alone(&self.hits);
    }

    pub(super) fn miss(&self) {
        add_alone(&self.misses);
    }

    pub(super) fn evict(&self) {
        add_alone(&self.evictions);
    }

    pub(super) fn hold(&self, bytes: usize) {
        self.bytes.store(bytes as u64, Relaxed);
    }
}

/// One more, in a cell that no other thread writes.
fn add_alone(cell: &AtomicU64) {
    cell.store(cell.load(Relaxed) + 1, Relaxed);
}
