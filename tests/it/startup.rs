//! The program as it starts and talks: where it is, what it logs, and that its output, whatever
//! becomes of it, never becomes a client's problem.

#![expect(
    clippy::disallowed_methods,
    reason = "a client connects, and gives up after a while"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use httpoll::driver::record::{Heading, Text, TurnRecord};
use rustix::process::Signal;

use crate::harness::{BACKENDS, LOOPS};
use crate::process::{each, exit, signal, wait_until};

/// A running httpoll, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(words: &[&str], stdout: impl Into<Stdio>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command
            .args(words)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(stdout);
        Self(command.spawn().unwrap())
    }

    /// With standard output to be read, up to and with the line of the first IPv4 address.
    fn start_and_listen(words: &[&str]) -> (Self, String, SocketAddr, BufReader<ChildStdout>) {
        let mut server = Self::start(words, Stdio::piped());
        let (told, address, out) = listening(&mut server);
        (server, told, address, out)
    }
}

/// What a server tells up to and with the line of its first IPv4 address.
fn listening(server: &mut Server) -> (String, SocketAddr, BufReader<ChildStdout>) {
    let mut out = BufReader::new(server.0.stdout.take().unwrap());
    let mut told = String::new();
    loop {
        let begin = told.len();
        let n = out.read_line(&mut told).unwrap();
        assert_ne!(n, 0, "it ended without an address: {told}");
        if let Some(url) = told[begin..].trim().strip_prefix("http://127.") {
            let address = format!("127.{}", url.split('/').next().unwrap());
            return (told, address.parse().unwrap(), out);
        }
    }
}

/// One exchange on a connection of its own; the whole answer.
fn exchange<S: Read + Write>(mut stream: S, target: &str) -> String {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

fn get(address: SocketAddr, target: &str) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    exchange(stream, target)
}

