//! Judged in the simulated kernel, where a reset destroys what the client has not received. On Linux
//! that stays, and it is the client's sending that fails; some systems do what the simulator does.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use exercises::stage::{Client, Scene, Stage};
use exercises::{Directions, Verdict};
use httpoll::kernel::sim::Act;
use httpoll::readiness::Token;

use super::answer::{Ending, LINGER};

const REFUSAL: &[u8] = b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n<-413->\r\n";

/// Reads a piece of an upload, refuses it, and ends the connection as the answer does it. A client
/// that `ends` when it has the refusal is not to be held until the deadline.
fn serve(mut stage: Stage<true>, ends: bool) -> io::Result<()> {
    let mut listener = stage.listen(Token::new(9, 0))?;
    let mut socket = loop {
        stage.wait(None)?;
        if let Ok(socket) = listener.accept() {
            break socket;
        }
    };
    stage.register(&socket, Token::new(0, 0), Directions::BOTH)?;
    while let Err(error) = socket.read(&mut [0; 512]) {
        if error.kind() == io::ErrorKind::WouldBlock {
            stage.wait(None)?;
        }
    }
    socket.write_all(REFUSAL)?;
    let began = stage.now();
    let mut ending = Ending::begin(&mut socket, began)?;
    loop {
        let now = stage.now();
        if ending.on_event(&mut socket, now) {
            break;
        }
        if ends && now >= began + LINGER {
            let what = "the client had ended, and was held until the deadline";
            return Err(io::Error::other(what));
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
    let ends = |stage| serve(stage, true);
    // All of it has come when the first piece is read.
    let small = Scene::new("a small upload", [uploads(2_000, Act::AwaitEnd)]);
    Scene { seeds: 1, ..small }.play(0, ends)?;
    let large = || [uploads(200_000, Act::AwaitEnd)];
    Scene::new("a large upload", large()).play(round, ends)?;
    let mut scene = Scene::new("a signal interrupts a read (EINTR)", large());
    scene.disturbances.interrupts_reads = true;
    scene.play(round, ends)?;
    let vanishes = Client {
        leaves: true,
        ..uploads(2_000, Act::Vanish)
    };
    Scene::new("a client that vanishes", [vanishes]).play(round, |stage| serve(stage, false))
}
