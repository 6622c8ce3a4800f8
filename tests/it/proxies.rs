//! The client behind a proxy: on the running server, all backends.

#![expect(clippy::disallowed_methods, reason = "gives up after a while")]

use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use httpoll::conn::{CloseReason, Connection, Limits, Step};
use httpoll::http::{Response, Tick};

use super::harness::{BACKENDS, PATIENCE, Server};

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

/// The address that the next access line names.
fn logged(server: &mut Server) -> String {
    let mut line = String::new();
    server.out.read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or(&line).to_owned()
}

#[test]
fn the_log_names_the_client_that_a_trusted_proxy_speaks_for() {
    for backend in BACKENDS {
        let logging = ["--hello", "--log", "plain"];
        let trusting = [&logging[..], &["--trusted-proxy", "127.0.0.0/8"]].concat();
        let mut server = Server::start(backend, &trusting);
        let mut check = |fields: &str, expected: &str| {
            assert!(
                server
                    .raw(get(fields).as_bytes())
                    .ends_with("Hello, World!")
            );
            assert_eq!(logged(&mut server), expected, "{backend}: {fields}");
        };
        check("", "127.0.0.1");
        check("X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\n", "203.0.113.9");
        check("Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1");
        check(
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n",
            "127.0.0.1",
        );

        let distrusting = [&logging[..], &["--trusted-proxy", "10.0.0.0/8"]].concat();
        for words in [&logging[..], &distrusting] {
            let mut server = Server::start(backend, words);
            server.raw(get("X-Forwarded-For: 203.0.113.9\r\n").as_bytes());
            assert_eq!(logged(&mut server), "127.0.0.1", "{backend}: spoofed");
        }
    }
}

#[test]
fn the_names_it_answers_to_are_the_ones_given() {
    let server = Server::start("edge", &["--hello", "--allow-host", "a"]);
    let misdirected = get("").replace("Host: a", "Host: evil.example");
    assert!(
        server
            .raw(misdirected.as_bytes())
            .starts_with("HTTP/1.1 421 ")
    );
    assert!(server.raw(get("").as_bytes()).starts_with("HTTP/1.1 200 "));
}

// ---------------------------------------------------------------------- PROXY headers

/// Version 2, for 203.0.113.9 over TCP and IPv4, with a TLV behind the addresses.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\
                        \xcb\0\x71\x09\x7f\0\0\x01\x30\x39\0\x50\x04\0\x01\0";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const TEXT: &[u8] = b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 80\r\n";
const TEXT_V6: &[u8] = b"PROXY TCP6 2001:db8::9 ::1 12345 80\r\n";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

/// A connection behind a proxy that is fed piece by piece: what it says, in order.
fn steps(pieces: &[&[u8]]) -> Vec<String> {
    let now = Tick::for_tests();
    let mut conn = Connection::behind_proxy(Arc::new(Limits::default()), &now);
    let mut said = Vec::new();
    for piece in pieces {
        if !piece.is_empty() {
            conn.on_bytes(piece, &now);
        }
        loop {
            let respond = match conn.next_step(&now) {
                Step::Client(client) => {
                    said.push(client.map_or("itself".to_owned(), |ip| ip.to_string()));
                    false
                }
                Step::Request(request) => {
                    said.push(request.target().to_owned());
                    true
                }
                Step::Close(reason) => {
                    said.push(reason.name().to_owned());
                    break;
                }
                _ => break,
            };
            if respond {
                conn.respond(Response::text(""), &now);
            }
        }
    }
    said
}

#[test]
fn a_header_and_two_requests_may_be_cut_anywhere() {
    let requests = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    for (header, client) in [
        (TEXT, "203.0.113.9"),
        (TEXT_V6, "2001:db8::9"),
        (UNKNOWN, "itself"),
        (BINARY, "203.0.113.9"),
        (LOCAL, "itself"),
    ] {
        let sent = [header, requests].concat();
        let expected = [client, "/a", "/b"];
        for cut in 0..=sent.len() {
            let (one, other) = sent.split_at(cut);
            assert_eq!(steps(&[one, other]), expected, "{client} cut at {cut}");
        }
        let drops: Vec<&[u8]> = sent.chunks(1).collect();
        assert_eq!(steps(&drops), expected, "{client} drop by drop");
    }
}

