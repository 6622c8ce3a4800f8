//! The schedules: seeded ones by the thousand, and a property whose schedule shrinks.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use httpoll::conn::Limits;
use httpoll::driver::record::{Checker, Recorder, TurnRecord};
use httpoll::driver::{Budget, Closed, EventLoop, Observer, Offload, Rule, Settings, settle};
use httpoll::kernel::sim::layered::{LayeredKernel, Lie, decode};
use httpoll::kernel::sim::{Disturbances, Schedule, Sim, SimListener};
use httpoll::kernel::{Faults, InjectedKernel, Injector, Kernel};
use httpoll::service::Service;
use proptest::prelude::*;

use super::conversation::Conversation;
use super::scenery::Scenery;

/// The clients of a run, drawn from a seed of their own.
pub(crate) struct Cast {
    clients: Vec<Conversation>,
    pub(crate) disturbances: Disturbances,
    /// A layer beneath the protocol, and what it says that is not true.
    layer: Option<Option<Lie>>,
    /// Faults beside those of the schedule.
    faults: Option<Faults>,
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
            layer: None,
            faults: None,
        }
    }

    /// The same with calls that are spoiled.
    pub(crate) fn injected(self, faults: Faults) -> Self {
        let faults = Some(faults);
        Self { faults, ..self }
    }

    /// The same through a layer, by a seed of its own.
    pub(crate) fn layered(mut self, seed: u64, lie: Option<Lie>) -> Self {
        let mut draw = Schedule::seeded(!seed);
        let clients = self.clients.into_iter();
        self.clients = clients.map(|client| client.layered(&mut draw)).collect();
        self.layer = Some(lie);
        self
    }

    /// What a client has heard of the protocol, of all that it received.
    fn heard(&self, received: Vec<u8>) -> Vec<u8> {
        match self.layer {
            None => received,
            Some(_) => decode(&received),
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

    /// A run to its end: what went wrong, and what its record shows.
    fn play<const EDGE: bool>(
        &self,
        sim: &Sim<EDGE>,
        rule: Rule,
    ) -> (Option<String>, Option<String>) {
        if let Some(faults) = &self.faults {
            let kernel = InjectedKernel::new(sim.clone(), Injector::new(faults, 0));
            return self.play_in(kernel, sim, rule);
        }
        match self.layer {
            None => self.play_in(sim.clone(), sim, rule),
            Some(lie) => self.play_in(LayeredKernel::new(sim.clone(), lie), sim, rule),
        }
    }

    fn play_in<K: Kernel<Listener = SimListener>, const EDGE: bool>(
        &self,
        kernel: K,
        sim: &Sim<EDGE>,
        rule: Rule,
    ) -> (Option<String>, Option<String>) {
        let scenery = Scenery {
            elsewhere: Some(sim.elsewhere()),
        };
        let mut checker = Checker::new(K::TRIGGER);
        let recorder = Recorder::new(0, |turn: &TurnRecord| checker.follow(turn));
        let observer = (Closed::default(), recorder);
        let settings = Settings { rule, ..settings() }.observed_by(observer);
        let (listeners, offload) = (vec![sim.listen()], Offload::inline());
        let mut event_loop = match EventLoop::new(kernel, listeners, scenery, settings, offload) {
            Ok(event_loop) => event_loop,
            Err(error) => return (Some(error.to_string()), None),
        };
        let failure = drive(&mut event_loop, sim, self);
        drop(event_loop);
        (failure, checker.broken().map(str::to_owned))
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
    let (failure, broken) = cast.play(&sim, rule);
    let failure = failure.or(broken);
    let Some(failure) = failure else {
        if record {
            println!("{}", sim.transcript());
        }
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
    let sim = cast.simulated::<EDGE>(schedule, false);
    cast.play(&sim, rule).1
}

/// Turns the loop until all is over, and says what went wrong.
fn drive<K: Kernel, S: Service, O: Observer, const EDGE: bool>(
    event_loop: &mut EventLoop<K, S, (Closed, O)>,
    sim: &Sim<EDGE>,
    cast: &Cast,
) -> Option<String> {
    while !sim.is_over() {
        let turned = event_loop.turn();
        if let Some(verdict) = sim.verdict() {
            return Some(verdict.to_string());
        }
        if let Err(error) = turned {
            return Some(error.to_string());
        }
    }
    let (closed, _) = event_loop.observer();
    let (total, clients) = (closed.total(), cast.clients.len());
    if total != clients as u64 || event_loop.connections() > 0 {
        return Some(format!("{total} ends were counted for {clients} sockets"));
    }
    // Deadlines may be missed when the clock jumps, and room be made when descriptors run out.
    let late = cast.disturbances.jump.is_some() || closed.get("evicted") > 0;
    let clients = cast.clients.iter().enumerate();
    clients
        .filter_map(|(n, client)| misheard(n, client, &cast.heard(sim.received(n)), late))
        .next()
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

/// One seed under both triggers, with the transcript if that is asked for; a run that fails is
/// repeated with it.
fn check(seed: u64, cast: &Cast, shown: bool) {
    fn check<const EDGE: bool>(seed: u64, cast: &Cast, shown: bool) {
        let trigger = if EDGE { "edge" } else { "level" };
        if shown {
            println!("{trigger}, HTTPOLL_SIM_SEED={seed}:");
        }
        if run::<EDGE>(cast, Schedule::seeded(seed), shown).is_err() {
            let report = run::<EDGE>(cast, Schedule::seeded(seed), true).unwrap_err();
            panic!("{trigger}, HTTPOLL_SIM_SEED={seed}: {report}");
        }
    }
    check::<true>(seed, cast, shown);
    check::<false>(seed, cast, shown);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Half of the schedules on edge, half on level.
pub(crate) fn schedules(default: u64, cast: impl Fn(u64) -> Cast) {
    if let Some(seed) = number("HTTPOLL_SIM_SEED") {
        return check(seed, &cast(seed), true);
    }
    let schedules = number("HTTPOLL_SIM_SCHEDULES").unwrap_or(default);
    for seed in 0..schedules.div_ceil(2) {
        check(seed, &cast(seed), false);
    }
}

#[test]
fn every_client_hears_the_reference_under_every_schedule() {
    schedules(2_000, Cast::draw);
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
