//! What a confined server cannot do, asked of the running server.
//!
//! Rights belong to threads, and a test harness has threads of its own. So this test is a program:
//! it starts itself again as a server whose service tries what it must not, on the loop's thread
//! and on a job's, and says how that went. Each check ends in a line that a child printed.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the service tries what is forbidden; a test that cannot go on has failed"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use httpoll::config::{Backend, Config, FilesConfig, ListenAddr};
use httpoll::confine::{Confined, Needs, Sandbox, confine};
use httpoll::driver::Server;
use httpoll::http::{Request, Response, Tick};
use httpoll::service::{Files, Reply, Service};
use rustix::process::{Pid, Signal, kill_process};

#[path = "it/harness/skip.rs"]
mod skip;
use skip::skip;

fn main() {
    if let Ok(mode) = std::env::var(CHILD) {
        return serve(&mode);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let filter = words.iter().find(|word| !word.starts_with('-'));
    for (name, test) in TESTS {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

const TESTS: &[(&str, fn())] = &[
    ("without_a_sandbox_everything_is_possible", control),
    ("landlock_leaves_the_directory_and_nothing_else", landlock),
    ("strict_refuses_calls_that_are_not_on_its_list", strict),
    ("strict_serves_as_before_on_every_backend", strict_serves),
    ("every_thread_of_the_program_is_confined", every_thread),
    ("a_socket_file_is_still_removed", socket_file),
    ("a_replaced_file_is_still_served", replaced_file),
    ("user_drops_the_rights_of_root", user),
    ("user_needs_root", user_needs_root),
];

/// The variable that makes this program the server.
const CHILD: &str = "HTTPOLL_CONFINED_CHILD";

// ---------------------------------------------------------------------- the server that tries

/// `SANDBOX BACKEND ROOT`; prints its address once nobody may do anything any more.
fn serve(mode: &str) {
    let mut words = mode.splitn(3, ' ');
    let mut next = || words.next().unwrap();
    let sandbox = match next() {
        "auto" => Sandbox::Auto,
        "strict" => Sandbox::Strict,
        _ => Sandbox::Off,
    };
    let name = next();
    let backend = Backend::ALL.into_iter().find(|one| one.name() == name);
    let files = FilesConfig {
        root: next().into(),
        ..FilesConfig::default()
    };
    let config = Config {
        listen: vec![ListenAddr::Tcp("127.0.0.1:0".parse().unwrap())],
        backend: backend.unwrap(),
        ..Config::default()
    };
    let needs = Needs::of(&config.listen, Some(&files)).unwrap();
    let served = Files::open(&files, 1).unwrap();
    let server = Server::bind(config).unwrap();
    let [ListenAddr::Tcp(address)] = *server.addresses() else {
        panic!("one address was asked for");
    };
    let confined = confine(sandbox, &needs).unwrap();
    println!("{address} {confined:?}");
    let root = files.root;
    let service = move || Intruder {
        root: root.clone(),
        address,
        files: served.clone(),
    };
    server.run(service).unwrap();
}

/// A service that has been taken over.
struct Intruder {
    root: PathBuf,
    address: SocketAddr,
    files: Files,
}

impl Service for Intruder {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let (root, address) = (self.root.clone(), self.address);
        match request.path().strip_prefix("/try/") {
            None => self.files.call(request, now),
            // The same on the thread of a job.
            Some(wish) => match wish.strip_prefix("later/") {
                None => Reply::Now(Response::text(attempt(wish, &root, address))),
                Some(wish) => {
                    let wish = wish.to_owned();
                    Reply::Later(Box::new(move || {
                        Response::text(attempt(&wish, &root, address))
                    }))
                }
            },
        }
    }
}

/// What came of it: `done`, or the error's name.
fn attempt(wish: &str, root: &Path, address: SocketAddr) -> String {
    let done: io::Result<()> = match wish {
        "read" => fs::read("/etc/passwd").map(drop),
        "list" => fs::read_dir("/etc").map(drop),
        "inside" => fs::read(root.join("a.txt")).map(drop),
        "write" => fs::write(root.join("a.txt"), "defaced"),
        "create" => fs::write(root.join("new"), "planted"),
        "remove" => fs::remove_file(root.join("a.txt")),
        "bind" => TcpListener::bind("127.0.0.1:0").map(drop),
        "connect" => TcpStream::connect(address).map(drop),
        "exec" => Err(Command::new("/bin/true").exec()),
        "spawn" => Command::new("/bin/true").status().map(drop),
        "unlisted" => rustix::process::getpgid(None).map(drop).map_err(Into::into),
        _ => unreachable!(),
    };
    match done {
        Ok(()) => "done".into(),
        Err(error) => error
            .raw_os_error()
            .map_or_else(|| error.to_string(), errno),
    }
}

fn errno(number: i32) -> String {
    let name = rustix::io::Errno::from_raw_os_error(number);
    let names = [
        (rustix::io::Errno::PERM, "EPERM"),
        (rustix::io::Errno::ACCESS, "EACCES"),
    ];
    let found = names.iter().find(|(errno, _)| *errno == name);
    found.map_or_else(|| number.to_string(), |(_, name)| (*name).into())
}

// ------------------------------------------------------------------------------ those who ask

/// A child, ended with the test.
struct Running {
    child: Child,
    address: Option<SocketAddr>,
    confined: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn intruder(sandbox: &str, backend: &str, root: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CHILD, format!("{sandbox} {backend} {}", root.display()));
        let (mut running, line) = Self::start(command);
        let (address, confined) = line.trim().split_once(' ').expect("an address");
        running.address = Some(address.parse().unwrap());
        running.confined = confined == format!("{:?}", Confined::Yes);
        running
    }

    /// The program itself; the text is what it prints up to its first address.
    fn program(words: &[&str]) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
        command.args(words);
        let (mut running, mut told) = Self::start(command);
        let mut out = BufReader::new(running.child.stdout.take().unwrap());
        while !told.contains("  http://") && !told.contains("  unix:") {
            let n = out.read_line(&mut told).unwrap();
            assert_ne!(n, 0, "it ended: {told}");
        }
        let url = told.split("\n  http://").nth(1);
        running.address = url.map(|url| url.split('/').next().unwrap().parse().unwrap());
        // What comes after the address comes in the same write.
        told.push_str(&String::from_utf8_lossy(out.buffer()));
        (running, told)
    }

    fn start(mut command: Command) -> (Self, String) {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut line = Vec::new();
        let out = child.stdout.as_mut().unwrap();
        let mut byte = [0];
        while line.last() != Some(&b'\n') && out.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
        }
        let running = Self {
            child,
            address: None,
            confined: false,
        };
        (running, String::from_utf8(line).unwrap())
    }

    /// The answer's status and content; `None` if the connection ended without one.
    fn get(&self, target: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address.unwrap()).ok()?;
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, content) = answer.split_once("\r\n\r\n")?;
        Some((head.get(9..12)?.parse().ok()?, content.to_owned()))
    }

    fn check(&self, rows: &[(&str, &str)]) {
        for (wish, expected) in rows {
            for path in [format!("/try/{wish}"), format!("/try/later/{wish}")] {
                let (status, content) = self.get(&path).expect(wish);
                assert_eq!((status, content.as_str()), (200, *expected), "{path}");
            }
        }
    }

    /// A field of /proc/PID/task/TID/status, of each thread.
    fn of_each_thread(&self, field: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end while it is looked at.
        let statuses =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
        let value = |status: String| {
            let mut lines = status.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| *name == field).expect(field).1;
            found.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        statuses.map(value).collect()
    }
}

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "a").unwrap();
    // More than a cache keeps in memory: sent by sendfile(2), and cold pages by a job.
    fs::write(dir.path().join("large"), vec![b'x'; 3 << 20]).unwrap();
    fs::create_dir(dir.path().join("dir")).unwrap();
    dir
}

