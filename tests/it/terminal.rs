//! What the program shows on a terminal: lines that fit, colours, and what is under way.

#![expect(clippy::disallowed_methods, reason = "a client reads slowly")]

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::{BACKENDS, Client, connect, request, uninterrupted};
use crate::process::{each, exit, signal, wait_until, zeros};

/// A running httpoll whose standard output is a terminal.
struct OnTerminal {
    child: Child,
    screen: File,
    /// All that it has written.
    seen: String,
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn terminal(columns: u16) -> (OwnedFd, File) {
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let other = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    resize(&main, columns);
    (main, File::from(other))
}

fn resize(terminal: &OwnedFd, columns: u16) {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

impl OnTerminal {
    fn start(columns: u16, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let (main, other) = terminal(columns);
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"] {
            command.env_remove(name);
        }
        command.args(["-l", "127.0.0.1:0"]).args(words);
        command.envs(variables.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(other).spawn().unwrap();
        Self {
            child,
            screen: main.into(),
            seen: String::new(),
        }
    }

    /// The same, in a session of its own that the terminal controls, by way of these words.
    fn controlling(by: &[&str], words: &[&str]) -> Self {
        let (main, other) = terminal(80);
        let mut command = Command::new("setsid");
        command.arg("--ctty");
        // Whoever runs the tests may have used nohup(1), which is inherited.
        command.args(["env", "--default-signal=HUP"]).args(by);
        command.arg(env!("CARGO_BIN_EXE_httpoll"));
        command.args(["-l", "127.0.0.1:0"]).args(words);
        let input = other.try_clone().unwrap();
        let child = command.stdin(input).stdout(other).spawn().unwrap();
        Self {
            child,
            screen: main.into(),
            seen: String::new(),
        }
    }

    /// Closes its window.
    fn close(&mut self) {
        self.screen = File::open("/dev/null").unwrap();
    }

    /// Reads until it has written this.
    fn until(&mut self, part: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(part) {
            let n = self.screen.read(&mut bytes).unwrap();
            self.seen
                .push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
    }

    fn connect(&mut self) -> Client<std::net::TcpStream> {
        self.until("/\r\n");
        let url = self.seen.split("http://").nth(1).unwrap();
        connect(url.split('/').next().unwrap().parse().unwrap())
    }

    /// The line with this, once it is there.
    fn line(&mut self, part: &str) -> String {
        self.until(part);
        let at = self.seen.find(part).unwrap();
        while !self.seen[at..].contains("\r\n") {
            self.until(&(self.seen.clone() + "\r"));
        }
        let begin = self.seen[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = at + self.seen[at..].find('\r').unwrap();
        self.seen[begin..end].to_owned()
    }
}

#[test]
fn a_line_fits_its_terminal_and_the_next_one_after_a_change() {
    let mut server = OnTerminal::start(60, &["--hello", "--color", "never"], &[]);
    let mut client = server.connect();
    let mut ask = |server: &mut OnTerminal, mark: &str| {
        let target = format!("/{}/{mark}.jpg", "photos/".repeat(30));
        client.ask("GET", &target, &[]);
        server.line(&format!("{mark}.jpg"))
    };
    let line = ask(&mut server, "one");
    assert_eq!(line.chars().count(), 60, "{line}");
    assert!(line.starts_with("404 127.0.0.1 GET /photo"), "{line}");
    assert!(line.contains('…'), "{line}");
    let main = server.screen.try_clone().unwrap().into();
    resize(&main, 120);
    signal(server.child.id(), Signal::WINCH);
    // kill(2) returns before the handler has run.
    let mut asked = 0;
    wait_until("the next lines are as wide", || {
        asked += 1;
        let line = ask(&mut server, &format!("again-{asked}-"));
        line.chars().count() == 120
    });
}

#[test]
fn colours_are_for_terminals_unless_a_variable_says_no() {
    let check = |words: &[&str], variables: &[(&str, &str)], coloured: bool| {
        let mut all = vec!["--hello"];
        all.extend(words);
        let mut server = OnTerminal::start(80, &all, variables);
        server.connect().ask("GET", "/", &[]);
        let line = server.line("GET /");
        assert_eq!(line.contains("\x1b[32m200\x1b[0m"), coloured, "{line:?}");
        assert_eq!(line.contains('\x1b'), coloured, "{line:?}");
    };
    check(&[], &[("TERM", "xterm")], true);
    check(&[], &[("NO_COLOR", "1")], false);
    check(&["--color", "always"], &[("NO_COLOR", "1")], true);
    check(&["--color", "never"], &[], false);
    check(&[], &[("TERM", "dumb")], false);
}

/// What is written in a pipe is what was asked for, and colours only if they were.
#[test]
fn short_lines_in_a_pipe_have_any_length() {
    let check = |color: &str, expected: &str| {
        let words = ["--hello", "--log", "short", "--color", color];
        let mut server = crate::harness::Server::start("edge", &words);
        let target = format!("/{}", "a".repeat(300));
        server.get(&target);
        let mut line = String::new();
        std::io::BufRead::read_line(&mut server.out, &mut line).unwrap();
        assert!(line.contains(&format!(" GET {target} ")), "{line}");
        assert!(line.contains(expected), "{line:?}");
    };
    check("auto", "Z 404 127.0.0.1 GET");
    check("always", "\x1b[33m404\x1b[0m");
}

/// A client that reads slowly, as those do who look at it.
#[test]
fn what_is_under_way_stands_on_the_last_line() {
    const LEN: u64 = 64 << 20;
    let root = zeros(LEN);
    each(&BACKENDS, |backend| {
        let words = [
            root.path().to_str().unwrap(),
            "-b",
            backend,
            "--color",
            "never",
        ];
        let mut server = OnTerminal::start(80, &words, &[]);
        let mut client = server.connect();
        client.send(request("GET", "/zeros", &["Connection: close"]).as_bytes());
        assert_eq!(client.head().status, 200);
        let is_seen = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut left = LEN - client.0.buffer().len() as u64;
                let mut stream = BufReader::into_inner(client.0);
                while left > 0 {
                    left -= uninterrupted(|| stream.read(&mut vec![0; 64 * 1024])).unwrap() as u64;
                    if !is_seen.load(Relaxed) {
                        sleep(Duration::from_millis(20));
                    }
                }
            });
            server.until("sends /zeros ");
            server.until("% of 64 MiB, ");
            is_seen.store(true, Relaxed);
        });
        // It is wiped, the answer's line stands in its place, and nothing is under way.
        server.until("\r\x1b[K");
        let line = server.line("GET /zeros");
        let line = line.rsplit("\x1b[K").next().unwrap();
        assert!(
            line.contains(" 64 MiB ") && line.ends_with("/s"),
            "{line:?}"
        );
        signal(server.child.id(), Signal::TERM);
        assert_eq!(exit(&mut server.child).0, Some(0));
        let rest = server.seen.rsplit("GET /zeros").next().unwrap();
        assert!(!rest.contains("sends"), "{rest:?}");
    });
}

