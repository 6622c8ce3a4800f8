//! "Level repeats itself." So it does, about what is in the socket:
//! forty requests in one piece: level, seed 0: stall: the socket of client 0 has room for 65536
//! bytes, client 0 has 532 and waits for 5320

use httpoll::driver::Bits;
use httpoll::readiness::Trigger;

/// Whether the connection goes on in the next turn without a report of the kernel.
pub fn queued(trigger: Trigger, bits: Bits) -> bool {
    match trigger {
        Trigger::Edge => bits.has_work || bits.wanted.and(bits.ready).any(),
        Trigger::Level => false,
    }
}