const LANDLOCK: &str = "Landlock in this kernel, or leave to use it";

/// Were these not possible without a sandbox, the other tests would prove nothing.
fn control() {
    let site = site();
    let running = Running::intruder("off", "edge", site.path());
    running.check(&[
        ("read", "done"),
        ("list", "done"),
        ("bind", "done"),
        ("connect", "done"),
        ("spawn", "done"),
        ("unlisted", "done"),
        ("create", "done"),
    ]);
    let found = running.of_each_thread("NoNewPrivs");
    assert!(found.len() >= 3, "main, loop and job: {found:?}");
    assert!(found.iter().all(|value| value == "0"), "{found:?}");
}

fn landlock() {
    let site = site();
    for backend in ["edge", "threads"] {
        let running = Running::intruder("auto", backend, site.path());
        if !running.confined {
            return skip(LANDLOCK);
        }
        running.check(&[
            ("inside", "done"),
            ("read", "EACCES"),
            ("list", "EACCES"),
            ("write", "EACCES"),
            ("create", "EACCES"),
            ("remove", "EACCES"),
            ("exec", "EACCES"),
            ("spawn", "EACCES"),
            ("unlisted", "done"),
        ]);
        assert_eq!(running.get("/a.txt"), Some((200, "a".into())));
    }
}

