//! **What does a way of waiting cost?** The same load over all six backends, as a table and as a
//! picture.
//!
//!     cargo bench --bench compare
//!     ROUNDS=31 cargo bench --bench compare
//!
//! A server per backend runs all the time, and they take turns, because the clock of a machine
//! drifts more in a minute than some of them differ. The load is closed: each connection asks as
//! soon as it is answered. Servers are kept on one processor and the client on another, where there
//! are two. Figures are medians over the rounds, with the lowest and the highest; processor time is
//! the server's own (`/proc/PID/task/*/schedstat`), calls and wakes are what it counts itself
//! (`/metrics`). Loopback only, about two minutes; it ends what it began.
//!
//! The picture is `target/compare.svg`.

#![allow(clippy::disallowed_methods, reason = "a client, and what it measures")]

mod chart;
mod load;
mod server;

use std::time::Duration;

use load::Load;
use server::Server;

/// How long one server is asked before it is the next one's turn.
const TURN: Duration = Duration::from_millis(150);

const BACKENDS: [&str; 6] = ["edge", "level", "poll", "select", "threads", "blocking"];

/// Connections that ask, while all others are idle.
const ACTIVE: usize = 8;

/// Idle connections. select(2) cannot have more than 1,024 descriptors, nor `threads` more than 512
/// threads.
const IDLE: [usize; 5] = [0, 30, 100, 400, 4_000];

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
        let all = BACKENDS.map(|backend| (backend, Server::start(backend, root.path()), 0));
        for (backend, samples) in measure(all, connections, rounds) {
            row(backend, &samples);
        }
        println!();
    }
    println!("{ACTIVE} connections beside idle ones; processor time per request in µs:\n");
    println!("| idle | {} |", BACKENDS[..5].join(" | "));
    println!("|---:|---:|---:|---:|---:|---:|");
    let mut lines: Vec<chart::Line> = (BACKENDS[..5].iter())
        .map(|backend| chart::Line::new(backend))
        .collect();
    for idle in IDLE.into_iter().filter(|idle| idle * 2 + 200 < room) {
        let can = |backend: &str| match backend {
            "select" => idle <= 900,
            "threads" => idle + ACTIVE < 500,
            _ => true,
        };
        let able = BACKENDS[..5].iter().filter(|backend| can(backend));
        let all = able.map(|backend| (*backend, Server::start(backend, root.path()), idle));
        let found = measure(all, ACTIVE, rounds);
        let mut cells = Vec::new();
        for line in &mut lines {
            let samples = found.iter().find(|(backend, _)| *backend == line.backend);
            cells.push(match samples {
                Some((_, samples)) => {
                    let spread = spread(samples, |sample| sample.cpu);
                    line.points.push((idle, spread));
                    show(spread, 1)
                }
                None => String::new(),
            });
        }
        println!("| {idle} | {} |", cells.join(" | "));
    }
    let path = chart::draw(&lines);
    println!("\n{path}");
}

fn head() {
    println!("| backend | requests/s | processor, µs | calls | wakes | p50, µs | p99, µs |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
}

fn row(backend: &str, samples: &[Sample]) {
    let cell = |of: fn(&Sample) -> f64, digits| show(spread(samples, of), digits);
    println!(
        "| {backend} | {} | {} | {} | {} | {} | {} |",
        cell(|one| one.per_second, 0),
        cell(|one| one.cpu, 1),
        cell(|one| one.calls, 2),
        cell(|one| one.wakes, 2),
        cell(|one| one.p50, 0),
        cell(|one| one.p99, 0),
    );
}

/// The samples of servers that take turns, each with so many idle connections.
fn measure(
    servers: impl IntoIterator<Item = (&'static str, Server, usize)>,
    connections: usize,
    rounds: usize,
) -> Vec<(&'static str, Vec<Sample>)> {
    let with_load = servers.into_iter().map(|(backend, server, idle)| {
        let load = Load::new(server.address, connections, idle);
        (backend, server, load)
    });
    let mut all: Vec<_> = with_load.collect();
    let mut samples: Vec<_> = all.iter().map(|one| (one.0, Vec::new())).collect();
    for _ in 0..rounds {
        for (at, (_, server, load)) in all.iter_mut().enumerate() {
            let before = server.counts();
            let done = load.turn(TURN);
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
