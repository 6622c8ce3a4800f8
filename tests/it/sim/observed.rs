//! The table of `settle.rs`, proven from records, and from nothing else; and what becomes of a
//! record that is written and read again.

use expect_test::expect;
use httpoll::driver::lab::{Experiment, MISTAKES, SCENARIOS};
use httpoll::driver::record::{Checker, Heading, Recorder, Text, TurnRecord};
use httpoll::driver::{EventLoop, Offload, Rule, Settings, settle};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::sim::{Act, Schedule, Sim};
use httpoll::readiness::Trigger;
use httpoll::service::Reply;

use super::mutants::{SEEDS, mistaken};
use super::schedules::{Cast, recorded_by};

/// What the record of a loop that settles by `rule` breaks within the first seeds.
fn broken<const EDGE: bool>(rule: Rule) -> Option<String> {
    (0..SEEDS).find_map(|seed| recorded_by::<EDGE>(rule, &Cast::draw(seed), Schedule::seeded(seed)))
}

fn check<const EDGE: bool>(rule: Rule, word: &str) {
    let broken = broken::<EDGE>(rule).expect("the record does not show the mistake");
    assert!(broken.starts_with(word), "{broken}");
}

#[test]
fn the_record_alone_proves_the_table() {
    assert_eq!(broken::<true>(settle), None);
    assert_eq!(broken::<false>(settle), None);
}

#[test]
fn the_record_alone_shows_each_row_that_is_missing() {
    check::<false>(mistaken("never-armed"), "stall, what is wanted");
    check::<false>(mistaken("never-disarmed"), "spin, what is not wanted");
    check::<true>(mistaken("forgotten"), "stall, what was announced");
    check::<true>(mistaken("budget"), "stall, what is wanted");
    check::<true>(mistaken("work"), "stall, with work");
    check::<false>(mistaken("work"), "stall, with work");
    // What a row does not ask for is not missed.
    assert_eq!(broken::<false>(mistaken("budget")), None);
    assert_eq!(broken::<true>(mistaken("never-armed")), None);
}

/// The record of a seeded run, as it would be kept: lines of JSON.
fn kept<const EDGE: bool>(seed: u64) -> String {
    let trigger = if EDGE { Trigger::Edge } else { Trigger::Level };
    let heading = Heading::new("simulated", trigger);
    let mut lines = serde_json::to_string(&heading).unwrap() + "\n";
    let recorder = Recorder::new(0, |turn: &TurnRecord| {
        lines += &(serde_json::to_string(turn).unwrap() + "\n");
    });
    let sim = Sim::<EDGE>::new(Schedule::seeded(seed));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    for outbox_max in [100, 10_000] {
        sim.client(vec![Act::Send(request.clone()), Act::Close], outbox_max);
    }
    let settings = Settings::default().observed_by(recorder);
    let (listeners, offload) = (vec![sim.listen()], Offload::inline());
    let mut event_loop = EventLoop::new(sim.clone(), listeners, hello, settings, offload).unwrap();
    while !sim.is_over() {
        event_loop.turn().unwrap();
    }
    drop(event_loop);
    lines
}

fn hello(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response::text("Hello, World!"))
}

#[test]
fn a_record_is_read_as_it_was_written_and_is_the_same_again() {
    fn check<const EDGE: bool>(seed: u64) {
        let lines = kept::<EDGE>(seed);
        assert_eq!(lines, kept::<EDGE>(seed), "the same seed, another record");
        let (heading, turns) = lines.split_once('\n').unwrap();
        let heading: Heading = serde_json::from_str(heading).unwrap();
        let mut checker = Checker::new(heading.trigger);
        for line in turns.lines() {
            let turn: TurnRecord = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&turn).unwrap(), line);
            checker.follow(&turn);
        }
        assert_eq!(checker.broken(), None);
        assert!(checker.settled() > 0);
    }
    for seed in 0..20 {
        check::<true>(seed);
        check::<false>(seed);
    }
}

