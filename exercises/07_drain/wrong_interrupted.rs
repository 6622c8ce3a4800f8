//! Drains, and takes a signal that came before a byte was read for the end of the connection:
//! a signal interrupts a read (EINTR): edge, seed 2: client 0 received nothing: 0 of 2800 bytes, then
//! the end

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

pub fn on_readable(socket: &mut Socket, input: &mut Vec<u8>) -> io::Result<Reading> {
    let mut piece = [0; 512];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return Ok(Reading::End),
            Ok(n) => input.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Reading::Empty),
            Err(error) => return Err(error),
        }
    }
}
