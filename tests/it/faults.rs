//! What goes wrong in the world: clients that vanish, files that change under way, code that
//! panics. No framing is ever wrong: where a promise cannot be kept, the connection ends.

#![expect(clippy::disallowed_methods, reason = "clients wait")]

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use httpoll::config::{Backend, Config, LogMode};
use httpoll::driver::Server as Library;
use httpoll::http::{Body, Chunk, Chunks, Request, Response, Status, Tick, Wake};
use httpoll::kernel::ListenAddr;
use httpoll::service::{Flow, Reply, Sink};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::Signal;

use crate::harness::{BACKENDS, Client, PATIENCE, Server, request};
use crate::process::{
    connect, descriptors, each, freeze, is_closed_by, settled_descriptors, signal, wait_until,
    widen, zeros,
};

/// More than a socket takes from a server whose client does not read (tcp_wmem, tcp(7)).
const LEN: usize = 6 << 20;

/// Closes with a reset instead of an end.
fn reset(client: Client<TcpStream>) {
    let stream = client.0.into_inner();
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&stream, at_once).unwrap();
}

#[test]
fn clients_that_vanish_cost_nothing() {
    let root = zeros(LEN as u64);
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        // The file is opened once and kept.
        assert_eq!(server.ask("HEAD", "/zeros", &[]).status, 200);
        let before = settled_descriptors(server.pid());
        for sent in [
            "",
            "GET / HT",
            "GET /zeros HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        ] {
            let mut client = connect(&server, None, Some(4096));
            client.send(sent.as_bytes());
            if sent.starts_with("GET /zeros") {
                assert_eq!(client.head().status, 200);
            }
            reset(client);
            let mut client = server.connect();
            client.send(sent.as_bytes());
            drop(client); // an end, and a reset for what was not read
        }
        assert_eq!(server.get("/").status, 200);
        wait_until("all is given back", || descriptors(server.pid()) <= before);
    });
}

/// `echo … | nc`: what was asked before the end is answered, all of it.
#[test]
fn a_half_closed_client_is_answered() {
    let root = zeros(LEN as u64);
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        let asked = if backend == "blocking" { 1 } else { 2 };
        let mut client = server.connect();
        client.send(request("GET", "/zeros", &[]).repeat(asked).as_bytes());
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        for _ in 0..asked {
            assert_eq!(client.answer("GET").body.len(), LEN);
        }
        client.expect_closed();
    });
}

/// A last answer that its client has not taken yet, and then more from that client: the kernel
/// meets bytes behind a close with a reset that destroys what it still holds (RFC 9112 §9.6).
#[test]
fn a_last_answer_arrives_whole_whatever_follows_the_request() {
    const HELD: usize = 256 * 1024; // fits a send buffer
    let root = zeros(HELD as u64);
    let asked = [
        "GET /zeros HTTP/1.0\r\n\r\n".to_owned(),
        request("GET", "/zeros", &["Connection: close"]),
    ];
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        for (asked, next) in asked.iter().zip(["\r\n", "GET /zeros HTTP/1.0\r\n\r\n"]) {
            let mut client = connect(&server, None, Some(4096));
            client.send(asked.as_bytes());
            // Our half is closed, behind an answer that is still in the kernel.
            wait_until("the end", || is_closed_by(&server, &client));
            client.send(next.as_bytes());
            widen(&client);
            assert_eq!(client.head().status, 200);
            let mut body = vec![];
            let read = client.0.read_to_end(&mut body);
            assert_eq!((body.len(), read.ok()), (HELD, Some(HELD)));
        }
    });
}

#[test]
fn a_request_may_come_in_segments_of_one_byte() {
    each(&BACKENDS, |backend| {
        let server = Server::start(backend, &["--hello"]);
        let mut client = server.connect();
        client.0.get_ref().set_nodelay(true).unwrap();
        let request = request("GET", "/", &["Connection: close"]);
        for byte in request.as_bytes() {
            client.send(&[*byte]);
        }
        assert_eq!(client.answer("GET").text(), "Hello, World!");
        client.expect_closed();
    });
}

