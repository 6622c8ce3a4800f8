//! What depends on the machine: how often, how much, how long.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::event::{FdSetElement, Timespec, fd_set_insert, fd_set_num_elements, select};
use rustix::process::{Resource, Signal, getrlimit, setrlimit};

use super::tools::{EDGE, Epoll, LEVEL, listener, must, pair};

/// A sentence, and the experiment.
type Row = (&'static str, fn() -> String);

pub(crate) const MEASURED: &[Row] = &[
    (
        "writable and left asked for, nothing to write: level",
        out_left,
    ),
    ("no descriptor for a waiting client: level", || {
        no_descriptor(LEVEL)
    }),
    ("no descriptor for a waiting client: edge", || {
        no_descriptor(EDGE)
    }),
    (
        "8 loops wait for one listener, one client comes: level",
        || herd(LEVEL),
    ),
    ("the same, edge", || herd(EDGE)),
    ("the same, EPOLLEXCLUSIVE", || {
        herd(LEVEL | EventFlags::EXCLUSIVE)
    }),
    (
        "select(2) itself, asked about descriptor 1,500",
        beyond_the_set,
    ),
    ("a socket whose peer does not read", full),
    ("reading up to EAGAIN from a peer that never stops", flood),
    ("head and body in two writes", || writes(true, false)),
    ("the same with TCP_NODELAY", || writes(true, true)),
    ("head and body in one write", || writes(false, false)),
    (
        "closed behind an error while the client still sends",
        || refusal(false),
    ),
    ("the same, lingering", || refusal(true)),
    ("2,000 reads of 64 KiB under a shower of signals", signals),
    ("a request on a minimal loop", triggers),
    ("an idle connection of httpoll", idle_connection),
];

/// How many reads came back short though more was there.
///
/// tcp(7) says nothing of it. In the kernel's `tcp_recvmsg_locked` a signal is looked for only once
/// the queue is empty, so a read that does not wait is never cut by one.
fn signals() -> String {
    const LEN: usize = 64 * 1024;
    let (receiver, sender) = pair();
    let handled = Arc::new(AtomicBool::new(false));
    let number = signal_hook::consts::SIGUSR1;
    let handler = must(signal_hook::flag::register(number, Arc::clone(&handled)));
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let short = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let own = rustix::process::getpid();
                must(rustix::process::kill_process(own, Signal::USR1));
                sent.fetch_add(1, Relaxed);
            }
        });
        let short: Option<usize> = (0..2_000).map(|_| cuts::<LEN>(&sender, &receiver)).sum();
        over.store(true, Relaxed);
        short
    });
    signal_hook::low_level::unregister(handler);
    assert!(handled.load(Relaxed), "a signal was handled");
    match short {
        Some(short) => format!("{short} cut short, {} signals", sent.into_inner()),
        None => format!("not measured: a socket holds less than {LEN} bytes"),
    }
}

/// In how many pieces too many `LEN` bytes are read that are all there; nothing if they never are.
fn cuts<const LEN: usize>(mut to: &TcpStream, mut from: &TcpStream) -> Option<usize> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let begun = Instant::now();
    must(to.set_write_timeout(Some(PATIENCE)));
    to.write_all(&[b'x'; LEN]).ok()?;
    while must(rustix::io::ioctl_fionread(from)) < LEN as u64 {
        (begun.elapsed() < PATIENCE).then_some(())?;
    }
    let (mut buffer, mut got, mut short) = (vec![0; 2 * LEN], 0, 0);
    while got < LEN {
        got += from.read(&mut buffer).unwrap_or(0);
        short += usize::from(got < LEN);
    }
    Some(short)
}

const WHILE: Duration = Duration::from_millis(50);

/// How often `epoll` tells something in 50 ms, if `then` does not change that.
fn wakes(epoll: &Epoll, mut then: impl FnMut()) -> usize {
    let begun = Instant::now();
    let mut wakes = 0;
    while begun.elapsed() < WHILE {
        for _ in epoll.wait(1, 0) {
            wakes += 1;
            then();
        }
    }
    wakes
}

fn out_left() -> String {
    let (ours, _peer) = pair();
    let epoll = Epoll::of(&ours, EventFlags::OUT);
    format!("{} wakes in 50 ms", wakes(&epoll, || {}))
}

