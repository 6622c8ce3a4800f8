//! What the loop says to the kernel for keep-alive requests, call by call.
//!
//! Figure, regression test and performance contract at once: **three calls per request**, the
//! wait, the read and the write; with many clients the wait is shared. First on the simulator,
//! where also a reader can be slow on command, then on the four real selectors.
//! `UPDATE_EXPECT=1` rewrites the snapshots.

#![expect(
    clippy::disallowed_methods,
    reason = "a client connects to the real selectors"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use httpoll::driver::{EventLoop, Fact, Observer, Offload, Settings};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::sim::{Act, Disturbances, Schedule, Sim};
use httpoll::kernel::{Linux, ListenAddr, Traced, bind};
use httpoll::readiness::{Directions, EpollEdge, EpollLevel, PollArray, SelectSets, Selector};
use httpoll::service::{Reply, Service};

/// Collects what a traced kernel prints.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl Lines {
    fn sink(&self) -> Box<dyn FnMut(&str) + Send> {
        let Self(lines) = self.clone();
        Box::new(move |line| {
            let mut lines = lines.lock().unwrap();
            lines.push_str(line);
            lines.push('\n');
        })
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// Adds what is known and decided at the end of a connection's turn, in the words of `settle.rs`.
struct Decisions(Lines);

impl Observer for Decisions {
    fn observe(&mut self, fact: &Fact<'_>) {
        if let Fact::Settled { bits, settled, .. } = fact {
            let [wanted, ready, armed] = [bits.wanted, bits.ready, settled.armed].map(directions);
            let queued = if settled.queued { ", queued" } else { "" };
            self.0.sink()(&format!(
                "  settle: wanted {wanted}, ready {ready}; armed {armed}{queued}"
            ));
        }
    }
}

fn directions(directions: Directions) -> &'static str {
    match (directions.readable, directions.writable) {
        (false, false) => "-",
        (true, false) => "IN",
        (false, true) => "OUT",
        (true, true) => "IN|OUT",
    }
}

fn hello(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response::text("Hello, World!"))
}

/// The calls of a loop that serves `script`, one client's, with `room` in its socket.
fn check<const EDGE: bool>(
    script: Vec<Act>,
    room: usize,
    service: impl Service,
    expected: &Expect,
) {
    let lines = Lines::default();
    let settings = Settings::default();
    run::<EDGE, _>(script, room, service, &lines, settings);
    expected.assert_eq(&lines.text());
}

/// The same, with what is decided at the end of each turn.
fn check_decisions<const EDGE: bool>(
    script: Vec<Act>,
    room: usize,
    service: impl Service,
    expected: &Expect,
) {
    let lines = Lines::default();
    let settings = Settings::default().observed_by(Decisions(lines.clone()));
    run::<EDGE, _>(script, room, service, &lines, settings);
    expected.assert_eq(&lines.text());
}

fn run<const EDGE: bool, O: Observer>(
    script: Vec<Act>,
    room: usize,
    service: impl Service,
    lines: &Lines,
    settings: Settings<O>,
) {
    let sim = Sim::<EDGE>::new(Schedule::friendly()).disturbed(Disturbances::NONE);
    sim.client(script, room);
    let kernel = Traced::printing(sim.clone(), lines.sink());
    let listeners = vec![sim.listen()];
    let mut event_loop =
        EventLoop::new(kernel, listeners, service, settings, Offload::inline()).unwrap();
    while !sim.is_over() {
        event_loop.turn().unwrap();
    }
}

