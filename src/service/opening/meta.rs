//! What the file system says about a file, and the validators made from it.
//!
//! *Floor 3.* Knows statx(2) and clocks' granularity; does not know HTTP's conditions
//! (`http/fields/validator.rs`) or how a file was found (`open.rs`).
//!
//! The idea: a file's *identity* is device, inode, size, mtime and ctime, both to the nanosecond.
//! Equal identities mean equal bytes, with one exception: the kernel stamps times from a clock
//! that ticks every 1 to 10 ms (since 6.13 some file systems are finer), so two writes within one
//! tick can leave the same stamps. A file whose ctime is younger than [`TICK`] is therefore not
//! *settled*: its entity tag matches nothing and no cache believes it beyond the turn (git calls
//! this the racy entry), unless it is known that the next write will show. Only ctime decides, because utimensat(2) can set mtime to anything.
//!
//! Last-Modified is coarser still: it stands for one version only once its second is over, and is
//! not sent before. A cache that drops weak tags would otherwise take an edit within that second
//! for what it has.
//!
//! *References:* RFC 9110 §8.8.1 (weak and strong), §8.8.2.1 (Last-Modified is never later than
//! Date), §8.8.2.2 (how much later Date must be), §8.8.3; statx(2); inode(7).

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::ffi::CStr;
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};
use rustix::io::{self, Errno, ReadWriteFlags, preadv2};
use sha2::{Digest, Sha256};

/// A moment as the file system keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp {
    pub(crate) secs: i64,
    pub(crate) nanos: u32,
}

impl Stamp {
    /// `None` where the system's clock type cannot say it.
    fn time(self) -> Option<SystemTime> {
        let base = match u64::try_from(self.secs) {
            Ok(secs) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(secs)),
            Err(_) => {
                let before = Duration::from_secs(self.secs.unsigned_abs());
                SystemTime::UNIX_EPOCH.checked_sub(before)
            }
        };
        base?.checked_add(Duration::from_nanos(u64::from(self.nanos)))
    }
}

/// What a look at a name does where that is a link. Directories on the way may be links always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// It looks at what the link leads to.
    Followed,
    /// It looks at the link.
    Seen,
}

/// One version of one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) size: u64,
    pub(crate) mtime: Stamp,
    pub(crate) ctime: Stamp,
    pub(crate) kind: FileType,
}

impl Identity {
    /// Of an open descriptor.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        statx(fd, c"", AtFlags::EMPTY_PATH, FIELDS).map(Self::from)
    }

    /// Of an open descriptor, as far as this machine knows: of a remote file it may be old.
    pub(crate) fn known(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        statx(fd, c"", flags, FIELDS).map(Self::from)
    }

    /// Of a name, following links wherever they lead, if at all.
    ///
    /// Only ever compared with the identity of a file that *was* opened beneath the root, so a
    /// link that leads out can be noticed by it but nothing can be learned or served through it.
    pub(crate) fn at(dir: BorrowedFd<'_>, path: &CStr, links: Links) -> io::Result<Self> {
        let links = match links {
            Links::Followed => AtFlags::empty(),
            Links::Seen => AtFlags::SYMLINK_NOFOLLOW,
        };
        statx(dir, path, AtFlags::NO_AUTOMOUNT | links, FIELDS).map(Self::from)
    }

    /// Whether these stamps stand for the bytes that are there at `now`, and for no others.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        self.is_old(now) || known().contains(self)
    }

    /// From now on these stamps are believed, however young they are: where the next write leaves
    /// others at once, and all bytes were there before they were seen. Of the uploads of all loops,
    /// the last ones are remembered; so long it takes until time has settled them.
    pub(crate) fn believe(self) {
        let mut known = known();
        if known.len() == KNOWN_MAX {
            known.pop_front();
        }
        known.push_back(self);
    }

    /// Whether another write, after `now`, would certainly leave another ctime.
    fn is_old(&self, now: SystemTime) -> bool {
        // A file system that keeps whole seconds only (ext3, some network ones) has ticks of
        // one second, FAT of two.
        let tick = match (self.ctime.nanos, self.mtime.nanos) {
            (0, 0) => COARSE_TICK,
            _ => TICK,
        };
        let changed = self.ctime.time().and_then(|time| time.checked_add(tick));
        changed.is_some_and(|settled| settled < now)
    }

    /// From when on it has been left alone for so long; `None` if no clock can say.
    pub(crate) fn rests_from(&self, rest: Duration) -> Option<SystemTime> {
        self.ctime.time()?.checked_add(rest)
    }

    /// The date for Last-Modified, if it may be said.
    ///
    /// Not 0 or 1 (what reproducible file systems and archives write), nor before: it would match
    /// every copy ever made. Not the future: RFC 9110 §8.8.2.1 forbids it, and a client would
    /// send it back when it is past. Not beyond the year 9999, which IMF-fixdate cannot write.
    pub(crate) fn modified(&self, now: SystemTime) -> Option<SystemTime> {
        let whole = Stamp {
            nanos: 0,
            ..self.mtime
        };
        let time = whole.time().filter(|time| *time <= now)?;
        (2..=LAST_HTTP_SECOND)
            .contains(&self.mtime.secs)
            .then_some(time)
    }

    /// When the date for Last-Modified stands for one version only (RFC 9110 §8.8.2.2): when the
    /// second of mtime is over, and a tick with it, because stamps lag behind the clock.
    pub(crate) fn date_due(&self) -> Option<SystemTime> {
        let whole = Stamp {
            nanos: 0,
            ..self.mtime
        };
        whole.time()?.checked_add(Duration::from_secs(1) + TICK)
    }

    /// The strong entity tag of these bytes under a coding, from metadata alone.
    ///
    /// Hashed, because a plain inode number tells more about the server than it should
    /// (CVE-2003-1418).
    pub(crate) fn etag(&self, coding: &str) -> Box<str> {
        let mut hash = Sha256::new();
        hash.update(self.ino.to_le_bytes());
        hash.update(self.size.to_le_bytes());
        for stamp in [self.mtime, self.ctime] {
            hash.update(stamp.secs.to_le_bytes());
            hash.update(stamp.nanos.to_le_bytes());
        }
        hash.update(coding.as_bytes());
        format_etag(&hash.finalize(), false)
    }
}