/// A file of [`LEN`] bytes `a`, of which a client has begun to take the answer; then `change`.
/// How many bytes of content came before the connection ended or [`LEN`] was full, and the next
/// answer if there was one.
fn changed(backend: &str, change: impl Fn(&std::path::Path)) -> (Vec<u8>, Option<u16>) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    fs::write(&path, vec![b'a'; LEN]).unwrap();
    let server = Server::of(backend, root.path(), &[]);
    let mut client = connect(&server, None, Some(4096));
    client.send(request("GET", "/file", &[]).as_bytes());
    let head = client.head();
    assert_eq!(head.field("Content-Length"), Some(&*LEN.to_string()));
    // It sends until the socket is full, which is long before the end.
    sleep(Duration::from_millis(100));
    change(&path);
    client.send(request("GET", "/", &[]).as_bytes());
    let mut body = vec![];
    widen(&client);
    // It may end by a reset, because our second request was not read: an end all the same.
    let read = (&mut client.0).take(LEN as u64).read_to_end(&mut body);
    let is_reset = read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    if is_reset {
        return (body, None);
    }
    if body.len() == LEN && backend != "blocking" {
        let next = client.answer("GET").status;
        return (body, Some(next));
    }
    assert_eq!(client.rest(), "");
    (body, None)
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    each(&BACKENDS, |backend| {
        let (body, next) = changed(backend, |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(0).unwrap();
        });
        assert!(body.len() < LEN, "{}", body.len());
        assert!(
            body.iter().all(|byte| *byte == b'a'),
            "nothing but the file"
        );
        assert_eq!(next, None);
    });
}

#[test]
fn a_file_deleted_replaced_or_appended_to_is_sent_as_it_was() {
    let append = |path: &std::path::Path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"bbbb").unwrap();
    };
    let replace = |path: &std::path::Path| {
        let new = path.with_extension("new");
        fs::write(&new, "b").unwrap();
        fs::rename(new, path).unwrap();
    };
    let delete = |path: &std::path::Path| fs::remove_file(path).unwrap();
    each(&BACKENDS, |backend| {
        for change in [
            &append as &(dyn Fn(&std::path::Path) + Sync),
            &replace,
            &delete,
        ] {
            let (body, next) = changed(backend, change);
            assert_eq!(body.len(), LEN);
            assert!(body.iter().all(|byte| *byte == b'a'), "one version only");
            assert_eq!(next, (backend != "blocking").then_some(200));
        }
    });
}

#[test]
fn files_from_before_1970_and_from_the_future_are_served() {
    let root = tempfile::tempdir().unwrap();
    let hundred_years = Duration::from_secs(100 * 365 * 86400);
    let epoch = SystemTime::UNIX_EPOCH;
    let times = [
        epoch - hundred_years,
        epoch,
        SystemTime::now() + hundred_years,
    ];
    for (at, time) in times.into_iter().enumerate() {
        let file = File::create(root.path().join(at.to_string())).unwrap();
        file.set_modified(time).unwrap();
    }
    each(&BACKENDS, |backend| {
        let server = Server::of(backend, root.path(), &[]);
        for at in 0..3 {
            let answer = server.get(&format!("/{at}"));
            assert_eq!(answer.status, 200);
            // RFC 9110 §8.8.2.1: never later than the answer's own Date.
            let modified = answer.field("Last-Modified");
            assert!(at < 2 || modified.is_none_or(|m| Some(m) == answer.field("Date")));
        }
    });
}

// ------------------------------------------------------------------ reads that end early

/// A client's whole request, as it is sent: where it is cut in two, something stands that ends a
/// read.
fn send_in_two<S: AsFd>(stream: &S, separator: impl Fn(&S, &[u8])) {
    let whole = request("GET", "/", &["Connection: close"]);
    let (begin, end) = whole.as_bytes().split_at(20);
    separator(stream, begin);
    rustix::net::send(stream, end, SendFlags::empty()).unwrap();
}

/// A byte of urgent data (tcp(7)) behind these.
fn urgent<S: AsFd>(stream: &S, begin: &[u8]) {
    rustix::net::send(stream, begin, SendFlags::empty()).unwrap();
    rustix::net::send(stream, b"!", SendFlags::OOB).unwrap();
}

/// With a descriptor (unix(7), `SCM_RIGHTS`).
fn descriptor<S: AsFd>(stream: &S, begin: &[u8]) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let rights = [stream.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&rights)));
    let bytes = [std::io::IoSlice::new(begin)];
    rustix::net::sendmsg(stream, &bytes, &mut control, SendFlags::empty()).unwrap();
}

