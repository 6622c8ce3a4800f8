//! Sees that not all was taken, and sends all of it again later:
//! a client with room for 700 bytes: edge, seed 0: client 0 received a wrong byte 700:
//! "abcdefghijklmnopqrst" instead of "klmnopqrstuvwabcdefg"

use std::io::{self, Write};

use exercises::small::Writing;
use exercises::stage::Socket;

pub fn flush(socket: &mut Socket, output: &mut Vec<u8>) -> io::Result<Writing> {
    match socket.write(output) {
        Ok(n) if n == output.len() => output.clear(),
        Ok(_) => return Ok(Writing::Full),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Writing::Full),
        Err(error) => return Err(error),
    }
    Ok(Writing::Done)
}
