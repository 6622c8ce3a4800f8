//! **What does a way of waiting cost?** The same load over all six backends, and over nginx where it
//! is installed, as tables and as a picture.
//!
//!     cargo bench --bench compare
//!     ROUNDS=31 cargo bench --bench compare
//!
//! The servers of a table run all the time, and they take turns, because the clock of a machine
//! drifts more in a minute than some of them differ. The load is closed: each connection asks as
//! soon as it is answered. Servers are kept on one processor and the client on another, where there
//! are two. Figures are medians over the rounds, with the lowest and the highest; processor time is
//! the server's own (`/proc/PID/task/*/schedstat`), calls and wakes are what it counts itself
//! (`/metrics`). Loopback only, some four minutes; it ends what it began.
//!
//! The picture is `target/compare.svg`.

#![allow(clippy::disallowed_methods, reason = "a client, and what it measures")]

mod chart;
mod client;
mod load;
mod server;

use std::path::Path;
use std::time::Duration;

use client::Client;
use server::Server;

/// How long one server is asked before it is the next one's turn.
const TURN: Duration = Duration::from_millis(150);

/// The backends, and nginx if it is installed.
const SERVERS: [&str; 7] = [
    "edge", "level", "poll", "select", "threads", "blocking", "nginx",
];

/// What grows, and how many connections then ask and how many are idle.
struct Growth {
    title: &'static str,
    /// The head of its steps.
    step: &'static str,
    steps: &'static [usize],
    connections: fn(usize) -> (usize, usize),
}

/// Connections that ask, while all others are idle.
const ACTIVE: usize = 8;

const GROWTHS: [Growth; 2] = [
    Growth {
        title: "connections that all ask",
        step: "active",
        steps: &[1, 8, 64, 400, 1_000, 4_000, 10_000],
        connections: |step| (step, 0),
    },
    Growth {
        title: "idle connections beside 8 that ask",
        step: "idle",
        steps: &[1, 30, 100, 400, 4_000, 10_000],
        connections: |step| (ACTIVE, step),
    },
];

/// What a server or a client has open besides its connections, at most.
const DESCRIPTORS_BESIDE: usize = 500;

/// Whether a server can hold so many: select(2) has 1,024 descriptors, `threads` 512 threads, and
/// `blocking` one connection at a time.
fn holds(server: &str, connections: usize) -> bool {
    match server {
        "select" => connections <= 900,
        "threads" => connections < 500,
        "blocking" => false,
        _ => true,
    }
}

fn start(server: &'static str, root: &Path) -> Option<(&'static str, Server)> {
    let started = match server {
        "nginx" => Server::nginx(root),
        backend => Some(Server::start(backend, root)),
    };
    Some((server, started?))
}

/// What one server needed in one round.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) cpu: f64,
    pub(crate) calls: f64,
    pub(crate) wakes: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

fn main() {
    if client::serve() {
        return;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok());
    let rounds = rounds.unwrap_or(9);
    let root = must(tempfile::tempdir());
    must(std::fs::write(root.path().join("page"), vec![b'x'; 1024]));
    // The answer about a file that was just changed has fewer fields (`service/files/version.rs`).
    std::thread::sleep(Duration::from_millis(2500));
    let room = server::descriptors();
    println!(
        "{}; {rounds} rounds of {} ms, 1 KiB; median (lowest to highest)\n",
        server::machine(),
        TURN.as_millis()
    );
    for connections in [1, 64] {
        println!("{connections} connections:\n");
        head();
        let all = SERVERS
            .into_iter()
            .filter_map(|server| start(server, root.path()));
        for (server, samples) in measure(all, (connections, 0), rounds) {
            row(server, &samples);
        }
        println!();
    }
    let mut panels = Vec::new();
    for growth in &GROWTHS {
        let lines = grow(growth, root.path(), room, rounds);
        panels.push((growth.title, lines));
    }
    println!("{}", chart::draw(&panels));
}

/// One table: a server a column, a step a row.
fn grow(growth: &Growth, root: &Path, room: usize, rounds: usize) -> Vec<chart::Line> {
    let servers = SERVERS.into_iter().filter(|server| *server != "blocking");
    let mut lines: Vec<_> = servers.map(chart::Line::new).collect();
    let names: Vec<_> = lines.iter().map(|line| line.server).collect();
    println!("{}; processor time per request in µs:\n", growth.title);
    println!("| {} | {} |", growth.step, names.join(" | "));
    println!("|---:|{}", "---:|".repeat(names.len()));
    for step in growth
        .steps
        .iter()
        .copied()
        .filter(|step| step + DESCRIPTORS_BESIDE < room)
    {
        let able = names.iter().filter(|server| holds(server, step + ACTIVE));
        let all = able.filter_map(|server| start(server, root));
        let found = measure(all, (growth.connections)(step), rounds);
        let mut cells = Vec::new();
        for line in &mut lines {
            let samples = found.iter().find(|(server, _)| *server == line.server);
            cells.push(match samples {
                Some((_, samples)) => {
                    let spread = spread(samples, |sample| sample.cpu);
                    line.points.push((step, spread));
                    show(spread, 1)
                }
                None => String::new(),
            });
        }
        println!("| {step} | {} |", cells.join(" | "));
    }
    println!();
    lines
}

fn head() {
    println!("| server | requests/s | processor, µs | calls | wakes | p50, µs | p99, µs |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
}

fn row(server: &str, samples: &[Sample]) {
    let cell = |of: fn(&Sample) -> f64, digits| show(spread(samples, of), digits);
    let counted = |of: fn(&Sample) -> f64| match server {
        "nginx" => String::new(),
        _ => cell(of, 2),
    };
    println!(
        "| {server} | {} | {} | {} | {} | {} | {} |",
        cell(|one| one.per_second, 0),
        cell(|one| one.cpu, 1),
        counted(|one| one.calls),
        counted(|one| one.wakes),
        cell(|one| one.p50, 0),
        cell(|one| one.p99, 0),
    );
}

/// The samples of servers that take turns, each with so many connections that ask and that do not.
fn measure(
    servers: impl IntoIterator<Item = (&'static str, Server)>,
    (active, idle): (usize, usize),
    rounds: usize,
) -> Vec<(&'static str, Vec<Sample>)> {
    let with_client = servers.into_iter().map(|(name, server)| {
        let client = Client::start(server.address, active, idle);
        (name, server, client)
    });
    let mut all: Vec<_> = with_client.collect();
    let mut samples: Vec<_> = all.iter().map(|one| (one.0, Vec::new())).collect();
    for _ in 0..rounds {
        for (at, (_, server, client)) in all.iter_mut().enumerate() {
            let before = server.counts();
            let done = client.turn();
            let used = server.counts().since(before);
            samples[at].1.push(done.sample(used));
        }
    }
    samples
}

/// Median, lowest and highest.
pub(crate) type Spread = [f64; 3];

fn spread(samples: &[Sample], of: fn(&Sample) -> f64) -> Spread {
    let mut all: Vec<f64> = samples.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    [all[all.len() / 2], all[0], all[all.len() - 1]]
}

fn show(spread: Spread, digits: usize) -> String {
    let [median, low, high] = spread.map(|value| format!("{value:.digits$}"));
    if low == high {
        return median;
    }
    format!("{median} ({low} to {high})")
}

/// A bench that cannot go on has nothing to report.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
