//! What lies in the upload directory without being whole, and for how long.
//!
//! *Floor 3.* Knows hidden names; `store.rs` opens what they lead to.
//!
//! Two kinds: files that end with their connection, where the file system has none without a name;
//! and those that may be gone on with. A crash leaves both. The first are taken away at the next
//! start, unless their lock says that they are another server's; the others after a day without
//! more of them.
//!
//! *References:* flock(2).

use std::ffi::{CStr, CString};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, unlinkat};

use crate::service::options::PART_PREFIX;

/// How long an unfinished upload is kept without more of it.
const RESUMABLE_FOR_SECONDS: i64 = 24 * 60 * 60;

/// What the names of uploads begin with that may be gone on with.
const RESUMABLE: &[u8] = b".httpoll-part-of-";

/// What leads to an unfinished upload: in its URL, and in the name of its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UploadToken(u64);

impl UploadToken {
    pub(super) fn random() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_token = text.len() == 16 && text.bytes().all(is_digit);
        let number = is_token.then(|| u64::from_str_radix(text, 16).ok())?;
        number.map(Self)
    }

    pub(super) fn name(self) -> CString {
        let name = [RESUMABLE, self.to_string().as_bytes()].concat();
        CString::new(name).unwrap_or_default()
    }
}

impl fmt::Display for UploadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a look at unfinished uploads found, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Swept {
    pub(super) kept: u64,
    pub(super) removed: u64,
}

/// Takes away what nothing holds any more.
pub(super) fn sweep(directory: BorrowedFd<'_>, depth: usize, now: i64) -> Swept {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = openat(directory, c".", flags, Mode::empty());
    let Some(entries) = opened.ok().and_then(|fd| Dir::new(fd).ok()) else {
        return Swept::default();
    };
    let mut swept = Swept::default();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_bytes().starts_with(PART_PREFIX) {
            swept.add(sweep_one(directory, name, now));
        } else if depth > 0
            && entry.file_type() == FileType::Directory
            && !matches!(name.to_bytes(), b"." | b"..")
            && let Ok(below) = openat(directory, name, flags, Mode::empty())
        {
            swept.add(sweep(below.as_fd(), depth - 1, now));
        }
    }
    swept
}

impl Swept {
    const fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.removed += other.removed;
    }
}

fn sweep_one(directory: BorrowedFd<'_>, name: &CStr, now: i64) -> Swept {
    // For writing, or flock(2) locks nothing over NFS.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(file) = openat(directory, name, flags, Mode::empty()) else {
        return Swept::default();
    };
    let stat = rustix::fs::fstat(&file);
    let bytes = stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let is_resumable = name.to_bytes().starts_with(RESUMABLE);
    let is_young = is_resumable && modified(&file) > now - RESUMABLE_FOR_SECONDS;
    // Not asked of a young one: a client that goes on just now would find it in use.
    let is_kept = is_young || flock(&file, FlockOperation::NonBlockingLockExclusive).is_err();
    if is_kept || unlinkat(directory, name, AtFlags::empty()).is_err() {
        let kept = bytes;
        return Swept { kept, removed: 0 };
    }
    // Only what came in parts outlives its connection, and then counts in the quota.
    Swept {
        kept: 0,
        removed: if is_resumable { bytes } else { 0 },
    }
}

/// When it was written to, in seconds since 1970.
pub(super) fn modified(file: &OwnedFd) -> i64 {
    rustix::fs::fstat(file).map_or(0, |stat| stat.st_mtime)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::{Duration, UNIX_EPOCH};

    use rustix::fs::CWD;

    use super::*;
    use crate::http::Tick;

    #[test]
    fn a_token_is_what_it_says() {
        let token = UploadToken::random();
        assert_eq!(UploadToken::parse(&token.to_string()), Some(token));
        for text in [
            "",
            "0",
            "000000000000000g",
            "00000000000000000",
            "ABCDEF0123456789",
            "+00000000000000f",
        ] {
            assert_eq!(UploadToken::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_may_be_gone_on_with_stays_for_a_day() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("below")).unwrap();
        let old = Tick::for_tests().wall - Duration::from_secs(25 * 60 * 60);
        for (name, is_old) in [
            (".httpoll-part-of-0000000000000001", false),
            (".httpoll-part-of-0000000000000002", true),
            (".httpoll-part-0000000000000003", false),
            ("below/.httpoll-part-0000000000000004", false),
            ("mine", true),
        ] {
            fs::write(at(name), "abc").unwrap();
            if is_old {
                let file = File::options().write(true).open(at(name)).unwrap();
                file.set_times(FileTimes::new().set_modified(old)).unwrap();
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = openat(CWD, root.path(), flags, Mode::empty()).unwrap();
        let seconds = Tick::for_tests().wall.duration_since(UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(seconds.as_secs()).unwrap();
        let swept = sweep(directory.as_fd(), 32, seconds);
        assert_eq!((swept.kept, swept.removed), (3, 3));
        let left = |path| fs::read_dir(path).unwrap().count();
        assert_eq!((left(root.path().to_owned()), left(at("below"))), (3, 0));
    }
}
