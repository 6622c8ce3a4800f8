//! One connection, served by the straight line of `mod.rs` and told of to the observers.
//!
//! *Floor 4.* The same for both drivers that wait.

use super::told::Told;
use super::wait::Waiting;
use super::{Served, serve_connection};
use crate::conn::Connection;
use crate::driver::observe::Watchers;
use crate::driver::observe::lines::Lines;
use crate::driver::settings::Settings;
use crate::kernel::{BlockingStream, Peer, Traced};
use crate::readiness::Token;
use crate::service::Service;

/// A client that has come in.
pub(super) struct AcceptedClient {
    pub(super) stream: BlockingStream,
    pub(super) peer: Peer,
    pub(super) conn: Connection,
    /// What the observers call it.
    pub(super) token: Token,
}

/// Serves one connection, its calls printed if that is wanted.
pub(super) fn serve<S: Service>(
    client: AcceptedClient,
    (service, settings): (&mut S, &Settings),
    trace: Option<&Lines>,
    watchers: &mut Watchers,
    waiting: &mut impl Waiting,
) {
    let AcceptedClient {
        mut stream,
        peer,
        conn,
        token,
    } = client;
    Told::new(token, watchers).accepted(peer);
    let told = Told::new(token, &mut *watchers);
    let reason = match trace {
        Some(lines) => {
            let mut traced = Traced::printing(stream, lines.sink());
            let served = Served::new(&mut traced, (service, settings), told, peer);
            serve_connection(served, conn, waiting)
        }
        None => {
            let served = Served::new(&mut stream, (service, settings), told, peer);
            serve_connection(served, conn, waiting)
        }
    };
    Told::new(token, watchers).closed(reason);
}
