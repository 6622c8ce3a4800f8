//! When something is missing to take a client in: a place, a descriptor, memory, a watch, a thread.
//! The caches give what they keep only to be faster, one connection goes that may, and it is tried
//! again by the clock: no spin, no end of the server, and no newcomer reset beside idle clients.

#![expect(clippy::disallowed_methods, reason = "clients connect and wait")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use httpoll::driver::{Closed, EventLoop, Offload, Settings};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::Kernel;
use httpoll::kernel::sim::{Schedule, Sim};
use httpoll::service::Reply;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::harness::{BACKENDS, Client, Server, request, skip, tool, uninterrupted};
use crate::process::{
    MANY, connect, each, exit, freeze, processor, settled_descriptors, signal, start_limited, zeros,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const RETRY: Duration = Duration::from_millis(100);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

// ------------------------------------------------------------------ a kernel that refuses

type Hello = fn(&Request<'_>, &Tick) -> Reply;

fn hello(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response::text("x".repeat(3000)))
}

/// A loop in a simulated kernel.
fn simulated<const EDGE: bool>() -> (Sim<EDGE>, EventLoop<Sim<EDGE>, Hello, Closed>) {
    let sim = Sim::<EDGE>::new(Schedule::friendly()).recorded();
    let (listeners, settings) = (
        vec![sim.listen()],
        Settings::default().observed_by(Closed::default()),
    );
    let own = EventLoop::new(
        sim.clone(),
        listeners,
        hello as Hello,
        settings,
        Offload::inline(),
    );
    (sim, own.unwrap())
}

/// Turns until so much time has passed, where something is tried again by the clock.
fn turn_for<const EDGE: bool>(
    sim: &Sim<EDGE>,
    own: &mut EventLoop<Sim<EDGE>, Hello, Closed>,
    time: Duration,
) {
    let begin = sim.clone().now().instant;
    for turns in 0.. {
        if sim.clone().now().instant >= begin + time {
            return;
        }
        assert!(turns < 500, "it spins");
        own.turn().unwrap();
    }
}

/// epoll_ctl(2): ENOSPC (max_user_watches), ENOMEM. One idle client makes room, no second one if
/// that did not help; and a connection that is not watched is served all the same.
#[test]
fn a_connection_that_cannot_be_watched_is_served_by_the_clock() {
    fn check<const EDGE: bool>(errno: i32) {
        let (sim, mut own) = simulated::<EDGE>();
        let idle: Vec<_> = (0..9).map(|_| sim.connect(100_000)).collect();
        own.turn().unwrap();
        for client in &idle {
            client.send(GET);
        }
        own.turn().unwrap();
        idle.iter()
            .for_each(|client| assert_ne!(client.receive(100_000), b""));
        sim.pass(ms(1000));
        sim.refuse_registering(Some(errno));
        // Its answer does not fit: it must be watched otherwise than before, under level.
        let narrow = sim.connect(1000);
        narrow.send(GET);
        let mut got = 0;
        for _ in 0..20 {
            turn_for(&sim, &mut own, RETRY);
            got += narrow.receive(1000).len();
        }
        assert!(got > 3000, "{EDGE} {errno}: {got} bytes");
        let closed = (own.observer().get("evicted"), own.observer().total());
        assert_eq!(closed, (1, 1), "to make room, once; {EDGE} {errno}");
        sim.refuse_registering(None);
        turn_for(&sim, &mut own, RETRY);
        narrow.send(GET);
        let begin = sim.clone().now().instant;
        own.turn().unwrap();
        assert!(sim.clone().now().instant < begin + RETRY, "it is announced");
        assert_ne!(narrow.receive(1000), b"");
    }
    for errno in [libc::ENOSPC, libc::ENOMEM] {
        check::<true>(errno);
        check::<false>(errno);
    }
}

/// poll(2) and select(2): ENOMEM; poll(2): EINVAL, above RLIMIT_NOFILE. One failure costs no client
/// anything; while it lasts all connections are looked at by the clock, newcomers and messages too.
#[test]
fn a_wait_that_fails_is_not_the_end() {
    fn check<const EDGE: bool>(errno: i32) {
        let (sim, mut own) = simulated::<EDGE>();
        let client = sim.connect(100_000);
        client.send(GET);
        own.turn().unwrap();
        own.turn().unwrap();
        assert!(client.receive(100_000).ends_with(b"xxx"));
        sim.refuse_waiting(Some(errno));
        client.send(GET);
        own.turn().unwrap();
        assert!(
            client.receive(100_000).ends_with(b"xxx"),
            "served meanwhile"
        );
        assert_eq!(
            own.observer().total(),
            0,
            "one failure costs no client anything"
        );
        let newcomer = sim.connect(100_000);
        newcomer.send(GET);
        turn_for(&sim, &mut own, 3 * RETRY);
        assert!(newcomer.receive(100_000).ends_with(b"xxx"));
        let before = sim.transcript().matches("read(").count();
        turn_for(&sim, &mut own, 10 * RETRY);
        let reads = sim.transcript().matches("read(").count() - before;
        assert!(reads <= 2 * 11, "{reads} reads: it spins");
        own.handle().shutdown();
        while own.turn().unwrap() {}
    }
    for errno in [libc::ENOMEM, libc::EINVAL] {
        check::<true>(errno);
        check::<false>(errno);
    }
}

/// accept(2): EPERM. Linux asks security modules first, so that the client stays where it is.
#[test]
fn an_accept_that_always_fails_is_tried_ten_times_a_second() {
    fn check<const EDGE: bool>() {
        let (sim, mut own) = simulated::<EDGE>();
        let _idle = sim.connect(100);
        own.turn().unwrap();
        sim.refuse_accepting(Some(libc::EPERM));
        let _newcomer = sim.connect(100);
        turn_for(&sim, &mut own, ms(2000));
        let failed = |line: &&str| line.starts_with("accept()") && line.contains("os error");
        let tries = sim.transcript().lines().filter(failed).count();
        assert!((20..40).contains(&tries), "{EDGE}: {tries}");
        assert_eq!(own.observer().total(), 0, "none is dropped for that");
        sim.refuse_accepting(None);
        turn_for(&sim, &mut own, RETRY);
        assert_eq!(own.connections(), 2);
    }
    check::<true>();
    check::<false>();
}

// ------------------------------------------------------------------ descriptors and threads

fn limit(pid: u32, resource: Resource, count: u64) {
    let new = Rlimit {
        current: Some(count),
        maximum: getrlimit(resource).maximum,
    };
    prlimit(Pid::from_raw(pid.try_into().unwrap()), resource, new).unwrap();
}

fn served(client: &mut Client<TcpStream>) {
    assert_eq!(client.ask("GET", "/", &[]).status, 200);
}

/// poll(2) takes no more entries than RLIMIT_NOFILE allows descriptors; a thread's ppoll(2) needs
/// two, an acceptor's one per listener.
#[test]
fn fewer_descriptors_than_are_open_are_survived() {
    each(&BACKENDS, |backend| {
        let mut server = Server::start(backend, &["--hello"]);
        let mut clients: Vec<_> = match backend {
            "blocking" => vec![server.connect()],
            _ => (0..20).map(|_| server.connect()).collect(),
        };
        if backend != "blocking" {
            clients.iter_mut().for_each(served);
        }
        settled_descriptors(server.pid());
        limit(server.pid(), Resource::Nofile, 1);
        let before = processor(server.pid());
        sleep(ms(500));
        let used = processor(server.pid()) - before;
        assert!(used <= ms(150), "{used:?} of half a second");
        // At the pace of the clock; one in ten may have made room.
        let answered = clients.iter_mut().filter_map(|client| {
            client.0.get_mut().write_all(GET).ok()?;
            uninterrupted(|| client.0.read(&mut [0; 4096]))
                .ok()
                .filter(|n| *n > 0)
        });
        let answered = answered.count();
        assert!(answered * 2 >= clients.len(), "{answered}");
        limit(server.pid(), Resource::Nofile, 1000);
        assert_eq!(server.get("/").status, 200);
        drop(clients);
        signal(server.pid(), Signal::TERM);
        assert_eq!(exit(server.child()).0, Some(0));
    });
}

/// A user without other processes: RLIMIT_NPROC counts all processes and threads of one.
const USER: u32 = 54_321;

/// Allows a process of that user so many threads in all: it is asked by one of its own.
fn allow_threads(pid: u32, count: usize) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args([&format!("--pid={pid}"), &format!("--nproc={count}:")]);
    assert!(prlimit.uid(USER).gid(USER).status().unwrap().success());
}

