//! Judged by an edge-triggered loop in the simulated kernel, and by what is read in one turn.

use std::io;
use std::time::Duration;

use exercises::Verdict;
use exercises::small::{Client, Conn, Parts, Reading, asks, asks_in_turn, serve};
use exercises::stage::{Scene, Socket};
use httpoll::kernel::sim::Act;

const SHARE: usize = super::answer::BUDGET;

struct Mine;

impl Parts<true> for Mine {
    fn read(&mut self, socket: &mut Socket, conn: &mut Conn) -> io::Result<Reading> {
        let before = conn.input.len();
        let reading = super::answer::on_readable(socket, &mut conn.input)?;
        let read = conn.input.len().saturating_sub(before);
        if read > SHARE {
            let what = format!("{read} bytes were read from one client in a turn");
            return Err(io::Error::other(format!("{what}; {SHARE} were its share")));
        }
        Ok(reading)
    }
}

/// The same client, with 6,000 bytes in each request: zeros in front of its number.
fn pads(mut client: Client) -> Client {
    for act in &mut client.script {
        if let Act::Send(line) = act {
            line.splice(..0, [b'0'; 6_000]);
        }
    }
    client
}

pub fn check(round: u64) -> Verdict {
    let play = |name, clients: Vec<Client>| {
        Scene::new(name, clients).play(round, |stage| serve(stage, &mut Mine))
    };
    // One line of 60,000 digits, all of them zeros but the last.
    let mut much = asks(&[7]);
    much.script[0] = Act::Send(format!("{:060000}\n", 7).into_bytes());
    let mut other = asks(&[1]);
    other.script.insert(2, Act::Pause(Duration::from_secs(1)));
    play(
        "one client sends much and another one waits",
        vec![much, other],
    )?;
    play(
        "three clients at once",
        vec![asks(&[5; 2_500]), asks_in_turn(&[1, 2]), asks(&[10; 900])],
    )?;
    // So a short read is not the last one of its turn, and what is read no multiple of a piece.
    let client = || pads(asks_in_turn(&[7; 6]));
    let mut scene = Scene::new(
        "clients send while they are read from",
        [client(), client()],
    );
    scene.seeds = 20;
    scene.disturbances.moves_between_reads = true;
    scene.play(round, |stage| serve(stage, &mut Mine))
}
