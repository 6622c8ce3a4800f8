//! Judged by the event loop of the release, in the simulated kernel.

use std::time::Duration;

use exercises::Verdict;
use exercises::http::{answers, get};
use exercises::release::play;
use exercises::stage::{Client, Scene};
use httpoll::driver::{Bits, Settled, settle};
use httpoll::kernel::sim::Act;
use httpoll::readiness::Trigger;

fn rule(trigger: Trigger, bits: Bits) -> Settled {
    let queued = super::answer::queued(trigger, bits);
    Settled {
        queued,
        ..settle(trigger, bits)
    }
}

/// A client that sends these requests in one piece and leaves when it has the answers.
fn asks(paths: &[&str]) -> Client {
    let sent: Vec<u8> = paths.iter().flat_map(|path| get(path)).collect();
    let due = answers(&sent);
    let script = vec![
        Act::Send(sent),
        Act::Await(due.len()),
        Act::Finish,
        Act::AwaitEnd,
    ];
    Client {
        script,
        due,
        send_buffer: 64 * 1024,
        leaves: false,
    }
}

/// A client that asks for something, and a second later for something else.
fn thinks() -> Client {
    let mut client = asks(&["/a", "/b"]);
    let (first, second) = (get("/a"), get("/b"));
    let due = [answers(&first).len(), client.due.len()];
    let first = [
        Act::Send(first),
        Act::Await(due[0]),
        Act::Pause(Duration::from_secs(1)),
    ];
    let second = [Act::Send(second), Act::Await(due[1])];
    client.script.splice(..2, first.into_iter().chain(second));
    client
}

/// Under both triggers.
fn both(scene: &Scene, round: u64) -> Verdict {
    play::<true>(scene, round, rule)?;
    play::<false>(scene, round, rule)
}

pub fn check(round: u64) -> Verdict {
    let one = |name, client| Scene {
        seeds: 1,
        ..Scene::new(name, [client])
    };
    both(&one("forty requests in one piece", asks(&["/"; 40])), round)?;
    both(
        &one("an answer of 60,000 bytes", asks(&["/bytes/60000"])),
        round,
    )?;
    both(&one("a client that thinks for a second", thinks()), round)?;
    let clients = [
        asks(&["/a", "/bytes/9000", "/b"]),
        asks(&["/"; 40]),
        thinks(),
    ];
    both(&Scene::new("three clients at once", clients), round)
}
