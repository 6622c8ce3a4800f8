//! Reads into one buffer until EAGAIN. Once it is full `read` is given no room, returns 0 for that,
//! and is believed to have met the end of the stream:
//! one request, then many at once: edge, seed 0: client 0 received only a part: 5120 of 7505 bytes,
//! then the end

use std::io::{self, Read};

use exercises::small::Reading;
use exercises::stage::Socket;

pub fn on_readable(socket: &mut Socket, input: &mut Vec<u8>) -> io::Result<Reading> {
    let mut buffer = [0; 2048];
    let mut len = 0;
    let how = loop {
        match socket.read(&mut buffer[len..]) {
            Ok(0) => break Ok(Reading::End),
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(Reading::Empty),
            Err(error) => break Err(error),
        }
    };
    input.extend_from_slice(&buffer[..len]);
    how
}
