//! System calls that fail: strace(1) puts an error in place of a call of the running server, one
//! call and one errno after the other, as their man pages list them.
//!
//! What must hold whatever fails: no byte is wrong, no client waits for ever, no more connections
//! suffer than calls failed, nothing spins, and afterwards all is as before.
//!
//! Not in the table: close(2), which strace would not execute and Linux does whatever it returns;
//! futex(2) and mmap(2), which are the C library's; read(2) and
//! write(2) of an eventfd that does not block, which cannot fail; EFAULT, EBADF and the like, which
//! only a mistake of our own can cause.

#![expect(
    clippy::disallowed_methods,
    reason = "clients wait, and look at the clock"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Server, matrix, request, skip, tool, uninterrupted};

/// What may fail, and how, by its man page and section 7 of it (tcp, ip, socket).
const CALLS: &[(&str, &str)] = &[
    ("epoll_wait", "EINTR ENOMEM"),
    ("epoll_pwait", "EINTR ENOMEM"),
    ("ppoll", "EINTR ENOMEM EINVAL"),
    ("pselect6", "EINTR ENOMEM EINVAL"),
    ("clone3", "EAGAIN ENOMEM"),
    (
        "accept4",
        "EPERM EAGAIN ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPROTO ENETDOWN ENOPROTOOPT \
         EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH",
    ),
    ("epoll_ctl", "ENOMEM ENOSPC EPERM"),
    ("fstatfs", "EINTR EIO ENOMEM ENOSYS"),
    ("setsockopt", "ENOBUFS ENOMEM ENOPROTOOPT EINVAL"),
    (
        "recvfrom",
        "EAGAIN ECONNREFUSED ECONNRESET EINTR ENOMEM ETIMEDOUT EHOSTUNREACH",
    ),
    (
        "sendto",
        "EAGAIN ECONNRESET EINTR ENOBUFS ENOMEM EPERM EPIPE ETIMEDOUT ENETUNREACH",
    ),
    (
        "sendfile",
        "EAGAIN ECONNRESET EINTR EINVAL EIO ENOMEM EOVERFLOW EPIPE ESPIPE",
    ),
    ("shutdown", "ENOTCONN ENOBUFS"),
    ("ioctl", "ENOTTY EINVAL"),
    (
        "preadv2",
        "EAGAIN EINTR EIO EISDIR ENOMEM EOPNOTSUPP EINVAL",
    ),
    (
        "openat2",
        "EACCES EAGAIN EINTR EIO ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM ENOTDIR \
         ENXIO EOPNOTSUPP EOVERFLOW EPERM ETXTBSY EXDEV ESTALE",
    ),
    (
        "statx",
        "EACCES EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ESTALE",
    ),
    ("getdents64", "EIO EINVAL ENOENT ENOTDIR"),
    (
        "newfstatat",
        "EACCES EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR",
    ),
];

/// A call that keeps failing until an end is put to it.
struct Lasting {
    call: &'static str,
    errno: &'static str,
    /// Whether a newcomer is served meanwhile, or has to wait.
    serves: bool,
    /// How many idle clients may have to go.
    gone_max: usize,
}

const fn lasting(
    call: &'static str,
    errno: &'static str,
    serves: bool,
    gone_max: usize,
) -> Lasting {
    Lasting {
        call,
        errno,
        serves,
        gone_max,
    }
}

const LASTING: &[Lasting] = &[
    lasting("accept4", "EPERM", false, 0),
    // One at every other try, for the thread that ends with it.
    lasting("clone3", "EAGAIN", false, 3),
    lasting("epoll_ctl", "ENOMEM", true, 1),
    lasting("epoll_ctl", "ENOSPC", true, 1),
];

/// Waiting differs: of these calls a backend makes those that are its own.
fn is_made(backend: &str, call: &str) -> bool {
    let own = match backend {
        "edge" => ["epoll_wait", "epoll_ctl"],
        "level" => ["epoll_pwait", "epoll_ctl"],
        "select" => ["pselect6", ""],
        "threads" => ["ppoll", "clone3"],
        _ => ["ppoll", ""],
    };
    own.contains(&call) || !DIFFERS.contains(&call)
}