fn no_descriptor(flags: EventFlags) -> String {
    let listener = listener();
    let epoll = Epoll::of(&listener, flags);
    let _waiting = must(TcpStream::connect(must(listener.local_addr())));
    let before = getrlimit(Resource::Nofile);
    let mut few = before;
    few.current = Some(64);
    must(setrlimit(Resource::Nofile, few));
    let mut all = Vec::new();
    while let Ok(copy) = listener.try_clone() {
        all.push(copy);
    }
    let wakes = wakes(&epoll, || assert!(listener.accept().is_err()));
    drop(all);
    must(setrlimit(Resource::Nofile, before));
    format!(
        "{wakes} wakes in 50 ms; {} once there are some",
        epoll.wait(1, 50).len()
    )
}

/// How many of several loops are told of one client, while none of them has accepted it yet.
fn herd(flags: EventFlags) -> String {
    const LOOPS: usize = 8;
    let listener = listener();
    let (waiting, told) = (Barrier::new(LOOPS + 1), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..LOOPS {
            scope.spawn(|| {
                let epoll = Epoll::of(&listener, flags);
                waiting.wait();
                told.fetch_add(epoll.wait(1, 300).len(), Relaxed);
            });
        }
        waiting.wait();
        thread::sleep(Duration::from_millis(100)); // until all of them are in epoll_wait(2)
        let _client = must(TcpStream::connect(must(listener.local_addr())));
    });
    format!("{} of {LOOPS} told", told.load(Relaxed))
}

/// The limit of 1,024 is that of the C library's `fd_set`, not of the kernel.
fn beyond_the_set() -> String {
    allow_descriptors();
    let (ours, mut peer) = pair();
    must(peer.write_all(b"x"));
    let Ok(high) = rustix::io::fcntl_dupfd_cloexec(&ours, 1500) else {
        return "not asked: the hard limit of descriptors is lower".to_owned();
    };
    let number = std::os::fd::AsRawFd::as_raw_fd(&high);
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(1, number + 1)];
    fd_set_insert(&mut set, number);
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[allow(unsafe_code, reason = "select(2) takes bare numbers for descriptors")]
    // SAFETY: `high` is open until the end of this function, and the set has room for it.
    let told = unsafe { select(number + 1, Some(&mut set), None, None, Some(&now)) };
    format!("{} ready, if the set has room", must(told))
}

fn full() -> String {
    let (mut ours, mut peer) = pair();
    let taken = fill(&mut ours);
    let epoll = Epoll::of(&ours, EventFlags::OUT | EventFlags::ET);
    let mut read = 0;
    while epoll.wait(1, 1).is_empty() {
        read += must(peer.read(&mut [0; 65536]));
    }
    let more = fill(&mut ours);
    format!("{taken} bytes before EAGAIN; writable once {read} are read; then {more} more")
}

/// Writes until the socket takes no more.
fn fill(socket: &mut TcpStream) -> usize {
    let mut taken = 0;
    loop {
        match socket.write(&[b'x'; 65536]) {
            Ok(n) => taken += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return taken,
            Err(error) => panic!("{error}"),
        }
    }
}

fn flood() -> String {
    const LIMIT: Duration = Duration::from_millis(300);
    let (mut ours, mut peer) = pair();
    let sender = thread::spawn(move || while peer.write_all(&[b'x'; 65536]).is_ok() {});
    thread::sleep(Duration::from_millis(20));
    let begun = Instant::now();
    let mut read = 0;
    while begun.elapsed() < LIMIT
        && let Ok(n) = ours.read(&mut [0; 65536])
    {
        read += n;
    }
    let elapsed = begun.elapsed();
    drop(ours);
    assert!(sender.join().is_ok());
    format!(
        "{read} bytes in {:.1} ms (cut off at 300)",
        elapsed.as_secs_f64() * 1e3
    )
}

/// Nagle's algorithm holds the second write back until the first is acknowledged, and a delayed
/// acknowledgement waits for data to go with.
fn writes(two: bool, nodelay: bool) -> String {
    const REQUESTS: u32 = 20;
    let (mut ours, mut peer) = pair();
    must(ours.set_nonblocking(false));
    must(ours.set_nodelay(nodelay));
    must(peer.set_nodelay(true));
    let server = thread::spawn(move || -> io::Result<()> {
        for _ in 0..REQUESTS {
            ours.read_exact(&mut [0; 3])?;
            let answer = [b'x'; 120];
            let (head, body) = answer.split_at(if two { 100 } else { 120 });
            ours.write_all(head)?;
            ours.write_all(body)?;
        }
        Ok(())
    });
    let begun = Instant::now();
    for _ in 0..REQUESTS {
        must(peer.write_all(b"GET"));
        must(peer.read_exact(&mut [0; 120]));
    }
    let each = begun.elapsed() / REQUESTS;
    assert!(matches!(server.join(), Ok(Ok(()))));
    format!("{:.2} ms per request", each.as_secs_f64() * 1e3)
}