fn strict() {
    let site = site();
    for backend in ["edge", "threads"] {
        let mut running = Running::intruder("strict", backend, site.path());
        running.check(&[
            ("inside", "done"),
            ("read", "EACCES"),
            ("write", "EPERM"),
            ("bind", "EPERM"),
            ("connect", "EPERM"),
            ("spawn", "EPERM"),
            ("unlisted", "EPERM"),
        ]);
        for field in ["NoNewPrivs", "Seccomp", "Seccomp_filters"] {
            let found = running.of_each_thread(field);
            let expected = match field {
                "NoNewPrivs" => "1",
                "Seccomp" => "2", // SECCOMP_MODE_FILTER
                _ => "3",
            };
            assert!(found.len() >= 2, "the loop has a thread of its own");
            assert!(
                found.iter().all(|value| value == expected),
                "{field}: {found:?}"
            );
        }
        // Whoever tries this is not let on.
        assert_eq!(running.get("/try/exec"), None);
        let status = running.child.wait().unwrap();
        assert_eq!(status.signal(), Some(31), "SIGSYS: {status}");
    }
}

fn strict_serves() {
    let site = site();
    for backend in Backend::ALL {
        let running = Running::intruder("strict", backend.name(), site.path());
        let check = |target: &str, status: u16, len: Option<usize>| {
            let (actual, content) = running.get(target).expect(target);
            assert_eq!(actual, status, "{target} on {}", backend.name());
            assert!(len.is_none_or(|len| content.len() == len), "{target}");
        };
        check("/a.txt", 200, Some(1));
        check("/large", 200, Some(3 << 20));
        check("/", 200, None);
        check("/dir", 301, None);
        check("/dir/", 200, None);
        check("/missing", 404, None);
        check("/try/later/inside", 200, None);
        // Their handlers are installed when it is confined already, and return by rt_sigreturn(2).
        for signal in [Signal::HUP, Signal::USR1, Signal::ALARM, Signal::IO] {
            let pid = Pid::from_child(&running.child);
            kill_process(pid, signal).unwrap();
            check("/a.txt", 200, Some(1));
        }
    }
}

fn every_thread() {
    let site = site();
    let root = site.path().to_str().unwrap();
    for backend in Backend::ALL {
        let words = ["-p", "0", "-b", backend.name(), "--log", "plain", root];
        let (running, _) = Running::program(&[&words[..], &["--sandbox", "strict"]].concat());
        assert_eq!(running.get("/large").unwrap().0, 200);
        let found = running.of_each_thread("Seccomp");
        assert!(found.len() >= 3, "main, log and loop: {found:?}");
        assert!(found.iter().all(|mode| mode == "2"), "{found:?}");
    }
    let (running, _) = Running::program(&["-p", "0", root]);
    let found = running.of_each_thread("NoNewPrivs");
    if found.iter().all(|value| value == "0") {
        return skip(LANDLOCK);
    }
    assert!(found.iter().all(|value| value == "1"), "{found:?}");
}

fn socket_file() {
    let site = site();
    let path = site.path().join("http.sock");
    for sandbox in ["auto", "strict"] {
        let listen = format!("unix:{}", path.display());
        let (mut running, _) = Running::program(&["--hello", "-l", &listen, "--sandbox", sandbox]);
        assert!(path.exists());
        interrupt(&running);
        assert!(running.child.wait().unwrap().success());
        assert!(!path.exists(), "{sandbox}");
    }
}

/// An editor writes a new file and renames it: another inode, which no rule knows.
fn replaced_file() {
    let site = site();
    let file = site.path().join("a.txt");
    let (running, told) = Running::program(&["-p", "0", file.to_str().unwrap()]);
    assert_eq!(running.get("/"), Some((200, "a".into())));
    fs::write(site.path().join("b.txt"), "b").unwrap();
    fs::rename(site.path().join("b.txt"), &file).unwrap();
    assert_eq!(running.get("/"), Some((200, "b".into())));
    if running.of_each_thread("NoNewPrivs")[0] == "1" {
        assert!(told.contains("it may be replaced there"), "{told}");
    }
}

fn user() {
    if !rustix::process::geteuid().is_root() {
        return skip("the rights of root");
    }
    let words = ["--hello", "-p", "0", "--user", "65534:65533"];
    let (running, _) = Running::program(&words);
    let all = |id: &str| [id; 4].join(" "); // real, effective, saved, file system
    for (field, expected) in [
        ("Uid", all("65534")),
        ("Gid", all("65533")),
        ("Groups", String::new()),
        ("CapEff", "0".repeat(16)),
        ("CapPrm", "0".repeat(16)),
    ] {
        let found = running.of_each_thread(field);
        assert!(found.len() >= 2, "the loop has a thread of its own");
        assert!(
            found.iter().all(|value| *value == expected),
            "{field}: {found:?}"
        );
    }
    assert_eq!(running.get("/"), Some((200, "Hello, World!".into())));
}

fn user_needs_root() {
    // Where the build lies, others may not be allowed to look.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("httpoll");
    fs::copy(env!("CARGO_BIN_EXE_httpoll"), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["--hello", "-p", "0", "--user", "65534:65534"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("--user needs root"), "{line}");
}

fn interrupt(running: &Running) {
    let pid = i32::try_from(running.child.id()).unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}
