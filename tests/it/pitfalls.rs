//! What goes wrong in a loop over a real kernel, once each.
//!
//! The production loop on every selector and a client at the other end of a real socket: what a
//! simulator cannot be trusted with, because it is about what Linux does to a descriptor that is
//! closed, or to bytes that were not read.

#![expect(clippy::disallowed_methods, reason = "a client connects to a loop")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use httpoll::driver::{Closed, EventLoop, Handle, Offload, Settings};
use httpoll::http::{Body, Request, Response, Source, Status, Tick};
use httpoll::kernel::sim::{Act, NO_ROOM, Schedule, Sim};
use httpoll::kernel::{Kernel, Linux, ListenAddr, bind};
use httpoll::readiness::{EpollEdge, EpollLevel, PollArray, SelectSets, Selector};
use httpoll::service::Reply;

use crate::harness::uninterrupted;

/// More than two sockets hold, so that an answer of it is in flight until its client reads.
const LARGE: usize = 16 * 1024 * 1024;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_BROKEN: &[u8] = b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n";

/// A loop in a thread of its own: who stops it, what becomes of it, and a client.
fn start<S: Selector + 'static>() -> (Handle, JoinHandle<std::io::Result<()>>, TcpStream) {
    let address = ListenAddr::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let bound = bind(&[address], 0, 1, false, 16).unwrap();
    let ListenAddr::Tcp(address) = bound.addresses[0] else {
        panic!("TCP was asked for");
    };
    let listeners = bound.workers.into_iter().flatten().collect();
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        let large: Arc<[u8]> = vec![b'x'; LARGE].into();
        let service = move |_: &Request<'_>, _: &Tick| {
            Reply::Now(Response::new(Status::OK).body(Body::Shared(Arc::clone(&large))))
        };
        let (kernel, settings) = (Linux::<S>::new()?, Settings::default());
        let mut own = EventLoop::new(kernel, listeners, service, settings, Offload::threads())?;
        tell.send(own.handle()).unwrap();
        own.run()
    });
    let client = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(10));
    client.set_read_timeout(patience).unwrap();
    (told.recv().unwrap(), running, client)
}

/// Reads to the end; how much of the content came.
fn content_length(client: &mut TcpStream) -> usize {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    answer.len() - head
}

