//! How a file that is whole gets its name, and the directories on the way to it.
//!
//! *Floor 3.* Knows names, links and descriptors; what it holds was written by `store.rs`, which also
//! holds the lock of names meanwhile.
//!
//! *References:* linkat(2), rename(2), flock(2), fsync(2).

use std::ffi::{CStr, CString};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, linkat, mkdirat,
    openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::failure::Failure;
use crate::service::options::PART_PREFIX;
use crate::service::upload::name::numbered;

/// The numbers of names go up to here before a conflict is given up.
const NUMBER_MAX: u32 = 999;

/// A directory, and those on the way that were made for it.
///
/// PITFALL: made only when there is something to put in, and under the lock of names. Made earlier,
/// they would be seen empty, stay so after a crash, and be taken away from an upload that found
/// them there by the one that made them and failed
/// (`an_upload_that_fails_takes_no_directory_from_another`).
pub(super) struct MadeDirectory {
    pub(super) directory: OwnedFd,
    fresh: Vec<(OwnedFd, CString)>,
}

impl MadeDirectory {
    pub(super) fn below(directory: &OwnedFd, missing: &[CString]) -> Result<Self, Failure> {
        let clone = |directory: &OwnedFd| directory.try_clone().map_err(|_| Failure::Busy);
        let mut made = Self {
            directory: clone(directory)?,
            fresh: Vec::new(),
        };
        for name in missing {
            let above = clone(&made.directory)?;
            match mkdirat(&above, name, DIRECTORY_MODE) {
                Ok(()) => made.fresh.push((above, name.clone())),
                // Another upload was first.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            made.directory = openat(&made.directory, name, DIRECTORY, Mode::empty())?;
        }
        Ok(made)
    }

    /// They have something to hold now. Those that got a new name, the last one first.
    pub(super) fn keep(mut self) -> Vec<OwnedFd> {
        let fresh = std::mem::take(&mut self.fresh).into_iter().rev();
        let above = fresh.map(|(above, _)| above);
        let directory = self.directory.try_clone().ok();
        directory.into_iter().chain(above).collect()
    }
}

impl Drop for MadeDirectory {
    fn drop(&mut self) {
        while let Some((above, name)) = self.fresh.pop() {
            let _ = unlinkat(above, name, AtFlags::REMOVEDIR);
        }
    }
}

/// A file on its way to a name in the directory `to`, under the lock of names.
pub(super) struct NameGiving<'a> {
    /// The hidden name that it has meanwhile, if it has any.
    pub(super) hidden: Option<NameIn<'a>>,
    pub(super) file: &'a OwnedFd,
    pub(super) to: &'a OwnedFd,
}

impl NameGiving<'_> {
    pub(super) fn link(&self, name: &CStr) -> Result<(), Failure> {
        match self.hidden {
            Some(hidden) => no_replace(hidden, (self.to, name)),
            None => link_unnamed(self.file, self.to, name),
        }
    }

    /// Gives it its name, or one with a number where that is taken. A free number is looked for in
    /// steps that double and then between the last two, because others wait for the lock of names: a
    /// thousand files of one form that were all called `image.jpg` would take half a million tries.
    /// Between numbers with gaps it may not be the lowest.
    pub(super) fn link_numbered(&self, name: &[u8]) -> Result<CString, Failure> {
        let is_taken = |number| -> Result<bool, Failure> {
            let name = wanted_of(&numbered(name, number))?;
            Ok(rustix::fs::statat(self.to, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
        };
        let (mut taken, mut free) = (0, 0);
        while free <= NUMBER_MAX && is_taken(free)? {
            (taken, free) = (free, 2 * free + 1);
        }
        free = free.min(NUMBER_MAX + 1);
        while free > taken + 1 {
            let middle = taken + (free - taken) / 2;
            match is_taken(middle)? {
                true => taken = middle,
                false => free = middle,
            }
        }
        // Another program may take it first.
        for number in free..=NUMBER_MAX {
            let name = wanted_of(&numbered(name, number))?;
            match self.link(&name) {
                Err(Failure::Exists) => {}
                Err(failure) => return Err(failure),
                Ok(()) => return Ok(name),
            }
        }
        Err(Failure::Exists)
    }

    /// Takes the name, whatever stands there; whether something did. A file without a name must
    /// have a hidden one first: linkat(2) replaces nothing.
    pub(super) fn replace(&self, name: &CStr) -> Result<bool, Failure> {
        let there = rustix::fs::statat(self.to, name, AtFlags::SYMLINK_NOFOLLOW);
        match there.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Err(Errno::NOENT) => match self.link(name) {
                Err(Failure::Exists) => {}
                other => return other.map(|()| false),
            },
            Ok(FileType::RegularFile | FileType::Symlink) => {}
            Ok(_) => return Err(Failure::NotAFile),
            Err(errno) => return Err(errno.into()),
        }
        match self.hidden {
            Some(hidden) => rename(hidden, (self.to, name))?,
            None => {
                let hidden = self.link_hidden()?;
                rename((self.to, &hidden), (self.to, name)).inspect_err(|_| {
                    let _ = unlinkat(self.to, &hidden, AtFlags::empty());
                })?;
            }
        }
        Ok(true)
    }

    /// A hidden name, locked so that no other server takes it for left over.
    fn link_hidden(&self) -> Result<CString, Failure> {
        let _ = flock(self.file, FlockOperation::NonBlockingLockExclusive);
        let hidden = hidden_name();
        link_unnamed(self.file, self.to, &hidden)?;
        Ok(hidden)
    }
}

/// Whether the file is ours now: locked, and still there.
pub(super) fn lock(file: &OwnedFd) -> bool {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
    rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink > 0)
}

/// fsync(2), where the file system knows it.
pub(super) fn sync(file: &OwnedFd) -> Result<(), Failure> {
    match rustix::fs::fsync(file) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

/// A name is safe only when its directory is (fsync(2)).
pub(super) fn sync_directory(directory: &OwnedFd) -> Result<(), Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    sync(&openat(directory, c".", flags, Mode::empty())?)
}

pub(super) fn wanted_of(name: &[u8]) -> Result<CString, Failure> {
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

/// A name in a directory.
pub(super) type NameIn<'a> = (&'a OwnedFd, &'a CStr);

/// PITFALL: by renameat2(2), which is on the list of `strict` (`the_sandbox_leaves_room_for_uploads`).
fn rename(from: NameIn<'_>, to: NameIn<'_>) -> Result<(), Failure> {
    let renamed = renameat_with(from.0, from.1, to.0, to.1, RenameFlags::empty());
    Ok(renamed?)
}

/// A file system without `RENAME_NOREPLACE` has links, mostly. One that has neither (FAT over FUSE)
/// is looked at first: no other upload comes between, for the lock of names is held.
fn no_replace(from: NameIn<'_>, to: NameIn<'_>) -> Result<(), Failure> {
    match renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        other => return Ok(other?),
    }
    match linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
        Ok(()) => {
            let _ = unlinkat(from.0, from.1, AtFlags::empty());
            return Ok(());
        }
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    match rustix::fs::statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => rename(from, to),
        Err(errno) => Err(errno.into()),
        Ok(_) => Err(Failure::Exists),
    }
}

pub(super) fn hidden_name() -> CString {
    // Another server may use the same directory: no name is likely to be there already.
    let text = format!("{:016x}", RandomState::new().hash_one(0_u8));
    let name = [PART_PREFIX, text.as_bytes()].concat();
    CString::new(name).unwrap_or_default()
}

pub(super) const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// What the umask leaves of them.
const DIRECTORY_MODE: Mode = Mode::from_bits_retain(0o777);
