//! A running httpoll on a free port, and a client that shows every byte it was sent.
//!
//! The real program, not a server in this process: a server ends by a signal, and a signal would
//! end all tests. It is killed by its handle when the test ends, however that ends.

#![expect(clippy::disallowed_methods, reason = "a client connects")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

mod skip;
mod uninterrupted;
pub(crate) use skip::skip;
pub(crate) use uninterrupted::uninterrupted;

/// Whether `program` can be run here; if not, the test is skipped. `version` is a word that makes
/// it end at once.
pub(crate) fn tool(program: &str, version: &str) -> bool {
    let output = Command::new(program)
        .arg(version)
        .stdin(Stdio::null())
        .output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        skip(program);
    }
    there
}

/// Whether this machine has IPv6; if not, the test is skipped.
pub(crate) fn ipv6() -> bool {
    let there = TcpListener::bind("[::1]:0").is_ok();
    if !there {
        skip("IPv6");
    }
    there
}

/// The six words of `--backend`.
pub(crate) const BACKENDS: [&str; 6] = ["edge", "level", "poll", "select", "threads", "blocking"];

/// Those that have a loop.
pub(crate) const LOOPS: [&str; 4] = ["edge", "level", "poll", "select"];

/// No test waits longer than this for anything: it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running httpoll, ended with the test.
pub(crate) struct Server {
    child: Child,
    /// Where it listens: the first address that it told.
    pub(crate) address: SocketAddr,
    /// The start-up text.
    pub(crate) told: String,
    /// What it writes after that: keep it, or its log has no reader.
    pub(crate) out: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// `httpoll --backend BACKEND --listen 127.0.0.1:0 WORDS…`
    pub(crate) fn start(backend: &str, words: &[&str]) -> Self {
        let mut all = vec!["--backend", backend, "--listen", "127.0.0.1:0"];
        all.extend(words);
        Self::start_with(&all)
    }

    /// The same, serving `root`.
    pub(crate) fn of(backend: &str, root: &Path, words: &[&str]) -> Self {
        let mut all = vec![root.to_str().unwrap()];
        all.extend(words);
        Self::start(backend, &all)
    }

    /// With these words only. One of its addresses must be TCP.
    pub(crate) fn start_with<W: AsRef<OsStr>>(words: &[W]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command.args(words);
        Self::run(command)
    }

    /// Any program that tells its URLs, each on a line of its own, and then serves.
    pub(crate) fn run(command: Command) -> Self {
        Self::run_with(command, Stdio::null())
    }

    /// The same, with something to inherit.
    pub(crate) fn run_with(mut command: Command, stdin: Stdio) -> Self {
        let started = command.stdin(stdin).stdout(Stdio::piped()).spawn();
        let mut child = started.unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        let address = loop {
            let begin = told.len();
            let n = out.read_line(&mut told).unwrap();
            assert_ne!(n, 0, "it ended without an address: {told}");
            if let Some(url) = told[begin..].trim().strip_prefix("http://") {
                break url.split('/').next().unwrap().parse().unwrap();
            }
        };
        Self {
            child,
            address,
            told,
            out,
        }
    }

    /// Its process: for signals and for /proc.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn connect(&self) -> Client<TcpStream> {
        connect(self.address)
    }

    /// One GET on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Answer {
        self.connect().ask(method, target, fields)
    }

    /// Sends `bytes` on a connection of its own and returns all that comes back until it closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut client = self.connect();
        client.send(bytes);
        client.rest()
    }
}

/// A connection to `address`.
pub(crate) fn connect(address: SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Client::new(stream)
}

/// One connection.
pub(crate) struct Client<S: Read>(pub(crate) BufReader<S>);

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// One request and its answer; the connection stays open if the server lets it.
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &[&str]) -> Answer {
        self.send(request(method, target, fields).as_bytes());
        self.answer(method)
    }

    /// The next answer, to a request with this method.
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        let bodyless = method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304);
        if !bodyless {
            let length = answer.field("Content-Length");
            let length = length.unwrap_or_else(|| panic!("no length: {}", answer.head));
            answer.body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// The head of the next answer.
    pub(crate) fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let n = self.0.read_line(&mut head).unwrap();
            assert_ne!(n, 0, "closed within a head: {head:?}");
        }
        Answer::new(head)
    }

    /// All that comes until the connection closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn expect_closed(&mut self) {
        assert_eq!(self.rest(), "");
    }
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and fields as they were sent, with the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn new(head: String) -> Self {
        let code = head.strip_prefix("HTTP/1.1 ").and_then(|h| h.get(..3));
        let status = code.and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status line: {head}")),
            head,
            body: Vec::new(),
        }
    }

    /// The value of a field that was sent at most once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice: {}", self.head);
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request without content.
pub(crate) fn request(method: &str, target: &str, fields: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// `matrix! { fn name(backend) { … } }`: the test once for each of the six, as `name::edge`, …
macro_rules! matrix {
    ($($(#[$doc:meta])* fn $name:ident($backend:ident) $body:block)*) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                fn on($backend: &str) $body

                #[test]
                fn edge() { on("edge"); }
                #[test]
                fn level() { on("level"); }
                #[test]
                fn poll() { on("poll"); }
                #[test]
                fn select() { on("select"); }
                #[test]
                fn threads() { on("threads"); }
                #[test]
                fn blocking() { on("blocking"); }
            }
        )*
    };
}
pub(crate) use matrix;