const DIFFERS: [&str; 6] = [
    "epoll_wait",
    "epoll_pwait",
    "epoll_ctl",
    "ppoll",
    "pselect6",
    "clone3",
];

/// How many connections may suffer from so many failures of a call. What is missing to wait or to
/// take a client in costs none that has a request, and one at most that is idle.
fn sufferers_max(call: &str, errno: &str, failed: usize) -> usize {
    match (call, errno) {
        ("epoll_wait" | "epoll_pwait" | "ppoll" | "pselect6", _) => 0,
        ("clone3", _) | ("epoll_ctl", "ENOMEM" | "ENOSPC") => failed.min(1),
        _ => failed,
    }
}

/// EAGAIN says that nothing is there, or that there is no room, and that the selector will tell
/// when this ends. The kernel does not say so of a socket that is ready; who believes it, waits.
fn is_a_lie(backend: &str, call: &str, errno: &str) -> bool {
    backend == "edge" && errno == "EAGAIN" && !matches!(call, "openat2" | "preadv2")
}

/// Which calls of each thread fail: the first one, and every other one. recvfrom(2) of the main
/// thread is no call on a client's socket, but how it waits for its loops: it is under way already.
/// A wait is under way when strace(1) leaves, and must not be one that it has put an error into: it
/// would be left with ENOSYS.
fn times(call: &str) -> [&'static str; 2] {
    match call {
        "recvfrom" => ["2", "2+2"],
        "epoll_wait" | "epoll_pwait" | "ppoll" | "pselect6" => ["1", "1..9+2"],
        _ => ["1", "1+2"],
    }
}

/// The few requests of a row never need so many calls.
const CALLS_MAX: usize = 1500;

const IMPATIENCE: Duration = Duration::from_secs(5);

/// strace(1) on a running server.
struct Injection {
    strace: Child,
    said: BufReader<std::process::ChildStderr>,
    record: PathBuf,
}

impl Drop for Injection {
    fn drop(&mut self) {
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

impl Injection {
    /// Into each thread's calls, from now on; `None` if we may not.
    fn of(server: &Server, what: &str, record: PathBuf) -> Option<Self> {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &server.pid().to_string(), "-e"])
            .arg(format!("inject={what}"))
            .arg("-o")
            .arg(&record)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(strace.stderr.take().unwrap());
        let mut injection = Self {
            strace,
            said,
            record,
        };
        let mut line = String::new();
        injection.said.read_line(&mut line).unwrap();
        line.contains(" attached").then_some(injection)
    }

    /// Ends it; how many calls there were, and how many of them failed.
    fn end(mut self) -> (usize, usize) {
        let pid = Pid::from_child(&self.strace);
        kill_process(pid, Signal::TERM).unwrap();
        // It lets go of each thread, which may have to be stopped for that.
        self.said.read_to_string(&mut String::new()).unwrap();
        self.strace.wait().unwrap();
        let text = fs::read_to_string(&self.record).unwrap();
        let failed = text.lines().filter(|line| line.ends_with("(INJECTED)"));
        (text.lines().count(), failed.count())
    }
}

/// What became of one request.
#[derive(PartialEq, Eq, Debug)]
enum Outcome {
    Right,
    /// A status that says so, or an end that shows.
    Suffered,
    Wrong(String),
}

/// One request, its right answer, and how its connection is closed.
struct Exchange<'a> {
    target: &'a str,
    body: Option<&'a [u8]>,
    last: bool,
}

