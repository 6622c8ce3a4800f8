//! Does not look who sent it. Anybody who guesses the port, and the id, can answer:
//! a stranger: "lie" came, from somebody who was not asked

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Asks `server`, and returns what it answers, without the id.
pub fn ask(socket: &UdpSocket, server: SocketAddr, id: u16, text: &str) -> io::Result<Vec<u8>> {
    let question = [&id.to_be_bytes()[..], text.as_bytes()].concat();
    let mut buffer = vec![0; 65_507];
    for _ in 0..5 {
        socket.send_to(&question, server)?;
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((n, from)) => {
                    let answer = buffer[..n].strip_prefix(&id.to_be_bytes());
                    if let Some(answer) = answer.filter(|_| from.ip().is_loopback()) {
                        return Ok(answer.to_vec());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
