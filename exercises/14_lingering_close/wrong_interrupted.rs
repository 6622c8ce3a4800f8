//! Takes every error but EAGAIN for the end of the client, a signal too:
//! a signal interrupts a read (EINTR): edge, seed 1: client 0 received nothing: 0 of 46 bytes, then
//! the end

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use exercises::stage::Socket;

/// So long a client that has been refused is waited for.
pub const LINGER: Duration = Duration::from_secs(2);

/// A connection that is being ended.
pub struct Ending {
    deadline: Instant,
}

impl Ending {
    /// The last answer has been written.
    pub fn begin(socket: &mut Socket, now: Instant) -> io::Result<Self> {
        socket.shutdown_write()?;
        Ok(Self {
            deadline: now + LINGER,
        })
    }

    /// The socket was reported, or `deadline` has come. Whether the socket is to be closed now.
    pub fn on_event(&mut self, socket: &mut Socket, now: Instant) -> bool {
        let mut piece = [0; 512];
        loop {
            match socket.read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return true,
            }
        }
        now >= self.deadline
    }

    /// When `on_event` is to be called at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}
