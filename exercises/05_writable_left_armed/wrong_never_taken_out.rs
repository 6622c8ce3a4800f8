//! Asks for it when it is needed, and leaves it there. It goes well until the first slow client has
//! got its answer:
//! a client that reads slowly: level, seed 0: spin: Socket(0) (slot 0) was reported 3 times and never
//! called on

use exercises::Directions;

pub fn interest(output: &[u8], armed: Directions) -> Directions {
    Directions {
        readable: true,
        writable: armed.writable || !output.is_empty(),
    }
}