/// How many of those are remembered, which is more than come in a tick, mostly.
const KNOWN_MAX: usize = 64;

fn known() -> MutexGuard<'static, VecDeque<Identity>> {
    static KNOWN: Mutex<VecDeque<Identity>> = Mutex::new(VecDeque::new());
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Statx> for Identity {
    fn from(stat: Statx) -> Self {
        let stamp = |t: rustix::fs::StatxTimestamp| Stamp {
            secs: t.tv_sec,
            nanos: t.tv_nsec,
        };
        Self {
            dev: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
            ino: stat.stx_ino,
            size: stat.stx_size,
            mtime: stamp(stat.stx_mtime),
            ctime: stamp(stat.stx_ctime),
            kind: FileType::from_raw_mode(u32::from(stat.stx_mode)),
        }
    }
}

/// `"` and 22 hexadecimal digits of a hash: 88 bits, far beyond any accident.
pub(crate) fn format_etag(hash: &[u8], weak: bool) -> Box<str> {
    let mut tag = String::from(if weak { "W/\"" } else { "\"" });
    for byte in hash.iter().take(11) {
        for nibble in [byte >> 4, byte & 15] {
            tag.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    tag.push('"');
    tag.into_boxed_str()
}

/// How a file system behaves when it is asked not to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Medium {
    /// Memory: nothing ever waits.
    Memory,
    /// A disk: data may wait, and `RWF_NOWAIT` says so; metadata of an open file does not.
    Disk,
    /// A disk, but `RWF_NOWAIT` is not supported (overlayfs, what is encrypted): any read of data
    /// may wait.
    ///
    /// PITFALL: EOPNOTSUPP does not mean that the data are at hand. Reading them on the loop would
    /// stop every connection for a disk's latency (`a_file_system_that_cannot_say_stops_nobody`).
    Mute,
    /// Another machine or process: even a statx(2) may wait.
    Remote,
}

impl Medium {
    /// Of the file system that holds this regular file, open for reading: by its magic number
    /// (fstatfs(2)) and by whether it understands `RWF_NOWAIT` (preadv2(2)).
    pub(crate) fn of_file(fd: BorrowedFd<'_>) -> Self {
        let mut byte = [0];
        let mut one = [IoSliceMut::new(&mut byte)];
        let mut ask = || preadv2(fd, &mut one, 0, ReadWriteFlags::NOWAIT);
        match Self::of(fd) {
            Self::Disk if ask() == Err(Errno::OPNOTSUPP) => Self::Mute,
            medium => medium,
        }
    }

    /// By the magic number of fstatfs(2) alone, which an `O_PATH` descriptor is enough for.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Self {
        let Ok(stat) = rustix::fs::fstatfs(fd) else {
            return Self::Remote;
        };
        // The field is signed or not, 32 or 64 bits wide, depending on the architecture.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "magic is u32"
        )]
        let magic = stat.f_type as u32;
        if MEMORY.contains(&magic) {
            Self::Memory
        } else if REMOTE.contains(&magic) {
            Self::Remote
        } else {
            Self::Disk
        }
    }
}

