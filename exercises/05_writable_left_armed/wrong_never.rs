//! "Then not at all." What a full socket refused is never sent:
//! a client that reads slowly: level, seed 0: stall: slot 0 has room for 700 bytes, client 0 has 700
//! and waits for 20000

use exercises::Directions;

pub fn interest(_output: &[u8], _armed: Directions) -> Directions {
    Directions {
        readable: true,
        writable: false,
    }
}
