//! A server of one backend, and what it needs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::must;

/// A running server.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

/// What it has used since it was started.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) cpu_ns: u64,
    pub(crate) calls: u64,
    pub(crate) wakes: u64,
}

impl Counts {
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns - before.cpu_ns,
            calls: self.calls - before.calls,
            wakes: self.wakes - before.wakes,
        }
    }
}

/// Keeps this thread, and what it starts, on one processor, if there are two.
fn stay_on(processor: usize) {
    if available_parallelism().is_ok_and(|n| n.get() > 1) {
        let mut set = CpuSet::new();
        set.set(processor);
        // Where that is not allowed the figures are noisier, and no less true.
        let _ = sched_setaffinity(None, &set);
    }
}

impl Server {
    pub(crate) fn start(backend: &str, root: &Path) -> Self {
        stay_on(0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command
            .arg(root)
            .args(["--backend", backend, "--log", "off"]);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut process = must(command.stdout(Stdio::piped()).spawn());
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
        stay_on(1);
        Self {
            process,
            address,
            admin,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let text = self.metrics();
        let sum = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            let values = lines.filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
            values.sum()
        };
        Counts {
            cpu_ns: self.cpu_ns(),
            calls: sum("httpoll_system_calls_total{"),
            wakes: sum("httpoll_wakes_total"),
        }
    }

    /// Processor time of its loops and of the threads of its connections, those that ended apart:
    /// schedstat of a process is that of its first thread.
    fn cpu_ns(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.process.id());
        let tasks = must(fs::read_dir(tasks)).flatten();
        let of_task = |task: fs::DirEntry| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            // Who measures asks the operators' loop, which is not what is measured.
            if name.trim_end() == "admin" {
                return None;
            }
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(of_task).sum()
    }

    fn metrics(&self) -> String {
        let mut stream = must(TcpStream::connect(self.admin));
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        must(stream.write_all(request));
        let mut text = String::new();
        must(stream.read_to_string(&mut text));
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many descriptors this process may have, after raising the limit as far as is allowed. The
/// servers inherit it.
pub(crate) fn descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(now).unwrap_or(usize::MAX)
}

/// Kernel and processor: figures are theirs.
pub(crate) fn machine() -> String {
    let release = must(fs::read_to_string("/proc/sys/kernel/osrelease"));
    let release = release.split(['-', '\n']).next().unwrap_or_default();
    let cpus = must(fs::read_to_string("/proc/cpuinfo"));
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("?");
    let count = available_parallelism().map_or(1, usize::from);
    format!("Linux {release}, {count} of {model}")
}
