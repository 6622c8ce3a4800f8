//! `--record`, and what the operators' address shows of the loops.

use std::fs;
use std::io::BufRead;
use std::process::Command;

use httpoll::driver::record::{Checker, Did, Heading, TurnRecord};
use rustix::process::{Pid, Signal, kill_process};

use super::harness::{Client, LOOPS, Server, connect, request};

/// Heading and turns of a record.
fn read(text: &str) -> (Heading, Vec<TurnRecord>) {
    let mut lines = text.lines();
    let heading = serde_json::from_str(lines.next().unwrap()).unwrap();
    let turns = lines.map(|line| serde_json::from_str(line).unwrap());
    (heading, turns.collect())
}

fn calls(turns: &[TurnRecord], name: &str) -> usize {
    let all = turns.iter().flat_map(|turn| &turn.facts);
    all.filter(|did| matches!(did, Did::Call(call) if call.call == name))
        .count()
}

#[test]
fn a_record_of_a_real_loop_keeps_to_the_table() {
    for backend in LOOPS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record");
        let words = ["--record", path.to_str().unwrap(), "--workers", "2"];
        fs::write(directory.path().join("secret-name"), vec![b'x'; 300_000]).unwrap();
        let mut server = Server::of(backend, directory.path(), &words);
        for _ in 0..3 {
            assert_eq!(server.get("/secret-name").status, 200);
            assert_eq!(server.get("/missing").status, 404);
        }
        let pid = Pid::from_child(server.child());
        kill_process(pid, Signal::TERM).unwrap();
        server.child().wait().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("secret-name") && !text.contains("127.0.0.1"),
            "{backend}"
        );
        let (heading, turns) = read(&text);
        assert_eq!(heading.backend, backend);
        assert!(
            turns
                .windows(2)
                .all(|two| two[0].worker != two[1].worker || two[0].turn < two[1].turn)
        );
        let mut checker = Checker::new(heading.trigger);
        turns.iter().for_each(|turn| checker.follow(turn));
        assert_eq!(checker.broken(), None, "{backend}");
        let facts = turns.iter().flat_map(|turn| &turn.facts);
        let answers = facts.filter(|did| matches!(did, Did::Answered { .. }));
        assert_eq!(answers.count(), 6, "{backend}");
        let accepted = calls(&turns, "accept");
        assert!(
            accepted >= 6 && calls(&turns, "sendfile") >= 3,
            "{backend}: {accepted}"
        );
    }
}

#[test]
fn a_record_that_cannot_be_made_is_told_at_once() {
    let check = |words: &[&str], code: i32, expected: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        let output = command
            .args(["--hello", "-l", "127.0.0.1:0"])
            .args(words)
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    };
    check(
        &["--record", "/nowhere/at/all"],
        1,
        "httpoll: --record /nowhere/at/all: No such file",
    );
    for backend in ["threads", "blocking"] {
        check(
            &["--record", "/dev/null", "-b", backend],
            2,
            "--record needs a backend with a loop: edge",
        );
    }
}

/// Where its operators ask.
fn operators(server: &mut Server) -> Client<std::net::TcpStream> {
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert_ne!(
            server.out.read_line(&mut line).unwrap(),
            0,
            "{}",
            server.told
        );
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.trim().split('/').next().unwrap().parse().unwrap();
        }
    };
    connect(address)
}

/// The data of the next event with this name.
fn event(client: &mut Client<std::net::TcpStream>, name: &str) -> String {
    let mut named = String::from("message");
    loop {
        let mut line = String::new();
        assert_ne!(
            client.0.read_line(&mut line).unwrap(),
            0,
            "the stream has ended"
        );
        if let Some(word) = line.trim_end().strip_prefix("event: ") {
            word.clone_into(&mut named);
        }
        if let Some(data) = line.trim_end().strip_prefix("data: ") {
            if named == name {
                return data.to_owned();
            }
            named = String::from("message");
        }
    }
}

