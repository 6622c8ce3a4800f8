//! How fast one address may be wrong.
//!
//! *Floor 3.* Pure: knows addresses and moments; does not know passwords.
//!
//! Ten tries at once, then one per second: who mistypes does not notice, and who guesses
//! gets 86,400 tries a day. No client waits here, on a loop or elsewhere: a try too many is refused
//! (429, Retry-After), unread, so that it costs neither a thread nor a connection that is kept open.
//! A try is paid for before it is judged, so that a thousand at once are no way round. Nor are many
//! addresses: where hashes wait for each other, each has one try at a time, and where a great many do,
//! who is new has to come again.
//!
//! The rule is GCRA: of each address the moment is kept at which all its tries are paid off.
//!
//! *References:* RFC 6585 §4 (429); ITU-T I.371 (GCRA).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// For each try.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// Tries at once.
const BURST: u32 = 10;
/// So many hashes of others wait where an address may have one try at a time: some 150 ms.
const BUSY: usize = 8;
/// So many are never waited for: some 5 s. With less, a newcomer who knows the password would find no
/// place among many that guess, for whoever asks most often gets those that become free.
const WAITING_MAX: usize = 256;
/// Addresses that are remembered: about half a MiB.
const ADDRESSES_MAX: usize = 8192;

/// Who is counted as one: an IPv4 address, the network of an IPv6 address (one customer has 2^64
/// addresses), all clients of Unix sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ClientKey([u8; 8]);

impl ClientKey {
    pub(super) fn of(peer: Option<IpAddr>) -> Self {
        let mut key = [0; 8];
        match peer.map(|ip| ip.to_canonical()) {
            // No client has an IPv6 address that begins with 0xff (RFC 4291 §2.7).
            None => key = [0xff; 8],
            Some(IpAddr::V4(ip)) => {
                key[0] = 0xff;
                key[4..].copy_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => key.copy_from_slice(&ip.octets()[..8]),
        }
        Self(key)
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The tries of all addresses that are not paid off.
#[derive(Default)]
pub(super) struct Tries {
    paid_off: HashMap<ClientKey, Instant, RandomState>,
}

impl Tries {
    /// Takes a try, if this client has one left.
    pub(super) fn take(&mut self, client: ClientKey, now: Instant) -> bool {
        let owed = self.owed(client, now);
        if owed + INTERVAL > now + INTERVAL * BURST {
            return false;
        }
        if !self.paid_off.contains_key(&client) {
            self.make_room(now);
        }
        self.paid_off.insert(client, owed + INTERVAL);
        true
    }

    /// Whether the hash of a try that was taken may wait for so many of other clients.
    pub(super) fn may_wait(&self, client: ClientKey, of_others: usize, now: Instant) -> bool {
        match of_others {
            0..BUSY => true,
            BUSY..WAITING_MAX => self.owed(client, now) <= now + INTERVAL,
            _ => false,
        }
    }

    /// When all tries of this client are paid off.
    fn owed(&self, client: ClientKey, now: Instant) -> Instant {
        self.paid_off.get(&client).copied().unwrap_or(now).max(now)
    }

    /// Gives a try back: it was right, or not judged.
    pub(super) fn give_back(&mut self, client: ClientKey) {
        if let Some(paid_off) = self.paid_off.get_mut(&client) {
            *paid_off = paid_off.checked_sub(INTERVAL).unwrap_or(*paid_off);
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.paid_off.len() < ADDRESSES_MAX {
            return;
        }
        self.paid_off.retain(|_, paid_off| *paid_off > now);
        if self.paid_off.len() < ADDRESSES_MAX {
            return;
        }
        let soonest = self.paid_off.iter().min_by_key(|(_, paid_off)| **paid_off);
        if let Some(client) = soonest.map(|(client, _)| *client) {
            self.paid_off.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Tick;

    fn client(ip: &str) -> ClientKey {
        ClientKey::of(Some(ip.parse().unwrap()))
    }

    #[test]
    fn ten_at_once_then_one_per_second() {
        let now = Tick::for_tests().instant;
        let mut tries = Tries::default();
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        for n in 0..BURST {
            assert!(tries.take(a, now), "{n}");
        }
        assert!(!tries.take(a, now));
        assert!(tries.take(b, now), "another address is another");
        assert!(!tries.take(a, now + INTERVAL / 2));
        assert!(tries.take(a, now + INTERVAL));
        assert!(
            !tries.take(a, now + INTERVAL),
            "what is refused costs nothing, and gives nothing"
        );
        tries.give_back(a);
        assert!(tries.take(a, now + INTERVAL));
        for _ in 0..BURST {
            assert!(tries.take(a, now + INTERVAL * 60));
        }
        assert!(!tries.take(a, now + INTERVAL * 60));
    }

    #[test]
    fn where_hashes_wait_an_address_has_one_try_and_at_last_none() {
        let now = Tick::for_tests().instant;
        let mut tries = Tries::default();
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        assert!(tries.take(a, now) && tries.take(b, now));
        assert!(tries.may_wait(a, BUSY, now) && tries.may_wait(a, WAITING_MAX - 1, now));
        assert!(!tries.may_wait(a, WAITING_MAX, now));
        assert!(tries.take(a, now));
        assert!(!tries.may_wait(a, BUSY, now), "it was wrong, or waits");
        assert!(tries.may_wait(a, BUSY - 1, now));
        assert!(tries.may_wait(b, BUSY, now), "it was not");
        tries.give_back(a);
        assert!(tries.may_wait(a, BUSY, now));
    }

    #[test]
    fn one_customer_is_one_client() {
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(ClientKey::of(None), client("::1"));
    }

    #[test]
    fn many_addresses_cost_bounded_memory() {
        let now = Tick::for_tests().instant;
        let mut tries = Tries::default();
        let hard = client("192.0.2.1");
        for _ in 0..BURST {
            assert!(tries.take(hard, now));
        }
        for n in 0..2 * ADDRESSES_MAX as u64 {
            let ip = std::net::Ipv6Addr::from_bits(u128::from(n + 1) << 64);
            assert!(tries.take(ClientKey::of(Some(ip.into())), now));
        }
        assert_eq!(tries.paid_off.len(), ADDRESSES_MAX);
        assert!(!tries.take(hard, now), "who owes most is forgotten last");
    }
}
