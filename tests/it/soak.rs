//! A soak: good and hostile clients together for as long as asked, and at the end everything is
//! back where it began.
//!
//! `HTTPOLL_SOAK_SECONDS=600 cargo test --release --test it -- --ignored --nocapture soak`

#![expect(
    clippy::disallowed_methods,
    reason = "clients wait, and look at the clock"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::harness::{Client, Server, request};
use crate::process::{MANY, connect, descriptors, each, memory_kib, processor, wait_until};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Two clients that keep all rules: each answer must be theirs, whole and right. How many came.
fn good(server: &Server, until: Instant, file: &[u8]) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let mut client = server.connect();
        for at in 0..50_usize {
            let from = at * 1000;
            let range = format!("Range: bytes={from}-{}", from + 499);
            let answer = client.ask("GET", "/file", &[&range]);
            assert_eq!(answer.status, 206);
            assert_eq!(answer.body, file[from..from + 500]);
            let pair = request("GET", "/small", &[]) + &request("GET", "/missing", &[]);
            client.send(pair.as_bytes());
            assert_eq!(client.answer("GET").body, b"small");
            assert_eq!(client.answer("GET").status, 404);
            count += 3;
        }
        assert_eq!(
            client.ask("GET", "/file", &["Connection: close"]).body,
            file
        );
        client.expect_closed();
        count += 1;
    }
    count
}

/// Clients that keep none, one after the other; what becomes of them does not matter.
fn hostile(server: &Server, until: Instant, seed: u64) -> u64 {
    let mut count = seed;
    while Instant::now() < until {
        let narrow = count.is_multiple_of(3).then_some(4096);
        let client = connect(server, None, narrow);
        let mut stream = client.0.get_ref();
        stream.set_write_timeout(Some(ms(50))).unwrap();
        stream.set_read_timeout(Some(ms(20))).unwrap();
        misbehave(stream, count);
        if count.is_multiple_of(2) {
            let at_once = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(stream, at_once).unwrap();
        }
        let _ = stream.read(&mut [0; 4096]);
        count += 1;
    }
    count - seed
}

fn misbehave(mut stream: &TcpStream, kind: u64) {
    let get = request("GET", "/file", &[]);
    let _ = match kind % 11 {
        0 => Ok(()),
        1 => stream.write_all(b"GET / HT"),
        2 => stream.write_all(get.as_bytes()), // and never reads it
        3 => stream.write_all(get.repeat(500).as_bytes()),
        4 => stream.write_all(&[0xff; 20_000]),
        5 => stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\nxx"),
        6 => stream
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"),
        7 => stream
            .write_all(get.as_bytes())
            .and_then(|()| stream.shutdown(Shutdown::Both)),
        8 => stream.shutdown(Shutdown::Write),
        9 => get.bytes().try_for_each(|byte| stream.write_all(&[byte])),
        _ => {
            for _ in 0..20 {
                let _ = stream.write_all(b"X");
                sleep(ms(5));
            }
            Ok(())
        }
    };
}

#[test]
#[ignore = "runs for as long as HTTPOLL_SOAK_SECONDS says"]
fn everything_is_given_back() {
    let seconds = std::env::var("HTTPOLL_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(10);
    let root = tempfile::tempdir().unwrap();
    let file: Vec<u8> = (0..300_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    std::fs::write(root.path().join("file"), &file).unwrap();
    std::fs::write(root.path().join("small"), "small").unwrap();
    each(&MANY, |backend| {
        let words = [
            "--header-timeout",
            "2",
            "--write-timeout",
            "2",
            "--body-timeout",
            "2",
        ];
        let server = Server::of(backend, root.path(), &words);
        let run = |length: Duration| {
            let until = Instant::now() + length;
            scope(|scope| {
                let good: Vec<_> = (0..2)
                    .map(|_| scope.spawn(|| good(&server, until, &file)))
                    .collect();
                let hostile: Vec<_> = (0..4)
                    .map(|seed| {
                        scope.spawn({
                            let server = &server;
                            move || hostile(server, until, seed * 7)
                        })
                    })
                    .collect();
                let sum = |threads: Vec<std::thread::ScopedJoinHandle<'_, u64>>| {
                    threads.into_iter().map(|t| t.join().unwrap()).sum::<u64>()
                };
                (sum(good), sum(hostile))
            })
        };
        // The buffers that it keeps for the next client are there after a while.
        run(Duration::from_secs(seconds).min(Duration::from_secs(10)) / 2);
        // What the idle server holds: nothing but listeners, wakers and two files.
        let quiet = || {
            sleep(ms(4000));
            (descriptors(server.pid()), memory_kib(server.pid()))
        };
        let (open, memory) = quiet();
        let (answers, attacks) = run(Duration::from_secs(seconds));
        wait_until("all closed", || descriptors(server.pid()) <= open);
        let (_, after) = quiet();
        let cpu = processor(server.pid());
        println!(
            "{backend}: {answers} answers, {attacks} attacks, {seconds} s; descriptors {open}, \
             memory {memory} -> {after} KiB, processor {cpu:?}"
        );
        assert!(after < memory + 2048, "{memory} -> {after} KiB");
        let mut client: Client<TcpStream> = server.connect();
        assert_eq!(client.ask("GET", "/small", &[]).status, 200);
    });
}
