//! Time, size, memory, numbers and fairness, on real sockets and on every backend where they can
//! differ. The exact moments of each time limit are in `deadlines.rs`, under a clock that obeys.

#![expect(
    clippy::disallowed_methods,
    reason = "clients wait, and look at the clock"
)]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use httpoll::config::{Backend, Config};
use httpoll::driver::Server as Library;
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::ListenAddr;
use httpoll::service::Reply;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::harness::{BACKENDS, Client, PATIENCE, Server, request, uninterrupted};
use crate::process::{
    MANY, connect, descriptors, each, is_closed_by, memory_kib, processor, settled_descriptors,
    start_limited, wait_until, widen, zeros,
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Sends `piece` every 50 ms until the server answers or closes; all that it sent.
fn drip(client: &mut Client<TcpStream>, piece: &[u8]) -> String {
    let stream = client.0.get_ref();
    stream.set_read_timeout(Some(ms(50))).unwrap();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "it may drip for ever");
        // Fails when the server has closed, which the read then shows.
        let _ = client.0.get_mut().write_all(piece);
        let mut bytes = [0; 1024];
        match uninterrupted(|| client.0.get_mut().read(&mut bytes)) {
            Ok(n) => return String::from_utf8_lossy(&bytes[..n]).into_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn clients_that_keep_us_waiting_are_told_or_closed() {
    each(&BACKENDS, |backend| {
        let words = [
            "--hello",
            "--header-timeout",
            "0.2",
            "--idle-timeout",
            "0.3",
        ];
        let server = Server::start(backend, &words);

        let begun = Instant::now();
        server.connect().expect_closed();
        let waited = begun.elapsed();
        assert!(waited >= ms(200) && waited < ms(5000), "silent: {waited:?}");

        let mut client = server.connect();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let told = drip(&mut client, b"x");
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");

        let mut client = server.connect();
        assert_eq!(client.ask("GET", "/", &[]).status, 200);
        let begun = Instant::now();
        client.expect_closed();
        let waited = begun.elapsed();
        let keeps = backend != "blocking";
        assert!(waited >= ms(250) || !keeps, "idle: {waited:?}");
    });
}

#[test]
fn content_slower_than_the_minimal_rate_is_cut_and_honest_content_is_not() {
    each(&BACKENDS, |backend| {
        let server = Server::start(backend, &["--hello", "--body-timeout", "0.5"]);
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12000\r\n\r\n";

        let mut client = server.connect();
        client.send(head);
        let told = drip(&mut client, b"0123456789"); // 200 bytes/s
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");

        let mut client = server.connect();
        client.send(head);
        for _ in 0..20 {
            client.send(&[b'x'; 600]); // 12,000 bytes/s, for twice the time-out
            sleep(ms(50));
        }
        assert_eq!(client.answer("POST").status, 405);
    });
}

#[test]
fn a_reader_that_takes_nothing_is_cut_and_a_slow_one_is_not() {
    const LEN: u64 = 6 << 20;
    let root = zeros(LEN);
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &["--write-timeout", "0.5"]);
        let mut slow = connect(&server, None, Some(4096));
        slow.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(slow.head().status, 200);
        let mut got = 0;
        let begun = Instant::now();
        while begun.elapsed() < ms(1600) {
            got += uninterrupted(|| slow.0.get_mut().read(&mut [0; 2048])).unwrap() as u64;
            sleep(ms(25));
        }
        // Some of it was read ahead with the head.
        got += slow.0.buffer().len() as u64;
        let mut rest = Vec::new();
        widen(&slow);
        let stream = slow.0.get_mut();
        while got < LEN {
            rest.resize(1 << 20, 0);
            let n = uninterrupted(|| stream.read(&mut rest)).unwrap();
            assert_ne!(n, 0, "cut after {got} bytes");
            got += n as u64;
        }
        drop(slow);

        let mut stuck = connect(&server, None, Some(4096));
        stuck.send(request("GET", "/zeros", &[]).as_bytes());
        let begun = Instant::now();
        assert_eq!(stuck.head().status, 200);
        wait_until("cut", || is_closed_by(&server, &stuck));
        let waited = begun.elapsed();
        // Long, because a busy machine may be late at each of the four looks.
        assert!(waited >= ms(450) && waited < ms(20_000), "after {waited:?}");
    });
}

