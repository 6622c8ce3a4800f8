//! What one loop remembers: small files' bytes, large files' descriptors, encoded fields.
//!
//! *Floor 3.* Knows costs and age; does not know files. One per loop, so nothing here is locked,
//! and no cache line of it travels between cores.
//!
//! ```text
//!   key ──map──▶ slot 3   ┌────┬────┬────┬────┬────┐
//!                         │used│    │used│ ●  │    │   ◀── hand: clears "used", takes who had none
//!                         └────┴────┴────┴────┴────┘
//! ```
//!
//! The idea: eviction by CLOCK. A hit sets one bit; a list in order of use (LRU) would write to
//! three entries instead, and evict nearly the same ones. Bounded by bytes, with what an entry
//! costs besides its content, and by descriptors.
//!
//! *References:* Corbató, *A Paging Experiment with the Multics System* (1968).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::service::files::resource::Resource;
use crate::service::files::tally::{CacheCells, CacheTallies};

/// An entry.
pub(super) struct CacheSlot {
    key: Arc<[u8]>,
    pub(super) resource: Resource,
    used: bool,
    cost: usize,
}

/// What the entries cost together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Cost {
    pub(super) bytes: usize,
    pub(super) descriptors: usize,
}

/// The entries of one loop.
pub(super) struct Cache {
    map: HashMap<Arc<[u8]>, usize, RandomState>,
    slots: Vec<Option<CacheSlot>>,
    free: Vec<usize>,
    hand: usize,
    cost: Cost,
    max: Cost,
    cells: Arc<CacheCells>,
    tallies: CacheTallies,
}

impl Cache {
    /// An empty one, whose numbers are among `tallies`.
    pub(super) fn new(max: Cost, tallies: CacheTallies) -> Self {
        Self {
            map: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            cost: Cost::default(),
            max,
            cells: tallies.join(),
            tallies,
        }
    }

    /// An empty one for another loop: it may cost as much, and its numbers stand beside these.
    pub(super) fn another(&self) -> Self {
        Self::new(self.max, self.tallies.clone())
    }

    pub(super) const fn tallies(&self) -> &CacheTallies {
        &self.tallies
    }

    /// What it costs.
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    /// Where it is told what it is good for.
    pub(super) fn cells(&self) -> &CacheCells {
        &self.cells
    }

    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut CacheSlot> {
        let slot = self.slots[*self.map.get(key)?].as_mut()?;
        slot.used = true;
        Some(slot)
    }

    /// Keeps a resource, unless it alone is too much or changed while it was read.
    pub(super) fn insert(&mut self, key: &[u8], resource: Resource) {
        self.remove(key);
        let descriptors = resource.descriptors();
        let cost = resource.cost() + key.len() + SLOT_BYTES;
        let fits = cost <= self.max.bytes && descriptors <= self.max.descriptors;
        if !(fits && resource.whole) {
            return;
        }
        while self.cost.bytes + cost > self.max.bytes
            || self.cost.descriptors + descriptors > self.max.descriptors
        {
            self.evict();
        }
        self.cost.bytes += cost;
        self.cost.descriptors += descriptors;
        self.cells.hold(self.cost.bytes);
        let key: Arc<[u8]> = key.into();
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.map.insert(Arc::clone(&key), index);
        let slot = CacheSlot {
            key,
            resource,
            used: true,
            cost,
        };
        self.slots[index] = Some(slot);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(index) = self.map.remove(key) {
            self.vacate(index);
        }
    }

    pub(super) fn clear(&mut self) {
        self.map.clear();
        self.slots.clear();
        self.free.clear();
        self.hand = 0;
        self.cost = Cost::default();
        self.cells.hold(0);
    }

    /// Closes large files that were not asked for lately: a deleted one keeps its disk space until
    /// its last descriptor is closed.
    pub(super) fn close_idle(&mut self, now: Instant) {
        self.close_if(|slot| now.saturating_duration_since(slot.resource.looked()) >= IDLE_MAX);
    }

    /// Closes all large files, because a descriptor is missing: what they save is a call, what it
    /// costs is an answer. Whether there were any.
    pub(super) fn close_all(&mut self) -> bool {
        let any = self.cost.descriptors > 0;
        self.close_if(|_| true);
        any
    }

    fn close_if(&mut self, condition: impl Fn(&CacheSlot) -> bool) {
        if self.cost.descriptors == 0 {
            return;
        }
        let slots = self.slots.iter().flatten();
        let chosen: Vec<_> = slots
            .filter(|slot| slot.resource.descriptors() > 0 && condition(slot))
            .map(|slot| Arc::clone(&slot.key))
            .collect();
        for key in chosen {
            self.remove(&key);
        }
    }

    /// Moves the hand to the next entry that was not used since it last came by, and drops it.
    /// Ends after two rounds at most, because the first clears every bit.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(slot) if slot.used => slot.used = false,
                Some(slot) => {
                    let key = Arc::clone(&slot.key);
                    self.cells.evict();
                    return self.remove(&key);
                }
                None => {}
            }
        }
    }

    fn vacate(&mut self, index: usize) {
        if let Some(slot) = self.slots[index].take() {
            self.cost.bytes -= slot.cost;
            self.cost.descriptors -= slot.resource.descriptors();
            self.cells.hold(self.cost.bytes);
            self.free.push(index);
        }
    }
}

/// How long an unused descriptor is kept (nginx's open_file_cache: the same 60 s).
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The slot itself, its place in the map, and the headers of its allocations.
const SLOT_BYTES: usize = size_of::<CacheSlot>() + 128;
