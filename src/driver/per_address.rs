//! How many connections one address holds.
//!
//! *Floor 4.* Counted over all loops and threads, when a connection comes in and when it has ended.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::kernel::Peer;

/// How many connections each address holds, over all loops.
#[derive(Clone, Debug)]
pub struct PerAddress {
    max: u32,
    counts: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl PerAddress {
    /// Counts up to `max` for each address.
    pub fn new(max: u32) -> Self {
        Self {
            max,
            counts: Arc::default(),
        }
    }

    /// Counts a new connection; `false` if the address holds its share already.
    pub fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        let enters = *count < self.max;
        *count += u32::from(enters);
        enters
    }

    /// Counts a connection that has left.
    pub fn leave(&self, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// One connection of what its address may hold.
pub(crate) struct Share(Option<(PerAddress, IpAddr)>);

impl Share {
    /// `None` if the address holds its share already.
    pub(crate) fn take(per_address: Option<&PerAddress>, peer: Peer) -> Option<Self> {
        let (Some(counts), Some(ip)) = (per_address, peer.ip()) else {
            return Some(Self(None));
        };
        counts.enter(ip).then(|| Self(Some((counts.clone(), ip))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((counts, ip)) = &self.0 {
            counts.leave(*ip);
        }
    }
}

/// Counts a newcomer for its address, if it may come in.
pub(crate) fn counts_in(counts: Option<&PerAddress>, peer: Peer) -> bool {
    match (counts, peer.ip()) {
        (Some(counts), Some(address)) => counts.enter(address),
        _ => true,
    }
}
