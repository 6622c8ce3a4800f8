//! Ends its half, reads until the client has ended, and no longer than `LINGER`.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use exercises::stage::Socket;

/// So long a client that has been refused is waited for.
pub const LINGER: Duration = Duration::from_secs(2);
/// So many pieces are read in a call: the other clients are not to wait for a fast one.
const PIECES_MAX: usize = 32;

/// A connection that is being ended.
pub struct Ending {
    /// The client is not waited for beyond this.
    end: Instant,
    /// When `on_event` is to be called at the latest.
    call_by: Instant,
}

impl Ending {
    /// The last answer has been written.
    pub fn begin(socket: &mut Socket, now: Instant) -> io::Result<Self> {
        socket.shutdown_write()?;
        let end = now + LINGER;
        Ok(Self { end, call_by: end })
    }

    /// The socket was reported, or `deadline` has come. Whether the socket is to be closed now.
    pub fn on_event(&mut self, socket: &mut Socket, now: Instant) -> bool {
        if now >= self.end {
            return true;
        }
        let mut piece = [0; 512];
        for _ in 0..PIECES_MAX {
            match socket.read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.call_by = self.end;
                    return false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        // More may be there, of which no report will tell.
        self.call_by = now;
        false
    }

    /// When `on_event` is to be called at the latest.
    pub fn deadline(&self) -> Instant {
        self.call_by
    }
}
