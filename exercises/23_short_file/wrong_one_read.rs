//! Takes what one `read` returns for the file:
//! a file that is read in pieces of 7 bytes: it was cut behind 7 of 100 bytes

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
    let mut piece = vec![0; len];
    let n = file.read(&mut piece).unwrap_or(0);
    output.extend_from_slice(&piece[..n]);
    if n == len { Sent::All } else { Sent::Cut }
}
