//! Reads on, and takes the `WouldBlock` that must come for a failure of the connection:
//! one request, then many at once: edge, seed 0: client 0 received nothing: 0 of 7505 bytes, then
//! the end

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

pub fn on_readable(socket: &mut Socket, input: &mut Vec<u8>) -> io::Result<Reading> {
    let mut piece = [0; 512];
    loop {
        match socket.read(&mut piece)? {
            0 => return Ok(Reading::End),
            n => input.extend_from_slice(&piece[..n]),
        }
    }
}
