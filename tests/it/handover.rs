//! One process leaves, the next one takes over, and no client notices.

#![expect(clippy::disallowed_methods, reason = "clients connect, in threads")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PATIENCE, Server, uninterrupted};

/// What clients met with.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    /// Sent again on a new connection: the old one was closed before a byte of the answer came,
    /// after it had served others (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
    pub(crate) retried: usize,
    /// What no client can mend: each with what happened.
    pub(crate) failed: Vec<String>,
}

/// Clients that ask as fast as they can, each some requests per connection, until they are told
/// to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    pub(crate) fn on(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |requests: usize| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    converse(address, requests, &mut tally);
                }
                tally
            })
        };
        let clients = [1, 1, 1, 4, 20, 1000].map(start).into();
        Self { stop, clients }
    }

    pub(crate) fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for client in self.clients {
            let tally = client.join().unwrap();
            sum.answered += tally.answered;
            sum.retried += tally.retried;
            sum.failed.extend(tally.failed);
        }
        sum
    }
}

/// One connection.
pub(crate) fn converse(address: SocketAddr, requests: usize, tally: &mut Tally) {
    let mut stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) => return tally.failed.push(format!("connect: {error}")),
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for number in 0..requests {
        let mut answer = Vec::new();
        match ask(&mut stream, &mut answer) {
            Ok(closes) => {
                tally.answered += 1;
                if closes {
                    return;
                }
            }
            Err(_) if number > 0 && answer.is_empty() => {
                tally.retried += 1;
                return;
            }
            Err(error) => {
                let got = String::from_utf8_lossy(&answer).into_owned();
                return tally
                    .failed
                    .push(format!("request {number}: {error}, {got:?}"));
            }
        }
    }
}

/// One request; whether the answer announces the end of the connection.
fn ask(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<bool> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut chunk = [0; 1024];
    while !answer.ends_with(b"\r\n\r\nHello, World!") {
        match uninterrupted(|| stream.read(&mut chunk))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(&chunk[..n]),
        }
    }
    let text = String::from_utf8_lossy(answer);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    // A proxy writes field names its own way.
    Ok(text
        .to_ascii_lowercase()
        .contains("\r\nconnection: close\r\n"))
}

fn terminate(server: &Server) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// Ends politely, and says how long that took.
fn leave(mut server: Server) -> Duration {
    let begun = Instant::now();
    stop(&mut server);
    begun.elapsed()
}

pub(crate) fn stop(server: &mut Server) {
    terminate(server);
    assert!(server.child().wait().unwrap().success());
}

/// `next` starts a successor while the last one still serves; that one leaves then.
fn hand_over(what: &str, times: usize, next: impl Fn() -> Server, first: Server) {
    let load = Load::on(first.address);
    let mut present = first;
    for _ in 0..times {
        let successor = next();
        leave(std::mem::replace(&mut present, successor));
    }
    let tally = load.end();
    println!(
        "{what}: {times} hand-overs, {} answered, {} retried, {} failed",
        tally.answered,
        tally.retried,
        tally.failed.len()
    );
    assert!(tally.answered > times * 10, "there was a load: {tally:?}");
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
}

/// Takes 10 s: each hand-over waits a quarter of a second for handshakes that began before.
#[test]
fn a_new_process_on_the_same_port_takes_over_without_a_loss() {
    let start = |listen: &str, loops: &str, backend: &str| {
        let words = ["-l", listen, "-w", loops, "-b", backend];
        Server::start_with(&[&words[..], &["--hello", "--reuse-port"]].concat())
    };
    let one_by_one = |times, loops: &str, backend: &str| {
        let first = start("127.0.0.1:0", loops, backend);
        let listen = first.address.to_string();
        let what = format!("--reuse-port -b {backend} -w {loops}");
        hand_over(&what, times, || start(&listen, loops, backend), first);
    };
    one_by_one(24, "2", "edge");
    one_by_one(4, "1", "poll");
    one_by_one(4, "1", "threads");
}

/// A listening socket that outlives its servers, as systemd's does.
#[test]
fn inherited_listeners_are_handed_over_without_a_loss() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = |words: &[&str]| {
        let mut command = Command::new("sh");
        let script = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 </dev/null"#;
        command.args(["-c", script, env!("CARGO_BIN_EXE_httpoll"), "--hello"]);
        command.args(words);
        let fd = OwnedFd::from(socket.try_clone().unwrap());
        Server::run_with(command, Stdio::from(fd))
    };
    for (times, words) in [
        (32, &["-w", "2", "--sandbox", "strict"][..]),
        (8, &["-b", "level", "-w", "2"]),
        (8, &["-b", "threads"]),
    ] {
        let first = start(words);
        assert_eq!(first.address, socket.local_addr().unwrap(), "not --listen");
        hand_over(
            &format!("LISTEN_FDS {words:?}"),
            times,
            || start(words),
            first,
        );
    }
}

#[test]
fn a_stop_ends_idle_connections_at_once() {
    // `blocking` closes after each answer: it has none.
    for backend in ["edge", "level", "poll", "select", "threads"] {
        let stop = || {
            let server = Server::start(backend, &["--hello"]);
            let mut client = server.connect();
            client.ask("GET", "/", &[]);
            leave(server)
        };
        // Other tests want the processors too: one undisturbed stop in five proves it.
        let took = (0..5)
            .map(|_| stop())
            .find(|took| *took < Duration::from_millis(100));
        assert!(took.is_some(), "{backend}");
    }
}

/// It has been let in, and cannot know that its request would be lost.
#[test]
fn a_stop_answers_the_first_request_of_whom_it_let_in() {
    for backend in ["edge", "level", "poll", "select", "threads"] {
        // It must speak within a quarter of a second, and other tests want the processors too.
        assert!(
            (0..5).any(|_| is_answered_during_a_stop(backend)),
            "{backend}"
        );
    }
}

fn is_answered_during_a_stop(backend: &str) -> bool {
    let mut server = Server::start(backend, &["--hello"]);
    let mut fresh = TcpStream::connect(server.address).unwrap();
    // Who came later has been answered: both have been let in.
    let mut witness = TcpStream::connect(server.address).unwrap();
    assert!(!ask(&mut witness, &mut Vec::new()).unwrap());
    terminate(&server);
    assert_eq!(
        uninterrupted(|| witness.read(&mut [0])).unwrap(),
        0,
        "the stop has begun"
    );
    let closes = ask(&mut fresh, &mut Vec::new());
    drop(fresh);
    assert!(server.child().wait().unwrap().success());
    assert!(!closes.as_ref().is_ok_and(|closes| !closes), "it says so");
    closes.is_ok()
}

#[test]
fn a_stop_does_not_wait_long_for_whom_says_nothing() {
    let server = Server::start("edge", &["--hello"]);
    let _silent = server.connect();
    server.get("/");
    let took = leave(server);
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[test]
fn a_service_manager_hears_how_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command
        .args([
            "--hello",
            "-l",
            "127.0.0.1:0",
            "-w",
            "2",
            "--sandbox",
            "strict",
        ])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000");
    let server = Server::run(command);
    let hear = || {
        let mut words = [0; 64];
        let n = uninterrupted(|| manager.recv(&mut words)).unwrap();
        String::from_utf8_lossy(&words[..n]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!([hear(), hear()], ["WATCHDOG=1", "WATCHDOG=1"]);
    leave(server);
    let last = std::iter::repeat_with(hear).find(|words| words != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}
