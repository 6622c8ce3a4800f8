//! What may wait when it is dropped, dropped on a thread of its own.
//!
//! *Floor 4.* FUSE asks its server to flush a file each time a descriptor of it is closed, though it
//! was only read, and close(2) waits for the answer; the hidden name of an upload that was broken off
//! is removed from a disk that may hang, and what has come of one that may be gone on with is written to
//! it. One thread is enough for all loops: no connection waits for what it does.
//!
//! *References:* close(2), unlink(2).

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::service::Slow;

/// The way to the thread, from the first of them on.
static THREAD: Mutex<Option<Sender<Slow>>> = Mutex::new(None);

/// Drops it, some time.
pub(crate) fn drop_elsewhere(slow: Slow) {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if thread.is_none() {
        *thread = start();
    }
    if let Some(thread) = &*thread {
        // It ends with the process only. Without it, slow is better than never: dropped here.
        let _ = thread.send(slow);
    }
}

/// Waits, no longer than `patience`, until all is dropped that was given here.
pub(crate) fn wait(patience: Duration) {
    /// Says that it was dropped.
    struct Last(Sender<()>);

    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    let thread = THREAD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(thread) = thread else { return };
    let (dropped, wait) = channel();
    if thread.send(Box::new(Last(dropped))).is_ok() {
        let _ = wait.recv_timeout(patience);
    }
}

fn start() -> Option<Sender<Slow>> {
    let (give, take) = channel::<Slow>();
    let work = move || take.iter().for_each(drop);
    let thread = thread::Builder::new().name("close".to_owned()).spawn(work);
    thread.is_ok().then_some(give)
}
