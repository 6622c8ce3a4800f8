//! Your part: see README.md.

use exercises::Directions;

/// What the kernel is to report about a client from now on.
pub fn interest(output: &[u8], armed: Directions) -> Directions {
    let _ = (output, armed);
    Directions {
        readable: true,
        writable: true,
    }
}
