//! The schedules: seeded ones by the thousand, and a property whose schedule shrinks.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use httpoll::conn::Limits;
use httpoll::driver::{Budget, Closed, EventLoop, Offload, Rule, Settings, settle};
use httpoll::kernel::Kernel;
use httpoll::kernel::sim::{Disturbances, Schedule, Sim};
use proptest::prelude::*;

use super::conversation::Conversation;
use super::observed::Checker;
use super::scenery::Scenery;

/// The clients of a run, drawn from a seed of their own.
pub(crate) struct Cast {
    clients: Vec<Conversation>,
    pub(crate) disturbances: Disturbances,
}

impl Cast {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut draw = Schedule::seeded(seed);
        let disturbances = Disturbances {
            jump: (draw.pick(8) == 1).then_some(Duration::from_secs(20)),
            no_descriptors: draw.pick(4) == 1,
            ..Disturbances::default()
        };
        let clients = 1 + draw.pick(3);
        let clients = (0..clients)
            .map(|_| Conversation::draw(&mut draw, &limits()))
            .collect();
        Self {
            clients,
            disturbances,
        }
    }
}

impl Cast {
    /// The kernel in which they play.
    fn simulated<const EDGE: bool>(&self, schedule: Schedule, record: bool) -> Sim<EDGE> {
        let mut sim = Sim::<EDGE>::new(schedule).disturbed(self.disturbances);
        if record {
            sim = sim.recorded();
        }
        for client in &self.clients {
            sim.client(client.script.clone(), client.outbox_max);
        }
        sim
    }
}

/// One run: what goes wrong in it, if anything does.
pub(crate) fn run<const EDGE: bool>(
    cast: &Cast,
    schedule: Schedule,
    record: bool,
) -> Result<(), String> {
    run_by::<EDGE>(settle, cast, schedule, record)
}

/// The same for a loop that settles by `rule`.
pub(crate) fn run_by<const EDGE: bool>(
    rule: Rule,
    cast: &Cast,
    schedule: Schedule,
    record: bool,
) -> Result<(), String> {
    let sim = cast.simulated::<EDGE>(schedule, record);
    let (failure, broken) = drive(&sim, rule, cast);
    let failure = failure.or(broken);
    let Some(failure) = failure else {
        return Ok(());
    };
    let mut report = failure;
    if record {
        for (n, client) in cast.clients.iter().enumerate() {
            let _ = write!(report, "\nclient {n}: {}", outline(client));
        }
        let _ = write!(report, "\n{}", sim.transcript());
    }
    Err(report)
}

/// What the record of such a run shows that the table does not allow.
pub(crate) fn recorded_by<const EDGE: bool>(
    rule: Rule,
    cast: &Cast,
    schedule: Schedule,
) -> Option<String> {
    drive(&cast.simulated::<EDGE>(schedule, false), rule, cast).1
}

/// Turns the loop until all is over: what went wrong, and what its record shows.
fn drive<const EDGE: bool>(
    sim: &Sim<EDGE>,
    rule: Rule,
    cast: &Cast,
) -> (Option<String>, Option<String>) {
    let scenery = Scenery {
        elsewhere: Some(sim.elsewhere()),
    };
    let observer = (Closed::default(), Checker::new(Sim::<EDGE>::TRIGGER));
    let settings = Settings { rule, ..settings() }.observed_by(observer);
    let (listeners, offload) = (vec![sim.listen()], Offload::inline());
    let made = EventLoop::new(sim.clone(), listeners, scenery, settings, offload);
    let mut event_loop = match made {
        Ok(event_loop) => event_loop,
        Err(error) => return (Some(error.to_string()), None),
    };
    let mut failure = None;
    while failure.is_none() && !sim.is_over() {
        let turned = event_loop.turn();
        let verdict = sim.verdict().map(|verdict| verdict.to_string());
        failure = verdict.or(turned.err().map(|error| error.to_string()));
    }
    let (closed, checker) = event_loop.observer();
    let total = closed.total();
    let failure = failure.or_else(|| {
        let all = total == cast.clients.len() as u64 && event_loop.connections() == 0;
        (!all).then(|| {
            let clients = cast.clients.len();
            format!("{total} ends were counted for {clients} sockets")
        })
    });
    let failure = failure.or_else(|| {
        // Deadlines may be missed when the clock jumps, and room be made when descriptors run out.
        let late = cast.disturbances.jump.is_some() || closed.get("evicted") > 0;
        let heard = cast.clients.iter().enumerate();
        heard
            .filter_map(|(n, client)| misheard(n, client, &sim.received(n), late))
            .next()
    });
    (failure, checker.broken().map(str::to_owned))
}

