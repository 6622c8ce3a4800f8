//! The event loop of the release in the simulated kernel, with one rule replaced.

use std::io;
use std::sync::Arc;

use httpoll::conn::Limits;
use httpoll::driver::{Budget, EventLoop, Offload, Rule, Settings};
use httpoll::http::{Request, Tick};
use httpoll::service::Reply;

use crate::Verdict;
use crate::http::respond;
use crate::stage::{Scene, Stage};

/// Plays a scene with the loop that settles by `rule`.
pub fn play<const EDGE: bool>(scene: &Scene, round: u64, rule: Rule) -> Verdict {
    scene.play(round, |stage: Stage<EDGE>| serve(&stage, rule))
}

fn serve<const EDGE: bool>(stage: &Stage<EDGE>, rule: Rule) -> io::Result<()> {
    let service = |request: &Request<'_>, _: &Tick| -> Reply { respond(request).into() };
    let (sim, offload) = (stage.sim.clone(), Offload::inline());
    let listeners = vec![sim.listen()];
    let mut event_loop = EventLoop::new(sim, listeners, service, settings(rule), offload)?;
    while !stage.is_over() {
        event_loop.turn()?;
    }
    Ok(())
}

/// A budget small enough to be spent.
fn settings(rule: Rule) -> Settings {
    let budget = Budget {
        bytes_of_all: 0,
        bytes: 5_000,
        steps: 4,
    };
    let limits = Arc::new(Limits::default());
    Settings {
        rule,
        limits,
        budget,
        read_bytes: 4_096,
        ..Settings::default()
    }
}
