//! What the connections of a blocking driver have in common.
//!
//! *Floor 4.* Plain values.

use std::sync::Arc;
use std::time::Duration;

use crate::conn::Limits;
use crate::driver::exchange::Asker;
use crate::driver::observe::in_flight::InFlight;
use crate::driver::observe::lines::Lines;
use crate::driver::per_address::PerAddress;
use crate::http::TrustedProxies;
use crate::kernel::Peer;

/// What every connection of a blocking driver is held to.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) limits: Arc<Limits>,
    /// How long a stop waits for what is in flight.
    pub(crate) grace: Duration,
    /// Where each connection's calls are printed, if anywhere.
    pub(crate) trace: Option<Lines>,
    /// Whose word about their clients is taken.
    pub(crate) proxies: Option<Arc<TrustedProxies>>,
    /// Connections that one address may hold.
    pub(crate) per_address: Option<PerAddress>,
    /// How many connections are being served.
    pub(crate) in_flight: InFlight,
}

impl Terms {
    pub(super) fn asker(&self, peer: Peer) -> Asker<'_> {
        Asker {
            peer: peer.ip(),
            proxies: self.proxies.as_deref(),
        }
    }
}
