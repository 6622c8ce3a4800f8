//! A server seen from outside: what its process holds and has used, signals for it, and clients
//! that are not like others.

#![expect(clippy::disallowed_methods, reason = "deadlines of the tests")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Pid, Signal};

use crate::harness::{Client, PATIENCE, Server};

/// KiB of memory that a process has in use (proc(5), `VmRSS`).
pub(crate) fn memory_kib(pid: u32) -> usize {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// The most that it ever was (`VmHWM`).
pub(crate) fn memory_peak_kib(pid: u32) -> usize {
    status_kib(pid, "VmHWM:")
}

/// Time that a process has spent on a processor, in steps of 10 ms (proc(5), `stat`).
pub(crate) fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The same, once it has been the same for a while: connections that were closed are gone.
pub(crate) fn settled_descriptors(pid: u32) -> usize {
    let (mut count, mut since) = (descriptors(pid), Instant::now());
    wait_until("nothing changes", || {
        let now = descriptors(pid);
        if now != count {
            (count, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(60)
    });
    count
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Stops a process until SIGCONT. kill(2) returns before each thread has stopped, and where the
/// processors are busy one goes on for a while (proc_pid_stat(5): the state after the name).
pub(crate) fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
    wait_until("all threads are stopped", || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let stats =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let mut states = stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next());
        states.all(|state| state == 'T')
    });
}

/// Waits for the end of a process; its code, and how long that took.
pub(crate) fn exit(child: &mut Child) -> (Option<i32>, Duration) {
    let begun = Instant::now();
    wait_until("the process ends", || child.try_wait().unwrap().is_some());
    let status: ExitStatus = child.wait().unwrap();
    let code = status.code().or_else(|| Some(-status.signal()?));
    (code, begun.elapsed())
}

/// Runs a test on several backends at once: it mostly waits. A failure names its backend.
pub(crate) fn each(backends: &[&str], test: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for backend in backends {
            let thread = std::thread::Builder::new().name((*backend).to_owned());
            thread.spawn_scoped(scope, || test(backend)).unwrap();
        }
    });
}

/// The backends that carry several connections.
pub(crate) const MANY: [&str; 5] = ["edge", "level", "poll", "select", "threads"];

/// A directory with a file of so many zeros, `zeros`, of which only the length is on the disk.
pub(crate) fn zeros(len: u64) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = File::create(root.path().join("zeros")).unwrap();
    file.set_len(len).unwrap();
    root
}

/// Looks again until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// httpoll under a shell that has called `ulimit` with these words.
pub(crate) fn start_limited(ulimit: &str, words: &[&str]) -> Server {
    let mut shell = Command::new("sh");
    let script = format!("ulimit {ulimit}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_httpoll")]);
    shell
        .args(["--listen", "127.0.0.1:0", "--log", "off"])
        .args(words);
    Server::run(shell)
}

/// Whether the server has closed its end of a connection of which the client reads nothing
/// (proc_net(5): the state 01 is ESTABLISHED).
pub(crate) fn is_closed_by(server: &Server, client: &Client<TcpStream>) -> bool {
    let port = |at: SocketAddr| format!(":{:04X}", at.port());
    let (local, remote) = (
        port(server.address),
        port(client.0.get_ref().local_addr().unwrap()),
    );
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    !table.lines().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words[1].ends_with(&local) && words[2].ends_with(&remote) && words[3] == "01"
    })
}

/// Lets a client that was slow read fast from here on.
pub(crate) fn widen(client: &Client<TcpStream>) {
    sockopt::set_socket_recv_buffer_size(client.0.get_ref(), 1 << 20).unwrap();
}

/// A client from another address of this machine, or with a receive buffer of so many bytes.
pub(crate) fn connect(
    server: &Server,
    from: Option<Ipv4Addr>,
    receive: Option<usize>,
) -> Client<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    if let Some(bytes) = receive {
        sockopt::set_socket_recv_buffer_size(&socket, bytes).unwrap();
    }
    if let Some(ip) = from {
        rustix::net::bind(&socket, &SocketAddr::from((ip, 0))).unwrap();
    }
    rustix::net::connect(&socket, &server.address).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Client::new(stream)
}