/// Connects as soon as a socket listens there.
fn connect_when_bound(path: &Path) -> UnixStream {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_printed_address_is_the_one_that_answers() {
    let check = |words: &[&str], expected: &Expect| {
        let (_server, told, address, _out) = Server::start_and_listen(words);
        assert!(get(address, "/").ends_with("\r\n\r\nHello, World!"));
        let told = told.replace(&address.port().to_string(), "PORT");
        expected.assert_eq(&told.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    };
    check(
        &["--hello", "--port", "0"],
        &expect![[r#"
            httpoll VERSION serves Hello, World! (edge, one loop)
              http://127.0.0.1:PORT/
        "#]],
    );
    check(
        &["--hello", "-l", "127.0.0.1:0", "-b", "poll", "-w", "2"],
        &expect![[r#"
            httpoll VERSION serves Hello, World! (poll, 2 loops)
              http://127.0.0.1:PORT/
        "#]],
    );
}

/// `curl -OJ` of / takes the name from the field; a link that is passed on has it in its path.
#[test]
fn one_file_is_told_and_saved_by_its_name() {
    let check = |name: &str, path: &str, disposition: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, "text").unwrap();
        let words = [
            file.to_str().unwrap(),
            "-l",
            "127.0.0.1:0",
            "--prefix",
            "/p",
        ];
        let (_server, told, address, _out) = Server::start_and_listen(&words);
        assert!(told.ends_with(&format!("/p/{path}\n")), "{told}");
        for target in ["/p/", &format!("/p/{path}")] {
            let answer = get(address, target);
            let field = format!("\r\nContent-Disposition: {disposition}\r\n");
            assert!(answer.contains(&field), "{answer}");
        }
    };
    check("notes.pdf", "notes.pdf", r#"inline; filename="notes.pdf""#);
    check(
        "a b;c.txt",
        "a%20b%3Bc.txt",
        r#"inline; filename="a b;c.txt""#,
    );
    // RFC 8187 for those who read it; the others take the bytes as they are.
    check(
        "r\u{e9}sum\u{e9}.txt",
        "r%C3%A9sum%C3%A9.txt",
        "inline; filename=\"r\u{e9}sum\u{e9}.txt\"; filename*=UTF-8''r%C3%A9sum%C3%A9.txt",
    );
    check(
        "a\"b\\c%20.txt",
        "a%22b%5Cc%2520.txt",
        "inline; filename=\"a_b_c_20.txt\"; filename*=UTF-8''a%22b%5Cc%2520.txt",
    );
    check(
        "a\nb",
        "a%0Ab",
        "inline; filename=\"a_b\"; filename*=UTF-8''a%0Ab",
    );
}

/// Before rights are given up, and in the backlog until the loops stand.
#[test]
fn a_browser_is_started_with_the_address() {
    each(&["off", "strict"], |sandbox| {
        let folder = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\necho \"$1\" > \"$SHOWN.new\"; mv \"$SHOWN.new\" \"$SHOWN\"\n";
        let browser = folder.path().join("xdg-open");
        fs::write(&browser, script).unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        let (shown, path) = (folder.path().join("shown"), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command.args([
            "--hello",
            "-l",
            "127.0.0.1:0",
            "--open",
            "--sandbox",
            sandbox,
        ]);
        command.env("PATH", format!("{}:{path}", folder.path().display()));
        command.env("DISPLAY", ":99").env("SHOWN", &shown);
        let server = crate::harness::Server::run(command);
        wait_until("the browser was started", || shown.exists());
        let expected = format!("http://{}/\n", server.address);
        assert_eq!(fs::read_to_string(&shown).unwrap(), expected);
    });
}

/// It serves all the same.
#[test]
fn a_browser_that_is_not_there_is_a_line() {
    let check = |display: &str, path: &str, expected: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command.args(["--hello", "-l", "127.0.0.1:0", "--open"]);
        for name in ["WAYLAND_DISPLAY", "BROWSER"] {
            command.env_remove(name);
        }
        command.env("DISPLAY", display).env("PATH", path);
        let mut server = crate::harness::Server::run(command);
        let mut line = String::new();
        server.out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("  No browser was opened: {expected}.\n"));
        assert_eq!(server.get("/").status, 200);
    };
    check("", "/usr/bin:/bin", "there is no display");
    check(":99", "/none", "there is no xdg-open (package xdg-utils)");
}

#[test]
fn it_says_how_many_connections_select_can_hold() {
    let words = [
        "--hello",
        "-l",
        "127.0.0.1:0",
        "-b",
        "select",
        "--max-connections",
        "5000",
    ];
    let (_server, _, _, mut out) = Server::start_and_listen(&words);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("  It can hold "), "{line}");
    assert!(
        line.contains(" connections, not 5000: select(2) watches 1,024"),
        "{line}"
    );
}

/// Each loop needs some descriptors for itself, and select(2) watches few.
#[test]
fn it_says_what_too_many_loops_cost() {
    let words = ["--hello", "-l", "127.0.0.1:0", "-b", "select", "-w", "250"];
    let (_server, _, _, mut out) = Server::start_and_listen(&words);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("250 loops take so many that only "), "{line}");
    assert!(line.ends_with("give fewer --workers.\n"), "{line}");
}

#[test]
fn more_loops_than_descriptors_are_refused_with_advice() {
    let script = r#"ulimit -n 512; exec "$0" --hello -p 0 -w 200"#;
    let mut shell = Command::new("sh");
    let out = shell
        .args(["-c", script, env!("CARGO_BIN_EXE_httpoll")])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&out.stderr);
    let expected = "httpoll: 200 loops need 800 descriptors of 512; \
                    give fewer --workers, or raise ulimit -Hn\n";
    assert_eq!(error, expected);
    assert_eq!(out.status.code(), Some(1));
    assert!(out.stdout.is_empty());
}

#[test]
fn a_line_per_request() {
    let words = ["--hello", "-l", "127.0.0.1:0", "--log", "plain"];
    let (_server, _, address, mut out) = Server::start_and_listen(&words);
    get(address, "/?a='b");
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!((time.len(), time.ends_with('Z')), (20, true), "{line}");
    let expected = "127.0.0.1 \"GET /?a='b HTTP/1.1\" 200 13 ";
    let took = rest
        .strip_prefix(expected)
        .unwrap_or_else(|| panic!("{line}"));
    let took: f64 = took.strip_suffix("ms\n").unwrap().parse().unwrap();
    assert!((0.0..10_000.0).contains(&took), "{line}");
}

/// Such a request is refused, and its line still tells of it without obeying it.
#[test]
fn a_client_cannot_steer_the_terminal_that_shows_the_log() {
    let words = ["--hello", "-l", "127.0.0.1:0", "--log", "plain"];
    let (_server, _, address, mut out) = Server::start_and_listen(&words);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = b"GET /\x1b[2J\xc2\x9b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(head).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let printable = |c: char| matches!(c, ' '..='~');
    assert!(
        line.trim_end_matches('\n').chars().all(printable),
        "{line:?}"
    );
    assert!(line.ends_with("ms\n"), "{line:?}");
}

#[test]
fn without_a_terminal_and_without_a_wish_there_are_no_lines() {
    for mode in ["auto", "off"] {
        let words = ["--hello", "-l", "127.0.0.1:0", "--log", mode];
        let (server, _, address, mut out) = Server::start_and_listen(&words);
        get(address, "/");
        drop(server);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "{mode}");
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let words = ["--hello", "-l", "127.0.0.1:0", "--log", "plain"];
    let (mut server, _, address, out) = Server::start_and_listen(&words);
    drop(out); // from now on: EPIPE
    for _ in 0..10 {
        get(address, "/");
    }
    assert!(server.0.try_wait().unwrap().is_none(), "it is still there");
}

/// A pipe holds 64 KiB, and a turn here is one line: 200 requests with 4 KiB each are more than one
/// and less than the 4 MiB that may wait. (What is beyond these is `driver/observe/lines.rs`.)
#[test]
fn a_log_that_is_read_too_slowly_stops_nothing_and_loses_nothing() {
    let words = ["--hello", "-l", "127.0.0.1:0", "--log", "plain"];
    let (_server, _, address, mut out) = Server::start_and_listen(&words);
    let target = format!("/?{}", "x".repeat(4000));
    for _ in 0..200 {
        get(address, &target);
    }
    // Not read since the start-up text.
    for _ in 0..200 {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains(&target), "{line}");
    }
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let words = ["--hello", "-l", &listen, "--log", "plain"];
    let _server = Server::start(&words, full);
    for _ in 0..10 {
        exchange(connect_when_bound(&path), "/");
    }
}

