//! What the loop says to the kernel for keep-alive requests, call by call.
//!
//! Figure, regression test and performance contract at once: **three calls per request**, the
//! wait, the read and the write; with many clients the wait is shared. `UPDATE_EXPECT=1` rewrites
//! the snapshots.

use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use httpoll::driver::{EventLoop, Offload, Settings};
use httpoll::http::{Request, Response, Tick};
use httpoll::kernel::Traced;
use httpoll::kernel::sim::{Act, Disturbances, Schedule, Sim};
use httpoll::service::Reply;

/// The calls of a loop that serves `script`, one client's.
fn check<const EDGE: bool>(script: Vec<Act>, expected: &Expect) {
    let quiet = Disturbances {
        interrupts: false,
        spurious: false,
        no_descriptors: false,
        small_batches: false,
        jump: None,
    };
    let sim = Sim::<EDGE>::new(Schedule::friendly()).disturbed(quiet);
    sim.client(script, 64 * 1024);
    let lines = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&lines);
    let kernel = Traced::printing(
        sim.clone(),
        Box::new(move |line| {
            let mut lines = sink.lock().unwrap();
            lines.push_str(line);
            lines.push('\n');
        }),
    );
    let service = |_: &Request<'_>, _: &Tick| Reply::Now(Response::text("Hello, World!"));
    let listeners = vec![sim.listen()];
    let settings = Settings::default();
    let mut event_loop =
        EventLoop::new(kernel, listeners, service, settings, Offload::inline()).unwrap();
    while !sim.is_over() {
        event_loop.turn().unwrap();
    }
    expected.assert_eq(&lines.lock().unwrap());
}

/// Three requests, each sent when the answer to the one before is there.
fn keep_alive() -> Vec<Act> {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let turn = |n| [Act::Send(request.to_vec()), Act::Await(n * ANSWER)];
    (1..=3).flat_map(turn).collect()
}

/// Length of one answer: status line, Date, Content-Type, Content-Length, empty line, content.
const ANSWER: usize = 17 + 37 + 41 + 20 + 2 + 13;

/// Sixteen requests at once, answered by one write.
fn pipelined() -> Vec<Act> {
    let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(16);
    vec![Act::Send(requests), Act::Await(16 * ANSWER)]
}

#[test]
fn keep_alive_on_edge() {
    check::<true>(
        keep_alive(),
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
