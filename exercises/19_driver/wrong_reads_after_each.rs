//! Reads after each answer. The second request is in the connection already:
//! three requests in one piece: the driver waits for bytes, the client waits for its answer: it has 138
//! of 414 bytes

use std::io::{self, Read, Write};

use exercises::talk::Stream;
use httpoll::conn::{Connection, Step, Transmit};
use httpoll::http::{Request, Response, Tick};

/// Serves one client.
pub fn carry(
    stream: &mut Stream,
    conn: &mut Connection,
    service: fn(&Request<'_>) -> Response,
    now: &Tick,
) -> io::Result<()> {
    let mut piece = [0; 512];
    loop {
        let answered = match conn.next_step(now) {
            Step::Request(request) => {
                let response = service(&request);
                conn.respond(response, now);
                true
            }
            Step::Close(_) => return Ok(()),
            _ => false,
        };
        let _ = answered;
        send(stream, conn, now)?;
        match stream.read(&mut piece)? {
            0 => conn.on_eof(now),
            n => conn.on_bytes(&piece[..n], now),
        }
    }
}

/// Sends all there is. Whether there was something.
fn send(stream: &mut Stream, conn: &mut Connection, now: &Tick) -> io::Result<bool> {
    let mut any = false;
    while let Some(transmit) = conn.next_transmit() {
        any = true;
        match transmit {
            Transmit::Bytes { slices, .. } => {
                let n = stream.write(&slices[0])?;
                conn.on_sent(n, now);
            }
            Transmit::LastLook => conn.on_last_look(stream.closes_cleanly()),
            Transmit::Shutdown => {
                stream.shutdown_write();
                conn.on_shutdown_sent(now);
            }
            Transmit::File { .. } => return Err(io::ErrorKind::Unsupported.into()),
        }
    }
    Ok(any)
}
