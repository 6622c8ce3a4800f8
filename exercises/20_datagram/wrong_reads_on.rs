//! Receives until the length is there, as from a stream. The rest of a datagram never comes:
//! a long answer: ask() failed: timed out

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Asks `server`, and returns what it answers, without the id.
pub fn ask(socket: &UdpSocket, server: SocketAddr, id: u16, text: &str) -> io::Result<Vec<u8>> {
    let question = [&id.to_be_bytes()[..], text.as_bytes()].concat();
    let mut buffer = vec![0; 66];
    let mut whole = Vec::new();
    for _ in 0..5 {
        socket.send_to(&question, server)?;
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((n, from)) => {
                    let answer = buffer[..n].strip_prefix(&id.to_be_bytes());
                    if let Some(answer) = answer.filter(|_| from == server) {
                        whole.extend_from_slice(answer);
                        if n < buffer.len() {
                            return Ok(whole);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