/// What is wrong with what a client heard.
fn misheard(n: usize, client: &Conversation, got: &[u8], late: bool) -> Option<String> {
    let wrong = match client.prefix || late {
        true => !is_prefix(got, &client.answers),
        false => *got != client.answers,
    };
    wrong.then(|| {
        let same = got
            .iter()
            .zip(&client.answers)
            .take_while(|(a, b)| a == b)
            .count();
        let from = |bytes: &[u8]| {
            let end = bytes.len().min(same + 60);
            String::from_utf8_lossy(&bytes[same.saturating_sub(20)..end]).into_owned()
        };
        let (heard, due) = (from(got), from(&client.answers));
        format!("client {n}, byte {same}: received {heard:?} instead of {due:?}")
    })
}

/// A client that was cut off has heard less, or was told at the end that it was too late.
fn is_prefix(got: &[u8], answers: &[u8]) -> bool {
    let same = got.iter().zip(answers).take_while(|(a, b)| a == b).count();
    let is_too_late = |rest: &[u8]| rest.iter().zip(b"HTTP/1.1 408 ").all(|(a, b)| a == b);
    // Its first bytes may be those of the answer that was due.
    same == got.len() || (same.saturating_sub(12)..=same).any(|cut| is_too_late(&got[cut..]))
}

/// A share of a turn, and a read buffer, small enough to be used up.
fn settings() -> Settings {
    Settings {
        limits: limits(),
        budget: Budget {
            bytes_of_all: 0,
            bytes: 5_000,
            steps: 4,
        },
        read_bytes: 1_500,
        ..Settings::default()
    }
}

fn outline(client: &Conversation) -> String {
    use httpoll::kernel::sim::Act;
    let acts = client.script.iter().map(|act| match act {
        Act::Send(bytes) => format!(
            "Send({} bytes: {:?})",
            bytes.len(),
            String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
        ),
        other => format!("{other:?}"),
    });
    let acts: Vec<_> = acts.collect();
    format!("outbox {} {}", client.outbox_max, acts.join(", "))
}

/// Limits small enough to be met.
fn limits() -> Arc<Limits> {
    Arc::new(Limits {
        inline_bytes_max: 1_000,
        outbox_bytes_max: 4_000,
        inbox_bytes_max: 3_000,
        head_bytes_max: 2_000,
        ..Limits::default()
    })
}

/// One seed under both triggers; a run that fails is repeated with its transcript.
fn check(seed: u64) {
    fn check<const EDGE: bool>(seed: u64, cast: &Cast) {
        if run::<EDGE>(cast, Schedule::seeded(seed), false).is_err() {
            let report = run::<EDGE>(cast, Schedule::seeded(seed), true).unwrap_err();
            let trigger = if EDGE { "edge" } else { "level" };
            panic!("{trigger}, HTTPOLL_SIM_SEED={seed}: {report}");
        }
    }
    let cast = Cast::draw(seed);
    check::<true>(seed, &cast);
    check::<false>(seed, &cast);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Half of the schedules on edge, half on level.
#[test]
fn every_client_hears_the_reference_under_every_schedule() {
    if let Some(seed) = number("HTTPOLL_SIM_SEED") {
        return check(seed);
    }
    let schedules = number("HTTPOLL_SIM_SCHEDULES").unwrap_or(2_000);
    for seed in 0..schedules.div_ceil(2) {
        check(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_schedule_that_fails_shrinks(
        cast in 0_u64..64,
        choices in prop::collection::vec(any::<u16>(), 0..400),
    ) {
        let cast = Cast::draw(cast);
        for outcome in [
            run::<true>(&cast, Schedule::of(choices.clone()), false),
            run::<false>(&cast, Schedule::of(choices), false),
        ] {
            prop_assert_eq!(outcome, Ok(()));
        }
    }
}