/// One block (512 bytes, or 1,024) is enough for the start-up text; beyond it write(2) raises
/// SIGXFSZ.
#[test]
fn a_log_that_may_not_grow_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let script = r#"ulimit -f 1; exec "$0" --hello --log plain -l "unix:$1" > "$2""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_httpoll")]);
    shell.arg(&path).arg(folder.path().join("log"));
    let _server = Server(shell.spawn().unwrap());
    for _ in 0..40 {
        exchange(connect_when_bound(&path), "/");
    }
}

/// At once, not with the next request: a student watches them come.
#[test]
fn the_calls_of_a_request_are_traced_in_order_and_at_once() {
    each(&BACKENDS, |backend| {
        let (_server, address, err) = start_traced(backend);
        let mut client = TcpStream::connect(address).unwrap();
        let head = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(head).unwrap();
        let mut expected = vec![" read(", " write("];
        if LOOPS.contains(&backend) {
            // And what the loop left behind: reading is wanted, and the kernel will say when it can be.
            expected.extend(["read W", "A. write .R"]);
        }
        for line in BufReader::new(err).lines() {
            let line = line.unwrap();
            while expected.first().is_some_and(|next| line.contains(next))
                && !line.ends_with("EAGAIN")
            {
                expected.remove(0);
            }
            if expected.is_empty() {
                return;
            }
        }
        panic!("its trace has ended");
    });
}

