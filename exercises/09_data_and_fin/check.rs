//! Judged by an edge-triggered loop in the simulated kernel, with clients that end early.

use std::io;

use exercises::Verdict;
use exercises::small::{Client, Conn, Parts, Reading, asks, asks_in_turn, serve};
use exercises::stage::{Scene, Socket};
use httpoll::kernel::sim::Act;

#[derive(Default)]
struct Mine {
    /// Every report says that the end is possible, as those of select(2) do.
    doubts: bool,
}

impl Parts<true> for Mine {
    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        let eof_possible = conn.eof_possible || self.doubts;
        super::answer::on_readable(socket, eof_possible, &mut conn.input)
    }
}

/// A client that ends its stream with its last request.
fn ends_early(lens: &[usize]) -> Client {
    let mut client = asks(lens);
    client.script.retain(|act| *act != Act::Finish);
    client.script.insert(1, Act::Finish);
    client
}

pub fn check(round: u64) -> Verdict {
    let play = |name, clients: Vec<Client>| {
        Scene::new(name, clients).play(round, |stage| serve(stage, &mut Mine::default()))
    };
    play("a request and the end at once", vec![ends_early(&[12])])?;
    play(
        "many requests and the end at once",
        vec![ends_early(&[5; 1_500])],
    )?;
    let slow = Client {
        send_buffer: 700,
        ..ends_early(&[5_000, 7])
    };
    play(
        "three clients at once",
        vec![slow, asks_in_turn(&[1, 2, 3]), ends_early(&[6; 200])],
    )?;
    let clients = [asks_in_turn(&[1, 20, 300]), ends_early(&[6; 200])];
    let scene = Scene::new("the end is possible and has not come", clients);
    scene.play(round, |stage| serve(stage, &mut Mine { doubts: true }))
}
