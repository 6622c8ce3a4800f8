//! Sees what was taken, and forgets what was reported: the client's end came while its answer was
//! sent, when nobody wanted to read. `ready` remembers it, and somebody has to go back to it:
//! an answer of 60,000 bytes: edge, seed 0: stall: slot 0 has an unread end of file and no event will
//! say so

use httpoll::driver::Bits;
use httpoll::readiness::Trigger;

/// Whether the connection goes on in the next turn without a report of the kernel.
pub fn queued(_trigger: Trigger, bits: Bits) -> bool {
    bits.has_work
}
