//! What the clients of an experiment do.

use std::time::Duration;

use crate::kernel::sim::{Act, NO_ROOM, Sim};

/// What some clients do.
pub struct Scenario {
    /// Its name in an address.
    pub name: &'static str,
    /// What happens in it.
    pub title: &'static str,
    /// Each client's script, and the room of the server's send buffer for it, in bytes.
    pub clients: fn() -> Vec<(Vec<Act>, usize)>,
    /// Turns before which there are no descriptors left.
    without_descriptors: std::ops::Range<u64>,
}

impl Scenario {
    /// What happens outside of the loop before its turn number `turn`.
    pub(super) fn before_turn<const EDGE: bool>(&self, turn: u64, sim: &Sim<EDGE>) {
        if self.without_descriptors.is_empty() {
            return;
        }
        let is_full = self.without_descriptors.contains(&turn);
        sim.exhaust(is_full.then_some(NO_ROOM[0]));
    }
}

/// Room for every answer of an experiment.
const ROOM: usize = 200_000;

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "two",
        title: "two requests, one after the other",
        clients: || vec![(asking(&[&[13], &[13]]), ROOM)],
        without_descriptors: 0..0,
    },
    Scenario {
        name: "pipelined",
        title: "two requests in one segment",
        clients: || vec![(asking(&[&[13, 13]]), ROOM)],
        without_descriptors: 0..0,
    },
    Scenario {
        name: "slow",
        title: "a client that receives slowly, and asks again",
        clients: || vec![(asking(&[&[6_000], &[13]]), 1_500)],
        without_descriptors: 0..0,
    },
    Scenario {
        name: "early",
        title: "an answer larger than a connection's share of a turn",
        clients: || vec![(asking(&[&[20_000]]), ROOM)],
        without_descriptors: 0..0,
    },
    Scenario {
        name: "end",
        title: "the last bytes and the end together",
        clients: || {
            let mut acts = vec![Act::Send(requests(&[13])), Act::Finish];
            acts.extend([Act::Await(answers(&[13])), Act::AwaitEnd]);
            vec![(acts, ROOM)]
        },
        without_descriptors: 0..0,
    },
    Scenario {
        name: "flood",
        title: "twelve requests in one segment, beside a client that asks for one thing",
        clients: || {
            let flood = asking(&[&[13; 12]]);
            vec![(flood, ROOM), (asking(&[&[13]]), ROOM)]
        },
        without_descriptors: 0..0,
    },
    Scenario {
        name: "idle",
        title: "a client that asks once a second",
        clients: || {
            let mut acts = vec![Act::Send(requests(&[13])), Act::Await(answers(&[13]))];
            acts.push(Act::Pause(Duration::from_secs(1)));
            acts.push(Act::Send(requests(&[13])));
            acts.extend([Act::Await(2 * answers(&[13])), Act::Close]);
            vec![(acts, ROOM)]
        },
        without_descriptors: 0..0,
    },
    Scenario {
        name: "emfile",
        title: "no descriptor is left for a client that comes in",
        clients: || vec![(asking(&[&[13]]), ROOM), (asking(&[&[13]]), ROOM)],
        without_descriptors: 1..4,
    },
];

/// Sends each group of requests in one piece, and waits for their answers before the next.
fn asking(groups: &[&[usize]]) -> Vec<Act> {
    let (mut acts, mut due) = (Vec::new(), 0);
    for group in groups {
        due += answers(group);
        acts.extend([Act::Send(requests(group)), Act::Await(due)]);
    }
    acts.push(Act::Close);
    acts
}

/// Requests for answers with so many bytes of content.
fn requests(lengths: &[usize]) -> Vec<u8> {
    let one = |length: &usize| format!("GET /{length} HTTP/1.1\r\nHost: lab\r\n\r\n");
    lengths.iter().map(one).collect::<String>().into_bytes()
}

/// How long their answers are, heads included: the tests show that it is so.
fn answers(lengths: &[usize]) -> usize {
    let head = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: \r\n\r\n";
    let one = |length: &usize| head.len() + length.to_string().len() + length;
    lengths.iter().map(one).sum()
}