/// close(2) with bytes unread is a reset, which ends the client's sending. What the client has not
/// read yet stays on Linux; elsewhere it may be lost (RFC 9112 §9.6).
fn refusal(lingering: bool) -> String {
    let (mut ours, mut peer) = pair();
    must(ours.set_nonblocking(false));
    let server = thread::spawn(move || -> io::Result<()> {
        ours.read_exact(&mut [0; 100])?;
        ours.write_all(b"413")?;
        if lingering {
            ours.shutdown(Shutdown::Write)?;
            while ours.read(&mut [0; 65536])? > 0 {}
        }
        Ok(())
    });
    let sent = (0..60).try_for_each(|_| {
        thread::sleep(Duration::from_millis(1));
        peer.write_all(&[b'x'; 20_000])
    });
    let sent = sent.and_then(|()| peer.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let read = peer.read_to_end(&mut answer);
    let _ = server.join();
    let tell = |result: Result<(), io::Error>| match result {
        Ok(()) => "whole".to_owned(),
        Err(error) => error.kind().to_string(),
    };
    format!(
        "sent: {}; answer: {} bytes, {}",
        tell(sent),
        answer.len(),
        tell(read.map(drop))
    )
}

/// One thread plays both sides, so nothing but system calls is in it; the best of many rounds.
fn triggers() -> String {
    const ROUNDS: usize = 400;
    const REQUESTS: u32 = 100;
    let mut best = [Duration::MAX; 3];
    for round in 0..ROUNDS * 3 {
        let way = round % 3;
        let (mut ours, mut peer) = pair();
        let epoll = Epoll::of(&ours, if way == 0 { LEVEL } else { EDGE });
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            must(peer.write_all(&[b'x'; 100]));
            assert_eq!(epoll.wait(1, 100).len(), 1);
            must(ours.read(&mut [0; 4096]));
            must(ours.write(&[b'x'; 120]));
            if way == 2 {
                assert!(ours.read(&mut [0; 4096]).is_err()); // EAGAIN
            }
            must(peer.read_exact(&mut [0; 120]));
        }
        best[way] = best[way].min(begun.elapsed() / REQUESTS);
    }
    let [level, edge, drained] = best.map(|each| each.as_secs_f64() * 1e6);
    format!(
        "edge {edge:.2} µs; level {:.2} times that; edge and a read for EAGAIN {:.2} times",
        level / edge,
        drained / edge
    )
}

/// What 10,000 of them add to the memory of the process that is its own (proc_pid_status(5)). What
/// the kernel needs for a socket is not in it.
fn idle_connection() -> String {
    const CONNECTIONS: usize = 10_000;
    let Some(limit) = allow_descriptors().filter(|limit| *limit > CONNECTIONS as u64 + 100) else {
        return "not measured: the hard limit of descriptors is lower".to_owned();
    };
    let most = (limit - 200).min(20_000).to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command.args([
        "--hello",
        "--log",
        "off",
        "--listen",
        "127.0.0.1:0",
        "--max-connections",
        &most,
    ]);
    let mut server = must(command.stdout(Stdio::piped()).spawn());
    let address = server.stdout.take().and_then(|out| {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let mut urls =
            lines.filter_map(|line| Some(line.trim().strip_prefix("http://")?.to_owned()));
        urls.next()
            .and_then(|url| url.split('/').next()?.parse::<SocketAddr>().ok())
    });
    let measured = address.map(|address| {
        let mut clients: Vec<TcpStream> = (0..100).map(|_| client(address)).collect();
        let before = private_kib(server.id());
        clients.extend((0..CONNECTIONS).map(|_| client(address)));
        (private_kib(server.id()) - before) * 1024 / CONNECTIONS
    });
    let _ = server.kill();
    let _ = server.wait();
    match measured {
        Some(bytes) => format!("{bytes} bytes of user memory"),
        None => "not measured: it did not start".to_owned(),
    }
}

/// One that has been answered once, and is idle.
fn client(address: SocketAddr) -> TcpStream {
    let mut client = must(TcpStream::connect(address));
    must(client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(must(client.read(&mut [0; 1024])) > 0);
    client
}

fn private_kib(process: u32) -> usize {
    let status = must(fs::read_to_string(format!("/proc/{process}/status")));
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Raises the soft limit of descriptors to the hard one.
fn allow_descriptors() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).ok()?;
    limit.maximum
}
