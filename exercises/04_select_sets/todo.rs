//! Your part: see README.md.

use std::io;
use std::os::fd::RawFd;

use exercises::select::{FdSet, select};

/// Who is watched.
#[derive(Default)]
pub struct Watched {
    fds: Vec<RawFd>,
    set: FdSet,
}

impl Watched {
    pub fn watch(&mut self, fd: RawFd) -> io::Result<()> {
        self.fds.push(fd);
        self.set.insert(fd);
        Ok(())
    }

    pub fn unwatch(&mut self, fd: RawFd) {
        self.fds.retain(|other| *other != fd);
        self.set.remove(fd);
    }

    /// Those who can be read from now.
    pub fn ready(&mut self) -> io::Result<Vec<RawFd>> {
        let highest = self.fds.iter().max().copied().unwrap_or(0);
        select(highest + 1, &mut self.set)?;
        let ready = self.fds.iter().filter(|fd| self.set.contains(**fd));
        Ok(ready.copied().collect())
    }
}