/// On a terminal both go to the same place, and a line that tells of an answer stands after the
/// call that sent it.
#[test]
fn trace_and_access_lines_are_in_order_where_both_go() {
    each(&BACKENDS, |backend| {
        let script = r#"exec "$0" --hello -l 127.0.0.1:0 --trace --log plain -b "$1" 2>&1"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_httpoll"), backend]);
        shell.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = Server(shell.spawn().unwrap());
        let (_, address, mut out) = listening(&mut server);
        let mut sent = 0;
        for asked in 1..=50 {
            get(address, "/");
            let mut line = String::new();
            while !line.contains("\"GET / HTTP/1.1\" 200") {
                sent += u32::from(line.starts_with("  ") && line.contains("write("));
                line.clear();
                assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended");
            }
            assert_eq!(sent, asked, "an answer was sent before its line: {line}");
        }
    });
}

/// The same lines as those of a record, so that what is seen now can be compared with what was kept.
#[test]
fn the_trace_of_a_loop_is_its_record_as_text() {
    each(&LOOPS, |backend| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let record = ["--record", path.to_str().unwrap(), "--workers", "2"];
        let (mut server, address, mut err) = start_traced_with(backend, &record);
        for _ in 0..3 {
            get(address, "/");
        }
        signal(server.0.id(), Signal::TERM);
        let mut traced = String::new();
        err.read_to_string(&mut traced).unwrap();
        assert_eq!(exit(&mut server.0).0, Some(0));
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let heading: Heading = serde_json::from_str(lines.next().unwrap()).unwrap();
        let trigger = heading.trigger;
        let turns: Vec<TurnRecord> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(turns.len() > 3, "{text}");
        // Turns of two loops may have come to one of the two first, and to the other second.
        for worker in 0..2 {
            let of_loop = turns.iter().filter(|turn| turn.worker == worker);
            let kept: String = of_loop
                .map(|turn| Text { turn, trigger }.to_string())
                .collect();
            assert_eq!(of_one_loop(&traced, worker), kept, "{backend}");
        }
    });
}

/// The lines of one loop in a trace of two.
fn of_one_loop(traced: &str, worker: usize) -> String {
    let mut is_its = false;
    let of_loop = traced.split_inclusive('\n').filter(|line| {
        if !line.starts_with("  ") {
            is_its = line.starts_with("loop ") == (worker > 0);
        }
        is_its
    });
    of_loop.collect()
}

#[test]
fn a_trace_that_nobody_reads_stops_nothing() {
    each(&BACKENDS, |backend| {
        let (mut server, address, err) = start_traced(backend);
        // So that a few requests fill it.
        rustix::pipe::fcntl_setpipe_size(&err, 4096).unwrap();
        for _ in 0..100 {
            get(address, "/");
        }
        signal(server.0.id(), Signal::TERM);
        assert_eq!(exit(&mut server.0).0, Some(0));
        drop(err);
    });
}

/// With `--trace`, and standard error to be read.
fn start_traced(backend: &str) -> (Server, SocketAddr, ChildStderr) {
    start_traced_with(backend, &[])
}

fn start_traced_with(backend: &str, more: &[&str]) -> (Server, SocketAddr, ChildStderr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let words = ["--hello", "-l", "127.0.0.1:0", "--trace", "-b", backend];
    command.args(words).args(more).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let err = server.0.stderr.take().unwrap();
    let (_, address, _) = listening(&mut server);
    (server, address, err)
}

#[test]
fn closed_standard_descriptors_never_become_a_clients_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let script = r#"exec "$0" --hello --log plain -l "unix:$1" <&- >&- 2>&-"#;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_httpoll")])
        .arg(&path);
    let server = Server(shell.spawn().unwrap());
    let answer = exchange(connect_when_bound(&path), "/");
    assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer}");
    let _open = connect_when_bound(&path);
    for fd in 0..=2 {
        let link = fs::read_link(format!("/proc/{}/fd/{fd}", server.0.id())).unwrap();
        assert_eq!(link, Path::new("/dev/null"), "descriptor {fd}");
    }
}
