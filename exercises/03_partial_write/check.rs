//! Judged by what clients with small send buffers receive, in the simulated kernel.

use std::io;

use exercises::Verdict;
use exercises::small::{Client, Conn, Parts, Writing, asks, asks_in_turn, serve};
use exercises::stage::{Scene, Socket};

struct Mine;

impl Parts<true> for Mine {
    fn write(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Writing> {
        super::answer::flush(socket, &mut conn.output)
    }
}

pub fn check(round: u64) -> Verdict {
    let slow = Client {
        send_buffer: 700,
        ..asks(&[20_000])
    };
    let scene = Scene::new("a client with room for 700 bytes", [slow]);
    scene.play(round, |stage| serve(stage, &mut Mine))?;
    let clients = [
        Client {
            send_buffer: 700,
            ..asks_in_turn(&[10, 5_000, 3])
        },
        Client {
            send_buffer: 4_000,
            ..asks(&[4_001, 1, 9_000])
        },
        asks(&[1, 2, 3]),
    ];
    let scene = Scene::new("three clients at once", clients);
    scene.play(round, |stage| serve(stage, &mut Mine))
}
