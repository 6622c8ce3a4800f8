//! ★ The page of the book: what is left behind when a connection has been served.
//!
//! *Floor 4.* Per direction there are two bits. **Wanted**: the protocol would use it
//! ([`Connection::wants_read`](crate::conn::Connection::wants_read), `wants_write`). **Ready**: the
//! kernel said so, and no call has failed with EAGAIN since. Input and output happen only where
//! both are set. After that:
//!
//! | a direction ended the turn … | edge (epoll `EPOLLET`) | level (epoll, poll, select) |
//! |---|---|---|
//! | at EAGAIN, still wanted | nothing: the next arrival is a new edge | must be **in** the interest set |
//! | no longer wanted | nothing; an edge that comes is *remembered* in `ready` | must be **out** of the interest set, or the loop spins |
//! | early, budget spent, still wanted and ready | must be **queued**: the kernel will not repeat itself | nothing: the kernel repeats itself |
//! | with work already taken from the kernel | must be **queued**: no event will ever announce it | must be **queued** too |
//!
//! Edge fails by sleeping for ever, level fails by never sleeping: the two words the simulator
//! reports when a row is missing.
//!
//! *References:* epoll(7), "Level-triggered and edge-triggered". *Read next:* `event_loop.rs`.

use std::io;

use super::counters::{Call, Counts};
use super::event_loop::{EventLoop, Slot};
use crate::kernel::Kernel;
use crate::readiness::{Interest, Token, Trigger};
use crate::service::Service;

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// Leaves things so that the kernel, or we ourselves, will come back to this socket: no more,
    /// no less.
    pub(super) fn settle(&mut self, token: Token) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(token) else {
            return Ok(());
        };
        let wanted = slot.wanted().or(self.kernel.pending(&slot.socket));
        #[cfg(feature = "sim")]
        let wanted = super::mistake::spoil_wanted(K::TRIGGER, wanted, slot.armed);
        // Taken from the kernel already: neither trigger will tell us.
        let mut come_back = slot.conn.has_work();
        // A constant of the kernel's type: one arm is compiled in.
        match K::TRIGGER {
            Trigger::Edge => come_back |= wanted.and(slot.ready).any(),
            Trigger::Level => arm(&mut self.kernel, &mut self.counts, slot, token, wanted)?,
        }
        #[cfg(feature = "sim")]
        let come_back = super::mistake::spoil_return(come_back, slot, wanted, K::TRIGGER);
        if come_back && !slot.queued {
            slot.queued = true;
            self.run_queue.push_back(token);
        }
        Ok(())
    }
}

/// Makes the kernel's interest set what is wanted.
///
/// PITFALL: an empty set is not silence. `EPOLLHUP` and `EPOLLERR` are reported whether asked for
/// or not (epoll_ctl(2)), so a socket that wants nothing must leave the set altogether.
fn arm<K: Kernel>(
    kernel: &mut K,
    counts: &mut Counts,
    slot: &mut Slot<K>,
    token: Token,
    wanted: Interest,
) -> io::Result<()> {
    if wanted != slot.armed {
        counts.call(Call::Interest);
        match (slot.armed.any(), wanted.any()) {
            (false, _) => kernel.register(&slot.socket, token, wanted)?,
            (true, true) => kernel.reregister(&slot.socket, token, wanted)?,
            (true, false) => kernel.deregister(&slot.socket)?,
        }
        slot.armed = wanted;
    }
    Ok(())
}