#[test]
fn heads_targets_and_bodies_are_bounded() {
    each(&BACKENDS, |backend| {
        let server = Server::start(backend, &["--hello", "--max-body", "1000"]);
        let fields = |n: usize| "a: b\r\n".repeat(n);
        let check = |request: String, expected: u16| {
            let answer = server.raw(request.as_bytes());
            let status = format!("HTTP/1.1 {expected} ");
            assert!(
                answer.starts_with(&status),
                "{backend} {expected}: {answer}"
            );
        };
        let close = "Host: a\r\nConnection: close\r\n";
        check(format!("GET / HTTP/1.1\r\n{close}{}\r\n", fields(98)), 200);
        check(format!("GET / HTTP/1.1\r\n{close}{}\r\n", fields(99)), 431);
        let long = "x".repeat(16 * 1024);
        check(format!("GET / HTTP/1.1\r\n{close}X: {long}"), 431);
        let path = |n: usize| "p".repeat(n - 1);
        check(
            format!("GET /{} HTTP/1.1\r\n{close}\r\n", path(8 * 1024)),
            404,
        );
        check(
            format!("GET /{} HTTP/1.1\r\n{close}\r\n", path(8 * 1024 + 1)),
            414,
        );
        let post = |fields: &str| format!("POST / HTTP/1.1\r\n{close}{fields}\r\n");
        // Not a byte of the content is sent, so that only an answer before it can come.
        check(
            post("Expect: 100-continue\r\nContent-Length: 1001\r\n"),
            413,
        );
        check(post("Content-Length: 1001\r\n"), 413);
        check(post("Transfer-Encoding: chunked\r\n") + "3e9\r\n", 413);
        check(post("Transfer-Encoding: chunked\r\n") + &fields(4000), 400);
    });
}

/// What a client can make the server keep in its own memory, whatever it does. (What the kernel
/// keeps for a socket is bounded by tcp_wmem and tcp_rmem, tcp(7).)
#[test]
fn memory_for_a_connection_is_bounded() {
    const CLIENTS: usize = 3;
    const EACH_KIB: usize = 512;
    // Its own growth, among it 4 MiB of access lines that may wait for a slow reader.
    const OF_THE_SERVER_KIB: usize = 7 * 1024;
    let root = zeros(4 << 30);
    fs::write(root.path().join("small"), "x".repeat(1000)).unwrap();
    each(&BACKENDS, |backend| {
        let words = ["--log", "plain", "--max-body", "100G"];
        let server = Server::of(backend, root.path(), &words);
        let count = if backend == "blocking" { 1 } else { CLIENTS };
        assert_eq!(server.get("/small").status, 200);
        let begin = memory_kib(server.pid());
        let check = |what: &str| {
            let grown = memory_kib(server.pid()).saturating_sub(begin);
            assert!(
                grown < OF_THE_SERVER_KIB + count * EACH_KIB,
                "{what}: {grown} KiB"
            );
        };
        let connect = || connect(&server, None, Some(4096));

        let long = format!("/small?{}", "q".repeat(8000));
        let flood = request("HEAD", &long, &[]).repeat(8);
        let clients: Vec<_> = (0..count).map(|_| connect()).collect();
        for client in &clients {
            let mut stream = client.0.get_ref();
            stream.set_write_timeout(Some(ms(50))).unwrap();
            // 16 MiB, unless the server stops reading before: far more than it may keep.
            for _ in 0..250 {
                if stream.write(flood.as_bytes()).is_err() {
                    break;
                }
            }
        }
        check("a flood of requests whose answers are never read");
        drop(clients);

        let mut clients: Vec<_> = (0..count).map(|_| connect()).collect();
        for client in &mut clients {
            client.send(request("GET", "/zeros", &[]).as_bytes());
            assert_eq!(client.head().status, 200);
        }
        sleep(ms(100));
        check("slow readers of a huge file");
        drop(clients);

        let clients: Vec<_> = (0..count).map(|_| connect()).collect();
        for client in &clients {
            let mut stream = client.0.get_ref();
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(8);
            stream.set_write_timeout(Some(ms(50))).unwrap();
            for _ in 0..40 {
                if stream.write(chunk.as_bytes()).is_err() {
                    break;
                }
            }
        }
        check("endless content");
    });
}

