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
//! *References:* open(2) `O_TMPFILE`, linkat(2), rename(2), flock(2).

use std::ffi::{CStr, CString};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, linkat, mkdirat,
    openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::name::{PART_PREFIX, numbered};
use crate::service::opening::load::close_elsewhere;
use crate::service::options::{OnConflict, UploadConfig};

/// So many names are tried before a conflict is given up.
const RENAMES_MAX: u32 = 1_000;
/// How often the free space of the file system is looked at, in bytes written.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;
/// How deep the look for what a crash has left goes.
const SWEEP_DEPTH_MAX: usize = 32;

/// Why something could not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Something of this name is there already.
    Exists,
    /// What is there is no file, or a name on the way is no directory.
    NotAFile,
    /// One file may not be so long.
    TooLong,
    /// All uploads together may not take more.
    QuotaSpent,
    /// The disk is full, or as full as it may get.
    NoSpace,
    /// The server may not write there.
    Forbidden,
    /// Out of descriptors or memory; it passes.
    Busy,
    /// The disk failed.
    Broken,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EXIST | Errno::NOTEMPTY => Self::Exists,
            Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => Self::NotAFile,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::MLINK => Self::NoSpace,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => Self::Busy,
            _ => Self::Broken,
        }
    }
}

/// A directory that takes uploads, and what they have taken so far. One for all loops.
pub(super) struct Store {
    root: OwnedFd,
    file_bytes_max: u64,
    quota_bytes: Option<u64>,
    reserve_bytes: u64,
    durable: bool,
    used: AtomicU64,
    /// Held where a look at a name and what follows from it must not be parted.
    names: Mutex<()>,
}

impl Store {
    /// Opens the directory and takes away what a crash has left in it.
    pub(super) fn open(directory: &Path, config: &UploadConfig) -> io::Result<Arc<Self>> {
        let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
        let store = Arc::new(Self {
            root: openat(CWD, directory, follow, Mode::empty())?,
            file_bytes_max: config.file_bytes_max,
            quota_bytes: config.quota_bytes,
            reserve_bytes: config.reserve_bytes,
            durable: config.durable,
            used: AtomicU64::new(0),
            names: Mutex::default(),
        });
        // A probe: a directory that cannot be written is a slip of the keyboard.
        drop(
            store
                .begin(store.root.try_clone()?)
                .map_err(|failure| match failure {
                    Failure::Forbidden => io::Error::from(io::ErrorKind::PermissionDenied),
                    Failure::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
                    _ => io::Error::other("files cannot be created in it"),
                })?,
        );
        sweep(store.root.as_fd(), SWEEP_DEPTH_MAX);
        Ok(store)
    }

    pub(super) const fn file_bytes_max(&self) -> u64 {
        self.file_bytes_max
    }

