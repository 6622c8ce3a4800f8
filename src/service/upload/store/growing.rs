//! Files that are being received, for those who read them meanwhile.
//!
//! *Floor 3.* Knows how far a file has come and who waits for more of it; does not know who asks.
//!
//! ```text
//!  sender's job:  append ─▶ grew(n) ─────────────┐ wakes all that wait
//!                                                ▼
//!  reader's job:  next_chunk: what is there, or a Wake is left and Pending said
//! ```
//!
//! The idea: a reader that has all there is leaves its [`Wake`] under the lock under which the file
//! grows, so that none is lost, and its connection sleeps until that is used. A reader costs one
//! wake and the piece that is being sent to it; the sender waits for none of them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::{Chunk, Chunks, Wake};

/// How much is read at a time.
const PIECE_BYTES: u64 = 128 * 1024;

/// The files of one directory that are being received, by their paths.
#[derive(Clone, Default)]
pub(crate) struct GrowingFiles(Arc<Mutex<HashMap<Vec<u8>, Arc<Growing>>>>);

/// A file that grows.
struct Growing {
    file: OwnedFd,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    bytes: u64,
    /// Whether it came to be whole, once that is known.
    end: Option<bool>,
    /// One for each reader that has all there is, by its number.
    waiting: Vec<(usize, Wake)>,
}

impl GrowingFiles {
    /// What the file under this path holds and will hold, if it is being received.
    pub(crate) fn follow(&self, path: &[u8]) -> Option<Box<dyn Chunks>> {
        let growing = Arc::clone(self.all().get(path)?);
        Some(Box::new(Follower { growing, at: 0 }))
    }

    /// Lets a file be followed that holds `bytes` already. Of several under one path, the one that
    /// was begun last is.
    pub(super) fn begin(&self, path: Vec<u8>, file: OwnedFd, bytes: u64) -> Growth {
        let growing = Arc::new(Growing {
            file,
            progress: Mutex::new(Progress {
                bytes,
                ..Progress::default()
            }),
        });
        self.all().insert(path.clone(), Arc::clone(&growing));
        let all = self.clone();
        Growth { growing, path, all }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Arc<Growing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and wakes who waits for that.
    fn advance(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress();
        change(&mut progress);
        let waiting = std::mem::take(&mut progress.waiting);
        drop(progress);
        for (_, wake) in waiting {
            wake.wake();
        }
    }
}

/// The sender's side. Dropped before the file was [whole](Growth::whole), it broke off.
pub(super) struct Growth {
    growing: Arc<Growing>,
    path: Vec<u8>,
    all: GrowingFiles,
}

impl Growth {
    /// So many bytes more are in the file.
    pub(super) fn grew(&self, bytes: u64) {
        self.growing.advance(|progress| progress.bytes += bytes);
    }

    /// It has its name.
    pub(super) fn whole(&self) {
        self.growing.advance(|progress| progress.end = Some(true));
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        let mut all = self.all.all();
        if (all.get(&self.path)).is_some_and(|last| Arc::ptr_eq(last, &self.growing)) {
            all.remove(&self.path);
        }
        drop(all);
        self.growing.advance(|progress| {
            progress.end.get_or_insert(false);
        });
    }
}

/// A reader's side.
struct Follower {
    growing: Arc<Growing>,
    at: u64,
}

impl Follower {
    /// Of all readers of this file, this one.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn read(&mut self, len: u64) -> Chunk {
        let len = usize::try_from(len.min(PIECE_BYTES)).unwrap_or(0);
        let mut piece = vec![0; len];
        loop {
            match rustix::io::pread(&self.growing.file, &mut piece[..], self.at) {
                Err(rustix::io::Errno::INTR) => {}
                // What has been written is there: the disk fails.
                Ok(0) | Err(_) => return Chunk::Failed,
                Ok(n) => {
                    piece.truncate(n);
                    self.at += n as u64;
                    return Chunk::Bytes(piece);
                }
            }
        }
    }
}