#[test]
fn without_a_header_nothing_is_answered() {
    let check = |sent: &[u8]| {
        let drops: Vec<&[u8]> = sent.chunks(1).collect();
        for pieces in [&[sent][..], &drops] {
            let said = steps(pieces);
            assert_eq!(
                said.first().map(String::as_str),
                Some("bad_preface"),
                "{said:?}"
            );
            assert!(said.iter().all(|word| word == "bad_preface"), "{said:?}");
        }
    };
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    check(b"PROXY TCP4 203.0.113.9 127.0.0.1 12345\r\n\r\n");
    check(b"PROXY TCP4 ::1 ::1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    check(b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c");
}

#[test]
fn a_proxy_that_says_nothing_is_not_waited_for_longer_than_a_head() {
    let mut now = Tick::for_tests();
    let limits = Arc::new(Limits::default());
    let mut conn = Connection::behind_proxy(Arc::clone(&limits), &now);
    let due = now.instant + limits.header_timeout;
    conn.on_bytes(b"PROXY TC", &now);
    assert!(matches!(conn.next_step(&now), Step::NeedBytes));
    assert_eq!(conn.next_deadline(), Some(due), "of the whole header");
    now.instant = due - Duration::from_millis(1);
    conn.on_bytes(b"P4", &now);
    assert!(matches!(conn.next_step(&now), Step::NeedBytes));
    assert_eq!(conn.next_deadline(), Some(due), "drops do not move it");
    now.instant = due;
    conn.on_deadline(&now, 0);
    let Step::Close(reason) = conn.next_step(&now) else {
        panic!("it is over")
    };
    assert_eq!(reason, CloseReason::HeaderTimeout);
    assert!(conn.next_transmit().is_none(), "without a word");
}

#[test]
fn the_header_is_required_where_it_is_declared_and_nowhere_else() {
    for backend in BACKENDS {
        let words = [
            "--hello",
            "--log",
            "plain",
            "--trusted-proxy",
            "203.0.113.9",
        ];
        let mut server = Server::start(backend, &[&words[..], &["--proxy-protocol"]].concat());
        for (header, fields, client) in [
            (TEXT, "", "203.0.113.9"),
            (BINARY, "", "203.0.113.9"),
            (TEXT_V6, "", "2001:db8::9"),
            (UNKNOWN, "", "127.0.0.1"),
            (LOCAL, "", "127.0.0.1"),
            // The named client is itself a proxy, which speaks for another.
            (TEXT, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
            (LOCAL, "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1"),
        ] {
            let answer = server.raw(&[header, get(fields).as_bytes()].concat());
            assert!(answer.ends_with("Hello, World!"), "{backend}: {answer}");
            assert_eq!(logged(&mut server), client, "{backend}");
        }
        for missing in [get(""), format!("PROXY TCP4 x\r\n{}", get(""))] {
            assert_eq!(server.raw(missing.as_bytes()), "", "{backend}");
        }
        let plain = Server::start(backend, &words);
        let guessed = plain.raw(&[TEXT, get("").as_bytes()].concat());
        assert!(guessed.starts_with("HTTP/1.1 400 "), "{backend}: {guessed}");
    }
}

#[test]
fn one_listener_may_expect_a_header_and_another_not() {
    let words = ["--hello", "-l", "127.0.0.1:0", "-l", "proxy:127.0.0.2:0"];
    let server = Server::start_with(&words);
    assert!(server.get("/").status == 200);
    assert_eq!(
        server.raw(&[TEXT, get("").as_bytes()].concat()).get(..12),
        Some("HTTP/1.1 400")
    );
    let words = ["--hello", "-l", "proxy:127.0.0.1:0", "-l", "127.0.0.2:0"];
    let server = Server::start_with(&words);
    assert_eq!(server.raw(get("").as_bytes()), "");
    assert!(
        server
            .raw(&[TEXT, get("").as_bytes()].concat())
            .ends_with("Hello, World!")
    );
}

#[test]
fn connections_are_counted_by_the_client_that_the_header_names() {
    for backend in ["edge", "level", "threads"] {
        let words = ["--hello", "--proxy-protocol", "--max-per-ip", "1"];
        let server = Server::start(backend, &words);
        let mut first = server.connect();
        first.send(&[TEXT, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(first.answer("GET").status, 200);
        let second = |header: &[u8]| server.raw(&[header, get("").as_bytes()].concat());
        assert_eq!(second(TEXT), "", "{backend}: its one place is taken");
        assert!(
            second(TEXT_V6).ends_with("Hello, World!"),
            "{backend}: another client"
        );
        drop(first);
        let begun = Instant::now();
        while second(TEXT).is_empty() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{backend}: the place is free again"
            );
        }
    }
}
