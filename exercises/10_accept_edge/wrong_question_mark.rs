//! A loop, and `?` for every error. The one that must come at the end of each turn ends the server:
//! five clients at once: edge, seed 0: the server ended: operation would block

use std::io;

use exercises::stage::{Listener, Socket};

pub fn on_listener(listener: &mut Listener<true>, new: &mut Vec<Socket>) -> io::Result<()> {
    loop {
        new.push(listener.accept()?);
    }
}
