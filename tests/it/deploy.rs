//! What lies in `deploy/`, tried: where the tools are at hand, with the very files.

#![expect(clippy::disallowed_methods, reason = "HAProxy's port is tried")]

use std::fs;
use std::io::BufRead;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::handover::{Load, Tally, converse, stop};
use crate::harness::{PATIENCE, Server, tool};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// As installed, but with the program that was just built and a directory that is there.
#[test]
fn systemd_accepts_its_units() {
    if !tool("systemd-analyze", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for unit in ["httpoll.service", "httpoll.socket"] {
        let text = fs::read_to_string(deploy(unit)).unwrap();
        let text = text.replace("/usr/local/bin/httpoll", env!("CARGO_BIN_EXE_httpoll"));
        fs::write(dir.path().join(unit), text).unwrap();
    }
    let units = ["httpoll.service", "httpoll.socket"].map(|unit| dir.path().join(unit));
    let mut command = Command::new("systemd-analyze");
    let output = command
        .args(["verify", "--man=no"])
        .args(units)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It also looks at what it finds on this machine; what it says of ours names them.
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("httpoll"))
        .collect();
    assert!(ours.is_empty(), "{said}");
    assert!(output.status.success(), "{said}");
}

/// HAProxy in the foreground, ended with the test.
struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Haproxy {
    fn before(replicas: &[SocketAddr; 3], socket: &TcpListener) -> Self {
        let mut command = Command::new("sh");
        let script = r#"exec haproxy -db -f "$0" 3<&0 </dev/null"#;
        command.args(["-c", script]).arg(deploy("haproxy.cfg"));
        for (name, address) in ["HTTPOLL_A", "HTTPOLL_B", "HTTPOLL_C"].iter().zip(replicas) {
            command.env(name, address.to_string());
        }
        command
            .env("HTTPOLL_FRONT", "fd@3")
            .env("HTTPOLL_CHECK", "200ms");
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        command
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

fn replica(listen: &str) -> Server {
    let words = [
        "-l",
        listen,
        "--hello",
        "--proxy-protocol",
        "--log",
        "plain",
    ];
    Server::start_with(&[&words[..], &["--sandbox", "strict"]].concat())
}

/// Waits until HAProxy sends it requests of clients. Checks are HEAD, and come all the time.
fn wait_for_work(server: &mut Server) {
    let (begun, mut line) = (Instant::now(), String::new());
    while !line.contains("\"GET / ") {
        assert!(begun.elapsed() < PATIENCE, "nobody but checks: {line}");
        line.clear();
        assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "it ended");
    }
}

#[test]
fn three_replicas_behind_haproxy_are_replaced_without_a_loss() {
    if !tool("haproxy", "-v") {
        return;
    }
    let mut replicas = [(); 3].map(|()| replica("127.0.0.1:0"));
    let addresses = [0, 1, 2].map(|at: usize| replicas[at].address);
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let _haproxy = Haproxy::before(&addresses, &front);
    let mut first = Tally::default();
    converse(front.local_addr().unwrap(), 1, &mut first);
    assert_eq!(first.answered, 1, "HAProxy serves: {first:?}");
    let load = Load::on(front.local_addr().unwrap());
    let rounds = 4;
    for _ in 0..rounds {
        for at in 0..3 {
            wait_for_work(&mut replicas[at]);
            stop(&mut replicas[at]);
            replicas[at] = replica(&addresses[at].to_string());
            wait_for_work(&mut replicas[at]);
        }
    }
    let tally = load.end();
    println!(
        "three replicas behind HAProxy, each replaced {rounds} times: {} answered, {} retried, {} failed",
        tally.answered,
        tally.retried,
        tally.failed.len()
    );
    assert!(tally.answered > 100, "there was a load: {tally:?}");
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
}
