//! Each row of settle's table, left out on purpose: what the exercises repair, and what the
//! simulator must notice.
//!
//! *Floor 4; feature `sim`.* The shipped loop contains none of this.

use std::cell::Cell;

use super::event_loop::Slot;
use crate::kernel::Kernel;
use crate::readiness::{Event, Interest, Trigger};

/// A rule that the loops of this thread leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// None: the loop as it is shipped.
    None,
    /// Level, row 1: a direction that is wanted never enters the interest set.
    NeverArmed,
    /// Level, row 2: a direction that is no longer wanted never leaves it.
    NeverDisarmed,
    /// Edge, row 2: an event that comes while nothing is wanted is not remembered.
    EventDropped,
    /// Edge, row 3: a connection whose budget ran out is not queued.
    BudgetForgotten,
    /// Both, row 4: work already taken from the kernel is not queued.
    WorkForgotten,
}

thread_local! {
    static MISTAKE: Cell<Mistake> = const { Cell::new(Mistake::None) };
}

impl Mistake {
    /// Lets the loops of this thread make it from now on.
    pub fn make(self) {
        MISTAKE.set(self);
    }
}

/// The interest that is armed instead of `wanted`.
pub(super) fn spoil_wanted(trigger: Trigger, wanted: Interest, armed: Interest) -> Interest {
    match (trigger, MISTAKE.get()) {
        (Trigger::Level, Mistake::NeverArmed) => wanted.and(armed),
        (Trigger::Level, Mistake::NeverDisarmed) => wanted.or(armed),
        _ => wanted,
    }
}

/// Whether to come back, where the whole table said `come_back`.
pub(super) fn spoil_return<K: Kernel>(
    come_back: bool,
    slot: &Slot<K>,
    wanted: Interest,
    trigger: Trigger,
) -> bool {
    match MISTAKE.get() {
        Mistake::BudgetForgotten => slot.conn.has_work(),
        Mistake::WorkForgotten => trigger == Trigger::Edge && wanted.and(slot.ready).any(),
        _ => come_back,
    }
}

/// What is remembered of an event.
pub(super) fn spoil_event(event: &Event, wanted: Interest) -> Event {
    let keep = MISTAKE.get() != Mistake::EventDropped;
    Event {
        readable: event.readable && (keep || wanted.readable),
        writable: event.writable && (keep || wanted.writable),
        ..*event
    }
}
