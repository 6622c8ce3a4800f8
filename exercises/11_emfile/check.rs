//! Judged by both kinds of loop in the simulated kernel, which takes the room away, gives it back
//! after a while, and counts how often the loop comes to look.

use std::io;
use std::time::{Duration, Instant};

use exercises::Verdict;
use exercises::small::{Accept, Parts, asks, serve};
use exercises::stage::{Listener, Scene, Socket};
use httpoll::kernel::Kernel as _;
use httpoll::kernel::sim::NO_ROOM;

struct Mine {
    errno: i32,
    /// The first visit to the listener.
    began: Option<Instant>,
    /// Visits so far.
    visits: u32,
}

impl<const EDGE: bool> Parts<EDGE> for Mine {
    fn accept(
        &mut self,
        listener: &mut Listener<EDGE>,
        new: &mut Vec<Socket>,
    ) -> io::Result<Accept> {
        let now = listener.sim.now().instant;
        let passed = now - *self.began.get_or_insert(now);
        let has_room = passed >= SHORTAGE;
        self.visits += 1;
        if !has_room && self.visits > VISITS_MAX {
            let what = format!("spin: {VISITS_MAX} visits to the listener in {passed:?}");
            return Err(io::Error::other(format!("{what}, and no room yet")));
        }
        listener.sim.exhaust((!has_room).then_some(self.errno));
        super::answer::on_listener(listener, new)
    }
}

const NAMES: [&str; 4] = [
    "no descriptor left (EMFILE)",
    "no descriptor left in the system (ENFILE)",
    "no buffer left (ENOBUFS)",
    "no memory left (ENOMEM)",
];

/// So long there is no room.
const SHORTAGE: Duration = Duration::from_millis(50);
/// More visits than this meanwhile are a busy loop.
const VISITS_MAX: u32 = 10;

pub fn check(round: u64) -> Verdict {
    for (errno, name) in NO_ROOM.into_iter().zip(NAMES) {
        let scene = Scene::new(name, [asks(&[3]), asks(&[30])]);
        let mine = || Mine {
            errno,
            began: None,
            visits: 0,
        };
        scene.play::<true>(round, |stage| serve(stage, &mut mine()))?;
        scene.play::<false>(round, |stage| serve(stage, &mut mine()))?;
    }
    Ok(())
}
