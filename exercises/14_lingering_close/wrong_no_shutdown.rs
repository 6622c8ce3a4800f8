//! Waits for the client to end, which waits for the server to end:
//! a small upload: edge, seed 0: stall: slot 0 has room for 65536 bytes, client 0 has 46 and
//! waits for the end

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
    pub fn begin(_socket: &mut Socket, now: Instant) -> io::Result<Self> {
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
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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
