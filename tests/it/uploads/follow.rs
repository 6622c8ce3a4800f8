//! Files that are read while they are written.

use std::io::{BufRead, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;
use crate::harness::{Client, PATIENCE};
use crate::process::{MANY, each, processor};

/// A sender in the middle of a file, of which the server has taken the head.
fn begin(inbox: &Inbox, target: &str, fields: &[&str]) -> Client<TcpStream> {
    let mut client = inbox.server.connect();
    client.0.get_ref().set_nodelay(true).unwrap();
    let expect: &[&str] = &["Expect: 100-continue"];
    client.send(request("PUT", target, &[expect, fields].concat()).as_bytes());
    assert_eq!(client.head().status, 100, "{target}");
    client
}

/// A reader of it, and what its answer says.
fn follow(inbox: &Inbox, target: &str) -> (Client<TcpStream>, Answer) {
    let mut client = inbox.server.connect();
    let target = format!("{target}?follow");
    client.send(request("GET", &target, &[]).as_bytes());
    let head = client.head();
    (client, head)
}

/// So much content of an answer in chunks; less if it ends before.
fn read(client: &mut Client<TcpStream>, len: usize, chunk: &mut usize) -> Vec<u8> {
    let mut content = Vec::new();
    while content.len() < len {
        if *chunk == 0 {
            let mut line = String::new();
            client.0.read_line(&mut line).unwrap();
            *chunk = usize::from_str_radix(line.trim_end(), 16).unwrap();
            assert!(*chunk > 0, "it ends before its time");
        }
        let mut piece = vec![0; (*chunk).min(len - content.len())];
        client.0.read_exact(&mut piece).unwrap();
        *chunk -= piece.len();
        content.extend(piece);
        if *chunk == 0 {
            client.0.read_exact(&mut [0; 2]).unwrap();
        }
    }
    content
}

/// Each byte as it comes, by readers of any loop, from the begin, whenever they come.
#[test]
fn a_file_is_read_while_it_is_written() {
    each(&MANY, |backend| {
        let loops: &[&str] = match backend {
            "threads" => &["1"],
            _ => &["1", "3"],
        };
        for workers in loops {
            let inbox = Inbox::start(backend, &["--upload-follow", "--workers", workers]);
            let content = bytes(700_000);
            let pieces = [1, 1, 5, 70_000, 3, 400_000, 20_000];
            let mut sender = begin(&inbox, "/inbox/new/a", &["Transfer-Encoding: chunked"]);
            let (mut readers, mut sent) = (Vec::new(), 0);
            for piece in pieces {
                let (client, head) = follow(&inbox, "/inbox/new/a");
                assert_eq!(head.status, 200, "{backend}");
                assert_eq!(head.field("Transfer-Encoding"), Some("chunked"));
                assert_eq!(head.field("Content-Type"), Some("application/octet-stream"));
                readers.push((client, 0, 0));
                sender.send(format!("{piece:x}\r\n").as_bytes());
                sender.send(&content[sent..sent + piece]);
                sender.send(b"\r\n");
                sent += piece;
                for (client, at, chunk) in &mut readers {
                    let more = read(client, sent - *at, chunk);
                    assert!(more == content[*at..sent], "{backend} {workers}: {sent}");
                    *at = sent;
                }
            }
            assert_eq!(inbox.server.get("/inbox/new/a").status, 404, "{backend}");
            sender.send(b"0\r\n\r\n");
            assert_eq!(sender.answer("PUT").status, 201, "{backend}");
            for (mut client, ..) in readers {
                let mut end = [0; 5];
                client.0.read_exact(&mut end).unwrap();
                assert_eq!(&end, b"0\r\n\r\n", "{backend}");
                assert_eq!(client.ask("GET", "/inbox/", &[]).status, 200, "{backend}");
            }
            assert!(inbox.tree()["new/a"] == content[..sent], "{backend}");
            assert_eq!(inbox.server.get("/inbox/new/a?follow").body.len(), sent);
        }
    });
}

/// Broken off by its sender, refused at its end, or cut by a stop: no last chunk, and the end.
#[test]
fn what_breaks_off_ends_visibly() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--upload-follow", "--max-upload=10"]);
        let wrong = format!("Repr-Digest: {}", digest(b"other"));
        let check = |fields: &[&str], more: &[u8], shown: &str| {
            let mut sender = begin(&inbox, "/inbox/a", fields);
            let (mut reader, _) = follow(&inbox, "/inbox/a");
            sender.send(more);
            drop(sender);
            assert_eq!(reader.rest(), shown, "{backend} {fields:?}");
            assert_eq!(inbox.names(), [""; 0], "{backend}");
        };
        let length = "Content-Length: 3";
        check(&["Content-Length: 4"], b"abc", "3\r\nabc\r\n");
        check(&[length, &wrong], b"abc", "3\r\nabc\r\n");
        let coded = "Transfer-Encoding: chunked";
        check(&[coded], b"3\r\nabc\r\n9\r\n123456789", "3\r\nabc\r\n");
    });
}

