//! What is being received just now.
//!
//! *Floor 3.* Knows descriptors and their limit; does not know what is received.
//!
//! An upload holds its file, the directory of that and, while it can be followed, the file once
//! more. Connections leave a quarter of the descriptors for them; more uploads than that is enough
//! for would take away those that answers need (`uploads_leave_descriptors_for_files`).
//!
//! *References:* getrlimit(2).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::failure::Failure;
use super::unfinished::UploadToken;

/// The part of all descriptors that the uploads of a process may hold: three for each, of a quarter.
const PART_OF_DESCRIPTORS: u64 = 12;

/// The uploads of one store.
pub(super) struct AtOnce {
    shared: Arc<Shared>,
    max: usize,
}

#[derive(Default)]
struct Shared {
    /// Of each, under which token it may be gone on with, if under any.
    uploads: Mutex<Vec<Option<UploadToken>>>,
    ended: Condvar,
}

/// One of them, until it is dropped.
pub(super) struct Counted {
    shared: Arc<Shared>,
    token: Option<UploadToken>,
}

impl AtOnce {
    pub(super) fn new(max: usize) -> Self {
        let shared = Arc::default();
        Self { shared, max }
    }

    /// Counts one more, unless there are as many as there may be.
    pub(super) fn begin(&self, token: Option<UploadToken>) -> Result<Counted, Failure> {
        // Not known when the store is opened: the server raises it later.
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let part = usize::try_from(descriptors / PART_OF_DESCRIPTORS).unwrap_or(usize::MAX);
        let mut uploads = self.shared.uploads();
        if uploads.len() >= self.max.min(part).max(1) {
            return Err(Failure::Busy);
        }
        uploads.push(token);
        let shared = Arc::clone(&self.shared);
        Ok(Counted { shared, token })
    }

    /// Waits until this one has ended, but not for long.
    pub(super) fn wait_for_end(&self, token: UploadToken, patience: Duration) {
        let goes_on = |uploads: &mut Vec<_>| uploads.contains(&Some(token));
        let uploads = self.shared.uploads();
        let _ended = (self.shared.ended).wait_timeout_while(uploads, patience, goes_on);
    }
}

impl Shared {
    fn uploads(&self) -> MutexGuard<'_, Vec<Option<UploadToken>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut uploads = self.shared.uploads();
        if let Some(at) = uploads.iter().position(|token| *token == self.token) {
            uploads.swap_remove(at);
        }
        self.shared.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more_until_one_has_ended() {
        let uploads = AtOnce::new(2);
        let first = uploads.begin(None);
        let _second = uploads.begin(Some(UploadToken::random()));
        assert_eq!(uploads.begin(None).err(), Some(Failure::Busy));
        drop(first);
        let _third = uploads.begin(None);
        assert_eq!(uploads.begin(None).err(), Some(Failure::Busy));
    }

    #[test]
    fn an_end_is_waited_for() {
        let uploads = AtOnce::new(2);
        let token = UploadToken::random();
        // Nobody sends it: there is nothing to wait for.
        uploads.wait_for_end(token, Duration::MAX);
        let part = uploads.begin(Some(token)).unwrap();
        let other = uploads.begin(None).unwrap();
        uploads.wait_for_end(token, Duration::ZERO);
        std::thread::scope(|scope| {
            scope.spawn(|| uploads.wait_for_end(token, Duration::MAX));
            drop((other, part));
        });
    }
}
