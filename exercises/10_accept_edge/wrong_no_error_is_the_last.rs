//! Goes on after every error, also after the one that says that nobody is left:
//! five clients at once: edge, seed 0: hang: 20000 calls in one turn, and the loop never waits again

use std::io;

use exercises::stage::{Listener, Socket};

pub fn on_listener(listener: &mut Listener<true>, new: &mut Vec<Socket>) -> io::Result<()> {
    loop {
        if let Ok(socket) = listener.accept() {
            new.push(socket);
        }
    }
}
