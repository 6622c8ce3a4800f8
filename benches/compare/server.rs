//! A server of one backend, and what it needs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;

use crate::must;

/// A running server.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// Where it tells what it counts, if it does.
    admin: Option<SocketAddr>,
    /// What is to go when it goes.
    _place: Option<TempDir>,
}

/// What it has used since it was started.
#[derive(Clone, Copy, Default)]
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
            admin: Some(admin),
            _place: None,
        }
    }

    /// nginx, if it is installed: one worker, without access log and without `open_file_cache`, so
    /// that it sees an edit at once, as httpoll does.
    pub(crate) fn nginx(root: &Path) -> Option<Self> {
        let place = must(tempfile::tempdir());
        // A port that was free a moment ago: it says which one it has to nobody.
        let address = must(TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()));
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let configuration = format!(
            "{user} worker_processes 1; worker_rlimit_nofile 30000; daemon off; pid pid; error_log error.log;
             events {{ worker_connections 20000; }}
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
               server {{ listen {address} backlog=4096; root {}; }} }}",
            root.display()
        );
        must(fs::write(place.path().join("nginx.conf"), configuration));
        stay_on(0);
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(place.path())
            .args(["-c", "nginx.conf"]);
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin",
        );
        let process = command.stderr(Stdio::null()).spawn().ok();
        stay_on(1);
        let server = Self {
            process: process?,
            address,
            admin: None,
            _place: Some(place),
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    pub(crate) fn counts(&self) -> Counts {
        let cpu_ns = self.processes().into_iter().map(cpu_ns).sum();
        let Some(admin) = self.admin else {
            return Counts {
                cpu_ns,
                ..Counts::default()
            };
        };
        let text = metrics(admin);
        let sum = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            let values = lines.filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
            values.sum()
        };
        Counts {
            cpu_ns,
            calls: sum("httpoll_system_calls_total{"),
            wakes: sum("httpoll_wakes_total"),
        }
    }

    /// It and its children: nginx works in those.
    fn processes(&self) -> Vec<u32> {
        let own = self.process.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(children).collect()
    }
}

/// Processor time of all threads that a process has: schedstat of a process is that of its first.
fn cpu_ns(process: u32) -> u64 {
    let tasks = must(fs::read_dir(format!("/proc/{process}/task"))).flatten();
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

fn metrics(admin: SocketAddr) -> String {
    let mut stream = must(TcpStream::connect(admin));
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    must(stream.write_all(request));
    let mut text = String::new();
    must(stream.read_to_string(&mut text));
    text
}

/// nginx ends its worker when it is asked to, and leaves it when it is killed.
impl Drop for Server {
    fn drop(&mut self) {
        let id = Pid::from_raw(self.process.id().cast_signed());
        let signal = match self.admin {
            Some(_) => Signal::KILL,
            None => Signal::TERM,
        };
        let _ = id.map(|id| kill_process(id, signal));
        let _ = self.process.wait();
    }
}

/// No start takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

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
