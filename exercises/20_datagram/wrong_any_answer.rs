//! Takes whatever the server says, also what it said to the question before:
//! an answer that comes late: "seven" came, which is another question's

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
                    let answer = buffer.get(2..n);
                    if let Some(answer) = answer.filter(|_| from == server) {
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
