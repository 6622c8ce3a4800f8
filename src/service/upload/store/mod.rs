//! Where uploads go: content without a name first, then its name, whole or not at all.
//!
//! *Floor 3.* Knows directories, descriptors and space; does not know requests.
//!
//! The idea: `O_TMPFILE` makes a file that no name leads to, and linkat(2) gives it one. Until then
//! nothing of it can be seen, and if the process ends there is nothing to clean up. Where a file
//! system has no such files (FUSE, NFS, FAT), a hidden name stands in, and renameat2(2) with
//! `RENAME_NOREPLACE` gives the real one; what a crash leaves of that is taken away at the next
//! start, unless its lock says that it is another server's.
//!
//! Every directory on the way is opened by one name that is no link, from the directory above it.
//! So there is no path that could be swapped meanwhile.
//!
//! *References:* open(2) `O_TMPFILE`, flock(2).

mod at_once;
mod failure;
mod growing;
mod naming;
mod quota;
mod stamps;
mod tally;
mod unfinished;
mod unpublished;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;

use at_once::{AtOnce, Counted};
use growing::{GrowingFiles, Growth};
use naming::{DIRECTORY, MadeDirectory, NameGiving, sync, sync_directory, wanted_of};
use quota::Quota;
use stamps::Stamps;
use unfinished::{modified, sweep};
use unpublished::{FILE_MODE, Unpublished, nameless};

use crate::service::opening::load::drop_elsewhere;
use crate::service::options::{OnConflict, UploadConfig};
pub(super) use failure::Failure;
pub use tally::{UploadTallies, UploadTally};
pub(super) use unfinished::UploadToken;

/// How long the rest of an upload that broke off may take to be written before it is told how far it came.
const WRITTEN_WITHIN: Duration = Duration::from_millis(300);
/// How often it is looked for uploads that are not gone on with.
const SWEEP_EVERY_SECONDS: i64 = 60 * 60;
/// How deep the look for what a crash has left goes.
const SWEEP_DEPTH_MAX: usize = 32;

/// A directory that takes uploads, and what they have taken so far. One for all loops.
pub(crate) struct Store {
    root: Arc<OwnedFd>,
    quota: Quota,
    durable: bool,
    at_once: AtOnce,
    tallies: UploadTallies,
    stamps: Stamps,
    /// What is being received, if that may be read meanwhile.
    growing: Option<GrowingFiles>,
    /// When unfinished uploads were last looked for, in seconds since 1970.
    swept_at: AtomicI64,
    /// Held where a look at a name and what follows from it must not be parted.
    names: Mutex<()>,
}

impl Store {
    /// Opens the directory and takes away what a crash has left in it.
    pub(crate) fn open(directory: &Path, config: &UploadConfig) -> io::Result<Arc<Self>> {
        let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
        let root = Arc::new(openat(CWD, directory, follow, Mode::empty())?);
        // A probe: a directory that cannot be written is a slip of the keyboard.
        let probe =
            nameless(Arc::clone(&root), OFlags::WRONLY).map_err(|failure| match failure {
                Failure::Forbidden => io::Error::from(io::ErrorKind::PermissionDenied),
                Failure::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
                _ => io::Error::other("files cannot be created in it"),
            })?;
        // The time as this file system has it.
        let now = probe.fd.as_ref().map_or(0, modified);
        let stamps = Stamps::of(probe.fd.as_ref());
        drop(probe);
        let swept = sweep(root.as_fd(), SWEEP_DEPTH_MAX, now);
        Ok(Arc::new(Self {
            root,
            quota: Quota::new(config, swept.kept),
            durable: config.durable,
            at_once: AtOnce::new(config.at_once_max),
            tallies: UploadTallies::default(),
            stamps,
            growing: config.follow.then(GrowingFiles::default),
            swept_at: AtomicI64::new(now),
            names: Mutex::default(),
        }))
    }

    pub(crate) const fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    pub(crate) const fn growing(&self) -> Option<&GrowingFiles> {
        self.growing.as_ref()
    }

    pub(crate) fn tallies(&self) -> UploadTallies {
        self.tallies.clone()
    }

    pub(crate) const fn file_bytes_max(&self) -> u64 {
        self.quota.file_max()
    }

