//! Takes a short read for the end where the end is possible. Possible is not certain: select(2) and
//! some pollers say it of every event, and the client is hung up on in the middle of its questions:
//! the end is possible and has not come: edge, seed 0: client 0 received only a part: 1 of 321 bytes,
//! then the end

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
            Ok(n) => {
                input.extend_from_slice(&piece[..n]);
                if n < piece.len() {
                    return Ok(match eof_possible {
                        true => Reading::End,
                        false => Reading::Empty,
                    });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Reading::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
