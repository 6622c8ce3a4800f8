//! Descriptors whose close(2) may wait, closed on a thread of their own.
//!
//! *Floor 4.* FUSE asks its server to flush a file each time a descriptor of it is closed, though
//! it was only read, and close(2) waits for the answer. One thread is enough for all loops: no
//! connection waits for what it does.
//!
//! *References:* close(2).

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The way to the thread, from the first descriptor on.
static THREAD: Mutex<Option<Sender<OwnedFd>>> = Mutex::new(None);

/// Closes it, some time.
pub(crate) fn close_elsewhere(fd: OwnedFd) {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if thread.is_none() {
        *thread = start();
    }
    if let Some(thread) = &*thread {
        // It ends with the process only. Without it, slow is better than never: closed here.
        let _ = thread.send(fd);
    }
}

fn start() -> Option<Sender<OwnedFd>> {
    let (give, take) = channel();
    let work = move || take.iter().for_each(drop);
    let thread = thread::Builder::new().name("close".to_owned()).spawn(work);
    thread.is_ok().then_some(give)
}
