//! `write_all` is for sockets that wait. Here it fails at the first full buffer, without saying
//! how much it had sent, and the connection is given up:
//! a client with room for 700 bytes: edge, seed 0: client 0 received only a part: 700 of 20000
//! bytes, then the end

use std::io::{self, Write};

use exercises::small::Writing;
use exercises::stage::Socket;

pub fn flush(socket: &mut Socket, output: &mut Vec<u8>) -> io::Result<Writing> {
    socket.write_all(output)?;
    output.clear();
    Ok(Writing::Done)
}