/// One test per selector.
macro_rules! on_each_selector {
    ($($sentence:ident)*) => {
        mod edge { $(#[test] fn $sentence() { super::$sentence::<super::EpollEdge>(); })* }
        mod level { $(#[test] fn $sentence() { super::$sentence::<super::EpollLevel>(); })* }
        mod poll { $(#[test] fn $sentence() { super::$sentence::<super::PollArray>(); })* }
        mod select { $(#[test] fn $sentence() { super::$sentence::<super::SelectSets>(); })* }
    };
}

on_each_selector! {
    a_stop_finishes_what_is_in_flight
    an_answer_survives_the_request_behind_it
}

/// The listener that is closed by a stop must leave the selector: select(2) fails with `EBADF`
/// otherwise, and poll(2) reports `POLLNVAL` for ever.
fn a_stop_finishes_what_is_in_flight<S: Selector + 'static>() {
    let (handle, running, mut client) = start::<S>();
    client.write_all(GET).unwrap();
    // Under way: its first byte is here, its last cannot have left the server.
    uninterrupted(|| client.peek(&mut [0])).unwrap();
    handle.shutdown();
    assert_eq!(content_length(&mut client), LARGE);
    running.join().unwrap().unwrap();
}

/// RFC 9112 §9.6: a close with unread bytes makes the kernel send a reset, which takes from the
/// client what it has not read yet. A client that did not ask for the close may have sent more.
fn an_answer_survives_the_request_behind_it<S: Selector + 'static>() {
    let (handle, running, mut client) = start::<S>();
    client.write_all(GET).unwrap();
    uninterrupted(|| client.peek(&mut [0])).unwrap();
    // The loop reads nothing while it sends: this stays in the kernel.
    client.write_all(GET).unwrap();
    handle.shutdown();
    assert_eq!(content_length(&mut client), LARGE);
    drop(client);
    running.join().unwrap().unwrap();
}

/// The same for a client that did ask for the close: old ones send an empty line behind a request
/// (RFC 9112 §2.2), in a packet of its own.
#[test]
fn an_answer_survives_an_empty_line_behind_the_last_request() {
    an_empty_line_behind_the_last_request::<true>();
    an_empty_line_behind_the_last_request::<false>();
}

fn an_empty_line_behind_the_last_request<const EDGE: bool>() {
    let sim = Sim::<EDGE>::new(Schedule::friendly());
    let service = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("x".repeat(100_000)));
    let (listeners, settings) = (
        vec![sim.listen()],
        Settings::default().observed_by(Closed::default()),
    );
    let offload = Offload::inline();
    let mut own = EventLoop::new(sim.clone(), listeners, service, settings, offload).unwrap();
    let client = sim.connect(LARGE);
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    while !client.has_begun_to_end() {
        own.turn().unwrap();
    }
    client.send(b"\r\n");
    own.turn().unwrap();
    let answer = client.receive(usize::MAX);
    assert!(answer.ends_with(b"xxx"), "of {} bytes", answer.len());
    assert!(answer.len() > 100_000);
    client.finish();
    while own.observer().total() == 0 {
        own.turn().unwrap();
    }
    assert_eq!(own.observer().get("answered"), 1);
}

/// Half a head, then the server stands still for longer than a head may take (SIGSTOP), while all
/// the rest of it comes: more of it than one wait reports, and behind a wait that reports nothing.
#[test]
fn what_came_in_time_is_served_before_anybody_is_late() {
    what_came_in_time::<true>(1, true);
    what_came_in_time::<false>(1, true);
    what_came_in_time::<true>(1_100, false);
    what_came_in_time::<false>(1_100, false);
}

/// Or an answer could rest on a look at its file from before it was asked for.
#[test]
fn a_turn_answers_behind_its_last_read_also_where_time_is_over() {
    let check = |calls: String| {
        let read = calls.rfind("read(").expect("a read");
        let write = calls.find("write(").expect("an answer");
        assert!(read < write, "{calls}");
    };
    check(what_came_in_time::<true>(1_100, false));
    check(what_came_in_time::<false>(1_100, false));
}

/// The calls of the turn in which it is served.
fn what_came_in_time<const EDGE: bool>(clients: usize, interrupted: bool) -> String {
    let sim = Sim::<EDGE>::new(Schedule::friendly()).recorded();
    let service = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("hi"));
    let (listeners, settings) = (vec![sim.listen()], Settings::default());
    let offload = Offload::inline();
    let mut own = EventLoop::new(sim.clone(), listeners, service, settings, offload).unwrap();
    let clients: Vec<_> = (0..clients).map(|_| sim.connect(1_000)).collect();
    while own.connections() < clients.len() {
        own.turn().unwrap();
    }
    let (begin, end) = GET.split_at(20);
    for client in &clients {
        client.send(begin);
    }
    for _ in clients.chunks(1_024) {
        own.turn().unwrap();
    }
    sim.pass(Duration::from_secs(60));
    for client in &clients {
        client.send(end);
    }
    if interrupted {
        sim.interrupt();
    }
    let before = sim.transcript().len();
    own.turn().unwrap();
    let calls = sim.transcript().split_off(before);
    for client in &clients {
        let answer = client.receive(1_000);
        let shown = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{shown}");
    }
    calls
}

/// A file on a broken disk: never in memory, and not to be had by reading it either.
struct Broken;

impl Source for Broken {
    fn len(&self) -> u64 {
        10
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> std::io::Result<usize> {
        Err(std::io::Error::other("a broken disk"))
    }
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    fn is_resident(&self, _: u64, _: usize) -> bool {
        false
    }
}

/// `/` is at hand, everything else on a broken disk.
fn half_broken(request: &Request<'_>, _: &Tick) -> Reply {
    if request.path() == "/" {
        return Reply::Now(Response::text("hi"));
    }
    let (source, offset, len) = (Arc::new(Broken), 0, 10);
    let body = Body::Range {
        source,
        offset,
        len,
    };
    Reply::Now(Response::new(Status::OK).body(body))
}

/// Brought into memory again and again, it would cost a busy loop and a busy disk.
#[test]
fn a_file_that_cannot_be_read_ends_its_connection() {
    let sim = Sim::<true>::new(Schedule::friendly());
    sim.client(vec![Act::Send(GET_BROKEN.to_vec()), Act::AwaitEnd], 64_000);
    let (listeners, settings) = (
        vec![sim.listen()],
        Settings::default().observed_by(Closed::default()),
    );
    let offload = Offload::inline();
    let mut own = EventLoop::new(sim.clone(), listeners, half_broken, settings, offload).unwrap();
    for _ in 0..100 {
        own.turn().unwrap();
        if own.observer().total() > 0 {
            break;
        }
    }
    assert_eq!(own.observer().get("source_ended"), 1);
}

/// The file comes last of all that is encoded, so that nothing of ours is left when it ends early.
/// But the kernel may hold the answers before it, and a close with unread bytes discards them.
#[test]
fn answers_before_a_file_that_ends_early_survive_a_request_behind_it() {
    let sim = Sim::<false>::new(Schedule::friendly());
    let (listeners, settings) = (
        vec![sim.listen()],
        Settings::default().observed_by(Closed::default()),
    );
    let offload = Offload::inline();
    let mut own = EventLoop::new(sim.clone(), listeners, half_broken, settings, offload).unwrap();
    let client = sim.connect(64_000);
    client.send(&[GET, GET_BROKEN].concat());
    own.turn().unwrap(); // accepts
    own.turn().unwrap(); // answers, and finds that the disk must be asked first
    client.send(GET);
    own.turn().unwrap(); // hears that the disk is broken
    let heard = String::from_utf8(client.receive(64_000)).unwrap();
    assert!(heard.contains("\r\n\r\nhi"), "{heard:?}");
    assert!(heard.ends_with("\r\nContent-Length: 10\r\n\r\n"), "{heard}");
    assert!(client.has_ended());
    client.close();
    while own.observer().total() == 0 {
        own.turn().unwrap();
    }
    assert_eq!(own.observer().get("source_ended"), 1);
}

/// Out of the interest set while there is no room, a listener must come back into it. Where the
/// kernel refuses that (epoll_ctl(2): ENOMEM, ENOSPC), its clients are let in by the clock.
#[test]
fn a_listener_that_cannot_be_watched_again_is_tried_until_it_can() {
    const RETRY: Duration = Duration::from_millis(100);
    let sim = Sim::<false>::new(Schedule::friendly());
    let (listeners, settings) = (vec![sim.listen()], Settings::default());
    let offload = Offload::inline();
    let mut own = EventLoop::new(sim.clone(), listeners, half_broken, settings, offload).unwrap();
    let mut turn = |n: usize| {
        (0..n).for_each(|_| assert!(own.turn().unwrap()));
        own.connections()
    };
    let clients: Vec<_> = (0..2).map(|_| sim.connect(100)).collect();
    sim.exhaust(Some(NO_ROOM[0]));
    assert_eq!(turn(1), 0);
    sim.exhaust(None);
    sim.refuse_watching(true);
    assert_eq!(turn(1), 2, "after a while, watched or not");
    let third = sim.connect(100);
    let before = sim.clone().now().instant;
    assert_eq!(turn(2), 3);
    assert!(
        sim.clone().now().instant >= before + RETRY,
        "it does not spin"
    );
    sim.refuse_watching(false);
    turn(1);
    let fourth = sim.connect(100);
    let before = sim.clone().now().instant;
    assert_eq!(turn(1), 4);
    assert!(sim.clone().now().instant < before + RETRY, "it was told");
    drop((clients, third, fourth));
}

/// accept(2): a descriptor may be missing to the process or to the system, and memory is as good a
/// reason to wait. Each by itself: that none is taken for the failure of one connection, which is
/// passed over at once.
#[test]
fn without_room_it_tries_ten_times_a_second_whatever_is_missing() {
    fn check<const EDGE: bool>(errno: i32) {
        let sim = Sim::<EDGE>::new(Schedule::friendly()).recorded();
        let (listeners, settings) = (vec![sim.listen()], Settings::default());
        let offload = Offload::inline();
        let mut own =
            EventLoop::new(sim.clone(), listeners, half_broken, settings, offload).unwrap();
        let _client = sim.connect(100);
        sim.exhaust(Some(errno));
        own.turn().unwrap();
        let failed = |line: &&str| line.starts_with("accept()") && line.contains("os error");
        let tries = || sim.transcript().lines().filter(failed).count();
        let (begin, before) = (sim.clone().now().instant, tries());
        while sim.clone().now().instant < begin + Duration::from_secs(2) {
            own.turn().unwrap();
        }
        assert!(
            (19..=20).contains(&(tries() - before)),
            "{}",
            sim.transcript()
        );
        sim.exhaust(None);
        own.turn().unwrap();
        assert_eq!(own.connections(), 1);
    }
    for errno in NO_ROOM {
        check::<true>(errno);
        check::<false>(errno);
    }
}

/// Where the system is out of files, or of memory, a connection of ours that is dropped may help
/// another process.
#[test]
fn room_that_cannot_be_made_costs_one_connection_per_try() {
    fn check<const EDGE: bool>(errno: i32) {
        let sim = Sim::<EDGE>::new(Schedule::friendly());
        let (listeners, settings) = (vec![sim.listen()], Settings::default());
        let offload = Offload::inline();
        let mut own =
            EventLoop::new(sim.clone(), listeners, half_broken, settings, offload).unwrap();
        let _idle: Vec<_> = (0..9).map(|_| sim.connect(100)).collect();
        own.turn().unwrap();
        sim.pass(Duration::from_secs(1));
        let _newcomers = [sim.connect(100), sim.connect(100)];
        sim.exhaust(Some(errno));
        while own.connections() == 9 {
            own.turn().unwrap();
        }
        assert_eq!(own.connections(), 8);
        own.turn().unwrap();
        assert_eq!(own.connections(), 7, "a tenth of a second later");
        sim.exhaust(None);
        own.turn().unwrap();
        assert_eq!(own.connections(), 9);
    }
    for errno in NO_ROOM {
        check::<true>(errno);
        check::<false>(errno);
    }
}
