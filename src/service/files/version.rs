//! One version of one file, and whether its name still leads to it.
//!
//! *Floor 3.* Knows when a look is needed and when none helps; does not know what is made of the
//! bytes, nor which file of several is asked for.
//!
//! The idea: a file that is sent was looked at in the same turn, by one statx(2) of its name, and
//! not of a descriptor, so that a file put in its place by rename(2) is noticed too. Where the name
//! was that of a link, the look follows links wherever they lead, which is harmless: an equal
//! identity means the very bytes that were opened beneath the root and published from there;
//! anything else is opened anew, by the rules. (So a directory moved out of the root, with a link
//! to it left behind, keeps what was cached of it alive until that changes. One openat2 per look
//! would end this sooner, at three times the cost. An fstat of a kept descriptor would cost a third,
//! and miss a directory that was put in the place of another, or a file system mounted over one.)
//!
//! *References:* statx(2); RFC 9110 §8.8.

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant, SystemTime};

use crate::http::Tick;
use crate::service::opening::load::Loaded;
use crate::service::opening::meta::{Identity, Links};
use crate::service::opening::open::Root;

/// What a later look is compared with.
pub(super) struct Version {
    path: CString,
    identity: Identity,
    /// Whether the name was that of a link.
    links: Links,
    /// Whether the next change certainly shows in the identity.
    settled: bool,
    /// When its fields can say more than they do: Last-Modified has to wait for its second to end.
    renewal: Option<SystemTime>,
    /// Whether looking may wait for another machine.
    remote: bool,
    /// The turn of the last look.
    turn: u64,
    /// The moment of the last look.
    looked: Instant,
}

impl Version {
    /// What was found at `path`, and by a link or not, at `now`.
    pub(super) fn new(path: &CStr, loaded: &Loaded, links: Links, now: &Tick) -> Self {
        let identity = loaded.identity;
        Self {
            path: path.to_owned(),
            settled: loaded.whole && identity.is_settled(now.wall),
            renewal: identity.date_due().filter(|due| *due > now.wall),
            remote: loaded.remote,
            links,
            identity,
            turn: now.turn,
            looked: now.instant,
        }
    }

    /// The name below the root.
    pub(super) fn path(&self) -> &CStr {
        &self.path
    }

    pub(super) const fn remote(&self) -> bool {
        self.remote
    }

    /// The moment of the last look.
    pub(super) const fn looked(&self) -> Instant {
        self.looked
    }

    /// Whether it may answer; looks at the name if need be.
    pub(super) fn is_believed(&mut self, root: &Root, now: &Tick, valid: Option<Duration>) -> bool {
        self.is_trusted(now, valid) || self.look(root, now)
    }

    /// Whether it is what another look has found.
    pub(super) fn is_of(&self, found: &Identity) -> bool {
        self.settled && self.identity == *found
    }

    /// Whether it was looked at in this turn, or so lately that `valid` makes it good enough.
    pub(super) fn is_trusted(&self, now: &Tick, valid: Option<Duration>) -> bool {
        let age = || now.instant.saturating_duration_since(self.looked);
        self.turn == now.turn || valid.is_some_and(|max| age() < max)
    }

    /// Looks at the name: whether it still leads to these bytes.
    pub(super) fn look(&mut self, root: &Root, now: &Tick) -> bool {
        let current = self.is_current(root, now.wall);
        if current {
            self.turn = now.turn;
            self.looked = now.instant;
        }
        current
    }

    fn is_current(&self, root: &Root, now: SystemTime) -> bool {
        self.settled
            && !self.remote
            && self.renewal.is_none_or(|due| now < due)
            && match self.links {
                Links::Followed => root.identity_at(&self.path),
                Links::Seen => root.own_identity_at(&self.path),
            } == Ok(self.identity)
    }
}
