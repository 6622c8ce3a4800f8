//! Never more than was promised, and less is said.

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
    let mut piece = [0; 4096];
    let mut owed = len;
    while owed > 0 {
        let room = owed.min(piece.len());
        match file.read(&mut piece[..room]) {
            Ok(0) | Err(_) => return Sent::Cut,
            Ok(n) => {
                output.extend_from_slice(&piece[..n]);
                owed -= n;
            }
        }
    }
    Sent::All
}
