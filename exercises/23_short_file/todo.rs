//! Your part: see README.md.

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
    let _ = len;
    match file.read_to_end(output) {
        Ok(_) => Sent::All,
        Err(_) => Sent::Cut,
    }
}
