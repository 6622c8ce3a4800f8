//! What the loop does for keep-alive requests, call by call: its record as text, as `--trace` prints it.
//!
//! Figure, regression test and performance contract at once: **three calls per request**, the
//! wait (a turn), the read and the write; with many clients the wait is shared. First on the
//! simulator, where also a reader can be slow on command, then on the four real selectors.
//! `UPDATE_EXPECT=1` rewrites the snapshots.

#![expect(
    clippy::disallowed_methods,
    reason = "a client connects to the real selectors"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use expect_test::{Expect, expect};
use httpoll::driver::record::{Recorder, Text, TurnRecord};
use httpoll::driver::{EventLoop, Offload, Settings};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::sim::{Act, Disturbances, Schedule, Sim};
use httpoll::kernel::{Kernel, Linux, ListenAddr, Listener, bind};
use httpoll::readiness::{EpollEdge, EpollLevel, PollArray, SelectSets, Selector};
use httpoll::service::{Reply, Service};

fn hello(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response::text("Hello, World!"))
}

/// The record of a loop that serves `script`, one client's, with `room` in its socket.
fn check<const EDGE: bool>(
    script: Vec<Act>,
    room: usize,
    service: impl Service,
    expected: &Expect,
) {
    let sim = Sim::<EDGE>::new(Schedule::friendly()).disturbed(Disturbances::NONE);
    sim.client(script, room);
    let listeners = vec![sim.listen()];
    let text = recorded(sim.clone(), listeners, service, |turn| {
        while !sim.is_over() {
            turn();
        }
    });
    expected.assert_eq(&text);
}

/// What is printed while `work` has the loop turn; it is told how many connections are left.
fn recorded<K: Kernel>(
    kernel: K,
    listeners: Vec<K::Listener>,
    service: impl Service,
    work: impl FnOnce(&mut dyn FnMut() -> usize),
) -> String {
    let (mut text, trigger) = (String::new(), K::TRIGGER);
    let recorder = Recorder::new(0, |turn: &TurnRecord| {
        text += &Text { turn, trigger }.to_string();
    });
    let settings = Settings::default().observed_by(recorder);
    let offload = Offload::inline();
    let mut event_loop = EventLoop::new(kernel, listeners, service, settings, offload).unwrap();
    work(&mut || {
        event_loop.turn().unwrap();
        event_loop.connections()
    });
    drop(event_loop);
    text
}

