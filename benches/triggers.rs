//! **Is edge-triggered faster?** The same server, the same requests, `--backend edge` beside
//! `--backend level`, as one Markdown table.
//!
//!     cargo bench --bench triggers
//!     ROUNDS=31 cargo bench --bench triggers
//!
//! Both servers run, and take turns round by round, because the clock of a machine drifts more in a
//! minute than they differ. What is compared is the median of the rounds' ratios; the spread
//! says how far to trust it. System calls are those that the servers themselves count
//! (`/metrics`), per request, over all rounds. Loopback only, half a minute; it ends what it began.

#![allow(clippy::disallowed_methods, reason = "a client, and what it measures")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long one server is asked before it is the other one's turn.
const TURN: Duration = Duration::from_millis(150);

/// What is asked: of which file, on how many connections, how often before an answer is read.
struct Load {
    name: &'static str,
    file: &'static str,
    connections: usize,
    pipelined: usize,
}

const LOADS: [Load; 5] = [
    load("1 KiB, one connection", "small", 1, 1),
    load("1 KiB, 64 connections", "small", 64, 1),
    load("1 KiB, 16 requests at once", "small", 1, 16),
    load("100 KiB, 8 connections", "medium", 8, 1),
    load("8 MiB, one connection", "large", 1, 1),
];

const fn load(
    name: &'static str,
    file: &'static str,
    connections: usize,
    pipelined: usize,
) -> Load {
    Load {
        name,
        file,
        connections,
        pipelined,
    }
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok());
    let rounds = rounds.unwrap_or(15);
    let root = must(tempfile::tempdir());
    for (name, size) in [
        ("small", 1 << 10),
        ("medium", 100 << 10),
        ("large", 8 << 20),
    ] {
        must(fs::write(root.path().join(name), vec![b'x'; size]));
    }
    // The answer about a file that was just changed has fewer fields (`service/files/version.rs`).
    std::thread::sleep(Duration::from_millis(2500));
    let release = must(fs::read_to_string("/proc/sys/kernel/osrelease"));
    let release = release.split(['-', '\n']).next().unwrap_or_default();
    println!(
        "Linux {release}; {rounds} rounds of {} ms; median (lowest to highest)\n",
        TURN.as_millis()
    );
    println!(
        "| requests | edge, µs each | level takes | calls: edge | level | epoll_ctl: edge | level |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|");
    for load in &LOADS {
        let mut servers = ["edge", "level"].map(|backend| Server::start(backend, &root));
        let mut sides: Vec<Side> = servers.iter().map(|it| Side::new(it, load)).collect();
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let [edge, level] = [0, 1].map(|side: usize| sides[side].turn(load));
            ratios.push((edge, level / edge));
        }
        row(load, &mut ratios, &servers, &sides);
        servers.iter_mut().for_each(Server::end);
    }
}

fn row(load: &Load, rounds: &mut [(f64, f64)], servers: &[Server; 2], sides: &[Side]) {
    let mut edge: Vec<f64> = rounds.iter().map(|(edge, _)| *edge).collect();
    let mut ratios: Vec<f64> = rounds.iter().map(|(_, ratio)| *ratio).collect();
    edge.sort_by(f64::total_cmp);
    ratios.sort_by(f64::total_cmp);
    let middle = rounds.len() / 2;
    let calls = [0, 1].map(|side: usize| {
        let (all, interest) = servers[side].calls();
        [all, interest].map(|calls| calls as f64 / sides[side].requests as f64)
    });
    println!(
        "| {} | {:.1} | {:.2} times ({:.2} to {:.2}) | {:.2} | {:.2} | {:.2} | {:.2} |",
        load.name,
        edge[middle] * 1e6,
        ratios[middle],
        ratios[0],
        ratios[rounds.len() - 1],
        calls[0][0],
        calls[1][0],
        calls[0][1],
        calls[1][1],
    );
}

/// The clients of one server.
struct Side {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
    /// How long an answer is, head and content.
    answer: usize,
    buffer: Vec<u8>,
    requests: usize,
}

impl Side {
    fn new(server: &Server, load: &Load) -> Self {
        let connect = |_| {
            let stream = must(TcpStream::connect(server.address));
            must(stream.set_nodelay(true));
            stream
        };
        let one = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", load.file);
        let mut side = Self {
            connections: (0..load.connections).map(connect).collect(),
            request: one.repeat(load.pipelined).into_bytes(),
            answer: 0,
            buffer: vec![0; 256 << 10],
            requests: 0,
        };
        side.answer = side.length(&one);
        side
    }

    /// Asks once, to know how long an answer is.
    fn length(&mut self, request: &str) -> usize {
        let mut stream = &self.connections[0];
        must(stream.write_all(request.as_bytes()));
        let mut reader = BufReader::new(stream);
        let (mut head, mut content) = (0, 0);
        loop {
            let mut line = String::new();
            head += must(reader.read_line(&mut line));
            if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                content = must(length.trim().parse());
            }
            if line == "\r\n" {
                let mut rest = reader.take(content as u64);
                must(std::io::copy(&mut rest, &mut std::io::sink()));
                self.requests += 1;
                return head + content;
            }
        }
    }

    /// Seconds per request, over one turn.
    fn turn(&mut self, load: &Load) -> f64 {
        let (begun, mut requests) = (Instant::now(), 0);
        while begun.elapsed() < TURN {
            for stream in &mut self.connections {
                must(stream.write_all(&self.request));
            }
            for stream in &mut self.connections {
                let mut rest = self.answer * load.pipelined;
                while rest > 0 {
                    let room = rest.min(self.buffer.len());
                    let n = must(stream.read(&mut self.buffer[..room]));
                    let is_first = rest == self.answer * load.pipelined;
                    assert!(n > 0, "the server closed");
                    assert!(!is_first || self.buffer.starts_with(b"HTTP/1.1 200 OK\r\n"));
                    rest -= n;
                }
            }
            requests += load.connections * load.pipelined;
        }
        self.requests += requests;
        begun.elapsed().as_secs_f64() / requests as f64
    }
}

struct Server {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    fn start(backend: &str, root: &TempDir) -> Self {
        let mut process = must(
            Command::new(env!("CARGO_BIN_EXE_httpoll"))
                .arg(root.path())
                .args(["--backend", backend, "--log", "off"])
                .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
                .stdout(Stdio::piped())
                .spawn(),
        );
        let Some(out) = process.stdout.take() else {
            panic!("its output is a pipe");
        };
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let mut addresses = lines.filter_map(|line| {
            let rest = line.split("http://").nth(1)?;
            rest.split('/').next()?.parse().ok()
        });
        let (Some(address), Some(admin)) = (addresses.next(), addresses.next()) else {
            panic!("it did not start");
        };
        Self {
            process,
            address,
            admin,
        }
    }

    /// All system calls that it has made for clients, and those that changed what it watches.
    fn calls(&self) -> (u64, u64) {
        let mut stream = must(TcpStream::connect(self.admin));
        must(
            stream.write_all(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            ),
        );
        let mut text = String::new();
        must(stream.read_to_string(&mut text));
        let calls = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            let values =
                lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
            values.sum()
        };
        let all = "httpoll_system_calls_total{";
        (calls(all), calls(&format!("{all}call=\"interest\"")))
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A bench that cannot go on has nothing to report.
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
