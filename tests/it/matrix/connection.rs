//! What a connection lives through, on each backend.

use std::io::{BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use super::{Site, Six};
use crate::harness::{Client, PATIENCE, Server, ipv6, matrix, request};

matrix! {
    /// RFC 9112 §9.3.2: answers in the order of the requests.
    fn sixteen_requests_in_one_write(backend) {
        let site = Site::new(&[]);
        for n in 0..16 {
            site.write(&format!("{n}"), format!("content {n}"));
        }
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        let batch: String = (0..16).map(|n| request("GET", &format!("/{n}"), &[])).collect();
        client.send(batch.as_bytes());
        let answered = if backend == "blocking" { 1 } else { 16 };
        for n in 0..answered {
            assert_eq!(client.answer("GET").text(), format!("content {n}"));
        }
        if backend == "blocking" {
            client.expect_closed();
        }
    }

    fn a_connection_is_used_again(backend) {
        let server = Server::start(backend, &["--hello"]);
        let mut client = server.connect();
        if backend == "blocking" {
            assert_eq!(client.ask("GET", "/", &[]).field("Connection"), Some("close"));
            return client.expect_closed();
        }
        for _ in 0..3 {
            assert_eq!(client.ask("GET", "/", &[]).text(), "Hello, World!");
            assert_eq!(client.ask("HEAD", "/", &[]).text(), "");
            assert_eq!(client.ask("GET", "/none", &[]).status, 404);
        }
        let last = client.ask("GET", "/", &["Connection: close"]); // RFC 9112 §9.6
        assert_eq!(last.field("Connection"), Some("close"));
        client.expect_closed();
    }

    /// RFC 9112 §9.3: closed unless the client asks for more, and says so.
    fn http_1_0(backend) {
        let server = Server::start(backend, &["--hello"]);
        let answer = server.raw(b"GET / HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer}");
        let mut client = server.connect();
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer("GET");
        let kept = if backend == "blocking" { "close" } else { "keep-alive" };
        assert_eq!(answer.field("Connection"), Some(kept));
        match backend {
            "blocking" => client.expect_closed(),
            _ => assert_eq!(client.ask("GET", "/", &[]).status, 200),
        }
    }

    /// A browser that was told https:// gets an answer that a person can read, where it shows it,
    /// and the log says what came (RFC 8446 §5.1: a handshake record of version 3.x).
    fn tls_on_the_plain_port(backend) {
        let mut server = Server::start(backend, &["--hello", "--log", "plain"]);
        let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
        hello.extend((0..=255).cycle().take(506));
        for one_write in [true, false] {
            let mut client = server.connect();
            client.0.get_mut().set_nodelay(true).unwrap();
            for piece in hello.chunks(if one_write { hello.len() } else { 1 }) {
                // Answered at the second byte: the rest may meet a closed connection.
                let _ = client.0.get_mut().write_all(piece);
            }
            let answer = client.answer("GET");
            assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
            assert_eq!((answer.status, answer.field("Connection")), (400, Some("close")));
            assert!(answer.text().contains("http://"), "{}", answer.text());
            let mut line = String::new();
            server.out.read_line(&mut line).unwrap();
            assert!(line.contains(" \"TLS handshake\" 400 "), "{line}");
        }
        // Nothing else is taken for it.
        let answer = server.raw(b"\x16\x02\x01\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("TLS"), "{answer}");
        assert_eq!(server.get("/").text(), "Hello, World!");
    }

    /// Content that is not wanted is read and forgotten while it is small.
    fn an_upload_that_is_refused(backend) {
        let server = Server::start(backend, &["--hello"]);
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n");
        assert_eq!(client.answer("POST").status, 405);
        if backend != "blocking" {
            assert_eq!(client.ask("GET", "/", &[]).text(), "Hello, World!");
        }
        // Where it is large, the connection is the price, but the answer arrives.
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
        let _ = client.0.get_mut().write_all(&[b'x'; 500_000]);
        let answer = client.answer("POST");
        assert_eq!((answer.status, answer.field("Connection")), (405, Some("close")));
        client.expect_closed();
        let answer = server.ask("POST", "/", &["Content-Length: 99999999"]);
        assert!([405, 413].contains(&answer.status), "{}", answer.head);
    }

    /// RFC 9112 §6.3: what could be read in two ways is answered and never read on.
    fn doubtful_framing(backend) {
        let server = Server::start(backend, &["--hello"]);
        let smuggled = "GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
        for (fields, status) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "400"),
            ("Content-Length: 1\r\nContent-Length: 2\r\n", "400"),
            ("Transfer-Encoding: gzip, chunked, gzip\r\n", "400"),
            ("Content-Length : 1\r\n", "400"),
            ("Content-Length: +1\r\n", "400"),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n{smuggled}");
            let answers = server.raw(head.as_bytes());
            let begin = format!("HTTP/1.1 {status} ");
            assert!(answers.starts_with(&begin), "{fields}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{fields}: {answers}");
        }
    }

    /// RFC 9110 §10.1.1: a final status instead of 100, and then no content is read.
    fn an_upload_that_asks_first(backend) {
        let server = Server::start(backend, &["--hello"]);
        let mut client = server.connect();
        client.send(request("PUT", "/", &["Content-Length: 5", "Expect: 100-continue"]).as_bytes());
        let answer = client.answer("PUT");
        assert_eq!((answer.status, answer.field("Connection")), (405, Some("close")));
        client.expect_closed();
    }

    /// shutdown(2): a client that will send no more still reads.
    fn a_half_closed_client_is_answered(backend) {
        let site = Site::new(&[("a", "small"), ("b", &"x".repeat(1_000_000))]);
        let server = Server::of(backend, site.root(), &[]);
        for (target, length) in [("/a", 5), ("/b", 1_000_000)] {
            let mut client = server.connect();
            client.send(request("GET", target, &[]).as_bytes());
            client.0.get_ref().shutdown(Shutdown::Write).unwrap();
            let answer = client.answer("GET");
            assert_eq!((answer.status, answer.body.len()), (200, length));
            client.expect_closed();
        }
    }

    /// RFC 9112 §2.2: nothing may depend on how a head is cut into segments.
    fn a_head_that_drips(backend) {
        let server = Server::start(backend, &["--hello"]);
        let mut client = server.connect();
        client.0.get_ref().set_nodelay(true).unwrap();
        for byte in request("GET", "/", &["X-A: b"]).as_bytes() {
            client.send(&[*byte]);
        }
        assert_eq!(client.answer("GET").text(), "Hello, World!");
    }

    /// A client that goes away in the middle costs nothing but its own answer.
    fn clients_that_vanish(backend) {
        let site = Site::new(&[("big", &"x".repeat(3_000_000)), ("a", "a")]);
        let server = Server::of(backend, site.root(), &[]);
        for _ in 0..10 {
            let mut client = server.connect();
            client.send(request("GET", "/big", &[]).as_bytes());
            let mut first = [0; 100];
            client.0.get_mut().read_exact(&mut first).unwrap();
        } // closed with bytes unread: the server sees a reset
        assert_eq!(server.get("/a").text(), "a");
    }

    fn every_address_answers(backend) {
        let site = Site::new(&[("a", "a")]);
        let socket = site.path("socket");
        let unix = format!("unix:{}", socket.display());
        let root = site.root().to_str().unwrap();
        let mut words = vec![root, "-b", backend, "-l", "127.0.0.1:0", "-l", "127.0.0.2:0", "-l", &unix];
        let ipv6 = ipv6();
        if ipv6 {
            words.extend(["-l", "[::1]:0"]);
        }
        let mut server = Server::start_with(&words);
        let mut told = server.told.clone();
        while told.lines().count() < words.len() / 2 {
            server.out.read_line(&mut told).unwrap();
        }
        let urls = told.lines().filter_map(|line| line.trim().strip_prefix("http://"));
        let addresses: Vec<_> = urls.map(|url| url.trim_end_matches('/')).collect();
        assert_eq!(addresses.len(), 2 + usize::from(ipv6), "{told}");
        for address in addresses {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(Client::new(stream).ask("GET", "/a", &[]).text(), "a", "{address}");
        }
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(Client::new(stream).ask("GET", "/a", &[]).text(), "a");
    }

    fn a_line_in_the_log(backend) {
        let mut server = Server::start(backend, &["--hello", "--log", "plain"]);
        server.ask("GET", "/a?b", &[]);
        let mut line = String::new();
        server.out.read_line(&mut line).unwrap();
        assert!(line.contains(" 127.0.0.1 \"GET /a?b HTTP/1.1\" 404 14 "), "{line}");
    }
}

/// One port for both families, so that `localhost` is one server.
#[test]
fn both_loopbacks_by_default() {
    if !ipv6() {
        return;
    }
    let mut server = Server::start_with(&["--hello", "--port", "0"]);
    let mut second = String::new();
    server.out.read_line(&mut second).unwrap();
    assert_eq!(
        second,
        format!("  http://[::1]:{}/\n", server.address.port())
    );
    let stream = TcpStream::connect(("::1", server.address.port())).unwrap();
    assert_eq!(Client::new(stream).ask("GET", "/", &[]).status, 200);
}

/// The date is on every answer (RFC 9110 §6.6.1), even on those of the connection itself.
#[test]
fn every_answer_is_dated() {
    let six = Six::start(&["--hello"]);
    for (backend, server) in &six.0 {
        for target in ["/", "/none", "bad"] {
            assert!(
                server.get(target).field("Date").is_some(),
                "{backend} {target}"
            );
        }
    }
}