/// pthread_create(3): EAGAIN, at RLIMIT_NPROC.
#[test]
fn without_threads_newcomers_wait_and_nobody_is_reset() {
    if !rustix::process::geteuid().is_root() {
        return skip("the rights of root");
    }
    if !tool("prlimit", "--version") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let binary = place.path().join("httpoll");
    fs::copy(env!("CARGO_BIN_EXE_httpoll"), &binary).unwrap();
    for path in [place.path(), &binary] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&binary);
    command.args(["--hello", "-b", "threads", "-l", "127.0.0.1:0"]);
    command.current_dir("/").uid(USER).gid(USER);
    let server = Server::run(command);
    let mut old = server.connect();
    served(&mut old);
    let mut silent = server.connect();
    settled_descriptors(server.pid());
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    allow_threads(server.pid(), tasks.count());
    // Room is made by the silent one, then by who has been idle for the longest time.
    let mut third = server.connect();
    served(&mut third);
    silent.expect_closed();
    served(&mut old);
    served(&mut server.connect());
    third.expect_closed();
    allow_threads(server.pid(), 0);
    let mut waiting = server.connect();
    waiting.send(GET);
    let before = processor(server.pid());
    sleep(ms(500));
    let used = processor(server.pid()) - before;
    assert!(used <= ms(100), "{used:?} of half a second");
    allow_threads(server.pid(), 1000);
    assert_eq!(waiting.answer("GET").status, 200);
}

// ------------------------------------------------------------------ bursts

