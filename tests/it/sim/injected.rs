//! `--inject` under every schedule: the loop serves each client, whichever calls are spoiled.

use httpoll::driver::record::{Recorder, TurnRecord};
use httpoll::driver::{EventLoop, Offload, Settings};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::sim::{Act, Schedule, Sim};
use httpoll::kernel::{Fault, Faults, InjectedKernel, Injector};
use httpoll::service::Reply;

use super::schedules::{Cast, schedules};

fn all(percent: u8, seed: u64) -> Faults {
    Faults {
        kinds: Fault::ALL.to_vec(),
        percent,
        seed,
    }
}

#[test]
fn every_client_is_served_whatever_is_injected() {
    schedules(300, |seed| Cast::draw(seed).injected(all(100, seed)));
    schedules(300, |seed| Cast::draw(seed).injected(all(40, seed)));
    for fault in Fault::ALL {
        let only = |seed| Faults {
            kinds: vec![fault],
            ..all(100, seed)
        };
        schedules(60, |seed| Cast::draw(seed).injected(only(seed)));
    }
}

/// The turns of a loop with one client, lines of JSON.
fn recorded<const EDGE: bool>(faults: &Faults) -> String {
    let sim = Sim::<EDGE>::new(Schedule::friendly());
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20);
    sim.client(vec![Act::Send(request), Act::Finish], 10_000);
    let injector = Injector::new(faults, 0);
    let mut lines = String::new();
    let recorder = Recorder::new(0, |turn: &TurnRecord| {
        lines += &(serde_json::to_string(turn).unwrap() + "\n");
    });
    let recorder = recorder.injected_by(injector.last());
    let settings = Settings::default().observed_by(recorder);
    let (listeners, offload) = (vec![sim.listen()], Offload::inline());
    let kernel = InjectedKernel::new(sim.clone(), injector);
    let mut event_loop = EventLoop::new(kernel, listeners, hello, settings, offload).unwrap();
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
fn the_same_seed_spoils_the_same_calls_and_each_is_marked() {
    let lines = recorded::<true>(&all(50, 7));
    assert_eq!(lines, recorded::<true>(&all(50, 7)));
    assert_ne!(lines, recorded::<true>(&all(50, 8)));
    for trigger in [recorded::<true>, recorded::<false>] {
        let seen: String = (0..20).map(|seed| trigger(&all(50, seed))).collect();
        for fault in Fault::ALL {
            let mark = format!("\"injected\":\"{}\"", fault.name());
            assert!(seen.contains(&mark), "{mark}");
        }
        // Of what there was not, nothing is marked, and nothing happens.
        let none = Faults {
            kinds: Vec::new(),
            ..all(100, 1)
        };
        assert!(!trigger(&none).contains("injected"));
    }
}
