//! The thread that looks at what inotify tells, and has open pages told.
//!
//! *Floor 4.* Knows when to look; what is watched, and who is told, is the service's.
//!
//! An edit is many events (a truncation, a write, a rename), and a build is many edits. So it looks,
//! and then looks again until nothing more has come for a moment; a build that does not pause is told
//! of all the same.

#![expect(clippy::disallowed_methods, reason = "its one thread starts here")]

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::driver::observe::log::AccessLog;
use crate::service::{LiveReload, TreeWatcher};

/// How long nothing more has to come.
const QUIET: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 60_000_000,
};

/// How often that is waited for: ten times are 0.6 s.
const LOOKS_MAX: usize = 10;

/// The thread at work.
pub(super) struct Reloading {
    /// Closed to end it.
    stop: UnixStream,
    reload: LiveReload,
    thread: thread::JoinHandle<()>,
}

impl Reloading {
    /// Says through `told` when there is more than can be watched.
    pub(super) fn start(
        tree: TreeWatcher,
        reload: LiveReload,
        told: Option<AccessLog>,
    ) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let watch = FileWatch {
            tree,
            reload: reload.clone(),
            told,
            stopped,
        };
        let thread = thread::Builder::new().name("watch".into());
        let thread = thread.spawn(move || watch.run())?;
        Ok(Self {
            stop,
            reload,
            thread,
        })
    }

    /// Ends the streams of events, which a stop would wait for, and the thread.
    pub(super) fn end(self) {
        self.reload.end();
        drop(self.stop);
        let _ = self.thread.join();
    }
}

struct FileWatch {
    tree: TreeWatcher,
    reload: LiveReload,
    /// Where it is said that not all is watched, until that was said.
    told: Option<AccessLog>,
    stopped: UnixStream,
}

impl FileWatch {
    fn run(mut self) {
        self.say_if_incomplete();
        while self.wait_for_change() {
            let mut change = self.tree.take();
            for _ in 0..LOOKS_MAX {
                if self.is_stopped_within(&QUIET) {
                    return;
                }
                let more = self.tree.take();
                change = change.max(more);
                if more.is_none() {
                    break;
                }
            }
            self.say_if_incomplete();
            if let Some(change) = change {
                self.reload.tell(change);
            }
        }
    }

    /// Whether there is something to look at; else it is to end.
    fn wait_for_change(&self) -> bool {
        loop {
            let mut both = [
                PollFd::new(&self.stopped, PollFlags::IN),
                PollFd::from_borrowed_fd(self.tree.as_fd(), PollFlags::IN),
            ];
            match poll(&mut both, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => return both[0].revents().is_empty(),
            }
        }
    }

    fn is_stopped_within(&self, moment: &Timespec) -> bool {
        let mut stopped = [PollFd::new(&self.stopped, PollFlags::IN)];
        // A signal makes the moment shorter.
        poll(&mut stopped, Some(moment)).is_ok_and(|ready| ready > 0)
    }

    fn say_if_incomplete(&mut self) {
        if !self.tree.is_incomplete() {
            return;
        }
        if let Some(told) = self.told.take() {
            told.say(
                "httpoll: not all directories are watched, there are too many (see sysctl \
                 fs.inotify.max_user_watches): pages do not reload for the rest\n"
                    .into(),
            );
        }
    }
}
