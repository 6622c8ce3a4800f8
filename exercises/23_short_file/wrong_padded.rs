//! Keeps the promise with zeros. The client gets a whole answer with a wrong file in it:
//! the file has shrunk: 20 bytes were sent that are not in it

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
    let mut filled = 0;
    while filled < len {
        match file.read(&mut piece[filled..]) {
            Ok(0) => break,
            Err(_) => return Sent::Cut,
            Ok(n) => filled += n,
        }
    }
    output.extend_from_slice(&piece);
    Sent::All
}
