//! Knows EMFILE and forgets its three sisters:
//! no descriptor left in the system (ENFILE): edge, seed 0: stall: client 0 waits to be accepted

use std::io;
use std::time::Duration;

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
                // 24 is EMFILE.
                _ if error.raw_os_error() == Some(24) => {
                    return Ok(Accept::Later(Duration::from_millis(100)));
                }
                _ => return Ok(Accept::All),
            },
        }
    }
}
