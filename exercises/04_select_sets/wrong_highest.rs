//! The highest descriptor instead of the one behind it: the newest client is never looked at.
//! client 1 has sent something and is not reported: its descriptor is the highest

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
        select(highest, &mut answer)?;
        let ready = self.fds.iter().filter(|fd| answer.contains(**fd));
        Ok(ready.copied().collect())
    }
}