/// Clients that came in a moment ago and say nothing are dropped before any that was served,
/// however many come at once.
#[test]
fn a_burst_of_silent_clients_evicts_none_that_was_served() {
    each(&MANY, |backend| {
        let server = match backend {
            "threads" => Server::start(backend, &["--hello", "--max-connections", "64"]),
            _ => start_limited("-n 256", &["--hello", "-b", backend]),
        };
        let mut served_ones: Vec<_> = (0..40).map(|_| server.connect()).collect();
        served_ones.iter_mut().for_each(served);
        freeze(server.pid());
        let silent: Vec<_> = (0..400).map(|_| server.connect()).collect();
        signal(server.pid(), Signal::CONT);
        // Who comes behind the burst is served when all of it was let in.
        served(&mut server.connect());
        for client in &mut served_ones {
            served(client);
        }
        drop(silent);
    });
}

// ------------------------------------------------------------------ loops that share a listener

/// A Unix socket is shared by all loops, and the kernel tells one of them of each client
/// (`EPOLLEXCLUSIVE`).
#[test]
fn a_full_loop_leaves_newcomers_to_one_that_has_room() {
    const LEN: u64 = 8 << 20;
    let root = zeros(LEN);
    each(&["edge", "level", "poll", "select"], |backend| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let listen = format!("unix:{}", path.display());
        let words = ["-w", "2", "--max-connections", "60", "-l", &listen];
        let server = Server::of(backend, root.path(), &words);
        let open = || {
            let stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(ms(3000))).unwrap();
            stream
        };
        let ask = |mut stream: &UnixStream, target: &str| {
            stream
                .write_all(request("GET", target, &[]).as_bytes())
                .unwrap();
        };
        // Answers under way, which may not be dropped: 30 fill a loop, and 58 leave room in the
        // other.
        let mut downloads = Vec::new();
        for at in 0..58 {
            let stream = open();
            let begun = Instant::now();
            ask(&stream, "/zeros");
            let begin = (&stream).read_exact(&mut [0; 12]);
            assert!(begin.is_ok(), "{backend}: number {at} waits: {begin:?}");
            let took = begun.elapsed();
            assert!(took < ms(700), "{backend}: number {at} waited {took:?}");
            downloads.push(stream);
        }
        // At once, in the same place: those who leave make room for as many.
        downloads.truncate(28);
        freeze(server.pid());
        let newcomers: Vec<_> = (0..30).map(|_| open()).collect();
        newcomers.iter().for_each(|stream| ask(stream, "/zeros"));
        signal(server.pid(), Signal::CONT);
        let begun = Instant::now();
        for mut stream in &newcomers {
            stream.read_exact(&mut [0; 12]).unwrap();
        }
        let took = begun.elapsed();
        assert!(took < ms(900), "{backend}: the last of 30 waited {took:?}");
    });
}

// ------------------------------------------------------------------ select

/// 1,015 large files, each of which is kept open: sockets find their numbers below 1,024.
#[test]
fn select_keeps_low_descriptors_for_its_clients() {
    let root = tempfile::tempdir().unwrap();
    for name in 0..1100 {
        let file = fs::File::create(root.path().join(name.to_string())).unwrap();
        file.set_len(200_000).unwrap();
    }
    let server = Server::of("select", root.path(), &[]);
    let mut client = server.connect();
    for name in 0..1100 {
        let answer = client.ask("GET", &format!("/{name}"), &["Range: bytes=0-9"]);
        assert_eq!(answer.status, 206, "{name}");
    }
    for _ in 0..10 {
        assert_eq!(server.get("/0").status, 200);
    }
}

#[test]
fn select_with_many_loops_refuses_nobody() {
    let server = start_limited("-n 20000", &["--hello", "-b", "select", "-w", "200"]);
    let mut clients = Vec::new();
    for at in 0..600 {
        let mut client = server.connect();
        client.send(GET);
        assert_eq!(client.answer("GET").status, 200, "{at}");
        clients.push(client);
    }
}

/// What a busy server owes to clients that it has not let in yet when it is told to stop.
#[test]
fn a_stop_answers_those_who_wait_to_be_let_in() {
    const LEN: u64 = 6 << 20;
    let root = zeros(LEN);
    each(&BACKENDS, |backend| {
        let words = ["--max-connections", "1", "--grace", "15"];
        let mut server = Server::of(backend, root.path(), &words);
        let mut busy = connect(&server, None, Some(4096));
        busy.send(request("GET", "/zeros", &["Connection: close"]).as_bytes());
        assert_eq!(busy.head().status, 200);
        let mut waiting: Vec<_> = (0..5).map(|_| server.connect()).collect();
        for client in &mut waiting {
            client.send(request("GET", "/", &[]).as_bytes());
        }
        signal(server.pid(), Signal::TERM);
        sleep(ms(1500)); // longer than a stop that does not care
        crate::process::widen(&busy);
        let n = std::io::copy(&mut busy.0, &mut std::io::sink()).unwrap();
        assert_eq!(n, LEN);
        drop(busy);
        for client in &mut waiting {
            let answer = client.answer("GET");
            assert_eq!(answer.status, 200);
            assert_eq!(answer.field("Connection"), Some("close"));
        }
        assert_eq!(exit(server.child()).0, Some(0));
    });
}
