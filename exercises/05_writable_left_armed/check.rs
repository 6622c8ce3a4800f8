//! Judged by a level-triggered loop in the simulated kernel, of which this is the last step.

use std::time::Duration;

use exercises::small::{Client, Conn, Parts, asks, asks_in_turn, serve};
use exercises::stage::Scene;
use exercises::{Directions, Verdict};
use httpoll::kernel::sim::Act;

struct Mine;

impl Parts<false> for Mine {
    fn wants_read(&mut self, conn: &Conn) -> bool {
        !conn.ended
    }

    fn interest(&mut self, conn: &Conn, armed: Directions, _: Directions) -> Directions {
        let mine = super::answer::interest(&conn.output, armed);
        // Nothing more is read from a client that sends no more: that is exercise 6.
        Directions {
            readable: mine.readable && !conn.ended,
            ..mine
        }
    }
}

pub fn check(round: u64) -> Verdict {
    let play = |name, clients: Vec<Client>| {
        Scene::new(name, clients).play(round, |stage| serve(stage, &mut Mine))
    };
    let mut thinks = asks_in_turn(&[12, 5]);
    thinks.script.insert(2, Act::Pause(Duration::from_secs(1)));
    play("a client that thinks for a second", vec![thinks])?;

    let mut slow = Client {
        send_buffer: 700,
        ..asks(&[20_000])
    };
    slow.script.insert(2, Act::Pause(Duration::from_secs(1)));
    play("a client that reads slowly", vec![slow])?;

    let slow = Client {
        send_buffer: 700,
        ..asks(&[3_000, 1, 3_000])
    };
    play(
        "three clients at once",
        vec![asks_in_turn(&[5, 500, 5]), slow, asks(&[9; 30])],
    )
}