/// What it sends is finished, whoever says so once more.
#[test]
fn a_terminal_that_closes_stops_what_was_started_in_it() {
    const LEN: u64 = 16 << 20;
    let root = zeros(LEN);
    let root = root.path().to_str().unwrap();
    for words in [&[root][..], &[root, "--sandbox", "strict"]] {
        let mut server = OnTerminal::controlling(&[], words);
        let mut client = server.connect();
        client.send(request("GET", "/zeros", &["Connection: close"]).as_bytes());
        assert_eq!(client.head().status, 200);
        let mut idle = server.connect();
        idle.ask("GET", "/", &[]);
        server.close();
        assert_eq!(
            uninterrupted(|| idle.0.read(&mut [0])).unwrap(),
            0,
            "it stops"
        );
        signal(server.child.id(), Signal::HUP);
        let mut content = Vec::new();
        client.0.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, LEN);
        assert_eq!(exit(&mut server.child).0, Some(0));
    }
}

#[test]
fn what_is_to_outlive_its_terminal_does() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (log, ignores) = (log.to_str().unwrap(), "trap '' HUP; exec \"$@\"");
    let check = |mut server: OnTerminal| {
        let mut client = server.connect();
        server.close();
        signal(server.child.id(), Signal::HUP);
        for _ in 0..50 {
            assert_eq!(client.ask("GET", "/", &[]).status, 200);
            sleep(Duration::from_millis(1));
        }
        signal(server.child.id(), Signal::TERM);
        assert_eq!(exit(&mut server.child).0, Some(0));
    };
    let hello = &["--hello"];
    check(OnTerminal::start(80, hello, &[])); // another session's
    check(OnTerminal::controlling(&["sh", "-c", ignores, "sh"], hello));
    let words = ["--hello", "--log-file", log];
    check(OnTerminal::controlling(&[], &words));
}