/// The record of two requests on a real selector.
fn check_real<S: Selector>(expected: &Expect) {
    let listen = ListenAddr::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let mut bound = bind(&[listen], 0, 1, false, 16).unwrap();
    let ListenAddr::Tcp(address) = bound.addresses[0] else {
        panic!()
    };
    let listeners: Vec<Listener> = bound.workers.remove(0);
    let kernel = Linux::<S>::new().unwrap();
    let text = recorded(kernel, listeners, hello, |turn| {
        let mut client = TcpStream::connect(address).unwrap();
        turn();
        for _ in 0..2 {
            client.write_all(REQUEST).unwrap();
            turn();
            client.read_exact(&mut [0; ANSWER]).unwrap();
        }
        drop(client);
        while turn() > 0 {}
    });
    expected.assert_eq(&text);
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
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(rw)
              0.0 AwaitHead        read W.A. write .RA.
              listener accept() = EAGAIN
            turn 2 ready: 0.0 rw
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .RA.
            turn 3 ready: 0.0 rw
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .RA.
            turn 4 ready: 0.0 rw
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .RA.
            turn 5 ready: 0.0 rw end
              0.0 read(65536) = 0
              0.0 closed: client_closed
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
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(r)
              0.0 AwaitHead        read W.A. write .R..
              listener accept() = EAGAIN
            turn 2 ready: 0.0 r
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .R..
            turn 3 ready: 0.0 r
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .R..
            turn 4 ready: 0.0 r
              0.0 read(65536) = 27
              0.0 write(130) = 130
              0.0 AwaitHead        read W.A. write .R..
            turn 5 ready: 0.0 r end
              0.0 read(65536) = 0
              0.0 interest()
              0.0 closed: client_closed
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
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(rw)
              0.0 AwaitHead        read W.A. write .RA.
              listener accept() = EAGAIN
            turn 2 ready: 0.0 rw
              0.0 read(65536) = 432
              0.0 write(2080) = 2080
              0.0 AwaitHead        read W.A. write .RA.
            turn 3 ready: 0.0 rw end
              0.0 read(65536) = 0
              0.0 closed: client_closed
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
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(r)
              0.0 AwaitHead        read W.A. write .R..
              listener accept() = EAGAIN
            turn 2 ready: 0.0 r
              0.0 read(65536) = 432
              0.0 write(2080) = 2080
              0.0 AwaitHead        read W.A. write .R..
            turn 3 ready: 0.0 r end
              0.0 read(65536) = 0
              0.0 interest()
              0.0 closed: client_closed
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
    check::<true>(
        slow_reader(),
        4096,
        large,
        &expect![[r#"
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(rw)
              0.0 AwaitHead        read W.A. write .RA.
              listener accept() = EAGAIN
            turn 2 ready: 0.0 rw
              0.0 read(65536) = 27
              0.0 write(16504) = 4096
              0.0 Replying         read ..A. write W.A.
            turn 3 ready: 0.0 w
              0.0 write(12408) = 4096
              0.0 Replying         read ..A. write W.A.
            turn 4 ready: 0.0 w
              0.0 write(8312) = 4096
              0.0 Replying         read ..A. write W.A.
            turn 5 ready: 0.0 w
              0.0 write(4216) = 4096
              0.0 Replying         read ..A. write W.A.
            turn 6 ready: 0.0 rw end
              0.0 write(120) = 120
              0.0 AwaitHead        read WRAQ write .RAQ
            turn 7 wait 0 ready: 0.0 rw end
              0.0 read(65536) = 0
              0.0 closed: client_closed
        "#]],
    );
}

#[test]
fn a_full_socket_on_level() {
    check::<false>(
        slow_reader(),
        4096,
        large,
        &expect![[r#"
            turn 1 ready: listener r
              listener accept()
              0.0 accepted
              0.0 interest(r)
              0.0 AwaitHead        read W.A. write .R..
              listener accept() = EAGAIN
            turn 2 ready: 0.0 r
              0.0 read(65536) = 27
              0.0 write(16504) = 4096
              0.0 interest(w)
              0.0 Replying         read .... write W.A.
            turn 3 ready: 0.0 w
              0.0 write(12408) = 4096
              0.0 Replying         read .... write W.A.
            turn 4 ready: 0.0 w
              0.0 write(8312) = 4096
              0.0 Replying         read .... write W.A.
            turn 5 ready: 0.0 w
              0.0 write(4216) = 4096
              0.0 Replying         read .... write W.A.
            turn 6 ready: 0.0 w
              0.0 write(120) = 120
              0.0 interest(r)
              0.0 AwaitHead        read W.A. write .R..
            turn 7 ready: 0.0 rw end
              0.0 read(65536) = 0
              0.0 interest()
              0.0 closed: client_closed
        "#]],
    );
}

#[test]
fn two_requests_on_the_real_edge() {
    check_real::<EpollEdge>(&expect![[r#"
        turn 1 ready: listener r
          listener accept()
          0.0 accepted
          0.0 interest(rw)
          0.0 AwaitHead        read W.A. write .RA.
          listener accept() = EAGAIN
        turn 2 ready: 0.0 rw
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .RA.
        turn 3 ready: 0.0 rw
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .RA.
        turn 4 ready: 0.0 rw end
          0.0 read(65536) = 0
          0.0 closed: client_closed
    "#]]);
}

#[test]
fn two_requests_on_the_real_level() {
    check_real::<EpollLevel>(&expect![[r#"
        turn 1 ready: listener r
          listener accept()
          0.0 accepted
          0.0 interest(r)
          0.0 AwaitHead        read W.A. write .R..
          listener accept() = EAGAIN
        turn 2 ready: 0.0 r
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .R..
        turn 3 ready: 0.0 r
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .R..
        turn 4 ready: 0.0 r end
          0.0 read(65536) = 0
          0.0 closed: client_closed
    "#]]);
}

#[test]
fn two_requests_on_poll() {
    check_real::<PollArray>(&expect![[r#"
        turn 1 ready: listener r
          listener accept()
          0.0 accepted
          0.0 interest(r)
          0.0 AwaitHead        read W.A. write .R..
          listener accept() = EAGAIN
        turn 2 ready: 0.0 r
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .R..
        turn 3 ready: 0.0 r
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read W.A. write .R..
        turn 4 ready: 0.0 r end
          0.0 read(65536) = 0
          0.0 interest()
          0.0 closed: client_closed
    "#]]);
}

#[test]
fn two_requests_on_select() {
    check_real::<SelectSets>(&expect![[r#"
        turn 1 ready: listener r end
          listener accept()
          0.0 accepted
          0.0 interest(r)
          0.0 AwaitHead        read W.A. write .R..
          listener accept() = EAGAIN
        turn 2 ready: 0.0 r end
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read WRA. write .R..
        turn 3 ready: 0.0 r end
          0.0 read(65536) = 27
          0.0 write(130) = 130
          0.0 AwaitHead        read WRA. write .R..
        turn 4 ready: 0.0 r end
          0.0 read(65536) = 0
          0.0 interest()
          0.0 closed: client_closed
    "#]]);
}