impl Chunks for Follower {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        let number = self.number();
        let mut progress = self.growing.progress();
        let there = progress.bytes.saturating_sub(self.at);
        match progress.end {
            _ if there > 0 => {
                drop(progress);
                self.read(there)
            }
            Some(true) => Chunk::End,
            Some(false) => Chunk::Failed,
            None => {
                progress.waiting.retain(|(other, _)| *other != number);
                progress.waiting.push((number, wake.clone()));
                Chunk::Pending
            }
        }
    }

    fn may_wait(&self) -> bool {
        true
    }
}

/// PITFALL: its wake goes with it. Readers that come and go while the sender says nothing would be
/// remembered for ever (`readers_that_are_gone_are_forgotten`).
impl Drop for Follower {
    fn drop(&mut self) {
        let number = self.number();
        let mut progress = self.growing.progress();
        progress.waiting.retain(|(other, _)| *other != number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::http::Notify;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Notify for Counter {
        fn notify(&self, _: u64) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn growing() -> (GrowingFiles, Growth, std::fs::File) {
        let (all, file) = (GrowingFiles::default(), tempfile::tempfile().unwrap());
        let growth = all.begin(b"a".to_vec(), file.try_clone().unwrap().into(), 0);
        (all, growth, file)
    }

    #[test]
    fn a_reader_gets_what_is_there_and_is_woken_for_more() {
        let (all, growth, mut file) = growing();
        let counter = Arc::new(Counter::default());
        let wake = Wake::new(Arc::clone(&counter) as Arc<dyn Notify>, 0);
        let mut reader = all.follow(b"a").unwrap();
        assert!(all.follow(b"b").is_none());
        for asked in 0..3 {
            assert!(matches!(reader.next_chunk(&wake), Chunk::Pending));
            assert_eq!(counter.0.load(Relaxed), asked);
            file.write_all(b"abc").unwrap();
            growth.grew(3);
            assert_eq!(counter.0.load(Relaxed), asked + 1);
            let chunk = reader.next_chunk(&wake);
            assert!(matches!(chunk, Chunk::Bytes(bytes) if bytes == b"abc"));
        }
        growth.whole();
        drop(growth);
        assert!(matches!(reader.next_chunk(&wake), Chunk::End));
        assert!(all.follow(b"a").is_none());
    }

    #[test]
    fn a_file_that_breaks_off_fails_behind_what_has_come() {
        let (all, growth, mut file) = growing();
        let mut reader = all.follow(b"a").unwrap();
        file.write_all(b"abc").unwrap();
        growth.grew(3);
        drop(growth);
        let wake = Wake::noop();
        assert!(matches!(reader.next_chunk(&wake), Chunk::Bytes(_)));
        assert!(matches!(reader.next_chunk(&wake), Chunk::Failed));
    }

    #[test]
    fn readers_that_are_gone_are_forgotten() {
        let (all, growth, _file) = growing();
        for _ in 0..100 {
            let mut reader = all.follow(b"a").unwrap();
            for _ in 0..2 {
                assert!(matches!(reader.next_chunk(&Wake::noop()), Chunk::Pending));
            }
            assert_eq!(growth.growing.progress().waiting.len(), 1);
        }
        assert!(growth.growing.progress().waiting.is_empty());
    }

    /// The end of one does not hide the other.
    #[test]
    fn of_two_under_one_path_the_last_one_is_followed() {
        let (all, first, file) = growing();
        let second = all.begin(b"a".to_vec(), file.into(), 0);
        let mut reader = all.follow(b"a").unwrap();
        drop(first);
        assert!(matches!(reader.next_chunk(&Wake::noop()), Chunk::Pending));
        assert!(all.follow(b"a").is_some());
        drop(second);
        assert!(matches!(reader.next_chunk(&Wake::noop()), Chunk::Failed));
    }
}