/// Names that are kept and sorted, and too many for that: pages of 1.8 and 2.3 MiB.
fn root_with_long_names() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (directory, names) in [("kept", 2_700), ("long", 3_400)] {
        fs::create_dir(root.path().join(directory)).unwrap();
        for n in 0..names {
            fs::write(root.path().join(format!("{directory}/{n:-<250}")), "").unwrap();
        }
    }
    // As long as it may be, and twice as long once it is rendered.
    let readme = "*ab* ".repeat(10_800);
    fs::write(root.path().join("kept/README.md"), readme).unwrap();
    root
}

/// Checks that none of eight clients that ask for it and do not read costs more than this.
fn costs_at_most(each_kib: usize, server: &Server, target: &str) {
    const CLIENTS: usize = 8;
    const OF_THE_SERVER_KIB: usize = 2 * 1024;
    // Once before: what the first one costs the server is not the client's.
    assert_eq!(server.ask("HEAD", target, &[]).status, 200);
    let begin = memory_kib(server.pid());
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| connect(server, None, Some(4096)))
        .collect();
    for client in &mut clients {
        client.send(request("GET", target, &[]).as_bytes());
        let head = client.head();
        assert_eq!(head.field("Transfer-Encoding"), Some("chunked"));
    }
    let grown = memory_kib(server.pid()).saturating_sub(begin);
    let expected = OF_THE_SERVER_KIB + CLIENTS * each_kib;
    assert!(grown < expected, "{target}: {grown} KiB");
}

/// A listing is longer than its directory, so its rows are made when the client takes them.
#[test]
fn memory_for_a_listing_that_nobody_reads_is_bounded() {
    let root = root_with_long_names();
    each(&["edge", "threads"], |backend| {
        let server = Server::of(backend, root.path(), &[]);
        for (target, each_kib) in [
            ("/kept/", if backend == "threads" { 3_200 } else { 1_100 }),
            ("/long/", 1024),
            ("/long/?as=grid", 1024),
        ] {
            costs_at_most(each_kib, &server, target);
        }
        let mut client = server.connect();
        client.send(b"GET /kept/ HTTP/1.0\r\nAccept: text/html\r\n\r\n");
        assert!(client.rest().contains("<em>ab</em>"));
    });
}

