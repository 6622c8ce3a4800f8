//! A shortage that would have passed ends the server, and with it all clients who were being served:
//! no descriptor left (EMFILE): edge, seed 0: the server ended: Too many open files (os error 24)

use std::io;

use exercises::small::Accept;
use exercises::stage::{Listener, Socket};

/// Somebody has arrived, or a pause is over.
pub fn on_listener<const EDGE: bool>(
    listener: &mut Listener<EDGE>,
    new: &mut Vec<Socket>,
) -> io::Result<Accept> {
    loop {
        match listener.accept() {
            Ok(socket) => new.push(socket),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(Accept::All),
                _ => return Err(error),
            },
        }
    }
}
