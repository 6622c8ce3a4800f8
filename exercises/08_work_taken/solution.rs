//! The two rows of settle that end in "queued".

use httpoll::driver::Bits;
use httpoll::readiness::Trigger;

/// Whether the connection goes on in the next turn without a report of the kernel.
pub fn queued(trigger: Trigger, bits: Bits) -> bool {
    match trigger {
        Trigger::Edge => bits.has_work || bits.wanted.and(bits.ready).any(),
        Trigger::Level => bits.has_work,
    }
}
