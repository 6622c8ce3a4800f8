//! To be on the safe side:
//! a client that thinks for a second: edge, seed 0: spin: 1000 waits and nothing was moved;
//! open: slot 0

use httpoll::driver::Bits;
use httpoll::readiness::Trigger;

/// Whether the connection goes on in the next turn without a report of the kernel.
pub fn queued(_trigger: Trigger, _bits: Bits) -> bool {
    true
}