    /// The directory at a relative path whose names were checked, made where it is missing.
    pub(super) fn directory(&self, path: &[u8]) -> Result<MadeDirectory, Failure> {
        let mut made = MadeDirectory {
            directory: self.root.try_clone().map_err(|_| Failure::Busy)?,
            fresh: Vec::new(),
        };
        for name in path
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            let name = CString::new(name).map_err(|_| Failure::NotAFile)?;
            let below = match openat(&made.directory, &name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match mkdirat(&made.directory, &name, DIRECTORY_MODE) {
                        Ok(()) => {
                            let above = made.directory.try_clone().map_err(|_| Failure::Busy)?;
                            made.fresh.push((above, name.clone()));
                        }
                        // Another upload was first.
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                    openat(&made.directory, &name, DIRECTORY, Mode::empty())?
                }
                other => other?,
            };
            made.directory = below;
        }
        Ok(made)
    }

    /// A new file in `directory` that cannot be seen yet.
    pub(super) fn begin(self: &Arc<Self>, directory: OwnedFd) -> Result<Unnamed, Failure> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let (fd, name) = match openat(&directory, c".", flags | OFlags::TMPFILE, FILE_MODE) {
            Ok(fd) => (fd, None),
            // EISDIR: a kernel or a file system that has never heard of it (open(2)).
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                let (fd, name) = Self::hidden(&directory, flags)?;
                (fd, Some(name))
            }
            Err(errno) => return Err(errno.into()),
        };
        Ok(Unnamed {
            store: Arc::clone(self),
            directory,
            fd: Some(fd),
            name,
            bytes: 0,
        })
    }

    /// A new file with a hidden name, locked so that no other server takes it for left over.
    fn hidden(directory: &OwnedFd, flags: OFlags) -> Result<(OwnedFd, CString), Failure> {
        loop {
            let name = Self::hidden_name();
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            match openat(directory, &name, flags, FILE_MODE) {
                Ok(fd) => {
                    let _ = flock(&fd, FlockOperation::NonBlockingLockExclusive);
                    return Ok((fd, name));
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn hidden_name() -> CString {
        // Another server may use the same directory: no name is likely to be there already.
        let text = format!("{:016x}", RandomState::new().hash_one(0_u8));
        let name = [PART_PREFIX, text.as_bytes()].concat();
        CString::new(name).unwrap_or_default()
    }

    /// Takes room for `bytes` more of a file that holds `so_far`.
    fn take(&self, directory: BorrowedFd<'_>, so_far: u64, bytes: u64) -> Result<(), Failure> {
        if so_far + bytes > self.file_bytes_max {
            return Err(Failure::TooLong);
        }
        let before = self.used.fetch_add(bytes, Relaxed);
        let failure = if self.quota_bytes.is_some_and(|quota| before + bytes > quota) {
            Failure::QuotaSpent
        } else if so_far / LOOK_EVERY != (so_far + bytes) / LOOK_EVERY || so_far == 0 {
            match self.has_room(directory, bytes) {
                true => return Ok(()),
                false => Failure::NoSpace,
            }
        } else {
            return Ok(());
        };
        self.give_back(bytes);
        Err(failure)
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// Whether the file system holds that much and the reserve. One that does not say is believed
    /// to.
    pub(super) fn has_room(&self, directory: BorrowedFd<'_>, bytes: u64) -> bool {
        let Ok(stat) = rustix::fs::fstatvfs(directory) else {
            return true;
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        stat.f_blocks == 0 || free >= bytes.saturating_add(self.reserve_bytes)
    }

    fn lock_names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory, and those on the way that were made for it.
pub(super) struct MadeDirectory {
    directory: OwnedFd,
    fresh: Vec<(OwnedFd, CString)>,
}

impl MadeDirectory {
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.directory
    }

    /// They have something to hold now.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
    }
}

/// Directories that were made for an upload that failed are taken away again, if they are empty.
impl Drop for MadeDirectory {
    fn drop(&mut self) {
        while let Some((above, name)) = self.fresh.pop() {
            let _ = unlinkat(above, name, AtFlags::REMOVEDIR);
        }
    }
}

/// A file without a name, or with a hidden one.
pub(super) struct Unnamed {
    store: Arc<Store>,
    directory: OwnedFd,
    /// Gone once it has its name.
    fd: Option<OwnedFd>,
    name: Option<CString>,
    /// So much room it takes; given back if it gets no name.
    bytes: u64,
}

/// What a file is called now.
pub(super) struct NamedFile {
    pub(super) name: Vec<u8>,
    pub(super) file: OwnedFd,
    /// Whether it took the place of another.
    pub(super) replaced: bool,
}

impl Unnamed {
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let len = bytes.len() as u64;
        self.store.take(self.directory.as_fd(), self.bytes, len)?;
        self.bytes += len;
        let fd = self.fd.as_ref().ok_or(Failure::Broken)?;
        while !bytes.is_empty() {
            match rustix::io::write(fd, bytes) {
                Ok(0) => return Err(Failure::NoSpace),
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Gives it its name, unless `check` refuses what is there; nothing comes between the two.
    pub(super) fn publish<E: From<Failure>>(
        mut self,
        name: &[u8],
        on_conflict: OnConflict,
        check: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<(), E>,
    ) -> Result<NamedFile, E> {
        let store = Arc::clone(&self.store);
        let file = self.fd.take().ok_or(Failure::Broken)?;
        if store.durable {
            rustix::fs::fsync(&file).map_err(Failure::from)?;
        }
        let wanted = CString::new(name).map_err(|_| Failure::NotAFile)?;
        let lock = store.lock_names();
        check(self.directory.as_fd(), &wanted)?;
        let (name, replaced) = match on_conflict {
            OnConflict::Refuse => self.link(&file, &wanted).map(|()| (wanted, false)),
            OnConflict::Replace => self.replace(&file, &wanted).map(|there| (wanted, there)),
            OnConflict::Rename => self.link_numbered(&file, name).map(|name| (name, false)),
        }?;
        drop(lock);
        (self.name, self.bytes) = (None, 0);
        if store.durable {
            self.sync_directory()?;
        }
        Ok(NamedFile {
            name: name.into_bytes(),
            file,
            replaced,
        })
    }

    fn link(&self, file: &OwnedFd, name: &CStr) -> Result<(), Failure> {
        match &self.name {
            Some(hidden) => no_replace(&self.directory, hidden, name),
            None => link_unnamed(file, &self.directory, name),
        }
    }

    fn link_numbered(&self, file: &OwnedFd, name: &[u8]) -> Result<CString, Failure> {
        for number in 0..RENAMES_MAX {
            let name = wanted_of(&numbered(name, number))?;
            match self.link(file, &name) {
                Err(Failure::Exists) => {}
                Err(failure) => return Err(failure),
                Ok(()) => return Ok(name),
            }
        }
        Err(Failure::Exists)
    }

    /// Takes the name, whatever stands there; whether something did. A file without a name must
    /// have a hidden one first: linkat(2) replaces nothing.
    fn replace(&self, file: &OwnedFd, name: &CStr) -> Result<bool, Failure> {
        let there = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        match there.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Err(Errno::NOENT) => match self.link(file, name) {
                Err(Failure::Exists) => {}
                other => return other.map(|()| false),
            },
            Ok(FileType::RegularFile | FileType::Symlink) => {}
            Ok(_) => return Err(Failure::NotAFile),
            Err(errno) => return Err(errno.into()),
        }
        let hidden = match &self.name {
            Some(hidden) => hidden.clone(),
            None => {
                let hidden = Store::hidden_name();
                link_unnamed(file, &self.directory, &hidden)?;
                hidden
            }
        };
        let flags = RenameFlags::empty();
        match renameat_with(&self.directory, &hidden, &self.directory, name, flags) {
            Ok(()) => Ok(true),
            Err(errno) => {
                let _ = unlinkat(&self.directory, &hidden, AtFlags::empty());
                Err(errno.into())
            }
        }
    }

    /// The name is safe only when the directory is (fsync(2)).
    fn sync_directory(&self) -> Result<(), Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.directory, c".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(directory)?)
    }
}

/// PITFALL: the last descriptor of a file without a name frees all that it holds, which takes
/// long for gigabytes; and it may be dropped on a loop.
impl Drop for Unnamed {
    fn drop(&mut self) {
        self.store.give_back(self.bytes);
        if let Some(name) = &self.name {
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
        if let Some(fd) = self.fd.take() {
            close_elsewhere(fd);
        }
    }
}

fn wanted_of(name: &[u8]) -> Result<CString, Failure> {
    CString::new(name).map_err(|_| Failure::NotAFile)
}

/// By its descriptor (linkat(2) asks for a capability), else by the name that proc(5) has for it.
fn link_unnamed(file: &OwnedFd, directory: &OwnedFd, name: &CStr) -> Result<(), Failure> {
    match linkat(file, c"", directory, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)?)
        }
        other => Ok(other?),
    }
}

/// A file system without `RENAME_NOREPLACE` has links, mostly.
fn no_replace(directory: &OwnedFd, hidden: &CStr, name: &CStr) -> Result<(), Failure> {
    match renameat_with(directory, hidden, directory, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            linkat(directory, hidden, directory, name, AtFlags::empty())?;
            Ok(unlinkat(directory, hidden, AtFlags::empty())?)
        }
        other => Ok(other?),
    }
}

/// Takes away what uploads have left that a crash has cut off: what nobody has locked.
fn sweep(directory: BorrowedFd<'_>, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = openat(directory, c".", flags, Mode::empty());
    let Some(entries) = opened.ok().and_then(|fd| Dir::new(fd).ok()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_bytes().starts_with(PART_PREFIX) {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let file = openat(directory, name, flags, Mode::empty());
            if file.is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok())
            {
                let _ = unlinkat(directory, name, AtFlags::empty());
            }
        } else if depth > 0
            && entry.file_type() == FileType::Directory
            && !matches!(name.to_bytes(), b"." | b"..")
            && let Ok(below) = openat(directory, name, flags, Mode::empty())
        {
            sweep(below.as_fd(), depth - 1);
        }
    }
}

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// What the umask leaves of them.
const FILE_MODE: Mode = Mode::from_bits_retain(0o666);
const DIRECTORY_MODE: Mode = Mode::from_bits_retain(0o777);