/// The kernel announces a stretch of bytes once, and a read may end before it does.
#[test]
fn what_stands_behind_urgent_data_or_a_descriptor_is_read() {
    each(&BACKENDS, |backend| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let listen = format!("unix:{}", path.display());
        let server = Server::start(backend, &["--hello", "-l", &listen]);
        // All of it is there when the server looks, and has come in one go.
        let stopped = |act: &dyn Fn()| {
            freeze(server.pid());
            act();
            signal(server.pid(), Signal::CONT);
        };
        let check = |answer: String| assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        for is_known in [false, true] {
            let mut client = server.connect();
            let stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut local = Client::new(stream);
            if is_known && backend != "blocking" {
                assert_eq!(client.ask("GET", "/", &[]).status, 200);
                assert_eq!(local.ask("GET", "/", &[]).status, 200);
            }
            stopped(&|| send_in_two(client.0.get_ref(), urgent));
            check(client.rest());
            stopped(&|| send_in_two(local.0.get_ref(), descriptor));
            check(local.rest());
        }
    });
}

// ------------------------------------------------------------------ code that panics

/// A service with a panic in every place where there is foreign code.
fn treacherous(request: &Request<'_>, _: &Tick) -> Reply {
    struct Trap;
    impl Chunks for Trap {
        fn next_chunk(&mut self, _: &Wake) -> Chunk {
            panic!("in a stream")
        }
    }
    impl Sink for Trap {
        fn write(&mut self, _: &[u8], _: &Wake) -> Result<Flow, Response> {
            panic!("in a sink")
        }
        fn finish(self: Box<Self>) -> Reply {
            panic!("at the end of a sink")
        }
    }
    match request.path() {
        "/call" => panic!("in a handler"),
        "/job" => Reply::Later(Box::new(|| panic!("in a job"))),
        "/stream" => {
            let body = Body::Stream(Box::new(Trap));
            Reply::Now(Response::new(Status::OK).body(body))
        }
        "/sink" => Reply::Receive(Box::new(Trap)),
        _ => Reply::Now(Response::text("alive")),
    }
}

/// Not a test: the program of the next one, which starts it in a process of its own.
#[test]
#[ignore = "serves until it is killed"]
fn a_treacherous_server() {
    let Ok(backend) = std::env::var("HTTPOLL_TEST_BACKEND") else {
        return;
    };
    let backend = Backend::ALL.into_iter().find(|b| b.name() == backend);
    let config = Config {
        backend: backend.unwrap(),
        listen: vec![ListenAddr::Tcp("127.0.0.1:0".parse().unwrap())],
        log: LogMode::Off,
        ..Config::default()
    };
    let server = Library::bind(config).unwrap();
    let ListenAddr::Tcp(address) = &server.addresses()[0] else {
        panic!("TCP was asked for");
    };
    println!("\nhttp://{address}/");
    server.run(|| treacherous).unwrap();
}

#[test]
fn a_panic_costs_its_request_and_not_the_server() {
    each(&BACKENDS, |backend| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "faults::a_treacherous_server", "--ignored"])
            .args(["--nocapture", "--test-threads=1"])
            .env("HTTPOLL_TEST_BACKEND", backend)
            .stderr(std::process::Stdio::null());
        let server = Server::run(command);
        for target in ["/call", "/job"] {
            let mut client = server.connect();
            let answer = client.ask("GET", target, &[]);
            assert_eq!(answer.status, 500, "{target}");
            assert_eq!(answer.field("Connection"), Some("close"));
            client.expect_closed();
        }
        for content in ["", "x"] {
            let mut client = server.connect();
            let length = format!("Content-Length: {}", content.len());
            client.send(request("POST", "/sink", &[&length]).as_bytes());
            client.send(content.as_bytes());
            assert_eq!(client.answer("POST").status, 500, "{content:?}");
            client.expect_closed();
        }
        // Its answer has begun: it must be seen to be incomplete, without a last chunk.
        let cut = server.raw(request("GET", "/stream", &[]).as_bytes());
        assert!(!cut.contains("0\r\n\r\n"), "{cut}");
        if backend != "blocking" {
            let both = request("GET", "/", &[]) + &request("GET", "/stream", &[]);
            let cut = server.raw(both.as_bytes());
            assert!(cut.contains("\r\n\r\nalive"), "whole before it: {cut}");
        }
        assert_eq!(server.get("/").text(), "alive");
    });
}