    /// The place at a relative path whose names were checked. Nothing is made yet.
    pub(crate) fn find(&self, path: &[u8]) -> Result<Destination, Failure> {
        // A file without a name is refused there as if rights were missing (EPERM).
        if rustix::fs::fstat(&self.root).is_ok_and(|stat| stat.st_nlink == 0) {
            return Err(Failure::RootGone);
        }
        let mut place = Destination {
            directory: Arc::clone(&self.root),
            missing: Vec::new(),
        };
        let names = path.split(|byte| *byte == b'/');
        for name in names.filter(|name| !name.is_empty()) {
            let name = CString::new(name).map_err(|_| Failure::NotAFile)?;
            if place.missing.is_empty() {
                match openat(place.directory.as_fd(), &name, DIRECTORY, Mode::empty()) {
                    Err(Errno::NOENT) => place.missing.push(name),
                    other => place.directory = Arc::new(other?),
                }
            } else {
                place.missing.push(name);
            }
        }
        Ok(place)
    }

    /// A new file in this place that cannot be seen yet.
    pub(crate) fn begin(self: &Arc<Self>, place: Destination) -> Result<Unnamed, Failure> {
        // For writing at least: flock(2) over NFS asks for that.
        let access = match self.growing {
            Some(_) => OFlags::RDWR,
            None => OFlags::WRONLY,
        };
        Ok(Unnamed {
            counted: Some(self.at_once.begin(None)?),
            store: Arc::clone(self),
            content: nameless(place.directory, access)?,
            missing: place.missing,
            bytes: 0,
            growth: None,
            ending: Ending::Dropped,
        })
    }

    /// A place for a file that comes in parts; see [`Store::resume`].
    pub(crate) fn begin_resumable(&self) -> Result<UploadToken, Failure> {
        let token = UploadToken::random();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fresh = openat(&self.root, token.name(), flags, FILE_MODE)?;
        self.sweep_again(modified(&fresh));
        Ok(token)
    }

    /// Takes away uploads that are too old, at most once an hour.
    fn sweep_again(&self, now: i64) {
        let last = self.swept_at.load(Relaxed);
        let is_first = || {
            let swapped = self.swept_at.compare_exchange(last, now, Relaxed, Relaxed);
            swapped.is_ok()
        };
        if now - last >= SWEEP_EVERY_SECONDS && is_first() {
            self.quota
                .give_back(sweep(self.root.as_fd(), 0, now).removed);
        }
    }

    /// What was begun under this token, to go on behind what it holds. All such files lie in the
    /// upload directory itself, so that the token is enough to find them; the file gets its place
    /// below `folder` with its name.
    pub(crate) fn resume(
        self: &Arc<Self>,
        folder: &[u8],
        token: UploadToken,
    ) -> Result<Unnamed, Failure> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let name = token.name();
        let fd = match openat(&self.root, &name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Err(Failure::Unknown),
            other => other?,
        };
        // PITFALL: the lock, and then the length. The connection before this one may not know yet
        // that its client has left, and may still write (`an_upload_goes_on_where_it_stopped`).
        flock(&fd, FlockOperation::NonBlockingLockExclusive).map_err(|_| Failure::InUse)?;
        let stat = rustix::fs::fstat(&fd)?;
        if stat.st_nlink == 0 {
            return Err(Failure::Unknown);
        }
        let names = folder.split(|byte| *byte == b'/');
        let names = names.filter(|name| !name.is_empty()).map(wanted_of);
        Ok(Unnamed {
            counted: None,
            store: Arc::clone(self),
            content: Unpublished {
                directory: Arc::clone(&self.root),
                fd: Some(fd),
                name: Some(name),
            },
            missing: names.collect::<Result<_, _>>()?,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            growth: None,
            ending: Ending::Stays,
        })
    }

    /// How much of it is here.
    ///
    /// PITFALL: what has come of a connection that broke may still be written, and would be behind what
    /// is told. A sender that goes on is not waited for longer than that takes.
    pub(crate) fn resumable_len(&self, token: UploadToken) -> Result<u64, Failure> {
        self.at_once.wait_for_end(token, WRITTEN_WITHIN);
        match rustix::fs::statat(&self.root, token.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Err(Failure::Unknown),
            Err(errno) => Err(errno.into()),
            Ok(stat) => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
        }
    }

    /// Whether a file of that length has room at this place, as far as can be told before it comes.
    pub(crate) fn expect_room(&self, place: &Destination, bytes: u64) -> Result<(), Failure> {
        let room = self.quota.expect(place.directory.as_fd(), bytes);
        if !matches!(room, Err(Failure::QuotaSpent | Failure::NoSpace)) {
            return room;
        }
        // What was given up long ago may be in the way.
        let probe = nameless(Arc::clone(&self.root), OFlags::WRONLY);
        if let Some(fresh) = probe.as_ref().ok().and_then(|probe| probe.fd.as_ref()) {
            self.sweep_again(modified(fresh));
        }
        self.quota.expect(place.directory.as_fd(), bytes)
    }

    fn lock_names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a file is to be.
