//! Which calls are spoiled, and how: what is random in `--inject`, and nothing else.
//!
//! *Floor 2.* Makes no call.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::readiness::{Directions, Event, Token};

/// What may be wrong with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A read brings a part of what is there.
    ShortRead,
    /// A write, or a sendfile(2), takes a part of what it could.
    ShortWrite,
    /// A read, a write or a sendfile(2) says EAGAIN although it need not.
    Eagain,
    /// A read, a write, a sendfile(2), an accept or a wait is interrupted.
    Eintr,
    /// A client that waits is accepted after the next wait.
    SlowAccept,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ShortRead,
        Self::ShortWrite,
        Self::Eagain,
        Self::Eintr,
        Self::SlowAccept,
    ];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortRead => "short-read",
            Self::ShortWrite => "short-write",
            Self::Eagain => "eagain",
            Self::Eintr => "eintr",
            Self::SlowAccept => "slow-accept",
        }
    }
}

/// Which faults there are, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faults {
    /// Which.
    pub kinds: Vec<Fault>,
    /// Of a hundred calls that could have one, so many have one; but see above.
    pub percent: u8,
    /// Which calls: the same calls with the same seed have the same faults.
    pub seed: u64,
}

/// What was wrong with the call that a loop has made last, if anything. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct LastFault(Arc<AtomicUsize>);

impl LastFault {
    /// Which fault it was.
    pub fn get(&self) -> Option<Fault> {
        let at = self.0.load(Relaxed).checked_sub(1)?;
        Fault::ALL.get(at).copied()
    }

    /// Its word.
    pub(crate) fn name(&self) -> Option<String> {
        self.get().map(|fault| fault.name().to_owned())
    }

    fn set(&self, fault: Option<Fault>) {
        let at = fault.and_then(|fault| Fault::ALL.iter().position(|one| *one == fault));
        self.0.store(at.map_or(0, |at| at + 1), Relaxed);
    }
}

/// Decides which calls of a loop, or of a connection with a thread of its own, are spoiled. Cheap to
/// clone.
#[derive(Clone)]
pub struct Injector {
    decisions: Arc<Mutex<Decisions>>,
    last: LastFault,
}

struct Decisions {
    faults: Faults,
    random: u64,
    /// Events that the next wait brings.
    owed: Vec<Event>,
}

/// Whether the last call of its kind was spoiled: the next one is not.
#[derive(Default)]
pub(super) struct Rested(bool);

impl Rested {
    pub(super) const fn new() -> Self {
        Self(false)
    }
}

impl Injector {
    /// The decisions for loop or connection `number`.
    pub fn new(faults: &Faults, number: u64) -> Self {
        let mut random = faults.seed ^ number.rotate_left(32);
        random = u64::from(splitmix64(&mut random)) << 32 | random >> 32;
        let decisions = Decisions {
            faults: faults.clone(),
            random,
            owed: Vec::new(),
        };
        Self {
            decisions: Arc::new(Mutex::new(decisions)),
            last: LastFault::default(),
        }
    }

    /// What was wrong with the last call.
    pub fn last(&self) -> LastFault {
        self.last.clone()
    }

    fn decisions(&self) -> MutexGuard<'_, Decisions> {
        let decisions = self.decisions.lock();
        decisions.unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is made that could have one of these faults.
    pub(super) fn draw(&self, possible: &[Fault], spoiled: &mut Rested) -> Option<Fault> {
        self.last.set(None);
        if std::mem::take(&mut spoiled.0) {
            return None;
        }
        let fault = self.decisions().draw(possible);
        spoiled.0 = fault.is_some();
        fault
    }

    /// A call is made that is not spoiled.
    pub(super) fn passes(&self) {
        self.last.set(None);
    }

    /// The last call had it.
    pub(super) fn had(&self, fault: Fault) {
        self.last.set(Some(fault));
    }

    /// An event that the kernel will not make, and the next wait brings all the same.
    pub(super) fn owe(&self, token: Token, ready: Directions) {
        add(&mut self.decisions().owed, token, ready);
    }

    pub(super) fn owes(&self) -> bool {
        !self.decisions().owed.is_empty()
    }

    /// What is owed is paid.
    pub(super) fn pay(&self, events: &mut Vec<Event>) {
        for event in std::mem::take(&mut self.decisions().owed) {
            let ready = Directions {
                readable: event.readable,
                writable: event.writable,
            };
            add(events, event.token, ready);
        }
    }

    /// A number from 1 to `most`, small ones of which are seen best.
    pub(super) fn part(&self, most: usize) -> usize {
        1 + self.decisions().below(most.clamp(1, PART_MAX))
    }
}

/// How much of a short read or write there is at most.
const PART_MAX: usize = 64;

impl Decisions {
    fn draw(&mut self, possible: &[Fault]) -> Option<Fault> {
        let kinds = &self.faults.kinds;
        let wanted = possible.iter().filter(|fault| kinds.contains(fault));
        let wanted: Vec<Fault> = wanted.copied().collect();
        if wanted.is_empty() || self.below(100) >= usize::from(self.faults.percent) {
            return None;
        }
        let which = self.below(wanted.len());
        wanted.get(which).copied()
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::from(splitmix64(&mut self.random)) % n.max(1)
    }
}

/// One event for each token, as of a kernel.
fn add(events: &mut Vec<Event>, token: Token, ready: Directions) {
    match events.iter_mut().find(|event| event.token == token) {
        Some(event) => {
            event.readable |= ready.readable;
            event.writable |= ready.writable;
        }
        None => events.push(Event {
            token,
            readable: ready.readable,
            writable: ready.writable,
            eof_possible: false,
        }),
    }
}

/// The upper 16 bits of one step of splitmix64 (Steele, Lea, Flood 2014): three lines, and any seed, 0
/// included, is a good one.
pub(in crate::kernel) fn splitmix64(state: &mut u64) -> u16 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 48) as u16
}
