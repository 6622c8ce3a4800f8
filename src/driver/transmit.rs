//! The way out: what a connection has to send, given to its socket, one call at a time.
//!
//! *Floor 4.* The same for all six backends. Bytes are written at once, without asking whether the
//! socket is writable: it almost always is, and only after EAGAIN is it worth a system call to be
//! told when it is again.
//!
//! *References:* send(2), sendfile(2).

use std::io;

use super::exchange;
use super::observe::observer::Call;
use crate::conn::{CloseReason, Connection, Transmit};
use crate::http::{Tick, Wake};
use crate::kernel::{Layer, Sent, Socket};

/// What a connection may still send before the next connection is served.
pub(crate) struct Allowance {
    pub(crate) bytes: usize,
    /// Whether the socket has not said EAGAIN since it was last writable.
    pub(crate) writable: bool,
    /// Whether a file may be waited for.
    pub(crate) waits: bool,
}

/// Whether to go on sending.
pub(crate) enum Sending {
    More,
    /// The next bytes of a file are not in memory, and must not be waited for here.
    Cold,
    Stop,
}

/// Bytes that one connection is sent in a go by a driver that has no other: before the deadlines
/// and the stop are looked at again, however fast the client takes them.
const SEND_BYTES: usize = 4 * 1024 * 1024;

/// Sends until nothing is left, the socket is full or the client has had its share, and waits for
/// files: for a driver that serves one connection.
pub(crate) fn send_all<T: Socket>(
    socket: &mut T,
    conn: &mut Connection,
    wake: impl Fn() -> Wake,
    mut told: impl FnMut(Call<'_>),
    now: &Tick,
) {
    let mut allowance = Allowance {
        bytes: SEND_BYTES,
        writable: true,
        waits: true,
    };
    loop {
        if conn.wants_pull() {
            exchange::pull(conn, &wake());
        }
        match send_some(socket, conn, &mut allowance, &mut told, now) {
            Sending::More => {}
            Sending::Cold | Sending::Stop => return,
        }
    }
}

/// One call.
pub(crate) fn send_some<T: Socket>(
    socket: &mut T,
    conn: &mut Connection,
    allowance: &mut Allowance,
    mut told: impl FnMut(Call<'_>),
    now: &Tick,
) -> Sending {
    let layer = socket.layer();
    let (sent, offered) = match conn.next_transmit() {
        Some(Transmit::LastLook) => {
            conn.on_last_look(socket.closes_cleanly());
            return Sending::More;
        }
        Some(Transmit::Shutdown) => {
            // If it fails the client is gone, which the next read will tell.
            told(Call::Shutdown(socket.shutdown_write().as_ref().copied()));
            conn.on_shutdown_sent(now);
            return Sending::Stop;
        }
        _ if layer.owes.any() => return send_owed(socket, conn, allowance, layer, told),
        None => return Sending::Stop,
        Some(_) if !allowance.writable || allowance.bytes == 0 => return Sending::Stop,
        Some(Transmit::Bytes { slices, more }) => {
            let used = &slices[..1 + usize::from(!slices[1].is_empty())];
            let offered = slices[0].len() + slices[1].len();
            let result = socket.write(used, more);
            told(Call::Write {
                offered,
                result: result.as_ref().copied(),
            });
            (result.map(Sent::Bytes), Some(offered))
        }
        Some(Transmit::File {
            source,
            offset,
            len,
        }) => {
            let whole = usize::try_from(len).unwrap_or(usize::MAX);
            let part = whole.min(allowance.bytes);
            if !allowance.waits && !source.is_resident(offset, part) {
                return Sending::Cold;
            }
            let more = (part as u64) < len;
            let result = socket.send_file(source, offset, part, more);
            told(Call::SendFile {
                offered: part,
                result: result.as_ref().copied(),
            });
            (result, None)
        }
    };
    match on_sent(conn, allowance, sent, offered, now) {
        // Mostly that was all, and another look would only say so.
        Sending::More if conn.is_idle() && !socket.layer().owes.any() => Sending::Stop,
        sending => sending,
    }
}

/// One call for the layer beneath, which comes before the protocol; one in a turn if it goes on.
fn send_owed<T: Socket>(
    socket: &mut T,
    conn: &mut Connection,
    allowance: &mut Allowance,
    layer: Layer,
    mut told: impl FnMut(Call<'_>),
) -> Sending {
    if !(layer.owes.writable && allowance.writable) {
        return Sending::Stop;
    }
    let written = socket.layer_write();
    told(Call::LayerWrite(written.as_ref().copied()));
    match written {
        Ok(()) if !socket.layer().owes.any() => return Sending::More,
        Ok(()) => {}
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => allowance.writable = false,
            io::ErrorKind::Interrupted => {}
            _ => conn.on_abort(CloseReason::SocketFailed),
        },
    }
    Sending::Stop
}

/// Tells the connection how it went. `offered` is how much there was, where less than that means
/// that the socket is full.
#[inline]
fn on_sent(
    conn: &mut Connection,
    allowance: &mut Allowance,
    sent: io::Result<Sent>,
    offered: Option<usize>,
    now: &Tick,
) -> Sending {
    match sent {
        Ok(Sent::Bytes(n)) => {
            conn.on_sent(n, now);
            allowance.bytes = allowance.bytes.saturating_sub(n);
            // A short write found the socket full (epoll(7), on EAGAIN). Not so a short sendfile(2),
            // which may have been interrupted: it is asked again until it says so.
            allowance.writable = offered.is_none_or(|offered| n >= offered);
            Sending::More
        }
        Ok(Sent::SourceEnd) => {
            conn.on_source_end();
            Sending::More
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Sending::More,
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
            conn.on_abort(CloseReason::SocketFailed);
            Sending::Stop
        }
        Ok(Sent::SocketFull) | Err(_) => {
            allowance.writable = false;
            Sending::Stop
        }
    }
}
