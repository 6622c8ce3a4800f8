//! Whether the file system keeps stamps that can be believed at once.
//!
//! *Floor 3.* Knows how the kernel stamps files; does not know what depends on it.
//!
//! A young ctime is not believed (`opening/meta.rs`): another write may leave the same one, and one
//! that has left it may not have moved all of its bytes yet. Neither is so of an upload. Its content
//! was there before its name, and since Linux 6.13 ext4, XFS, btrfs and tmpfs give a file whose stamps
//! were looked at a new one at its next change, however soon that comes (multigrain timestamps). So
//! the identity that is seen behind the name stands for that content and no other.
//!
//! The kernel does not say which file systems do so. [`Stamps::of`] finds out: from a clock that ticks,
//! a row of changes within less than a tick would take equal stamps.
//!
//! *References:* Documentation/filesystems/multigrain-ts.rst.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::write;
use rustix::thread::{Timespec, nanosleep};

use crate::service::opening::meta::{Identity, Medium, Stamp};

/// What is known of the stamps of a file system.
pub(crate) struct Stamps {
    /// The device where they are fine, if they are.
    fine: Option<u64>,
}

impl Stamps {
    /// Those of the file system of this file, which is written to.
    pub(super) fn of(file: Option<&OwnedFd>) -> Self {
        let file = file.map(AsFd::as_fd).filter(|file| are_fine(*file));
        let identity = file.and_then(|file| Identity::of(file).ok());
        Self {
            fine: identity.map(|identity| identity.dev),
        }
    }

    /// The identity of a file that has just got its name, once no other write can leave the same.
    pub(crate) fn settled(&self, file: BorrowedFd<'_>) -> Option<Identity> {
        let before = Identity::of(file).ok()?;
        if self.fine == Some(before.dev) {
            before.believe();
            return Some(before);
        }
        if before.ctime.nanos == 0 {
            return None;
        }
        let _ = nanosleep(&MORE_THAN_A_TICK);
        Identity::of(file).ok().filter(|after| before == *after)
    }
}

const MORE_THAN_A_TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 21_000_000,
};
/// So many changes in a row, each of which must show.
const CHANGES: usize = 8;
/// Less than the shortest tick of a kernel (HZ=1000).
const LESS_THAN_A_TICK_NANOS: u32 = 1_000_000;
/// A row that took longer says nothing, and is tried again.
const ROWS: usize = 5;

/// Whether a change of this file, open for writing, always shows once it was looked at.
fn are_fine(file: BorrowedFd<'_>) -> bool {
    // What another machine says of its stamps is not known to hold for the next write.
    Medium::of(file) != Medium::Remote
        && (0..ROWS).any(|_| {
            let mut row = [None; CHANGES];
            for stamp in &mut row {
                let changed = write(file, b"x").and_then(|_| Identity::of(file));
                *stamp = changed.ok().map(|identity| identity.ctime);
            }
            shows_fineness(&row)
        })
}

fn shows_fineness(row: &[Option<Stamp>]) -> bool {
    let first = row.first().copied().flatten();
    let last = row.last().copied().flatten();
    let (Some(first), Some(last)) = (first, last) else {
        return false;
    };
    let each_differs = row.is_sorted_by(|one, next| one < next);
    let took = last.nanos.checked_sub(first.nanos);
    each_differs
        && first.secs == last.secs
        && took.is_some_and(|took| took < LESS_THAN_A_TICK_NANOS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Linux 6.13, and one of the file systems.
    fn should_be_fine(file: &OwnedFd) -> bool {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        // ext4, tmpfs, XFS, btrfs (statfs(2)).
        let kinds = [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e];
        version >= (6, 13) && kinds.contains(&rustix::fs::fstatfs(file).unwrap().f_type)
    }

    /// The ones that are known to be settled before their time are those which were not waited for.
    #[test]
    fn small_files_wait_for_no_tick() {
        let file = OwnedFd::from(tempfile::tempfile().unwrap());
        let stamps = Stamps::of(Some(&file));
        assert!(stamps.fine.is_some() || !should_be_fine(&file));
        let settled = stamps.settled(file.as_fd()).unwrap();
        let ctime = settled.ctime;
        let seen = Duration::new(ctime.secs.try_into().unwrap(), ctime.nanos);
        assert_eq!(settled.is_settled(UNIX_EPOCH + seen), stamps.fine.is_some());
    }

    #[test]
    fn stamps_are_fine_if_each_differs_within_a_tick() {
        let check = |nanos: &[u32], expected: bool| {
            let row: Vec<_> = nanos
                .iter()
                .map(|&nanos| Some(Stamp { secs: 7, nanos }))
                .collect();
            assert_eq!(shows_fineness(&row), expected, "{nanos:?}");
        };
        check(&[10, 11, 500_000, 900_000], true);
        check(&[10, 10, 500_000, 900_000], false);
        check(&[10, 10, 10, 10], false);
        check(&[10, 10, 4_000_010, 4_000_010], false);
        // Each in a tick of its own: the machine was busy.
        check(&[10, 4_000_010, 8_000_010, 12_000_010], false);
        check(&[999_999_999, 1, 2, 3], false);
        let stamp = |nanos| Some(Stamp { secs: 7, nanos });
        assert!(!shows_fineness(&[stamp(1), None, stamp(3)]));
        assert!(!shows_fineness(&[None, stamp(1), stamp(3)]));
    }
}
