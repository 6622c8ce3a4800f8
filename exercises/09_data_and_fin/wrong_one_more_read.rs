//! Reads once and believes that the end is next. With more than one read's worth in front of it the rest
//! is never read, and closing a socket with unread bytes is a reset that takes the answers along:
//! many requests and the end at once: edge, seed 0: client 0 received nothing: 0 of 7500 bytes, then
//! the end

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

pub fn on_readable(
    socket: &mut Socket,
    eof_possible: bool,
    input: &mut Vec<u8>,
) -> io::Result<Reading> {
    let mut piece = [0; 512];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return Ok(Reading::End),
            Ok(n) => input.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Reading::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if eof_possible {
            return Ok(Reading::End);
        }
    }
}
