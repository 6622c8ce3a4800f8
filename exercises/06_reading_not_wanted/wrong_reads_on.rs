//! Nothing spins if everything is read:
//! a client that asks and reads slowly: level, seed 0: 25600 bytes are owed to one client, 16384 would
//! be enough, and more is read from it

use exercises::Directions;

pub fn wants_read(_owed: usize) -> bool {
    true
}

pub fn interest(owed: usize, _armed: Directions) -> Directions {
    Directions {
        readable: true,
        writable: owed > 0,
    }
}