/// Longer than any tick of the kernel's coarse clock (10 ms at HZ=100), twice.
pub(crate) const TICK: Duration = Duration::from_millis(20);
const COARSE_TICK: Duration = Duration::from_secs(2);
/// 9999-12-31T23:59:59Z.
const LAST_HTTP_SECOND: i64 = 253_402_300_799;
const FIELDS: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME);

/// tmpfs, ramfs (statfs(2)).
const MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
/// NFS, FUSE, SMB, CIFS, SMB2, 9P, Ceph, AFS (two), Coda, Lustre, OCFS2, autofs.
const REMOTE: [u32; 13] = [
    0x6969,
    0x6573_5546,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x6b41_4653,
    0x7375_7245,
    0x0bd0_0bd0,
    0x7461_636f,
    0x0187,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(mtime: (i64, u32), ctime: (i64, u32)) -> Identity {
        let stamp = |(secs, nanos)| Stamp { secs, nanos };
        Identity {
            dev: 1,
            ino: 2,
            size: 3,
            mtime: stamp(mtime),
            ctime: stamp(ctime),
            kind: FileType::RegularFile,
        }
    }

    fn at(secs: u64, millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(secs * 1000 + millis)
    }

    #[test]
    fn last_modified_never_lies() {
        let now = at(1_700_000_000, 0);
        let check = |mtime: (i64, u32), expected: Option<u64>| {
            let got = identity(mtime, (1, 1)).modified(now);
            assert_eq!(got, expected.map(|secs| at(secs, 0)), "{mtime:?}");
        };
        check((1_600_000_000, 0), Some(1_600_000_000));
        check((1_600_000_000, 999_999_999), Some(1_600_000_000)); // whole seconds
        check((0, 0), None); // reproducible archives
        check((1, 999), None); // Nix store
        check((2, 0), Some(2));
        check((-5_000_000, 3), None); // before 1970
        check((i64::MIN, 0), None);
        check((1_700_000_000, 1), Some(1_700_000_000)); // this very second
        check((1_700_000_001, 0), None); // RFC 9110 §8.8.2.1: never later than Date
        check((LAST_HTTP_SECOND + 1, 0), None);
        check((i64::MAX, 0), None);
    }

    #[test]
    fn a_date_is_due_when_its_second_is_over() {
        let due = |secs, nanos| identity((secs, nanos), (1, 1)).date_due();
        assert_eq!(due(100, 0), Some(at(101, 20)));
        assert_eq!(due(100, 999_999_999), Some(at(101, 20)));
        assert_eq!(due(i64::MAX, 0), None);
    }

    #[test]
    fn a_file_settles_after_a_tick() {
        let check = |ctime: (i64, u32), now: SystemTime, expected: bool| {
            let got = identity((50, 1), ctime).is_settled(now);
            assert_eq!(got, expected, "{ctime:?}");
        };
        check((100, 5), at(100, 10), false);
        check((100, 5), at(100, 21), true);
        check((100, 5), at(99, 0), false); // the clock was set back
        check((i64::MAX, 5), at(99, 0), false);
        check((-7, 5), at(0, 0), true);
        // Whole seconds in both: the file system may have no finer ones.
        assert!(!identity((100, 0), (100, 0)).is_settled(at(101, 900)));
        assert!(identity((100, 0), (100, 0)).is_settled(at(102, 1)));
    }

    #[test]
    fn stamps_that_are_known_to_be_good_are_believed_at_once() {
        let young = |ino| Identity {
            ino,
            ..identity((100, 1), (100, 5))
        };
        let is_settled = |ino| young(ino).is_settled(at(100, 6));
        young(1).believe();
        assert!(is_settled(1) && !is_settled(2));
        let written = Identity {
            ctime: Stamp {
                secs: 100,
                nanos: 6,
            },
            ..young(1)
        };
        assert!(!written.is_settled(at(100, 7)));
        for ino in 0..KNOWN_MAX as u64 {
            young(1000 + ino).believe();
        }
        assert!(!is_settled(1) && is_settled(1000));
    }

    #[test]
    fn a_tag_differs_whenever_the_bytes_can() {
        let base = identity((100, 1), (100, 1));
        let tag = base.etag("identity");
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() == 24,
            "{tag}"
        );
        let others = [
            Identity { ino: 9, ..base },
            Identity { size: 9, ..base },
            Identity {
                mtime: Stamp {
                    secs: 100,
                    nanos: 2,
                },
                ..base
            },
            Identity {
                ctime: Stamp {
                    secs: 101,
                    nanos: 1,
                },
                ..base
            },
        ];
        for other in others {
            assert_ne!(other.etag("identity"), tag, "{other:?}");
        }
        assert_ne!(base.etag("br"), tag);
    }
}
