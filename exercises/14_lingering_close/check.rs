//! Judged in the simulated kernel, where a close destroys what Linux would destroy.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use exercises::stage::{Client, Scene, Stage};
use exercises::{Directions, Verdict};
use httpoll::kernel::sim::Act;
use httpoll::readiness::Token;

use super::answer::Ending;

const REFUSAL: &[u8] = b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n<-413->\r\n";

/// Reads a piece of an upload, refuses it, and ends the connection as the answer does it.
fn serve(mut stage: Stage<true>) -> io::Result<()> {
    let mut listener = stage.listen(Token::new(9, 0))?;
    let mut socket = loop {
        stage.wait(None)?;
        if let Ok(socket) = listener.accept() {
            break socket;
        }
    };
    stage.register(&socket, Token::new(0, 0), Directions::BOTH)?;
    while socket.read(&mut [0; 512]).is_err() {
        stage.wait(None)?;
    }
    socket.write_all(REFUSAL)?;
    let now = stage.now();
    let mut ending = Ending::begin(&mut socket, now)?;
    loop {
        let now = stage.now();
        if ending.on_event(&mut socket, now) {
            break;
        }
        let left = ending.deadline().saturating_duration_since(now);
        stage.wait(Some(left))?;
    }
    drop(socket);
    while !stage.is_over() {
        stage.wait(Some(Duration::from_millis(1)))?;
    }
    Ok(())
}

fn uploads(bytes: usize, end: Act) -> Client {
    let script = vec![Act::Send(vec![b'x'; bytes]), end];
    Client {
        script,
        due: REFUSAL.to_vec(),
        send_buffer: 64 * 1024,
        leaves: false,
    }
}

pub fn check(round: u64) -> Verdict {
    let play = |name, client| Scene::new(name, [client]).play(round, serve);
    // All of it has come when the first piece is read.
    let small = Scene::new("a small upload", [uploads(2_000, Act::AwaitEnd)]);
    Scene { seeds: 1, ..small }.play(0, serve)?;
    play("a large upload", uploads(200_000, Act::AwaitEnd))?;
    let vanishes = Client {
        leaves: true,
        ..uploads(2_000, Act::Vanish)
    };
    play("a client that vanishes", vanishes)
}