/// A part of a resumable upload, and a file of a form.
#[test]
fn whatever_brings_a_file_it_can_be_followed() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--upload-follow"]);
        let begun = inbox.put("/inbox/a", &["Upload-Complete: ?0"], b"");
        let upload = begun.field("Location").unwrap();
        let patch = |offset: &str, complete: &str, content: &[u8]| {
            let mut sender = inbox.server.connect();
            let fields = [offset, complete, "Content-Length: 6"];
            sender.send(request("PATCH", upload, &fields).as_bytes());
            sender.send(content);
            sender
        };
        let first = patch("Upload-Offset: 0", "Upload-Complete: ?0", b"abcdef").answer("PATCH");
        assert_eq!(first.status, 204, "{backend}");
        // Nobody sends it now.
        assert_eq!(follow(&inbox, "/inbox/a").1.status, 404, "{backend}");
        let mut sender = patch("Upload-Offset: 6", "Upload-Complete: ?1", b"ghi");
        let (mut reader, head) = follow_soon(&inbox, "/inbox/a");
        assert_eq!(head.status, 200);
        sender.send(b"jkl");
        assert_eq!(sender.answer("PATCH").status, 201, "{backend}");
        assert_eq!(read(&mut reader, 12, &mut 0), b"abcdefghijkl", "{backend}");

        // Of a form the heads of parts are seen with the next full buffer.
        let mut sender = inbox.server.connect();
        let content = bytes(300_000);
        let whole = form(&[("b", &content)]);
        let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}");
        let length = format!("Content-Length: {}", whole.len());
        sender.send(request("POST", "/inbox/sub/", &[&kind, &length]).as_bytes());
        let (most, rest) = whole.split_at(290_000);
        sender.send(most);
        let (mut reader, head) = follow_soon(&inbox, "/inbox/sub/b");
        assert_eq!(head.status, 200, "{backend}");
        sender.send(rest);
        assert_eq!(sender.answer("POST").status, 303, "{backend}");
        assert!(
            read(&mut reader, content.len(), &mut 0) == content,
            "{backend}"
        );
    });
}

/// Where one client is served after the other, nobody sends while another reads.
#[test]
fn one_after_the_other_nothing_is_followed_and_nobody_waits() {
    let inbox = Inbox::start("blocking", &["--upload-follow"]);
    let begun = inbox.put("/inbox/a", &["Upload-Complete: ?0"], b"");
    assert_eq!(begun.status, 201);
    assert_eq!(inbox.server.get("/inbox/a?follow").status, 404);
    assert_eq!(inbox.put("/inbox/b", &[], b"abc").status, 201);
    assert_eq!(inbox.server.get("/inbox/b?follow").text(), "abc");
}

/// The head of the request may still be on its way.
fn follow_soon(inbox: &Inbox, target: &str) -> (Client<TcpStream>, Answer) {
    let begun = Instant::now();
    loop {
        let (client, head) = follow(inbox, target);
        if head.status == 200 || begun.elapsed() > PATIENCE {
            return (client, head);
        }
    }
}

/// Only who asks for it, only where it is switched on, and never out of a drop box.
#[test]
fn nothing_is_shown_before_its_time_unless_that_was_said() {
    each(&MANY, |backend| {
        for (words, status) in [
            (&["--upload-follow"][..], 200),
            (&[], 404),
            (&["--upload-only"], 403),
        ] {
            let inbox = Inbox::start(backend, words);
            let mut sender = begin(&inbox, "/inbox/a", &["Content-Length: 4"]);
            sender.send(b"abc");
            assert_eq!(follow(&inbox, "/inbox/a").1.status, status, "{backend}");
            for other in ["/inbox/a", "/inbox/b?follow", "/a?follow", "/inbox/a?x"] {
                let status = inbox.server.get(other).status;
                assert!(matches!(status, 403 | 404), "{backend} {other}: {status}");
            }
            let old = b"GET /inbox/a?follow HTTP/1.0\r\n\r\n";
            assert!(
                !inbox.server.raw(old).starts_with("HTTP/1.1 200"),
                "{backend}"
            );
        }
    });
}

/// What has come is not only for those who were there, nor is it lost for them where no more comes.
#[test]
fn who_comes_while_nothing_is_sent_gets_what_was() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--upload-follow"]);
        let mut sender = begin(&inbox, "/inbox/a", &["Content-Length: 6"]);
        sender.send(b"hello");
        let (mut reader, _) = follow(&inbox, "/inbox/a");
        assert_eq!(read(&mut reader, 5, &mut 0), b"hello", "{backend}");
        drop(sender);
        let end = reader.0.read_to_end(&mut Vec::new());
        assert_eq!(end.unwrap_or(0), 0, "{backend}: no last chunk");
    });
}

/// Readers that wait cost no time, and a client that is gone is let go.
#[test]
fn who_waits_for_more_costs_nothing() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--upload-follow"]);
        let mut sender = begin(&inbox, "/inbox/a", &["Content-Length: 4"]);
        sender.send(b"abc");
        let mut readers: Vec<_> = (0..20).map(|_| follow(&inbox, "/inbox/a").0).collect();
        let before = processor(inbox.server.pid());
        std::thread::sleep(Duration::from_millis(200));
        let spent = processor(inbox.server.pid()) - before;
        assert!(spent < Duration::from_millis(80), "{backend}: {spent:?}");
        sender.send(b"d");
        assert_eq!(sender.answer("PUT").status, 201, "{backend}");
        for reader in &mut readers {
            assert_eq!(read(reader, 4, &mut 0), b"abcd", "{backend}");
        }
    });
}
