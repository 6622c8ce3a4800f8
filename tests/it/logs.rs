//! Access lines as the program writes them: each form, and a file of their own.

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};
use regex::Regex;
use rustix::process::Signal;

use crate::harness::{BACKENDS, Server};
use crate::process::{MANY, each, exit, signal, wait_until};

/// A time that may have any value, and durations.
fn masked(line: &str) -> String {
    let of = |pattern: &str, text: &str, by: &str| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.replace_all(text, by).into_owned()
    };
    let line = of(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line, "DATE");
    let line = of(
        r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000",
        &line,
        "DATE",
    );
    let line = of(r" \d+\.\dms", &line, " 0.1ms");
    of(r#""duration_ms":\d+\.\d+"#, &line, r#""duration_ms":0.1"#)
}

fn next_line(server: &mut Server) -> String {
    let mut line = String::new();
    assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "it ended");
    line
}

#[test]
fn each_form_has_its_line() {
    let check = |form: &str, expected: &Expect| {
        let mut server = Server::start("edge", &["--hello", "--log", form]);
        let fields = [
            "Referer: http://a.example/?\"b",
            "user-agent: Mozilla/5.0 (X11)\t\u{e9}",
        ];
        server.ask("GET", "/?a", &fields);
        server.ask("HEAD", "/", &[]);
        server.raw(b"\x16\x03\x01\x02\r\n\r\n");
        let shown: Vec<_> = (0..3).map(|_| masked(&next_line(&mut server))).collect();
        expected.assert_eq(&shown.concat());
    };
    check(
        "plain",
        &expect![[r#"
            DATE 127.0.0.1 "GET /?a HTTP/1.1" 200 13 0.1ms
            DATE 127.0.0.1 "HEAD / HTTP/1.1" 200 0 0.1ms
            DATE 127.0.0.1 "TLS handshake" 400 88 0.1ms
        "#]],
    );
    check(
        "common",
        &expect![[r#"
        127.0.0.1 - - [DATE] "GET /?a HTTP/1.1" 200 13
        127.0.0.1 - - [DATE] "HEAD / HTTP/1.1" 200 -
        127.0.0.1 - - [DATE] "TLS handshake" 400 88
    "#]],
    );
    check(
        "combined",
        &expect![[r#"
        127.0.0.1 - - [DATE] "GET /?a HTTP/1.1" 200 13 "http://a.example/?\"b" "Mozilla/5.0 (X11)\t\xc3\xa9"
        127.0.0.1 - - [DATE] "HEAD / HTTP/1.1" 200 - "-" "-"
        127.0.0.1 - - [DATE] "TLS handshake" 400 88 "-" "-"
    "#]],
    );
    check(
        "json",
        &expect![[r#"
        {"time":"DATE","client":"127.0.0.1","method":"GET","target":"/?a","protocol":"HTTP/1.1","request":"GET /?a HTTP/1.1","status":200,"bytes":13,"received":0,"duration_ms":0.1,"complete":true,"referer":"http://a.example/?\"b","user_agent":"Mozilla/5.0 (X11)\t\u00e9"}
        {"time":"DATE","client":"127.0.0.1","method":"HEAD","target":"/","protocol":"HTTP/1.1","request":"HEAD / HTTP/1.1","status":200,"bytes":0,"received":0,"duration_ms":0.1,"complete":true,"referer":null,"user_agent":null}
        {"time":"DATE","client":"127.0.0.1","method":null,"target":null,"protocol":null,"request":"TLS handshake","status":400,"bytes":88,"received":0,"duration_ms":0.1,"complete":true,"referer":null,"user_agent":null}
    "#]],
    );
}

/// What was received belongs to one request, and a head that is refused has no content.
#[test]
fn a_refused_head_has_received_nothing() {
    each(&MANY, |backend| {
        let mut server = Server::start(backend, &["--hello", "--log", "json"]);
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
        assert_eq!(client.answer("POST").status, 405);
        client.send(b"NONSENSE\r\n\r\n");
        assert_eq!(client.answer("GET").status, 400);
        for received in [5, 0] {
            let line = next_line(&mut server);
            let expected = format!("\"received\":{received},");
            assert!(line.contains(&expected), "{backend}: {line}");
        }
    });
}

/// A refused request has no fields that could be read.
#[test]
fn fields_are_kept_on_every_backend_and_steer_no_terminal() {
    each(&BACKENDS, |backend| {
        let mut server = Server::start(backend, &["--hello", "--log", "combined"]);
        let mut client = server.connect();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\xffb\r\nReferer: \"\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
        let line = next_line(&mut server);
        let expected = "\"GET / HTTP/1.1\" 200 13 \"\\\"\" \"a\\xffb\"\n";
        assert!(line.ends_with(expected), "{backend}: {line:?}");
        server.ask("GET", "/", &["Referer: x", "Referer: y"]);
        let line = next_line(&mut server);
        assert!(line.ends_with(" \"x\" \"-\"\n"), "{backend}: {line:?}");
    });
}

#[test]
fn of_a_long_field_a_line_shows_the_beginning() {
    let mut server = Server::start("edge", &["--hello", "--log", "json"]);
    let field = format!("User-Agent: {}", "x".repeat(5000));
    server.ask("GET", "/", &[&field]);
    let line = next_line(&mut server);
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["user_agent"].as_str().unwrap(), "x".repeat(1024));
}

/// Its address is told on standard output as ever.
fn logging_to(file: &Path, words: &[&str]) -> Server {
    let mut all = vec!["--hello", "--log-file", file.to_str().unwrap()];
    all.extend(words);
    Server::start("edge", &all)
}

/// The lines are written by a thread of their own.
fn wait_for_lines(file: &Path, lines: usize) -> String {
    let read = || fs::read_to_string(file).unwrap_or_default();
    wait_until("the lines are there", || read().lines().count() >= lines);
    read()
}

#[test]
fn a_file_has_the_lines_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    fs::write(&file, "before\n").unwrap();
    let mut server = logging_to(&file, &[]);
    server.get("/a");
    let text = wait_for_lines(&file, 2);
    let text = masked(&text);
    let expected = "before\nDATE 127.0.0.1 \"GET /a HTTP/1.1\" 404 ";
    assert!(text.starts_with(expected), "{text}");
    signal(server.pid(), Signal::TERM);
    assert_eq!(exit(server.child()).0, Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut server.out, &mut rest).unwrap();
    assert_eq!(rest, "", "and standard output none");
}

#[test]
fn a_new_file_is_for_its_owner_and_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let _server = logging_to(&file, &[]);
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "{mode:o}");
}

/// As logrotate(8) does it, under each sandbox.
#[test]
fn a_file_that_was_moved_is_opened_again_by_sighup() {
    each(&["auto", "strict", "off"], |sandbox| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.log");
        let server = logging_to(&file, &["--sandbox", sandbox, "--log", "json"]);
        for round in 0..3 {
            server.get("/");
            let text = wait_for_lines(&file, 1);
            assert_eq!(text.lines().count(), 1, "{sandbox}: {text}");
            let moved = folder.path().join(format!("access.log.{round}"));
            fs::rename(&file, &moved).unwrap();
            signal(server.pid(), Signal::HUP);
            // At once: who waits for the next request would compress a file that still grows.
            wait_until("the file is there again", || file.exists());
            assert_eq!(fs::read_to_string(&moved).unwrap(), text, "whole");
        }
        server.get("/");
        wait_for_lines(&file, 1);
    });
}

/// Signals may come faster than they are looked at, and none of them is a stop.
#[test]
fn many_hangups_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let server = logging_to(&file, &[]);
    for _ in 0..1000 {
        signal(server.pid(), Signal::HUP);
    }
    server.get("/");
    wait_for_lines(&file, 1);
}

#[test]
fn a_file_that_cannot_be_opened_again_is_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let file = logs.join("access.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command.args(["--hello", "-l", "127.0.0.1:0", "--sandbox", "off"]);
    command.arg("--log-file").arg(&file).stderr(Stdio::piped());
    let mut server = Server::run(command);
    let told = server.child().stderr.take().unwrap();
    let mut told = std::io::BufReader::new(told);
    let mut hang_up = |why: &str| {
        signal(server.pid(), Signal::HUP);
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert!(line.contains(why) && line.contains("goes on"), "{line}");
    };
    let moved = folder.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    hang_up("No such file or directory");
    // Whose open(2) would wait for a reader.
    fs::create_dir(&logs).unwrap();
    let made = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    hang_up("a FIFO");
    server.get("/");
    wait_for_lines(&moved.join("access.log"), 1);
}

#[test]
fn a_full_disk_stops_nothing() {
    let server = logging_to(Path::new("/dev/full"), &[]);
    for _ in 0..10 {
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn what_cannot_be_a_log_is_one_line_of_advice() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let directory = folder.path().to_str().unwrap();
    let check = |words: &[&str], code: i32, part: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command.args(["--hello", "-p", "0"]).args(words);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(part) && told.lines().count() == 1, "{told}");
        assert_eq!(output.status.code(), Some(code));
    };
    check(&["--log-file", directory], 1, "Is a directory");
    check(
        &["--log-file", "/no/such/file"],
        1,
        "--log-file /no/such/file: No such file",
    );
    check(&["--log-file", fifo.to_str().unwrap()], 1, "a FIFO");
    check(
        &["--log-file", "x", "--log", "off"],
        2,
        "leave one of them out",
    );
    assert!(!Path::new("x").exists());
}
