//! How it stops, and what it survives instead of stopping.

#![expect(clippy::disallowed_methods, reason = "clients wait")]

use std::io::{BufRead, Read};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{BACKENDS, Server, request, uninterrupted};
use crate::process::{connect, each, exit, freeze, signal, wait_until, widen, zeros};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Whether the server has stopped listening.
fn is_refused(server: &Server) -> bool {
    TcpStream::connect(server.address).is_err()
}

/// Scripts and supervisors stop what has just said that it serves.
#[test]
fn it_can_be_stopped_as_soon_as_it_says_that_it_serves() {
    for _ in 0..20 {
        let mut server = Server::start("edge", &["--hello"]);
        signal(server.pid(), Signal::TERM);
        assert_eq!(exit(server.child()).0, Some(0));
    }
}

#[test]
fn idle_it_stops_at_once() {
    each(&BACKENDS, |backend| {
        let mut server = Server::start(backend, &["--hello", "--grace", "10"]);
        let mut idle = server.connect();
        assert_eq!(idle.ask("GET", "/", &[]).status, 200);
        let mut silent = server.connect();
        sleep(ms(20)); // the silent one is in
        signal(server.pid(), Signal::TERM);
        let (code, took) = exit(server.child());
        assert_eq!(code, Some(0));
        // 0.1 s is promised; a machine that runs all tests at once may be late.
        assert!(took < ms(500), "{took:?}");
        eprintln!("{backend}: {took:?}");
        let mut rest = Vec::new();
        for client in [&mut idle, &mut silent] {
            let _ = client.0.read_to_end(&mut rest); // a reset would do for the silent one
        }
        assert_eq!(rest, b"", "nothing was said");
    });
}

#[test]
fn an_answer_in_flight_is_finished_while_new_clients_are_refused() {
    const LEN: u64 = 6 << 20;
    let root = zeros(LEN);
    each(&BACKENDS, |backend| {
        let mut server = Server::of(backend, root.path(), &["--grace", "15"]);
        let mut client = connect(&server, None, Some(4096));
        client.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(client.head().status, 200);
        signal(server.pid(), Signal::TERM);
        wait_until("new clients are refused", || is_refused(&server));
        widen(&client);
        let n = std::io::copy(&mut client.0, &mut std::io::sink()).unwrap();
        assert_eq!(n, LEN, "whole, and then the end");
        assert_eq!(exit(server.child()).0, Some(0));
    });
}

#[test]
fn patience_ends_with_the_grace() {
    let root = zeros(8 << 20);
    each(&BACKENDS, |backend| {
        let mut server = Server::of(backend, root.path(), &["--grace", "0.3"]);
        let mut client = connect(&server, None, Some(4096));
        client.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(client.head().status, 200);
        signal(server.pid(), Signal::TERM);
        let (code, took) = exit(server.child());
        assert_eq!(code, Some(0));
        assert!(took >= ms(250) && took < ms(3000), "{took:?}");
    });
}

/// A user who has pressed Ctrl-C wants to know why it is still there.
#[test]
fn a_stop_says_what_it_waits_for() {
    let root = zeros(8 << 20);
    each(&BACKENDS, |backend| {
        let mut server = Server::of(backend, root.path(), &["--grace", "60"]);
        let clients = if backend == "blocking" { 1 } else { 2 };
        let downloads: Vec<_> = (0..clients)
            .map(|_| {
                let mut client = connect(&server, None, Some(4096));
                client.send(request("GET", "/zeros", &[]).as_bytes());
                assert_eq!(client.head().status, 200);
                client
            })
            .collect();
        let _idle = server.connect();
        signal(server.pid(), Signal::TERM);
        let mut line = String::new();
        while !line.starts_with("httpoll stops") {
            line.clear();
            assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "said nothing");
        }
        let left = ["", "1 download", "2 downloads"][downloads.len()];
        let expected =
            format!("httpoll stops: {left} to finish, 60 s at most; again to stop now\n");
        assert_eq!(line, expected, "{backend}");
        signal(server.pid(), Signal::INT);
        assert_eq!(exit(server.child()).0, Some(1));
    });
}

#[test]
fn a_stop_tells_uploads_from_downloads() {
    each(&["edge", "threads"], |backend| {
        let root = zeros(8 << 20);
        let words = ["--grace", "60", "--upload"];
        let mut server = Server::of(backend, root.path(), &words);
        let mut download = connect(&server, None, Some(4096));
        download.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(download.head().status, 200);
        let mut upload = server.connect();
        let fields = ["Content-Length: 10", "Expect: 100-continue"];
        upload.send(request("PUT", "/a", &fields).as_bytes());
        assert_eq!(upload.head().status, 100);
        upload.send(b"12345");
        signal(server.pid(), Signal::INT);
        let mut line = String::new();
        while !line.starts_with("httpoll stops") {
            line.clear();
            assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "said nothing");
        }
        let expected = "httpoll stops: 1 download and 1 upload to finish, ";
        assert!(line.starts_with(expected), "{backend}: {line}");
    });
}

#[test]
fn a_second_signal_does_not_wait() {
    let root = zeros(8 << 20);
    each(&BACKENDS, |backend| {
        let mut server = Server::of(backend, root.path(), &["--grace", "60"]);
        let mut client = connect(&server, None, Some(4096));
        client.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(client.head().status, 200);
        signal(server.pid(), Signal::TERM);
        wait_until("it stops", || is_refused(&server));
        signal(server.pid(), Signal::INT);
        let (code, took) = exit(server.child());
        assert_eq!(code, Some(1));
        assert!(took < ms(2000), "{took:?}");
    });
}

/// All that neither ask a server to end nor tell of a bug, but for limits and real-time signals.
const OTHERS: [Signal; 14] = [
    Signal::HUP,
    Signal::PIPE,
    Signal::WINCH,
    Signal::CHILD,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
    Signal::URG,
    Signal::XFSZ,
];

#[test]
fn other_signals_are_survived_at_any_time() {
    const LEN: u64 = 3 << 20;
    let root = zeros(LEN);
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        let mut client = connect(&server, None, Some(4096));
        client.send(request("GET", "/zeros", &["Connection: close"]).as_bytes());
        assert_eq!(client.head().status, 200);
        let mut got = 0;
        let mut bytes = vec![0; 64 * 1024];
        loop {
            // While it waits, while it sends, while it is stopped and goes on.
            for sent in OTHERS {
                signal(server.pid(), sent);
            }
            freeze(server.pid());
            signal(server.pid(), Signal::CONT);
            match uninterrupted(|| client.0.get_mut().read(&mut bytes)).unwrap() {
                0 => break,
                n => got += n as u64,
            }
        }
        assert_eq!(got + client.0.buffer().len() as u64, LEN);
        drop(client);
        assert_eq!(server.get("/").status, 200);
    });
}

#[test]
fn after_kill_9_the_same_port_is_bound_at_once() {
    let root = zeros(8 << 20);
    each(&BACKENDS, |backend| {
        let mut server = Server::of(backend, root.path(), &[]);
        let mut client = connect(&server, None, Some(4096));
        client.send(request("GET", "/zeros", &[]).as_bytes());
        assert_eq!(client.head().status, 200);
        signal(server.pid(), Signal::KILL);
        assert_eq!(exit(server.child()).0, Some(-9));
        let address = server.address.to_string();
        let words = ["--hello", "--backend", backend, "--listen", &address];
        let again = Server::start_with(&words);
        assert_eq!(again.get("/").status, 200);
        drop(client); // its half of the old connection was there all the time
    });
}
