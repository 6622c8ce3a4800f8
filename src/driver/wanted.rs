//! What a connection and the layer beneath its socket want of the kernel.
//!
//! *Floor 4.* The same for all six backends.

use crate::conn::Connection;
use crate::kernel::Socket;
use crate::readiness::Directions;

/// What is waited for, and whether there is anything to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    /// What would be done if the kernel let it.
    pub(crate) directions: Directions,
    /// What was taken from the kernel is not used up: no event announces it.
    pub(crate) has_work: bool,
}

impl Wanted {
    #[inline]
    pub(crate) fn of<T: Socket>(socket: &T, conn: &Connection) -> Self {
        let protocol = Directions {
            readable: conn.wants_read(),
            writable: conn.wants_write(),
        };
        let layer = socket.layer();
        Self {
            directions: layer.wanted(protocol),
            has_work: conn.has_work() || layer.has_work(protocol),
        }
    }
}
