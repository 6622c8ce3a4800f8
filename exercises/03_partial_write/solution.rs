//! What was taken is taken out, and a full socket ends the turn, not the connection.

use std::io::{self, Write};

use exercises::small::Writing;
use exercises::stage::Socket;

/// Sends from the beginning of `output` and takes out what was sent.
pub fn flush(socket: &mut Socket, output: &mut Vec<u8>) -> io::Result<Writing> {
    while !output.is_empty() {
        match socket.write(output) {
            Ok(n) => drop(output.drain(..n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Writing::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Writing::Done)
}