impl Exchange<'_> {
    fn on(&self, stream: &mut TcpStream) -> Outcome {
        match self.try_on(stream) {
            Ok(outcome) => outcome,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Outcome::Wrong("it hangs".into()),
                _ => Outcome::Suffered,
            },
        }
    }

    fn try_on(&self, stream: &mut TcpStream) -> io::Result<Outcome> {
        let fields: &[&str] = if self.last {
            &["Connection: close"]
        } else {
            &[]
        };
        stream.write_all(request("GET", self.target, fields).as_bytes())?;
        let (status, body) = answer(stream)?;
        Ok(match self.body {
            Some(right) if status == 200 && body == right => Outcome::Right,
            None if status == 200 => Outcome::Right,
            _ if status >= 400 => Outcome::Suffered,
            _ => Outcome::Wrong(format!("{status}, {} bytes", body.len())),
        })
    }

    fn on_a_new_one(&self, server: &Server) -> Outcome {
        let stream = TcpStream::connect(server.address);
        stream.map_or(Outcome::Suffered, |mut stream| {
            stream.set_read_timeout(Some(IMPATIENCE)).unwrap();
            self.on(&mut stream)
        })
    }
}

/// Status and content; an error if either is not whole.
fn answer(stream: &mut TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(cut());
        }
    }
    let status = head.get(9..12).and_then(|code| code.parse().ok());
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |n| n.parse().unwrap())];
    reader.read_exact(&mut body)?;
    Ok((status.unwrap(), body))
}

/// A server with files, and a client that stays.
struct Scene {
    root: tempfile::TempDir,
    large: Vec<u8>,
    server: Server,
    idle: Option<TcpStream>,
    rows: usize,
}

impl Scene {
    fn new(backend: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(root.path().join("large"), &large).unwrap();
        fs::create_dir(root.path().join("dir")).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(root.path().join("dir").join(name), name).unwrap();
        }
        let server = Server::of(backend, root.path(), &["--log", "off"]);
        Self {
            root,
            large,
            server,
            idle: None,
            rows: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What is asked while calls fail; how many suffered.
    fn converse(&mut self) -> Result<usize, String> {
        // New to every cache, and of a type whose siblings are looked for, which has it made by a job.
        self.rows += 1;
        let name = format!("/new{}.bin", self.rows);
        fs::write(self.path(&name[1..]), &name).unwrap();
        let new = |last| Exchange {
            target: &name,
            body: Some(name.as_bytes()),
            last,
        };
        let large = |last| Exchange {
            target: "/large",
            body: Some(&self.large),
            last,
        };
        let listing = Exchange {
            target: "/dir/",
            body: None,
            last: true,
        };
        let mut outcomes = Vec::new();
        for exchange in [new(false), large(false), listing, new(true), large(true)] {
            outcomes.push(exchange.on_a_new_one(&self.server));
        }
        if let Some(mut stays) = self.idle.take() {
            outcomes.push(new(false).on(&mut stays));
            if outcomes.last() == Some(&Outcome::Right) {
                self.idle = Some(stays);
            }
        }
        let wrong = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Wrong(how) => Some(how.clone()),
            _ => None,
        });
        wrong.map_or(Ok(()), Err)?;
        Ok(outcomes.iter().filter(|o| **o == Outcome::Suffered).count())
    }
}

/// One row of the table.
struct Row<'a> {
    call: &'a str,
    errno: &'a str,
    when: &'a str,
}

impl std::fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:error={}:when={}", self.call, self.errno, self.when)
    }
}

/// What is wrong about a row, if anything, and how many calls failed.
fn try_row(scene: &mut Scene, backend: &str, row: &Row<'_>) -> Option<(usize, Vec<String>)> {
    let what = &row.to_string();
    if scene.idle.is_none() && backend != "blocking" {
        let mut stays = TcpStream::connect(scene.server.address).unwrap();
        stays.set_read_timeout(Some(IMPATIENCE)).unwrap();
        let first = Exchange {
            target: "/dir/",
            body: None,
            last: false,
        };
        assert_eq!(first.on(&mut stays), Outcome::Right, "before {what}");
        scene.idle = Some(stays);
    }
    let record = scene.path("record");
    let injection = Injection::of(&scene.server, what, record)?;
    let outcome = scene.converse();
    let (calls, failed) = injection.end();
    let mut wrong = Vec::new();
    match outcome {
        Ok(suffered) if suffered > sufferers_max(row.call, row.errno, failed) => {
            wrong.push(format!(
                "{suffered} connections suffer from {failed} failed calls"
            ));
        }
        Ok(_) => {}
        Err(how) => wrong.push(how),
    }
    if calls > CALLS_MAX {
        wrong.push(format!("it spins: {calls} calls"));
    }
    if let Some(status) = scene.server.child().try_wait().unwrap() {
        wrong.push(format!("it ended: {status}"));
    } else if scene.converse() != Ok(0) {
        wrong.push("it does not recover".into());
    }
    Some((failed, wrong))
}

