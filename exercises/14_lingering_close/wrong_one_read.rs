//! One `read` for a report, as under level. The rest is reported by nobody and lies there until the
//! deadline, with the client's end behind it:
//! a small upload: edge, seed 0: the client had ended, and was held until the deadline

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
        match socket.read(&mut piece) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => now >= self.deadline,
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        }
    }

    /// When `on_event` is to be called at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}