/// More names than are kept at once: in order all the same, and a page of them leads to the next.
#[test]
fn a_directory_of_any_length_is_sorted_whole() {
    const NAMES: u32 = 10_300;
    let root = tempfile::tempdir().unwrap();
    for n in 0..NAMES {
        fs::write(root.path().join(format!("n{n}")), "").unwrap();
    }
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        let get = |target: &str, accept: &str| {
            let mut client = server.connect();
            client.send(format!("GET {target} HTTP/1.0\r\nAccept: {accept}\r\n\r\n").as_bytes());
            client.rest().split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        let rising: Vec<String> = (0..NAMES).map(|n| format!("n{n}")).collect();
        let falling: Vec<&String> = rising.iter().rev().collect();
        assert!(get("/", "text/plain").lines().eq(&rising), "{backend}");
        assert!(
            get("/?order=desc", "text/plain").lines().eq(falling),
            "{backend}"
        );
        let json = get("/?sort=size", "application/json");
        let names = json.split("{\"name\":\"").skip(1);
        let names = names.map(|row| row.split('"').next().unwrap());
        assert!(names.eq(&rising), "{backend}");
        assert_eq!(json.matches(",\"size\":0,").count(), rising.len());
        for (target, expected) in [
            ("/", "1\u{2013}5,000 of 10,300"),
            ("/?as=grid", "1\u{2013}5,000 of 10,300"),
            ("/?as=grid&after=f/n9999", "10,001\u{2013}10,300 of 10,300"),
            ("/?after=f/n9999", "10,001\u{2013}10,300 of 10,300"),
            ("/?before=f/n6000", "1,001\u{2013}6,000 of 10,300"),
        ] {
            let page = get(target, "text/html");
            assert!(
                page.contains(&format!(">{expected}<")),
                "{backend} {target}"
            );
        }
    });
}

/// Each thread of `threads` has what the allocator keeps for it besides.
#[test]
fn memory_for_an_archive_that_nobody_reads_is_bounded() {
    let root = root_with_long_names();
    each(&["edge", "threads"], |backend| {
        let each_kib = if backend == "edge" {
            2 * 1024
        } else {
            5 * 1024
        };
        let server = Server::of(backend, root.path(), &[]);
        for target in ["/long/?zip", "/long/?tar.gz"] {
            costs_at_most(each_kib, &server, target);
        }
    });
}

#[test]
fn the_soft_descriptor_limit_is_raised() {
    let server = start_limited("-Sn 64", &["--hello", "--backend", "poll"]);
    wait_until("raised", || {
        let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let words: Vec<_> = line.unwrap().split_whitespace().collect();
        words[3] == words[4] && words[3] != "64" // soft and hard
    });
}

#[test]
fn newcomers_get_in_and_old_clients_keep_being_served() {
    each(&MANY, |backend| {
        let server = Server::start(backend, &["--hello", "--max-connections", "4"]);
        let served = |client: &mut Client<TcpStream>| {
            assert_eq!(client.ask("GET", "/", &[]).status, 200);
        };
        let mut old = server.connect();
        served(&mut old);
        let mut silent = [server.connect(), server.connect(), server.connect()];
        // Full, and no client waits: none is dropped.
        served(&mut old);
        served(&mut silent[2]);

        let mut fifth = server.connect();
        served(&mut fifth);
        silent[0].expect_closed(); // the oldest that never completed a request
        served(&mut old);
        let mut sixth = server.connect();
        served(&mut sixth);
        silent[1].expect_closed();
        served(&mut old);
        let mut seventh = server.connect();
        served(&mut seventh);
        silent[2].expect_closed(); // now the longest idle one
        served(&mut old);
        served(&mut fifth);
        served(&mut sixth);
        served(&mut seventh);
    });
}

#[test]
fn an_answer_in_flight_is_never_dropped_for_a_newcomer() {
    const LEN: u64 = 6 << 20;
    let root = zeros(LEN);
    each(&MANY, |backend| {
        let words = ["--max-connections", "3", "--write-timeout", "20"];
        let server = Server::of(backend, root.path(), &words);
        let mut downloads = [(); 3].map(|()| connect(&server, None, Some(4096)));
        for client in &mut downloads {
            client.send(request("GET", "/zeros", &[]).as_bytes());
            assert_eq!(client.head().status, 200);
        }
        let mut waiting = server.connect();
        waiting.send(request("GET", "/", &[]).as_bytes());
        let stream = waiting.0.get_ref();
        stream.set_read_timeout(Some(ms(300))).unwrap();
        let error = uninterrupted(|| stream.peek(&mut [0])).expect_err("none may be dropped");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();

        let [first, second, third] = downloads;
        drop(first);
        assert_eq!(waiting.answer("GET").status, 200, "room was made");
        for mut client in [second, third] {
            widen(&client);
            let mut body = (&mut client.0).take(LEN);
            let n = std::io::copy(&mut body, &mut std::io::sink()).unwrap();
            assert_eq!(n, LEN, "whole");
        }
    });
}

