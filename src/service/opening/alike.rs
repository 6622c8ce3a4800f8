//! Requests for the same path: what one of them made serves those that had asked before it began.
//!
//! *Floor 3.* Knows who asked when; does not know on which threads work is done, nor reads a clock:
//! requests are numbered as they come.
//!
//! ```text
//! asked   1   2 3 4          5
//!         ├─ first run ─┬─ second run ─┬─ third
//! serves  1             2 3 4          5
//! ```
//!
//! The idea: a thousand clients that ask for a big listing at once cost two of them. An answer is
//! never older than its request: a run serves only who asked before it began, so that an edit is
//! still seen by the very next request.
//!
//! What was made is kept as long as a request for the same path waits, and no longer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::service::listing::Sorted;
use crate::service::opening::load::Loaded;
use crate::service::opening::meta::Identity;
use crate::service::work::Gone;

/// The groups of one service, by path.
#[derive(Default)]
pub(crate) struct Groups {
    by_path: HashMap<Box<[u8]>, Weak<Group>, RandomState>,
    /// How many there may be before the empty ones are looked for.
    len_max: usize,
}

/// Requests for one path that wait for something.
struct Group {
    asked: AtomicU64,
    state: Mutex<GroupState>,
    freed: Condvar,
}

#[derive(Default)]
struct GroupState {
    at_work: bool,
    /// Each with the number of requests that had been made when its run began.
    loads: Vec<(u64, Loaded)>,
    listing: Option<(u64, Sorted)>,
    /// The page that was made of the file last; nothing, if there is none.
    page: Option<(Identity, Option<Loaded>)>,
}

/// One request's place in its group.
pub(crate) struct Member {
    group: Arc<Group>,
    number: u64,
}

/// The right to work for the group; at most one has it.
pub(crate) struct Turn<'m> {
    member: &'m Member,
    began: u64,
}

impl Groups {
    /// Another request for this path.
    pub(crate) fn join(&mut self, path: &[u8]) -> Member {
        let present = self.by_path.get(path).and_then(Weak::upgrade);
        let group = present.unwrap_or_else(|| self.begin(path));
        let number = 1 + group.asked.fetch_add(1, Relaxed);
        Member { group, number }
    }

    fn begin(&mut self, path: &[u8]) -> Arc<Group> {
        if self.by_path.len() >= self.len_max {
            self.by_path.retain(|_, group| group.strong_count() > 0);
            self.len_max = 2 * self.by_path.len() + 64;
        }
        let group = Arc::new(Group {
            asked: AtomicU64::new(0),
            state: Mutex::default(),
            freed: Condvar::new(),
        });
        self.by_path.insert(path.into(), Arc::downgrade(&group));
        group
    }
}

impl Group {
    fn state(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// What is the same for all members, and different for all groups that live.
    pub(crate) fn key(&self) -> u64 {
        Arc::as_ptr(&self.group).addr() as u64
    }

    /// Waits for its turn, unless the client is gone.
    ///
    /// The lanes of a loop never have two members at work; the threads of `threads` may.
    pub(crate) fn turn(&self, gone: &Gone<'_>) -> Option<Turn<'_>> {
        let mut state = self.group.state();
        while state.at_work {
            if gone() {
                return None;
            }
            let waited = self.group.freed.wait_timeout(state, LOOK_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.at_work = true;
        Some(Turn {
            member: self,
            began: self.group.asked.load(Relaxed),
        })
    }
}

impl Turn<'_> {
    /// This version of a file, if it was loaded since the request was made.
    pub(crate) fn loaded(&self, identity: &Identity) -> Option<Loaded> {
        let state = self.member.group.state();
        let mut loads = state.loads.iter();
        let found = loads
            .find(|(began, loaded)| *began >= self.member.number && loaded.identity == *identity);
        found.map(|(_, loaded)| loaded.clone())
    }

    /// Leaves it for the others.
    pub(crate) fn keep_loaded(&self, loaded: &Loaded) {
        let mut state = self.member.group.state();
        if state.loads.len() == LOADS_MAX {
            state.loads.remove(0);
        }
        state.loads.push((self.began, loaded.clone()));
    }

    /// The page of this version of the file; it is the same whenever that was made.
    pub(crate) fn page(&self, identity: &Identity) -> Option<Option<Loaded>> {
        let state = self.member.group.state();
        let same = state.page.as_ref().filter(|(of, _)| of == identity);
        same.map(|(_, made)| made.clone())
    }

    /// Leaves it for the others.
    pub(crate) fn keep_page(&self, identity: Identity, made: Option<Loaded>) {
        self.member.group.state().page = Some((identity, made));
    }

    /// The names of the directory, if they were read since the request was made.
    pub(crate) fn listing(&self) -> Option<Sorted> {
        let state = self.member.group.state();
        let listing = state.listing.as_ref();
        let fresh = listing.filter(|(began, _)| *began >= self.member.number);
        fresh.map(|(_, names)| names.clone())
    }

    /// Leaves them for the others.
    pub(crate) fn keep_listing(&self, names: Sorted) {
        self.member.group.state().listing = Some((self.began, names));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.member.group.state().at_work = false;
        self.member.group.freed.notify_one();
    }
}

/// How often a request that waits for its turn asks whether anybody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A file and its siblings, of two versions.
const LOADS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this member, in its turn, finds names; if not, it leaves some.
    fn finds(member: &Member) -> bool {
        let turn = member.turn(&|| false).unwrap();
        let found = turn.listing().is_some();
        if !found {
            turn.keep_listing(Sorted::default());
        }
        found
    }

    #[test]
    fn a_run_serves_who_asked_before_it_began() {
        let mut groups = Groups::default();
        let first = groups.join(b"/a");
        let turn = first.turn(&|| false).unwrap();
        let (second, third) = (groups.join(b"/a"), groups.join(b"/a"));
        turn.keep_listing(Sorted::default());
        drop(turn);
        assert!(!finds(&second), "what it might have missed is its own");
        assert!(finds(&third));
        let fourth = groups.join(b"/a");
        assert!(!finds(&fourth));
        assert!(!finds(&groups.join(b"/b")));
        assert_eq!(first.key(), fourth.key());
    }

    #[test]
    fn a_group_ends_with_its_last_member() {
        let mut groups = Groups::default();
        for n in 0..1_000_u32 {
            let member = groups.join(&n.to_le_bytes());
            assert!(!finds(&member));
        }
        assert!(groups.by_path.len() <= 64, "{}", groups.by_path.len());
    }

    #[test]
    fn who_is_gone_does_not_wait_for_its_turn() {
        let mut groups = Groups::default();
        let (first, second) = (groups.join(b"/a"), groups.join(b"/a"));
        let turn = first.turn(&|| false).unwrap();
        assert!(second.turn(&|| true).is_none());
        drop(turn);
        assert!(second.turn(&|| true).is_some());
    }
}