matrix! {
    fn a_call_that_fails_costs_its_connection_at_most(backend) {
        if !tool("strace", "--version") {
            return;
        }
        let mut scene = Scene::new(backend);
        let mut wrong = Vec::new();
        for (call, errnos) in CALLS.iter().filter(|(call, _)| is_made(backend, call)) {
            let mut failures = 0;
            for errno in errnos.split_whitespace().filter(|e| !is_a_lie(backend, call, e)) {
                for when in times(call) {
                    let row = Row { call, errno, when };
                    let Some((failed, how)) = try_row(&mut scene, backend, &row) else {
                        return skip("leave to trace other processes");
                    };
                    failures += failed;
                    wrong.extend(how.iter().map(|how| format!("{row}: {how}")));
                    // A server that suffers from one row would from all that follow.
                    if !how.is_empty() {
                        scene = Scene::new(backend);
                    }
                }
            }
            if failures == 0 {
                wrong.push(format!("{call} is never made: its row proves nothing"));
            }
        }
        assert!(wrong.is_empty(), "{backend}:\n{}", wrong.join("\n"));
    }

    /// No newcomer is reset beside idle clients, and nothing spins.
    fn what_always_fails_delays_newcomers_at_most(backend) {
        if !tool("strace", "--version") {
            return;
        }
        for lasting in LASTING.iter().filter(|one| is_made(backend, one.call)) {
            if endure(lasting, backend).is_none() {
                return skip("leave to trace other processes");
            }
        }
    }
}

/// `None` if we may not trace.
fn endure(lasting: &Lasting, backend: &str) -> Option<()> {
    let Lasting { call, errno, .. } = lasting;
    let what = &format!("{backend}, {call}: {errno}");
    let scene = Scene::new(backend);
    let open = || {
        let stream = TcpStream::connect(scene.server.address).unwrap();
        stream.set_read_timeout(Some(IMPATIENCE)).unwrap();
        stream
    };
    let listing = Exchange {
        target: "/dir/",
        body: None,
        last: false,
    };
    let count = if backend == "blocking" { 0 } else { 3 };
    let mut idle: Vec<_> = (0..count).map(|_| open()).collect();
    for one in &mut idle {
        assert_eq!(listing.on(one), Outcome::Right, "before {what}");
    }
    let inject = format!("{call}:error={errno}");
    let injection = Injection::of(&scene.server, &inject, scene.path("record"))?;
    let mut newcomer = open();
    let asked = request("GET", listing.target, &[]);
    newcomer.write_all(asked.as_bytes()).unwrap();
    if lasting.serves {
        assert_eq!(answer(&mut newcomer).expect(what).0, 200, "{what}");
    } else {
        let a_while = Some(Duration::from_millis(500));
        newcomer.set_read_timeout(a_while).unwrap();
        let error = uninterrupted(|| newcomer.peek(&mut [0])).expect_err(what);
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{what}: it waits");
        newcomer.set_read_timeout(Some(IMPATIENCE)).unwrap();
    }
    let outcomes = idle.iter_mut().map(|one| listing.on(one));
    let gone = outcomes.filter(|o| *o != Outcome::Right).count();
    assert!(gone <= lasting.gone_max, "{what}: {gone} had to go");
    let (_, failed) = injection.end();
    // A few calls at a time, ten times a second.
    assert!((1..200).contains(&failed), "{what}: {failed} failed");
    if !lasting.serves {
        assert_eq!(answer(&mut newcomer).expect(what).0, 200, "{what}");
    }
    let afterwards = listing.on_a_new_one(&scene.server);
    // `blocking` keeps none: what has begun ends with its answer.
    assert_eq!(afterwards, Outcome::Right, "after {what}");
    Some(())
}
