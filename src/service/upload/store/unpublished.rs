//! Files that cannot be seen: where content goes before it has a name.
//!
//! *Floor 3.* Knows how such a file is made, where there are none without a name, too, and that it
//! goes with its descriptor.
//!
//! *References:* open(2) `O_TMPFILE`, flock(2).

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::failure::Failure;
use super::naming::{hidden_name, lock};

/// What of it is on the disk, and goes when it is dropped.
pub(super) struct Unpublished {
    pub(super) directory: Arc<OwnedFd>,
    /// Gone once it has its name.
    pub(super) fd: Option<OwnedFd>,
    pub(super) name: Option<CString>,
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

/// A new file in this directory that cannot be seen.
pub(super) fn nameless(directory: Arc<OwnedFd>, access: OFlags) -> Result<Unpublished, Failure> {
    let flags = access | OFlags::CLOEXEC;
    let (fd, name) = match openat(&directory, c".", flags | OFlags::TMPFILE, FILE_MODE) {
        Ok(fd) => (fd, None),
        // EISDIR: a kernel or a file system that has never heard of it (open(2)).
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
            let (fd, name) = hidden(&directory, flags)?;
            (fd, Some(name))
        }
        Err(errno) => return Err(errno.into()),
    };
    Ok(Unpublished {
        directory,
        fd: Some(fd),
        name,
    })
}

/// A new file with a hidden name, locked so that no other server takes it for left over.
fn hidden(directory: &OwnedFd, flags: OFlags) -> Result<(OwnedFd, CString), Failure> {
    loop {
        let name = hidden_name();
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        match openat(directory, &name, flags, FILE_MODE) {
            Ok(fd) if lock(&fd) => return Ok((fd, name)),
            // Another server, which has just started, took it for left over.
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What the umask leaves of them.
pub(super) const FILE_MODE: Mode = Mode::from_bits_retain(0o666);