pub(crate) struct Destination {
    /// The deepest directory on the way that is there.
    directory: Arc<OwnedFd>,
    /// The names below it that are not.
    missing: Vec<CString>,
}

impl Destination {
    /// The place itself, if it is there.
    pub(crate) fn directory(&self) -> Option<BorrowedFd<'_>> {
        self.missing.is_empty().then(|| self.directory.as_fd())
    }
}

/// A file without a name, or with a hidden one.
pub(crate) struct Unnamed {
    store: Arc<Store>,
    content: Unpublished,
    /// The directories that are to be made for it.
    missing: Vec<CString>,
    /// So much room it takes; given back if it gets no name.
    bytes: u64,
    growth: Option<Growth>,
    ending: Ending,
    /// Until it is closed: the last of these fields.
    counted: Option<Counted>,
}

/// What becomes of a file that is received no more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nothing of it is left.
    Dropped,
    /// It is to be gone on with.
    Stays,
    /// It got its name.
    Named,
}

/// What a file is called now.
pub(crate) struct NamedFile {
    pub(crate) name: Vec<u8>,
    pub(crate) file: OwnedFd,
    /// Whether it took the place of another.
    pub(crate) replaced: bool,
}

impl Unnamed {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts it among those that are received, as what may be gone on with under this token.
    pub(crate) fn receive(&mut self, token: UploadToken) -> Result<(), Failure> {
        self.counted = Some(self.store.at_once.begin(Some(token))?);
        Ok(())
    }

    /// Lets it be read under this path while it comes, if that is wanted.
    pub(crate) fn let_follow(&mut self, path: Vec<u8>) {
        if let (Some(growing), Some(file)) = (&self.store.growing, &self.content.fd)
            && let Ok(file) = file.try_clone()
        {
            self.growth = Some(growing.begin(path, file, self.bytes));
        }
    }

    pub(crate) const fn can_be_followed(&self) -> bool {
        self.growth.is_some()
    }

    /// What it holds, to be read: of one that is gone on with.
    pub(crate) fn fd(&self) -> Result<&OwnedFd, Failure> {
        self.content.fd.as_ref().ok_or(Failure::Broken)
    }

    /// Ends it, however much it holds: its name is gone when the client is told so.
    pub(crate) fn discard(mut self) {
        self.ending = Ending::Dropped;
        if let Some(name) = self.content.name.take() {
            let _ = unlinkat(&self.content.directory, name, AtFlags::empty());
        }
    }

    /// Takes back what was appended behind `bytes`, of one that is gone on with.
    pub(crate) fn cut(&mut self, bytes: u64) -> Result<(), Failure> {
        // What cannot be taken back is not to be gone on with.
        rustix::fs::ftruncate(self.fd()?, bytes).inspect_err(|_| self.ending = Ending::Dropped)?;
        self.store.quota.give_back(self.bytes.saturating_sub(bytes));
        self.bytes = bytes;
        Ok(())
    }

