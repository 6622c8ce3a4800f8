//! The way in: what a socket has, read for its connection, one call at a time.
//!
//! *Floor 4.* The same for all six backends.
//!
//! *References:* recv(2), epoll(7), the question on EAGAIN.

use std::io;

use super::observe::observer::Call;
use crate::conn::{CloseReason, Connection};
use crate::http::Tick;
use crate::kernel::Socket;

/// Where bytes are read to, and what is known of the socket.
pub(crate) struct Intake<'a> {
    pub(crate) into: &'a mut [u8],
    /// Whether the kernel has not said EAGAIN since it last said that there is something.
    pub(crate) readable: bool,
    /// Whether an end of file may stand behind the bytes.
    pub(crate) eof_possible: bool,
}

impl<'a> Intake<'a> {
    /// That of a driver which does not remember what was said of an end of file.
    pub(crate) const fn new(into: &'a mut [u8], readable: bool) -> Self {
        Self {
            into,
            readable,
            eof_possible: true,
        }
    }
}

/// One call at most: for the layer beneath if that owes one, else for the connection if it wants
/// bytes and there may be some. Says how many there are to be given to it.
pub(crate) fn receive_some<T: Socket>(
    socket: &mut T,
    conn: &mut Connection,
    intake: &mut Intake<'_>,
    mut told: impl FnMut(Call<'_>),
    now: &Tick,
) -> usize {
    let layer = socket.layer();
    if layer.owes.any() {
        if layer.owes.readable && intake.readable {
            let read = socket.layer_read();
            told(Call::LayerRead(read.as_ref().copied()));
            if let Err(error) = read {
                on_error(conn, intake, &error);
            }
        }
        return 0;
    }
    if !(conn.wants_read() && (intake.readable || layer.holds)) {
        return 0;
    }
    let read = socket.read(intake.into);
    let held = layer.holds || socket.layer().holds;
    told(Call::Read {
        room: intake.into.len(),
        held,
        result: read.as_ref().copied(),
    });
    match read {
        Ok(0) => {
            intake.readable = false;
            conn.on_eof(now);
            0
        }
        Ok(n) => {
            // A short read found the socket empty (epoll(7), on EAGAIN).
            // PITFALL: not when the end of the stream stands behind the data: the kernel has
            // announced it together with them and will not do so again under edge. Nor when a layer
            // held bytes, so that the kernel was not asked, or holds some now, so that this is not
            // all that was read (`a_layer_is_honoured_under_every_schedule`).
            if !held {
                intake.readable = n == intake.into.len() || intake.eof_possible;
            }
            n
        }
        Err(error) => {
            on_error(conn, intake, &error);
            0
        }
    }
}

fn on_error(conn: &mut Connection, intake: &mut Intake<'_>, error: &io::Error) {
    match error.kind() {
        io::ErrorKind::WouldBlock => intake.readable = false,
        io::ErrorKind::Interrupted => {}
        _ => conn.on_abort(CloseReason::SocketFailed),
    }
}
