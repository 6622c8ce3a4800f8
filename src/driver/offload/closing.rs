//! What may wait when it is dropped, dropped on threads of their own.
//!
//! *Floor 4.* FUSE asks its server to flush a file each time a descriptor of it is closed, though it
//! was only read, and close(2) waits for the answer; the hidden name of an upload that was broken off
//! is removed from a disk that may hang. One thread is enough for all loops: no connection waits for
//! what it does. What has come of an upload that may be gone on with is written by another, for the
//! next part waits for that, and so does the end of the server.
//!
//! *References:* close(2), unlink(2).

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::service::Slow;

/// A thread that drops things, from the first of them on. It ends with the process only.
struct Dropper {
    name: &'static str,
    way: Mutex<Option<Sender<Box<dyn Send>>>>,
}

static CLOSING: Dropper = Dropper::new("close");
static WRITING: Dropper = Dropper::new("write rest");

/// Drops it, some time.
pub(crate) fn drop_elsewhere(slow: Slow) {
    match slow {
        Slow::Closing(slow) => CLOSING.drop(slow),
        Slow::Writing(slow) => WRITING.drop(slow),
    }
}

/// Waits, no longer than `patience`, until all is written that was given here.
pub(crate) fn wait(patience: Duration) {
    /// Says that it was dropped.
    struct Last(Sender<()>);

    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    let (dropped, wait) = channel();
    if let Some(way) = WRITING.way(false) {
        // Both fail only if the thread is gone, and then there is nothing to wait for.
        let _ = way.send(Box::new(Last(dropped)));
        let _ = wait.recv_timeout(patience);
    }
}

impl Dropper {
    const fn new(name: &'static str) -> Self {
        let way = Mutex::new(None);
        Self { name, way }
    }

    fn drop(&self, slow: Box<dyn Send>) {
        // Without the thread, slow is better than never: dropped here.
        if let Some(way) = self.way(true) {
            let _ = way.send(slow);
        }
    }

    /// The way to the thread, which is started if need be.
    fn way(&self, starts: bool) -> Option<Sender<Box<dyn Send>>> {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        if way.is_none() && starts {
            let (give, take) = channel::<Box<dyn Send>>();
            let work = move || take.iter().for_each(drop);
            let thread = thread::Builder::new().name(self.name.to_owned());
            *way = thread.spawn(work).is_ok().then_some(give);
        }
        way.clone()
    }
}