#[test]
fn a_reader_below_the_minimal_rate_makes_room_at_last() {
    let root = zeros(64 << 20);
    each(&MANY, |backend| {
        let words = ["--max-connections", "2", "--min-rate", "100M"];
        let server = Server::of(backend, root.path(), &words);
        let mut slow = [(); 2].map(|()| connect(&server, None, Some(4096)));
        for client in &mut slow {
            client.send(request("GET", "/zeros", &[]).as_bytes());
            assert_eq!(client.head().status, 200);
        }
        let begun = Instant::now();
        assert_eq!(server.get("/").status, 200);
        let waited = begun.elapsed();
        assert!(waited > ms(700), "watched for a second first: {waited:?}");
    });
}

#[test]
fn an_address_may_hold_its_share_and_no_more() {
    each(&MANY, |backend| {
        let words = ["--hello", "--max-per-ip", "2", "--max-connections", "3"];
        let server = Server::start(backend, &words);
        let mut first = server.connect();
        let mut second = server.connect();
        assert_eq!(first.ask("GET", "/", &[]).status, 200);
        assert_eq!(second.ask("GET", "/", &[]).status, 200);
        let mut other = connect(&server, Some(Ipv4Addr::new(127, 0, 0, 2)), None);
        assert_eq!(other.ask("GET", "/", &[]).status, 200);
        // Full as well: a client that is refused must not cost another its place.
        server.connect().expect_closed();
        for client in [&mut first, &mut second, &mut other] {
            assert_eq!(client.ask("GET", "/", &[]).status, 200);
        }
        drop(first);
        wait_until("the share is given back", || {
            let mut client = server.connect();
            client.send(request("GET", "/", &[]).as_bytes());
            uninterrupted(|| client.0.read(&mut [0; 1])).is_ok_and(|n| n == 1)
        });
    });
}

/// Allows a process so many descriptors.
fn allow(pid: u32, count: u64) {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    let maximum = getrlimit(Resource::Nofile).maximum;
    let new = Rlimit {
        current: Some(count),
        maximum,
    };
    prlimit(pid, Resource::Nofile, new).unwrap();
}

/// EMFILE by the real kernel: level reports the listener again and again, edge never again.
#[test]
fn without_descriptors_it_neither_spins_nor_sleeps_for_ever() {
    each(&BACKENDS, |backend| {
        let server = Server::start(backend, &["--hello"]);
        assert_eq!(server.get("/").status, 200);
        let pid = server.pid();
        allow(pid, 3); // below what is open already: not one more
        let before = processor(pid);
        let mut waiting = [server.connect(), server.connect()];
        sleep(ms(500));
        let used = processor(pid) - before;
        assert!(used <= ms(100), "{used:?} of half a second");
        allow(pid, 64);
        for client in &mut waiting {
            client.send(request("GET", "/", &["Connection: close"]).as_bytes());
            assert_eq!(client.answer("GET").status, 200);
        }
    });
}

