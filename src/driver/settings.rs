//! What a driver is told when it is made.
//!
//! *Floor 4.* Plain values, with the defaults of a server without options.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::Asker;
use super::per_address::PerAddress;
use crate::conn::Limits;
use crate::driver::event_loop::settle::{Rule, settle};
use crate::driver::mailbox::OtherLoops;
use crate::driver::observe::in_flight::InFlight;
use crate::http::TrustedProxies;
use crate::kernel::Peer;

/// How much one connection may do before the next one is served.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes given to the socket; each may have so many, however many are busy.
    pub bytes: usize,
    /// Bytes for all together, shared out while that makes more for each: the fewer calls of
    /// sendfile(2) a file takes, the less it costs.
    pub bytes_of_all: usize,
    /// Requests answered.
    pub steps: u32,
}

impl Budget {
    /// The share of each of so many.
    pub(crate) const fn among(self, busy: usize) -> Self {
        let share = match busy {
            0 => self.bytes_of_all,
            busy => self.bytes_of_all / busy,
        };
        Self {
            bytes: if share > self.bytes {
                share
            } else {
                self.bytes
            },
            ..self
        }
    }
}

/// What a driver is told when it is made, and its observer: `()` observes nothing.
#[derive(Clone)]
pub struct Settings<O = ()> {
    /// What one connection may cost.
    pub limits: Arc<Limits>,
    /// Connections this driver may hold.
    pub connections_max: usize,
    /// Connections one address may hold, counted over all loops.
    pub per_address: Option<PerAddress>,
    /// What is left behind when a connection has been served.
    pub rule: Rule,
    /// The share of one connection in a turn.
    pub budget: Budget,
    /// How long a stop may take.
    pub grace: Duration,
    /// Bytes of the read buffer, shared by all connections of the loop.
    pub read_bytes: usize,
    /// The other loops of the server.
    pub other_loops: OtherLoops,
    /// Whose word about their clients is taken.
    pub proxies: Option<Arc<TrustedProxies>>,
    /// How many connections are left, once it stops.
    pub in_flight: InFlight,
    /// What is told what happens.
    pub observer: O,
}

impl<P> Settings<P> {
    /// The asker of a connection with `peer`.
    pub(crate) fn asker(&self, peer: Peer) -> Asker<'_> {
        Asker {
            peer: peer.ip(),
            proxies: self.proxies.as_deref(),
        }
    }

    /// The same, watched by `observer`.
    pub fn observed_by<O>(self, observer: O) -> Settings<O> {
        Settings {
            limits: self.limits,
            connections_max: self.connections_max,
            per_address: self.per_address,
            rule: self.rule,
            budget: self.budget,
            grace: self.grace,
            read_bytes: self.read_bytes,
            other_loops: self.other_loops,
            proxies: self.proxies,
            in_flight: self.in_flight,
            observer,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Arc::new(Limits::default()),
            connections_max: 1_000_000,
            per_address: None,
            rule: settle,
            budget: Budget {
                bytes: 256 * 1024,
                bytes_of_all: 8 * 1024 * 1024,
                steps: 16,
            },
            grace: Duration::from_secs(10),
            read_bytes: 64 * 1024,
            other_loops: OtherLoops::default(),
            proxies: None,
            in_flight: InFlight::default(),
            observer: (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_share_much_and_many_have_enough() {
        let budget = Settings::default().budget;
        let check = |busy: usize, kib: usize| {
            assert_eq!(budget.among(busy).bytes, kib * 1024, "{busy}");
        };
        check(0, 8192);
        check(1, 8192);
        check(8, 1024);
        check(32, 256);
        check(33, 256);
        check(usize::MAX, 256);
    }
}
