//! Your part: see README.md.

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

/// Adds what has come to `input`.
pub fn on_readable(socket: &mut Socket, input: &mut Vec<u8>) -> io::Result<Reading> {
    let mut piece = [0; 512];
    let n = socket.read(&mut piece)?;
    input.extend_from_slice(&piece[..n]);
    match n {
        0 => Ok(Reading::End),
        _ => Ok(Reading::Empty),
    }
}
