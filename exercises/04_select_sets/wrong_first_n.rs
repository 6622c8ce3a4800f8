//! Takes the number that select returns for the first so many of the list:
//! client 0 is reported and has sent nothing

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
        let n = select(highest + 1, &mut answer)?;
        Ok(self.fds.iter().take(n).copied().collect())
    }
}
