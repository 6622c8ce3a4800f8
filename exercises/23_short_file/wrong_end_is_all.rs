//! The end of the file is the end of the answer. The client waits for the rest, on a connection that is
//! believed to be free:
//! the file has shrunk: 80 of 100 bytes were sent, and the client waits for the others

use std::io::Read;

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// As promised: the connection can be used again.
    All,
    /// Less than promised: the connection must be closed.
    Cut,
}

/// Sends `len` bytes of `file`.
pub fn send(file: &mut impl Read, len: usize, output: &mut Vec<u8>) -> Sent {
    let mut file = file.take(len as u64);
    match file.read_to_end(output) {
        Ok(_) => Sent::All,
        Err(_) => Sent::Cut,
    }
}
