//! Judged by an edge-triggered loop in the simulated kernel, of which this is the reading part.

use std::io;

use exercises::Verdict;
use exercises::small::{Conn, Parts, Reading, asks, asks_in_batches, asks_in_turn, serve};
use exercises::stage::{Scene, Socket};

struct Mine;

impl Parts<true> for Mine {
    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        super::answer::on_readable(socket, &mut conn.input)
    }
}

pub fn check(round: u64) -> Verdict {
    let client = asks_in_batches([&[5][..], &[5; 1_500]]);
    let scene = Scene::new("one request, then many at once", [client]);
    scene.play(round, |stage| serve(stage, &mut Mine))?;
    let clients = [
        asks_in_turn(&[1, 20, 300]),
        asks(&[7; 400]),
        asks(&[3_000, 2]),
    ];
    let scene = Scene::new("three clients at once", clients);
    scene.play(round, |stage| serve(stage, &mut Mine))?;
    let mut scene = Scene::new("a signal interrupts a read (EINTR)", [asks(&[7; 400])]);
    scene.disturbances.interrupts_reads = true;
    scene.play(round, |stage| serve(stage, &mut Mine))
}
