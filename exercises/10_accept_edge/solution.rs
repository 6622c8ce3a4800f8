//! Accepts until nobody is left; one client's trouble is not the next one's.

use std::io;

use exercises::stage::{Listener, Socket};

/// Somebody has arrived.
pub fn on_listener(listener: &mut Listener<true>, new: &mut Vec<Socket>) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok(socket) => new.push(socket),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(()),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}
