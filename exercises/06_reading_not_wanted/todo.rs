//! Your part: see README.md.

use exercises::Directions;

/// So much may be owed to one client before it is read from no more.
pub const OWED_MAX: usize = 16 * 1024;

/// Whether a client to whom so much is owed would be read from now.
pub fn wants_read(owed: usize) -> bool {
    owed <= OWED_MAX
}

/// What the kernel is to report about it from now on.
pub fn interest(owed: usize, armed: Directions) -> Directions {
    let _ = armed;
    Directions {
        readable: true,
        writable: owed > 0,
    }
}
