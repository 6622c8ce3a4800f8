//! Your part: see README.md.

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Asks `server`, and returns what it answers, without the id.
pub fn ask(socket: &UdpSocket, server: SocketAddr, id: u16, text: &str) -> io::Result<Vec<u8>> {
    let question = [&id.to_be_bytes()[..], text.as_bytes()].concat();
    socket.send_to(&question, server)?;
    let mut buffer = [0; 66];
    let (n, _from) = socket.recv_from(&mut buffer)?;
    Ok(buffer[2..n].to_vec())
}
