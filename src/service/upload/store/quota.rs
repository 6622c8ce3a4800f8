//! How much uploads may take: each, all together, and of the disk.
//!
//! *Floor 3.* Counts bytes; does not know files.
//!
//! *References:* statvfs(3).

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::failure::Failure;
use crate::service::options::UploadConfig;

/// How often the free space of the file system is looked at, in bytes written.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;

/// What may be taken, and what was.
pub(super) struct Quota {
    file_max: u64,
    all_max: Option<u64>,
    reserve: u64,
    used: AtomicU64,
}

impl Quota {
    /// With so many bytes there already.
    pub(super) fn new(config: &UploadConfig, used: u64) -> Self {
        Self {
            file_max: config.file_bytes_max,
            all_max: config.quota_bytes,
            reserve: config.reserve_bytes,
            used: AtomicU64::new(used),
        }
    }

    pub(super) const fn file_max(&self) -> u64 {
        self.file_max
    }

    /// Takes room for `bytes` more of a file that holds `so_far`.
    pub(super) fn take(
        &self,
        directory: BorrowedFd<'_>,
        so_far: u64,
        bytes: u64,
    ) -> Result<(), Failure> {
        if so_far + bytes > self.file_max {
            return Err(Failure::TooLong);
        }
        let max = self.all_max.unwrap_or(u64::MAX);
        // In one step: what was taken for a moment and given back would refuse another upload.
        let with = |used: u64| used.checked_add(bytes).filter(|used| *used <= max);
        let taken = self.used.fetch_update(Relaxed, Relaxed, with);
        taken.map_err(|_| Failure::QuotaSpent)?;
        let looks = so_far / LOOK_EVERY != (so_far + bytes) / LOOK_EVERY || so_far == 0;
        if looks && !self.has_room(directory, bytes) {
            self.give_back(bytes);
            return Err(Failure::NoSpace);
        }
        Ok(())
    }

    /// Of an upload that another server of this directory has begun, none was taken here.
    pub(super) fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Relaxed, Relaxed, less);
    }

    /// Whether a file of that length has room, as far as can be told before it comes.
    pub(super) fn expect(&self, directory: BorrowedFd<'_>, bytes: u64) -> Result<(), Failure> {
        let used = self.used.load(Relaxed).saturating_add(bytes);
        if bytes > self.file_max {
            Err(Failure::TooLong)
        } else if self.all_max.is_some_and(|max| used > max) {
            Err(Failure::QuotaSpent)
        } else if !self.has_room(directory, bytes) {
            Err(Failure::NoSpace)
        } else {
            Ok(())
        }
    }

    /// Whether the file system holds that much and the reserve. One that does not say is believed
    /// to.
    fn has_room(&self, directory: BorrowedFd<'_>, bytes: u64) -> bool {
        let Ok(stat) = rustix::fs::fstatvfs(directory) else {
            return true;
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        stat.f_blocks == 0 || free >= bytes.saturating_add(self.reserve)
    }
}
