//! One table of byte conversations for all of them.

use super::client::Client;
use super::{ALL, Site};
use crate::harness::byte_by_byte;

/// What is sent on one connection, the statuses and contents that come back, and whether the
/// connection stays open then.
type Row = (
    &'static str,
    &'static str,
    &'static [(u16, &'static str)],
    bool,
);

const TABLE: &[Row] = &[
    (
        "a file",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "hello")],
        true,
    ),
    (
        "a query is not part of its name",
        "GET /a.txt?b=/../ HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "hello")],
        true,
    ),
    (
        "a directory has an index",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "<p>index")],
        true,
    ),
    (
        "each has",
        "GET /sub/ HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "<p>sub")],
        true,
    ),
    (
        "an empty file",
        "GET /empty.css HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "")],
        true,
    ),
    (
        "no such file",
        "GET /none HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a file is no directory",
        "GET /a.txt/ HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a directory is no file",
        "GET /sub HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a FIFO would never open",
        "GET /fifo HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a link inside",
        "GET /in HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "<p>sub")],
        true,
    ),
    (
        "two requests in one segment",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "hello"), (404, "404 Not Found")],
        true,
    ),
    (
        "three, and the last one closes",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
      GET /sub/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        &[(200, "hello"), (200, "<p>index"), (200, "<p>sub")],
        false,
    ),
    (
        "nothing is answered after a close",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nconnection: CLOSE\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "hello")],
        false,
    ),
    (
        "a close among others",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: te, close\r\n\r\n",
        &[(200, "hello")],
        false,
    ),
    (
        "HTTP/1.0 is one request",
        "GET /a.txt HTTP/1.0\r\n\r\n",
        &[(200, "hello")],
        false,
    ),
    (
        "an empty line before a request is nothing (RFC 9112 §2.2)",
        "\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(200, "hello")],
        true,
    ),
    (
        "a field that says what is so anyway",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
        &[(200, "hello")],
        true,
    ),
    (
        "content is not read",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        &[(200, "hello")],
        false,
    ),
    (
        "another method",
        "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        &[(405, "405 Method Not Allowed")],
        false,
    ),
    (
        "no host (RFC 9112 §3.2)",
        "GET /a.txt HTTP/1.1\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "two hosts",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "no request line",
        "hello\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "four words",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "no colon",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nfield\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "a space before the colon (RFC 9112 §5.1)",
        "GET /a.txt HTTP/1.1\r\nHost : a\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "a folded field (RFC 9112 §5.2)",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "a NUL",
        "GET /a.txt HTTP/1.1\r\nHost: a\0\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "TLS",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "another version",
        "GET /a.txt HTTP/2.0\r\nHost: a\r\n\r\n",
        &[(400, "400 Bad Request")],
        false,
    ),
    (
        "dots",
        "GET /../secret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "dots behind a directory",
        "GET /sub/../../secret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "encoded dots",
        "GET /%2e%2e/secret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "encoded once more",
        "GET /%252e%252e/secret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "an encoded separator",
        "GET /..%2fsecret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "an absolute path",
        "GET //etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "an encoded absolute path",
        "GET /%2fetc%2fpasswd HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a path without a slash",
        "GET a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
    (
        "a NUL in a name",
        "GET /a.txt%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        &[(404, "404 Not Found")],
        true,
    ),
];

#[test]
fn each_conversation_in_one_segment() {
    for server in &ALL {
        let site = Site::of(server);
        for row in TABLE {
            let mut client = Client::of(&site.program);
            client.send(row.1.as_bytes());
            check(&site.name, row, client);
        }
    }
}

#[test]
fn each_conversation_byte_by_byte() {
    for server in &ALL {
        let site = Site::of(server);
        for row in TABLE {
            let mut client = Client::of(&site.program);
            byte_by_byte(&mut client.stream, row.1.as_bytes());
            check(&site.name, row, client);
        }
    }
}

/// Whoever is done with asking is answered all the same.
#[test]
fn each_conversation_with_a_half_close() {
    for server in &ALL {
        let site = Site::of(server);
        for row in TABLE {
            let mut client = Client::of(&site.program);
            client.send(row.1.as_bytes());
            client.half_close();
            check(&site.name, &(row.0, row.1, row.2, false), client);
        }
    }
}