/// The calls for two requests on a real selector, descriptors renamed to 7.
fn check_real<S: Selector>(expected: &Expect) {
    let listen = ListenAddr::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let mut bound = bind(&[listen], 0, 1, false, 16).unwrap();
    let ListenAddr::Tcp(address) = bound.addresses[0] else {
        panic!()
    };
    let lines = Lines::default();
    let kernel = Traced::printing(Linux::<S>::new().unwrap(), lines.sink());
    let listeners = bound.workers.remove(0);
    let settings = Settings::default();
    let mut event_loop =
        EventLoop::new(kernel, listeners, hello, settings, Offload::inline()).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    event_loop.turn().unwrap();
    for _ in 0..2 {
        client.write_all(REQUEST).unwrap();
        event_loop.turn().unwrap();
        client.read_exact(&mut [0; ANSWER]).unwrap();
    }
    drop(client);
    while event_loop.connections() > 0 {
        event_loop.turn().unwrap();
    }
    let text = lines.text();
    let descriptor = text
        .split("accept() = ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let named = text
        .replace(&format!("({descriptor})"), "(7)")
        .replace(&format!("({descriptor},"), "(7,")
        .replace(&format!("accept() = {descriptor} "), "accept() = 7 ");
    expected.assert_eq(&named);
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Three requests, each sent when the answer to the one before is there.
fn keep_alive() -> Vec<Act> {
    let turn = |n| [Act::Send(REQUEST.to_vec()), Act::Await(n * ANSWER)];
    (1..=3).flat_map(turn).collect()
}

/// Length of one answer: status line, Date, Content-Type, Content-Length, empty line, content.
const ANSWER: usize = 17 + 37 + 41 + 20 + 2 + 13;

/// Sixteen requests at once, answered by one write.
fn pipelined() -> Vec<Act> {
    let requests = REQUEST.repeat(16);
    vec![Act::Send(requests), Act::Await(16 * ANSWER)]
}

#[test]
fn keep_alive_on_edge() {
    check::<true>(
        keep_alive(),
        64 * 1024,
        hello,
        &expect![[r#"
              register(listener, IN) = 0
            #1 wait -> 1 ready [listener IN]
              accept() = 7 from 127.0.0.1
              register(7, IN|OUT, slot 0 gen 0) = 0
              accept() = EAGAIN
            #2 wait -> 1 ready [slot 0 gen 0 IN|OUT]
              read(7) = 27
              write(7) = 130
            #3 wait -> 1 ready [slot 0 gen 0 IN|OUT]
              read(7) = 27
              write(7) = 130
            #4 wait -> 1 ready [slot 0 gen 0 IN|OUT]
              read(7) = 27
              write(7) = 130
            #5 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
              read(7) = 0
        "#]],
    );
}

#[test]
fn keep_alive_on_level() {
    check::<false>(
        keep_alive(),
        64 * 1024,
        hello,
        &expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN]
          accept() = 7 from 127.0.0.1
          register(7, IN, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #3 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #4 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #5 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 0
          deregister(7) = 0
    "#]],
    );
}

#[test]
fn sixteen_pipelined_requests_on_edge() {
    check::<true>(
        pipelined(),
        64 * 1024,
        hello,
        &expect![[r#"
              register(listener, IN) = 0
            #1 wait -> 1 ready [listener IN]
              accept() = 7 from 127.0.0.1
              register(7, IN|OUT, slot 0 gen 0) = 0
              accept() = EAGAIN
            #2 wait -> 1 ready [slot 0 gen 0 IN|OUT]
              read(7) = 432
              write(7) = 2080
            #3 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
              read(7) = 0
        "#]],
    );
}

#[test]
fn sixteen_pipelined_requests_on_level() {
    check::<false>(
        pipelined(),
        64 * 1024,
        hello,
        &expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN]
          accept() = 7 from 127.0.0.1
          register(7, IN, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 432
          write(7) = 2080
        #3 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 0
          deregister(7) = 0
    "#]],
    );
}

/// An answer four times as large as the room in the socket, to a client that takes it in pieces.
fn large(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response::text("x".repeat(16 * 1024)))
}

fn slow_reader() -> Vec<Act> {
    vec![Act::Send(REQUEST.to_vec()), Act::Await(16 * 1024)]
}

#[test]
fn a_full_socket_on_edge() {
    check_decisions::<true>(
        slow_reader(),
        4096,
        large,
        &expect![[r#"
              register(listener, IN) = 0
            #1 wait -> 1 ready [listener IN]
              accept() = 7 from 127.0.0.1
              register(7, IN|OUT, slot 0 gen 0) = 0
              settle: wanted IN, ready OUT; armed IN|OUT
              accept() = EAGAIN
            #2 wait -> 1 ready [slot 0 gen 0 IN|OUT]
              read(7) = 27
              writev(7) = 4096
              settle: wanted OUT, ready -; armed IN|OUT
            #3 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed IN|OUT
            #4 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed IN|OUT
            #5 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed IN|OUT
            #6 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
              write(7) = 120
              settle: wanted IN, ready IN|OUT; armed IN|OUT, queued
            #7 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
              read(7) = 0
        "#]],
    );
}

#[test]
fn a_full_socket_on_level() {
    check_decisions::<false>(
        slow_reader(),
        4096,
        large,
        &expect![[r#"
              register(listener, IN) = 0
            #1 wait -> 1 ready [listener IN]
              accept() = 7 from 127.0.0.1
              register(7, IN, slot 0 gen 0) = 0
              settle: wanted IN, ready OUT; armed IN
              accept() = EAGAIN
            #2 wait -> 1 ready [slot 0 gen 0 IN]
              read(7) = 27
              writev(7) = 4096
              reregister(7, OUT) = 0
              settle: wanted OUT, ready -; armed OUT
            #3 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed OUT
            #4 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed OUT
            #5 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 4096
              settle: wanted OUT, ready -; armed OUT
            #6 wait -> 1 ready [slot 0 gen 0 OUT]
              write(7) = 120
              reregister(7, IN) = 0
              settle: wanted IN, ready OUT; armed IN
            #7 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
              read(7) = 0
              deregister(7) = 0
        "#]],
    );
}

#[test]
fn two_requests_on_the_real_edge() {
    check_real::<EpollEdge>(&expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN]
          accept() = 7 from 127.0.0.1
          register(7, IN|OUT, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN|OUT]
          read(7) = 27
          write(7) = 130
        #3 wait -> 1 ready [slot 0 gen 0 IN|OUT]
          read(7) = 27
          write(7) = 130
        #4 wait -> 1 ready [slot 0 gen 0 IN|OUT end?]
          read(7) = 0
    "#]]);
}

#[test]
fn two_requests_on_the_real_level() {
    check_real::<EpollLevel>(&expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN]
          accept() = 7 from 127.0.0.1
          register(7, IN, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #3 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #4 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 0
    "#]]);
}

#[test]
fn two_requests_on_poll() {
    check_real::<PollArray>(&expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN]
          accept() = 7 from 127.0.0.1
          register(7, IN, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #3 wait -> 1 ready [slot 0 gen 0 IN]
          read(7) = 27
          write(7) = 130
        #4 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 0
          deregister(7) = 0
    "#]]);
}

#[test]
fn two_requests_on_select() {
    check_real::<SelectSets>(&expect![[r#"
          register(listener, IN) = 0
        #1 wait -> 1 ready [listener IN end?]
          accept() = 7 from 127.0.0.1
          register(7, IN, slot 0 gen 0) = 0
          accept() = EAGAIN
        #2 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 27
          write(7) = 130
        #3 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 27
          write(7) = 130
        #4 wait -> 1 ready [slot 0 gen 0 IN end?]
          read(7) = 0
          deregister(7) = 0
    "#]]);
}