/// What a record does not hold: addresses, content and, unless asked for, targets.
#[test]
fn a_record_is_nobodys_business() {
    let lines = kept::<true>(1);
    assert!(!lines.contains("127.0.0.1") && !lines.contains("Hello") && !lines.contains("GET"));
}

/// The record as text: what a student compares, line by line.
fn text(lines: &str) -> String {
    let (heading, turns) = lines.split_once('\n').unwrap();
    let heading: Heading = serde_json::from_str(heading).unwrap();
    let trigger = heading.trigger;
    let turns = turns
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let shown = turns.map(|turn: TurnRecord| {
        Text {
            turn: &turn,
            trigger,
        }
        .to_string()
    });
    shown.collect()
}

#[test]
fn two_clients_at_edges() {
    expect![[r#"
        turn 1 ready: waker r, listener r
          listener accept()
          0.0 accepted
          0.0 interest(rw)
          0.0 AwaitHead        read W.A. write .RA.
          listener accept() = EAGAIN
        turn 2 ready: 0.0 rw end, listener r
          listener accept()
          1.0 accepted
          1.0 interest(rw)
          1.0 AwaitHead        read W.A. write .RA.
          listener accept() = EAGAIN
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read WRAQ write .RAQ
        turn 3 wait 0 timeout
          0.0 read(65536) = 0
          0.0 closed: client_closed
        turn 4 ready: 1.0 rw end
          1.0 read(65536) = 27
          1.0 write(130) = 100
          1.0 AwaitHead        read WRAQ write W.AQ
        turn 5 wait 0 ready: 1.0 rw end
          1.0 read(65536) = 0
          1.0 write(30) = EPIPE
          1.0 closed: socket_failed
    "#]]
    .assert_eq(&text(&kept::<true>(1)));
}

#[test]
fn the_same_two_clients_at_levels() {
    expect![[r#"
        turn 1 ready: waker r, listener r
          listener accept()
          0.0 accepted
          0.0 interest(r)
          0.0 AwaitHead        read W.A. write .R..
          listener accept() = EAGAIN
        turn 2 ready: listener r, 0.0 r end
          listener accept()
          1.0 accepted
          1.0 interest(r)
          1.0 AwaitHead        read W.A. write .R..
          listener accept() = EAGAIN
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read WRA. write .R..
        turn 3 timeout
        turn 4 ready: 1.0 r end, 0.0 rw end
          1.0 read(65536) = 27
          0.0 read(65536) = 0
          1.0 write(130) = 100
          1.0 interest(rw)
          1.0 AwaitHead        read WRA. write W.A.
          0.0 interest()
          0.0 closed: client_closed
        turn 5 ready: 1.0 rw end
          1.0 read(65536) = 0
          1.0 write(30) = EPIPE
          1.0 interest()
          1.0 closed: socket_failed
    "#]]
    .assert_eq(&text(&kept::<false>(1)));
}

/// The recordings of `www/`: edge beside level over the same clients, and what a mistake does.
#[test]
fn the_recordings_are_what_the_lab_makes() {
    let records = [
        ("two", Trigger::Edge, None),
        ("two", Trigger::Level, None),
        ("slow", Trigger::Edge, None),
        ("slow", Trigger::Level, None),
        ("early", Trigger::Edge, None),
        ("early", Trigger::Level, None),
        ("early", Trigger::Edge, Some("budget")),
        ("slow", Trigger::Level, Some("never-disarmed")),
    ];
    for (scenario, trigger, mistake) in records {
        let scenario = (SCENARIOS.iter().find(|one| one.name == scenario)).unwrap();
        let found = Experiment {
            trigger,
            scenario,
            mistake: mistake.and_then(|name| MISTAKES.iter().find(|one| one.name == name)),
            seed: 0,
        }
        .run();
        let word = if trigger == Trigger::Edge {
            "edge"
        } else {
            "level"
        };
        let mistake = mistake.map_or_else(String::new, |mistake| format!("-{mistake}"));
        let file = format!("www/records/{}-{word}{mistake}.jsonl", scenario.name);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned() + &file;
        expect_test::expect_file![path].assert_eq(&found.to_lines().unwrap());
    }
}