fn check(server: &str, (name, _, answers, stays): &Row, mut client: Client) {
    let one_each = server.starts_with("20");
    let answers = if one_each { &answers[..1] } else { *answers };
    for (status, content) in answers {
        let answer = client.answer(false);
        let answer = answer.unwrap_or_else(|| panic!("{server}, {name}: no {status}"));
        let text = str::from_utf8(&answer.content).unwrap();
        assert_eq!(
            (answer.status, text),
            (*status, *content),
            "{server}, {name}"
        );
        if *status == 405 {
            assert_eq!(answer.field("Allow"), Some("GET, HEAD"), "{server}");
        }
    }
    if *stays && !one_each {
        assert_eq!(client.get("/a.txt").content, b"hello", "{server}, {name}");
    } else {
        assert!(client.is_closed(), "{server}, {name}: it goes on");
    }
}

#[test]
fn a_head_is_answered_without_content() {
    for server in &ALL {
        let site = Site::of(server);
        for (target, status, length) in [("/a.txt", 200, "5"), ("/none", 404, "13")] {
            let mut client = Client::of(&site.program);
            // The empty line before it is nothing, here too.
            client.send(format!("\r\nHEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let answer = client.answer(true).unwrap();
            assert_eq!(answer.status, status, "{}", site.name);
            assert_eq!(
                answer.field("Content-Length"),
                Some(length),
                "{}",
                site.name
            );
            if !site.name.starts_with("20") {
                assert_eq!(client.get("/a.txt").content, b"hello", "{}", site.name);
            }
        }
    }
}

/// Also if the client sends on and on: closing with that unread would destroy the answer.
#[test]
fn a_head_without_an_end_is_refused() {
    for server in &ALL {
        let site = Site::of(server);
        let field = "GET /a.txt HTTP/1.1\r\nHost: a\r\nField: ";
        for length in [8 * 1024 - field.len(), 9_000, 3_000_000] {
            let mut client = Client::of(&site.program);
            client.send(field.as_bytes());
            client.send("x".repeat(length).as_bytes());
            assert_eq!(client.answer(false).unwrap().status, 400, "{}", site.name);
            drop(client);
        }
        // One byte less, and an end, is a head.
        let mut client = Client::of(&site.program);
        let rest = 8 * 1024 - field.len() - 4;
        client.send(format!("{field}{}\r\n\r\n", "x".repeat(rest)).as_bytes());
        assert_eq!(client.answer(false).unwrap().status, 200, "{}", site.name);
        drop(client);
        let fields = "a: b\r\n".repeat(100);
        let mut client = Client::of(&site.program);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        assert_eq!(client.answer(false).unwrap().status, 400, "{}", site.name);
    }
}

#[test]
fn the_type_is_told() {
    for server in &ALL {
        let site = Site::of(server);
        for (target, kind) in [
            ("/", "text/html"),
            ("/empty.css", "text/css"),
            ("/big.bin", "application/octet-stream"),
        ] {
            let answer = Client::of(&site.program).get(target);
            assert_eq!(answer.field("Content-Type"), Some(kind), "{}", site.name);
        }
    }
}

/// As their headers say: none decodes a path, and only the last one looks where a link leads.
#[test]
fn no_path_is_decoded_and_the_last_one_checks_links() {
    for server in &ALL {
        let site = Site::of(server);
        let status = |target| Client::of(&site.program).get(target).status;
        assert_eq!(status("/%61.txt"), 404, "{}", site.name);
        let led_out = if site.name.starts_with("26") {
            404
        } else {
            200
        };
        assert_eq!(status("/out"), led_out, "{}", site.name);
    }
}

#[test]
fn the_last_one_has_a_route_of_its_own() {
    for server in &ALL[6..] {
        let site = Site::of(server);
        assert_eq!(
            Client::of(&site.program).get("/hello").content,
            b"Hello, World\n"
        );
        std::fs::write(site.root.join("hello"), "file").unwrap();
        assert_eq!(
            Client::of(&site.program).get("/hello?a").content,
            b"Hello, World\n"
        );
    }
}
