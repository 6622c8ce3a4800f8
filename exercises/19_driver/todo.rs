//! Your part: see README.md.

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
    let n = stream.read(&mut piece)?;
    conn.on_bytes(&piece[..n], now);
    if let Step::Request(request) = conn.next_step(now) {
        let response = service(&request);
        conn.respond(response, now);
    }
    if let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() {
        let n = stream.write(&slices[0])?;
        conn.on_sent(n, now);
    }
    Ok(())
}