/// Not a test: the program of the next one. Its kernel says ENFILE to every accept4(2) on the first
/// of two listeners, which is told as `deaf`. A filter cannot be taken back, hence the second.
#[test]
#[ignore = "serves until it is killed"]
fn a_server_for_which_the_system_has_no_files() {
    let Ok(backend) = std::env::var("HTTPOLL_TEST_BACKEND") else {
        return;
    };
    let at = |address: &str| ListenAddr::Tcp(address.parse().unwrap());
    let server = Library::bind(Config {
        backend: Backend::ALL
            .into_iter()
            .find(|b| b.name() == backend)
            .unwrap(),
        listen: vec![at("127.0.0.2:0"), at("127.0.0.1:0")],
        ..Config::default()
    });
    let server = server.unwrap();
    let [ListenAddr::Tcp(SocketAddr::V4(deaf)), ListenAddr::Tcp(open)] = server.addresses() else {
        panic!("two addresses were asked for");
    };
    let fd = listener_at(*deaf);
    let is_deaf = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, fd).unwrap();
    let rule = SeccompRule::new(vec![is_deaf]).unwrap();
    let filter = SeccompFilter::new(
        [(libc::SYS_accept4, vec![rule])].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENFILE.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    // All threads of the server are begun by this one.
    seccompiler::apply_filter(&program).unwrap();
    println!("\ndeaf {deaf}\nhttp://{open}/");
    let hello = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("hello"));
    server.run(|| hello).unwrap();
}

/// The descriptor of a listening socket of this process (proc_net(5): state 0A, then the inode).
fn listener_at(address: SocketAddrV4) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let ip = u32::from_ne_bytes(address.ip().octets());
    let local = format!("{ip:08X}:{:04X}", address.port());
    let inode = table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words[1] == local && words[3] == "0A").then(|| words[9].to_owned())
    });
    let socket = format!("socket:[{}]", inode.unwrap());
    let fds = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut ours = fds.filter(|fd| fs::read_link(fd.path()).is_ok_and(|l| l == Path::new(&socket)));
    let name = ours.next().unwrap().file_name();
    name.to_str().unwrap().parse().unwrap()
}

/// ENFILE by the real kernel: what is missing to one listener is tried again, and no sooner; what
/// the other one has is served.
#[test]
fn without_files_in_the_system_it_neither_spins_nor_sleeps_for_ever() {
    each(&BACKENDS, |backend| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let program = "limits::a_server_for_which_the_system_has_no_files";
        command
            .args(["--exact", program, "--ignored", "--nocapture"])
            .env("HTTPOLL_TEST_BACKEND", backend);
        let server = Server::run(command);
        let deaf = server.told.lines().find_map(|l| l.strip_prefix("deaf "));
        let mut waiting = TcpStream::connect(deaf.unwrap()).unwrap();
        waiting
            .write_all(request("GET", "/", &[]).as_bytes())
            .unwrap();
        let before = processor(server.pid());
        sleep(ms(500));
        let used = processor(server.pid()) - before;
        // Five tries: next to nothing, where other tests leave little for one that spins.
        assert!(used <= ms(30), "{used:?} of half a second");
        // A client that is slow to ask may have to go, for room that is not made by that.
        wait_until("another one is served", || {
            let mut client = server.connect();
            let asked = client
                .0
                .get_mut()
                .write_all(request("GET", "/", &[]).as_bytes());
            let mut begin = [0; 12];
            asked.and_then(|()| client.0.read_exact(&mut begin)).is_ok() && begin.ends_with(b"200")
        });
        waiting.set_nonblocking(true).unwrap();
        let error = waiting.peek(&mut [0]).expect_err("it waits");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn without_descriptors_a_silent_connection_makes_room() {
    each(&MANY, |backend| {
        let server = Server::start(backend, &["--hello"]);
        let mut silent = server.connect();
        let mut old = server.connect();
        assert_eq!(old.ask("GET", "/", &[]).status, 200);
        // The lowest number that is free is the next to be given, and from here on too high.
        let is_open = |fd: &u64| {
            let link = format!("/proc/{}/fd/{fd}", server.pid());
            fs::symlink_metadata(link).is_ok()
        };
        allow(server.pid(), (0..).find(|fd| !is_open(fd)).unwrap());
        assert_eq!(server.get("/").status, 200);
        silent.expect_closed();
    });
}

#[test]
fn without_descriptors_the_cache_gives_its_own() {
    let root = tempfile::tempdir().unwrap();
    for name in 0..10 {
        fs::write(root.path().join(name.to_string()), vec![b'x'; 200_000]).unwrap();
    }
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        let own = settled_descriptors(server.pid());
        assert_eq!(server.get("/0").status, 200);
        // No number above that of the file that is kept: there is room for fewer than ten.
        let is_kept = |fd: &u64| {
            let link = fs::read_link(format!("/proc/{}/fd/{fd}", server.pid()));
            link.is_ok_and(|link| link == root.path().join("0"))
        };
        let kept = (0..100).find(is_kept).expect("kept");
        allow(server.pid(), kept + 1);
        for name in 1..10 {
            // A connection that is about to close has a number as well.
            wait_until("the one before is closed", || {
                descriptors(server.pid()) <= own + 1
            });
            assert_eq!(server.get(&format!("/{name}")).status, 200, "{name}");
        }
    });
}

