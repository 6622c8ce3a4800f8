//! A call with a time-out, as a test wants it.

use std::io;

/// Calls until it is no signal that ended the wait. A socket with a time-out is not restarted by the
/// kernel, not even after a mere stop and going on (signal(7)).
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
