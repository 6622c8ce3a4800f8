//! A running program of `examples/`: its words, its lines, its end.
//!
//! `cargo test --test programs` does not build examples, so the first program to be started does
//! it, with the profile and the target directory of this test. A program is killed by its handle
//! when the test ends, however that ends.

#![allow(dead_code, reason = "not each group of tests uses all of it")]

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

/// No test waits longer than this for anything: it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where `examples/NAME` was built to.
pub(crate) fn built(name: &str) -> PathBuf {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(build).join(name)
}

/// All tests are one process, and some open a thousand connections: as many as it may have.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn build() -> PathBuf {
    raise_descriptor_limit();
    let this = std::env::current_exe().unwrap(); // TARGET/PROFILE/deps/programs-…
    let out = this.ancestors().nth(2).unwrap();
    let profile = match out.file_name().and_then(OsStr::to_str).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--examples", "--profile", profile])
        .arg("--target-dir")
        .arg(out.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.unwrap().success(), "examples/ does not build");
    out.join("examples")
}

/// A running program, killed with its test.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has printed so far, on stdout and stderr.
    pub(crate) told: String,
    address: Option<SocketAddr>,
}

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// `NAME WORDS…`, with a pipe to its stdin.
    pub(crate) fn run<W: AsRef<OsStr>>(name: &str, words: &[W]) -> Self {
        let mut command = Command::new(built(name));
        command.args(words);
        Self::spawn(command)
    }

    /// Any command, such as a program under another directory or with another limit.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            told: String::new(),
            address: None,
        }
    }

    /// A server whose output is closed once it has told its address.
    pub(crate) fn spawn_unread(mut command: Command) -> (Self, SocketAddr) {
        let (reader, writer) = io::pipe().unwrap();
        command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command); // it holds the pipe's other end
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).unwrap();
        let (sender, lines) = channel();
        read_lines(child.stderr.take().unwrap(), sender);
        let program = Self {
            child,
            stdin: None,
            lines,
            told: String::new(),
            address: None,
        };
        (program, address_in(&line))
    }

    /// `NAME 0 WORDS…`, a server on a free port that has told where it listens.
    pub(crate) fn serve(name: &str, words: &[&str]) -> Self {
        let words: Vec<_> = ["0"].iter().chain(words).collect();
        Self::run(name, &words).listening()
    }

    /// Waits for the first line, `listening on ADDRESS`.
    pub(crate) fn listening(mut self) -> Self {
        let line = self.line();
        self.address = Some(address_in(&line));
        self
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// A connection whose calls all have a time limit.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    /// Its process: for signals and for /proc.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        match self.next_line(PATIENCE) {
            Some(line) => line,
            None => panic!("no further line after:\n{}", self.told),
        }
    }

    /// Reads lines until one contains `part`, and returns that one.
    pub(crate) fn expect(&mut self, part: &str) -> String {
        let begun = Instant::now();
        loop {
            let Some(line) = self.next_line(PATIENCE.saturating_sub(begun.elapsed())) else {
                panic!("never printed {part:?}, but:\n{}", self.told);
            };
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The next line, if one comes in time.
    pub(crate) fn next_line(&mut self, limit: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(limit).ok()?;
        self.told.push_str(&line);
        self.told.push('\n');
        Some(line)
    }

    /// Types `text` into it, as it is.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// The end of what is typed: Ctrl-D.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended, and returns how; all it printed is in `told`.
    pub(crate) fn end(&mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        let begun = Instant::now();
        // Both pipes close with the program; what still holds them open is a process it left.
        while self
            .next_line(PATIENCE.saturating_sub(begun.elapsed()))
            .is_some()
        {}
        assert!(begun.elapsed() < PATIENCE, "has not ended:\n{}", self.told);
        let status = self.child.wait().unwrap();
        match status.code() {
            Some(code) => Ended::Code(code),
            None => Ended::Signal(status.signal().unwrap()),
        }
    }

    /// Ctrl-C: a program that holds nothing but memory and sockets is ended by the signal itself.
    pub(crate) fn interrupt(&mut self) -> Ended {
        self.signal(Signal::INT);
        self.end()
    }

    /// A server that still answers was not harmed: it is there and has not panicked.
    pub(crate) fn is_well(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.told.push_str(&line);
            self.told.push('\n');
        }
        assert!(self.is_running(), "it ended:\n{}", self.told);
        assert!(!self.told.contains("panicked"), "{}", self.told);
    }
}

/// The address in `listening on ADDRESS…`.
fn address_in(line: &str) -> SocketAddr {
    let address = line.split(" on ").nth(1).and_then(|rest| {
        let word = rest.split_whitespace().next()?;
        let word = word.trim_start_matches("http://");
        word.trim_end_matches(['/', ',']).parse().ok()
    });
    address.unwrap_or_else(|| panic!("no address in {line:?}"))
}

/// Passes on each line, in a thread of its own, until the pipe closes.
fn read_lines(out: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while out.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let _ = lines.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    });
}

/// A connection whose calls all have a time limit.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the other side closes. A reset is an end too.
pub(crate) fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

/// Closes with a reset instead of an end: what a client that vanished looks like.
pub(crate) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Sends each byte in a segment of its own.
pub(crate) fn byte_by_byte(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_nodelay(true).unwrap();
    for byte in bytes {
        stream.write_all(&[*byte]).unwrap();
    }
}

/// Where the programs are, for those who read them.
pub(crate) fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    std::fs::read_to_string(path).unwrap()
}

/// How many lines of a program are neither blank nor comment.
pub(crate) fn lines_of_code(name: &str) -> usize {
    let text = source(name);
    let lines = text.lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.count()
}