#[test]
fn a_flood_of_connections_leaves_descriptors_for_files() {
    let root = tempfile::tempdir().unwrap();
    for at in 0..40 {
        fs::write(root.path().join(format!("{at}")), vec![b'x'; 200_000]).unwrap();
    }
    each(&MANY, |backend| {
        let server = start_limited(
            "-n 200",
            &["--backend", backend, root.path().to_str().unwrap()],
        );
        let mut flood = Vec::new();
        for at in 0..40 {
            flood.push(server.connect());
            flood.push(server.connect());
            let answer = server.get(&format!("/{at}"));
            assert_eq!((answer.status, answer.body.len()), (200, 200_000));
        }
    });
}

#[test]
fn neither_a_flood_nor_a_download_delays_others() {
    let root = zeros(1 << 30);
    for backend in MANY {
        let server = Server::of(backend, root.path(), &[]);
        let done = AtomicBool::new(false);
        let busy = |target: &str| {
            let client = server.connect();
            let requests = request("HEAD", target, &[]).repeat(100);
            let download = request("GET", target, &[]);
            let (mut reader, mut writer) = (client.0.get_ref(), client.0.get_ref());
            scope(|scope| {
                scope.spawn(move || {
                    let batch = if target == "/zeros" {
                        download
                    } else {
                        requests
                    };
                    while writer.write_all(batch.as_bytes()).is_ok() {}
                });
                let mut bytes = vec![0; 1 << 20];
                loop {
                    if done.load(Ordering::Relaxed)
                        || !uninterrupted(|| reader.read(&mut bytes)).is_ok_and(|n| n > 0)
                    {
                        break;
                    }
                }
                let _ = reader.shutdown(std::net::Shutdown::Both);
            });
        };
        scope(|scope| {
            scope.spawn(|| busy("/"));
            scope.spawn(|| busy("/zeros"));
            let mut client = server.connect();
            client.ask("HEAD", "/", &[]);
            let mut worst = Duration::ZERO;
            for _ in 0..30 {
                let begun = Instant::now();
                client.ask("HEAD", "/", &[]);
                worst = worst.max(begun.elapsed());
            }
            done.store(true, Ordering::Relaxed);
            eprintln!("{backend}: at most {worst:?}");
            assert!(worst < ms(1000), "{backend}: {worst:?}");
        });
    }
}

#[test]
fn neither_a_fifo_nor_a_huge_directory_stops_the_others() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("many")).unwrap();
    for at in 0..2000 {
        fs::write(root.path().join(format!("many/{at}")), "").unwrap();
    }
    let fifo = root.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        let begun = Instant::now();
        assert_eq!(server.get("/fifo").status, 404);
        let mut listing = server.connect();
        listing.send(request("GET", "/many/", &["Connection: close"]).as_bytes());
        if backend != "blocking" {
            assert_eq!(server.get("/").status, 200);
        }
        let listing = listing.rest();
        assert!(listing.contains("1999"), "{backend}");
        assert!(begun.elapsed() < ms(5000), "{:?}", begun.elapsed());
    });
}
