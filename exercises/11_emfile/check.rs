//! Judged by both kinds of loop in the simulated kernel, which takes the room away and gives it back.

use std::io;

use exercises::Verdict;
use exercises::small::{Accept, Parts, asks, serve};
use exercises::stage::{Listener, Scene, Socket};
use httpoll::kernel::sim::NO_ROOM;

struct Mine {
    errno: i32,
    /// Visits to the listener so far.
    visits: u32,
}

impl<const EDGE: bool> Parts<EDGE> for Mine {
    fn accept(
        &mut self,
        listener: &mut Listener<EDGE>,
        new: &mut Vec<Socket>,
    ) -> io::Result<Accept> {
        self.visits += 1;
        // There is room again at the third.
        listener
            .sim
            .exhaust((self.visits < 3).then_some(self.errno));
        super::answer::on_listener(listener, new)
    }
}

const NAMES: [&str; 4] = [
    "no descriptor left (EMFILE)",
    "no descriptor left in the system (ENFILE)",
    "no buffer left (ENOBUFS)",
    "no memory left (ENOMEM)",
];

pub fn check(round: u64) -> Verdict {
    for (errno, name) in NO_ROOM.into_iter().zip(NAMES) {
        let scene = Scene::new(name, [asks(&[3]), asks(&[30])]);
        let mine = || Mine { errno, visits: 0 };
        scene.play::<true>(round, |stage| serve(stage, &mut mine()))?;
        scene.play::<false>(round, |stage| serve(stage, &mut mine()))?;
    }
    Ok(())
}
