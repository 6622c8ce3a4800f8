//! Judged by a level-triggered loop in the simulated kernel, which reads 512 bytes in a turn.

use std::io::{self, Read as _};

use exercises::small::{Client, Conn, OUTPUT_MAX, Parts, Reading, asks, asks_in_turn, serve};
use exercises::stage::{Scene, Socket};
use exercises::{Directions, Verdict};
use httpoll::kernel::sim::Act;

use super::answer;

struct Mine;

impl Parts<false> for Mine {
    fn wants_read(&mut self, conn: &Conn) -> bool {
        !conn.ended && answer::wants_read(conn.output.len())
    }

    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        let owed = conn.output.len();
        if owed > OUTPUT_MAX {
            let enough = format!("{OUTPUT_MAX} would be enough, and more is read from it");
            let what = format!("{owed} bytes are owed to one client, {enough}");
            return Err(io::Error::other(what));
        }
        let mut piece = [0; 512];
        match socket.read(&mut piece) {
            Ok(0) => return Ok(Reading::End),
            Ok(n) => conn.input.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Reading::Empty),
            Err(error) => return Err(error),
        }
        Ok(Reading::More)
    }

    fn interest(&mut self, conn: &Conn, armed: Directions, _: Directions) -> Directions {
        let mine = answer::interest(conn.output.len(), armed);
        Directions {
            readable: mine.readable && !conn.ended,
            ..mine
        }
    }
}

/// A client that asks for these in lines of a hundred bytes, and has room for 700.
fn asks_at_length(lens: &[usize]) -> Client {
    let mut client = asks(lens);
    let lines = lens.iter().map(|len| format!("{len:099}\n"));
    client.script[0] = Act::Send(lines.collect::<String>().into_bytes());
    Client {
        send_buffer: 700,
        ..client
    }
}

pub fn check(round: u64) -> Verdict {
    let play = |name, clients: Vec<Client>| {
        let scene = Scene {
            seeds: 20,
            ..Scene::new(name, clients)
        };
        scene.play(round, |stage| serve(stage, &mut Mine))
    };
    play(
        "a client that asks and reads slowly",
        vec![asks_at_length(&[9_000; 15])],
    )?;
    let clients = vec![
        asks_in_turn(&[20_000, 3]),
        Client {
            send_buffer: 4_000,
            ..asks(&[50; 300])
        },
        asks(&[9_000, 9_000]),
    ];
    play("three clients at once", clients)
}