#[test]
fn turns_are_seen_as_they_happen() {
    for backend in LOOPS {
        let mut server = Server::start(backend, &["--hello", "--admin", "127.0.0.1:0"]);
        let mut watcher = operators(&mut server);
        watcher.send(request("GET", "/loop", &[]).as_bytes());
        let head = watcher.head();
        assert_eq!(head.field("Content-Type"), Some("text/event-stream"));
        let heading: Heading = serde_json::from_str(&event(&mut watcher, "heading")).unwrap();
        assert_eq!(heading.backend, backend);
        assert_eq!(server.get("/").status, 200);
        loop {
            let turn: TurnRecord = serde_json::from_str(&event(&mut watcher, "message")).unwrap();
            if calls(&[turn], "read") > 0 {
                break;
            }
        }
    }
}

/// Far more turns than a watcher is told of in a second, and one that takes nothing.
#[test]
fn a_watcher_that_does_not_keep_up_costs_the_loop_nothing() {
    let mut server = Server::start("edge", &["--hello", "--admin", "127.0.0.1:0"]);
    let mut stalled = operators(&mut server);
    stalled.send(request("GET", "/loop", &[]).as_bytes());
    stalled.head();
    let mut client = server.connect();
    for _ in 0..2_000 {
        assert_eq!(client.ask("GET", "/", &[]).status, 200);
    }
    let dropped = event(&mut stalled, "dropped");
    assert!(dropped.parse::<u64>().unwrap() > 0, "{dropped}");
}

/// Watchers that have gone without a word, of a loop that does nothing.
#[test]
fn watchers_leave_room_for_others() {
    let mut server = Server::start("edge", &["--hello", "--admin", "127.0.0.1:0"]);
    let mut first = operators(&mut server);
    let address = first.0.get_ref().peer_addr().unwrap();
    first.send(request("GET", "/loop", &["Connection: close"]).as_bytes());
    assert_eq!(first.head().status, 200);
    for _ in 0..50 {
        let mut gone = connect(address);
        gone.send(request("GET", "/loop", &[]).as_bytes());
        assert_eq!(gone.head().status, 200);
    }
    assert_eq!(connect(address).ask("GET", "/healthz", &[]).status, 200);
    // Its stream has ended as it should.
    assert!(first.rest().ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn a_page_of_another_site_starts_nothing() {
    let mut server = Server::start("edge", &["--hello", "--admin", "127.0.0.1:0"]);
    let mut operator = operators(&mut server);
    for target in ["/loop", "/lab?seed=1"] {
        let answer = operator.ask("GET", target, &["Sec-Fetch-Site: cross-site"]);
        assert_eq!(answer.status, 403, "{target}");
    }
    assert_eq!(
        operator
            .ask("GET", "/lab", &["Sec-Fetch-Site: same-origin"])
            .status,
        200
    );
}

#[test]
fn the_lab_is_open_to_operators() {
    let mut server = Server::start("edge", &["--hello", "--admin", "127.0.0.1:0"]);
    let mut operator = operators(&mut server);
    let list = operator.ask("GET", "/lab", &[]).text();
    assert!(
        list.contains("\"early\"") && list.contains("\"budget\""),
        "{list}"
    );
    let target = "/lab?trigger=edge&scenario=early&mistake=budget&seed=0";
    let record = operator.ask("GET", target, &[]).text();
    let kept = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/www/records/early-edge-budget.jsonl"
    );
    assert_eq!(record, fs::read_to_string(kept).unwrap());
    for wrong in ["trigger=x", "scenario=", "mistake=x", "seed=-1", "x"] {
        let answer = operator.ask("GET", &format!("/lab?{wrong}"), &[]);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().contains("/lab lists"), "{}", answer.text());
    }
    for path in [
        "/",
        "/loop.js",
        "/loop-draw.js",
        "/loop-record.js",
        "/loop-view.js",
        "/loop.css",
        "/records/two-edge.jsonl",
    ] {
        let answer = operator.ask("GET", path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.field("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        for imported in answer.text().split(" from \"./").skip(1) {
            let name = imported.split('"').next().unwrap();
            let answer = operator.ask("GET", &format!("/{name}"), &[]);
            assert_eq!(answer.status, 200, "{path} imports {name}");
        }
    }
}
