//! `--inject` on a real server: whichever calls are spoiled, each client is served; and it is told,
//! at the start, in the trace and in the record.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use httpoll::driver::record::{Called, Checker, Did, Heading, TurnRecord};
use httpoll::kernel::Fault;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{BACKENDS, LOOPS, Server, request};
use crate::process::each;

/// What is asked of each server: files small and large, many at once, and uploads.
fn serves_all(backend: &str, server: &Server, large: &[u8]) {
    for round in 0..4 {
        assert_eq!(server.get("/small").text(), "small", "{backend}");
        assert!(server.get("/large").body == large, "{backend}");
        let part = server.ask("GET", "/large", &["Range: bytes=1000-200999"]);
        assert!(part.body == large[1_000..201_000], "{backend}");
        let head = format!("PUT /uploaded-{round} HTTP/1.1\r\nHost: localhost\r\n");
        let mut client = server.connect();
        client.send(format!("{head}Content-Length: {}\r\n\r\n", large.len()).as_bytes());
        client.send(large);
        assert_eq!(client.answer("PUT").status, 201, "{backend}");
        let uploaded = server.get(&format!("/uploaded-{round}")).body;
        assert!(uploaded == large, "{backend}");
        if backend != "blocking" {
            let mut client = server.connect();
            client.send(request("GET", "/small", &[]).repeat(50).as_bytes());
            for _ in 0..50 {
                assert_eq!(client.answer("GET").text(), "small", "{backend}");
            }
        }
    }
}

fn stop(server: &mut Server) {
    kill_process(Pid::from_child(server.child()), Signal::TERM).unwrap();
    assert!(server.child().wait().unwrap().success());
}

#[test]
fn a_server_whose_calls_are_spoiled_serves_right_answers() {
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    each(&BACKENDS, |backend| {
        let folder = tempfile::tempdir().unwrap();
        let (root, record) = (folder.path().join("root"), folder.path().join("record"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("small"), "small").unwrap();
        fs::write(root.join("large"), &large).unwrap();
        let mut words = vec!["--inject", "all:100@1", "--upload"];
        let is_loop = LOOPS.contains(&backend);
        if is_loop {
            words.extend(["--record", record.to_str().unwrap()]);
        }
        let mut server = Server::of(backend, &root, &words);
        serves_all(backend, &server, &large);
        stop(&mut server);
        if is_loop {
            check_record(backend, &fs::read_to_string(&record).unwrap());
        }
    });
}

/// The loop kept to the table, and each fault is marked.
fn check_record(backend: &str, text: &str) {
    let mut lines = text.lines();
    let heading: Heading = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut checker = Checker::new(heading.trigger);
    let (mut marks, mut waits) = (Vec::new(), Vec::new());
    for line in lines {
        let turn: TurnRecord = serde_json::from_str(line).unwrap();
        checker.follow(&turn);
        waits.extend(turn.injected);
        for did in turn.facts {
            if let Did::Call(call) = did {
                check_mark(backend, &call);
                marks.extend(call.injected);
            }
        }
    }
    assert_eq!(checker.broken(), None, "{backend}");
    for fault in Fault::ALL {
        let is_marked = marks.iter().any(|mark| mark == fault.name());
        assert!(is_marked, "{backend}: {fault:?}");
    }
    let is_interrupted = |mark: &String| mark == "eintr";
    assert!(
        !waits.is_empty() && waits.iter().all(is_interrupted),
        "{backend}: {waits:?}"
    );
}

/// A call that is marked came to what its fault makes of it.
fn check_mark(backend: &str, call: &Called) {
    let is_so = match call.injected.as_deref() {
        None => true,
        Some("short-read" | "short-write") => call.got.is_some_and(|n| n > 0),
        Some("eintr") => call.error.as_deref() == Some("EINTR"),
        Some("eagain" | "slow-accept") => call.error.as_deref() == Some("EAGAIN"),
        Some(_) => false,
    };
    assert!(is_so, "{backend}: {call:?}");
}

#[test]
fn the_trace_says_what_was_injected() {
    each(&BACKENDS, |backend| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        let words = ["--hello", "-l", "127.0.0.1:0", "--trace", "--inject"];
        command.args(words).args(["eagain:100", "-b", backend]);
        command.stderr(Stdio::piped());
        let mut server = Server::run(command);
        assert_eq!(server.get("/").text(), "Hello, World!");
        stop(&mut server);
        let mut trace = String::new();
        let mut err = server.child().stderr.take().unwrap();
        err.read_to_string(&mut trace).unwrap();
        for call in ["read(", "write("] {
            let mark =
                |line: &str| line.contains(call) && line.ends_with(") = EAGAIN  injected: eagain");
            assert!(trace.lines().any(mark), "{backend}: {trace}");
        }
    });
}

/// Who waits in the backlog of a listener is reset when that closes, which is when accept has said
/// EAGAIN. They are more than are accepted in one turn.
#[test]
fn a_stop_lets_in_who_waits_whatever_is_injected() {
    each(&LOOPS, |backend| {
        for round in 0..5 {
            let faults = format!("all:100@{round}");
            let mut server = Server::start(backend, &["--hello", "--inject", &faults]);
            let pid = Pid::from_child(server.child());
            kill_process(pid, Signal::STOP).unwrap();
            let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.send(request("GET", "/", &[]).as_bytes());
            }
            kill_process(pid, Signal::TERM).unwrap();
            kill_process(pid, Signal::CONT).unwrap();
            for client in &mut clients {
                assert_eq!(client.answer("GET").text(), "Hello, World!", "{backend}");
            }
            assert!(server.child().wait().unwrap().success());
        }
    });
}

#[test]
fn faults_that_there_are_not_are_told() {
    let check = |words: &[&str], expected: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        let output = command.args(["--hello", "-l", "127.0.0.1:0"]).args(words);
        let output = output.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    };
    check(
        &["--inject", "enospc"],
        "slow-accept or all, as in eagain,eintr:25",
    );
    for backend in ["threads", "blocking"] {
        let words = ["-b", backend, "--inject", "slow-accept,eintr"];
        check(
            &words,
            "--inject slow-accept needs a backend with a loop: edge",
        );
    }
}