    /// Appends. What fails here is over: its room is free again before another file needs it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.append(bytes);
        if written.is_err() && self.ending == Ending::Stays {
            // Part of it may be there.
            let here = self
                .content
                .fd
                .as_ref()
                .and_then(|fd| rustix::fs::fstat(fd).ok());
            let here = here.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
            self.store.quota.give_back(self.bytes.saturating_sub(here));
            self.bytes = self.bytes.min(here);
        } else if written.is_err() {
            self.store.quota.give_back(std::mem::take(&mut self.bytes));
            self.content.fd = None;
        }
        written
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let fd = self.content.fd.as_ref().ok_or(Failure::Broken)?;
        let (directory, len) = (self.content.directory.as_fd(), bytes.len() as u64);
        self.store.quota.take(directory, self.bytes, len)?;
        self.bytes += len;
        while !bytes.is_empty() {
            match rustix::io::write(fd, bytes) {
                Ok(0) => return Err(Failure::NoSpace),
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if let Some(growth) = &self.growth {
            growth.grew(len);
        }
        Ok(())
    }

    /// Gives it its name, unless `check` refuses what is there; nothing comes between the two.
    pub(crate) fn publish<E: From<Failure>>(
        mut self,
        name: &[u8],
        on_conflict: OnConflict,
        check: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<(), E>,
    ) -> Result<NamedFile, E> {
        let store = Arc::clone(&self.store);
        let file = self.content.fd.as_ref().ok_or(Failure::Broken)?;
        if store.durable {
            sync(file)?;
        }
        let wanted = wanted_of(name)?;
        let lock = store.lock_names();
        let made = MadeDirectory::below(&self.content.directory, &self.missing)?;
        check(made.directory.as_fd(), &wanted)?;
        let Unpublished {
            directory,
            name: hidden,
            ..
        } = &self.content;
        let to = NameGiving {
            hidden: hidden.as_deref().map(|hidden| (&**directory, hidden)),
            file,
            to: &made.directory,
        };
        let (name, replaced) = match on_conflict {
            OnConflict::Refuse => to.link(&wanted).map(|()| (wanted, false)),
            OnConflict::Replace => to.replace(&wanted).map(|there| (wanted, there)),
            OnConflict::Rename => to.link_numbered(name).map(|name| (name, false)),
        }?;
        (self.content.name, self.bytes, self.ending) = (None, 0, Ending::Named);
        store.tallies.keep();
        if let Some(growth) = &self.growth {
            growth.whole();
        }
        let file = self.content.fd.take().ok_or(Failure::Broken)?;
        let changed = made.keep();
        drop(lock);
        if store.durable {
            changed.iter().try_for_each(sync_directory)?;
        }
        Ok(NamedFile {
            name: name.into_bytes(),
            file,
            replaced,
        })
    }
}

/// PITFALL: on a loop, perhaps. The last descriptor of a file without a name frees all that it
/// holds, which takes long for gigabytes, and unlinking a hidden name waits for its disk
/// (`a_disk_that_hangs_stops_nobody`).
impl Drop for Unnamed {
    fn drop(&mut self) {
        match self.ending {
            Ending::Named => return,
            Ending::Stays if self.content.fd.is_some() => {
                self.content.name = None;
                return;
            }
            Ending::Stays | Ending::Dropped => self.store.tallies.drop_one(),
        }
        self.store.quota.give_back(self.bytes);
        if self.content.fd.is_some() {
            drop_elsewhere(Unpublished {
                directory: Arc::clone(&self.content.directory),
                fd: self.content.fd.take(),
                name: self.content.name.take(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::Duration;

    use super::*;
    use crate::http::Tick;

    /// A quota that abandoned uploads have used up is free again after a day, whatever is sent next.
    #[test]
    fn what_was_given_up_is_swept_before_a_refusal() {
        let root = tempfile::tempdir().unwrap();
        let part = root.path().join(".httpoll-part-of-0000000000000001");
        fs::write(&part, [b'x'; 90]).unwrap();
        let config = UploadConfig {
            quota_bytes: Some(100),
            reserve_bytes: 0,
            ..UploadConfig::default()
        };
        let store = Store::open(root.path(), &config).unwrap();
        let expect = |bytes| store.expect_room(&store.find(b"").unwrap(), bytes);
        assert_eq!(expect(10), Ok(()));
        assert_eq!(expect(11), Err(Failure::QuotaSpent));
        let old = Tick::for_tests().wall - Duration::from_secs(25 * 60 * 60);
        let file = File::options().write(true).open(&part).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        assert_eq!(expect(11), Err(Failure::QuotaSpent), "once an hour");
        store.swept_at.fetch_sub(SWEEP_EVERY_SECONDS, Relaxed);
        assert_eq!(expect(11), Ok(()));
        assert!(!part.exists());
    }
}
