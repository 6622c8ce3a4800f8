//! Reads on until the client has ended its stream. As long as it has not, this turns in a circle,
//! with the processor at 100 % and all other clients waiting:
//! one request, then many at once: edge, seed 0: hang: 20000 calls in one turn, and the loop never
//! waits again

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

pub fn on_readable(socket: &mut Socket, input: &mut Vec<u8>) -> io::Result<Reading> {
    let mut piece = [0; 512];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return Ok(Reading::End),
            Ok(n) => input.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
