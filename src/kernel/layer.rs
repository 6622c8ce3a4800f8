//! A layer between the kernel and the protocol: TLS, for instance.
//!
//! *Floor 2.* Readiness is the kernel's word about its own buffers, and a layer has buffers too. So
//! two things are to be known of it that no event tells: what it **holds**, bytes that were taken
//! from the kernel and are decoded, and what it **owes**, input or output of its own, for which
//! nothing of the protocol is wanted: a handshake, an answer to a key update, the alert that ends a
//! session. Forgetting the first stalls under edge and level alike; so does the second.
//!
//! Three rules keep a driver simple and its two readiness bits true:
//!
//! 1. A read touches the receiving half only, and a write the sending half. `WouldBlock` is the
//!    kernel's answer for that half and never the layer's own.
//! 2. What is owed comes first. Until it is done nothing is read or written for the protocol, so
//!    neither call needs a way to say that it waits for the other direction.
//! 3. A write counts bytes when the kernel has all that became of them. What the kernel has taken a
//!    part of is finished by the next write, which begins with the same bytes (as with
//!    `SSL_write(3)`). So nothing of an answer is left in the layer when a connection is closed.
//!
//! A handshake needs no time limit of its own: the connection waits for its first head meanwhile.

use crate::readiness::Directions;

/// What a layer keeps to itself; [`Layer::NONE`] where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Layer {
    /// A read brings something although the kernel may have nothing: decoded bytes, the end of the
    /// stream, or bytes that were more than one call took.
    pub holds: bool,
    /// What it does next for itself, by [`Socket::layer_read`](super::Socket::layer_read) or
    /// [`Socket::layer_write`](super::Socket::layer_write).
    pub owes: Directions,
}

impl Layer {
    /// Holds nothing and owes nothing: a plain socket, at all times.
    pub const NONE: Self = Self {
        holds: false,
        owes: Directions::NONE,
    };

    /// What is wanted of the kernel where the protocol would do `wanted`.
    #[must_use]
    pub const fn wanted(self, wanted: Directions) -> Directions {
        match self.owes.any() {
            true => self.owes,
            false => wanted,
        }
    }

    /// Whether a read for the protocol, which would do `wanted`, brings something that no event
    /// announces.
    #[must_use]
    pub const fn has_work(self, wanted: Directions) -> bool {
        self.holds && wanted.readable && !self.owes.any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [Directions; 4] = [
        Directions::NONE,
        Directions::READ,
        Directions::WRITE,
        Directions::BOTH,
    ];

    #[test]
    fn what_is_owed_comes_first() {
        for (owes, wanted) in SETS.into_iter().flat_map(|a| SETS.map(|b| (a, b))) {
            for holds in [false, true] {
                let layer = Layer { holds, owes };
                let expected = if owes.any() { owes } else { wanted };
                assert_eq!(layer.wanted(wanted), expected, "{layer:?} {wanted:?}");
                let reads = holds && wanted.readable && owes == Directions::NONE;
                assert_eq!(layer.has_work(wanted), reads, "{layer:?} {wanted:?}");
            }
        }
    }
}
