//! Right, until the 1,025th descriptor is opened:
//! FD_SET(1500): the set has 1024 bits, this writes behind it

use std::io;
use std::os::fd::RawFd;

use exercises::select::{FdSet, select};

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

    pub fn ready(&mut self) -> io::Result<Vec<RawFd>> {
        let highest = self.fds.iter().max().copied().unwrap_or(0);
        let mut answer = self.set.clone();
        select(highest + 1, &mut answer)?;
        let ready = self.fds.iter().filter(|fd| answer.contains(**fd));
        Ok(ready.copied().collect())
    }
}
