//! Every byte that was sent, and none that was not.

use std::fs::File;
use std::io::Read;
use std::sync::LazyLock;

use super::*;
use crate::harness::BACKENDS;
use crate::process::{each, memory_peak_kib};

/// Around the reads of the drivers (64 KiB) and the buffer of an upload (256 KiB).
const SIZES: [usize; 13] = [
    0,
    1,
    8191,
    8192,
    8193,
    65_535,
    65_536,
    65_537,
    262_143,
    262_144,
    262_145,
    524_289,
    1 << 20,
];

#[test]
fn a_file_of_any_size_arrives_as_it_was_sent() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        for size in SIZES {
            let content = bytes(size);
            for (name, chunk) in [
                ("sized", 0),
                ("small-chunks", 4093),
                ("large-chunks", 300_000),
            ] {
                let target = format!("/inbox/{name}-{size}");
                let answer = match chunk {
                    0 => inbox.put(&target, &[], &content),
                    _ => {
                        let head = request("PUT", &target, &["Transfer-Encoding: chunked"]);
                        inbox.send("PUT", head.as_bytes(), &chunked(&content, chunk))
                    }
                };
                assert_eq!(answer.status, 201, "{backend} {target}: {answer:?}");
                assert_eq!(answer.field("Location"), Some(target.as_str()));
                assert_eq!(answer.field("Repr-Digest"), Some(digest(&content).as_str()));
                let there = fs::read(inbox.path(&format!("{name}-{size}"))).unwrap();
                assert!(
                    there == content,
                    "{backend} {target}: {} bytes",
                    there.len()
                );
            }
        }
        assert_eq!(inbox.names().len(), 3 * SIZES.len());
    });
}

#[test]
fn a_large_file_arrives_as_it_was_sent_and_is_served_so() {
    let content = bytes(20 << 20);
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let answer = inbox.put("/inbox/large", &[], &content);
        assert_eq!(answer.status, 201, "{backend}");
        let got = inbox.server.get("/inbox/large");
        assert!(got.body == content, "{backend}");
        let whole = form(&[("a.bin", &content), ("b.bin", &content[1..])]);
        assert_eq!(inbox.post("/inbox/", &[], &whole).status, 303, "{backend}");
        let tree = inbox.tree();
        assert!(
            tree["a.bin"] == content && tree["b.bin"] == content[1..],
            "{backend}"
        );
    });
}

/// No more of it is in memory than a few buffers: not a sixth of it, with all that the process is.
#[test]
fn a_hundred_mebibytes_are_not_held_in_memory() {
    const BLOCKS: usize = 100;
    // Each block is like no other, and in its place.
    let block = |n: usize, into: &mut Vec<u8>| {
        into.clone_from(&BLOCK);
        into.chunks_mut(4096)
            .for_each(|page| page[..8].copy_from_slice(&n.to_be_bytes()));
    };
    static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(1 << 20));
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let mut client = inbox.server.connect();
        let length = format!("Content-Length: {}", BLOCKS << 20);
        client.send(request("PUT", "/inbox/large", &[&length]).as_bytes());
        let (mut sent, mut found) = (Vec::new(), vec![0; 1 << 20]);
        for n in 0..BLOCKS {
            block(n, &mut sent);
            client.send(&sent);
        }
        assert_eq!(client.answer("PUT").status, 201, "{backend}");
        let kib = memory_peak_kib(inbox.server.pid());
        assert!(kib < 16 * 1024, "{backend}: {kib} KiB");
        let mut file = File::open(inbox.path("large")).unwrap();
        fs::remove_file(inbox.path("large")).unwrap();
        assert_eq!(file.metadata().unwrap().len(), (BLOCKS << 20) as u64);
        for n in 0..BLOCKS {
            block(n, &mut sent);
            file.read_exact(&mut found).unwrap();
            assert!(sent == found, "{backend}: block {n}");
        }
    });
}

/// The tag of the answer is the one that GET sends, and serves for a change of what was sent.
#[test]
fn the_entity_tag_of_an_upload_is_that_of_the_file() {
    each(&BACKENDS, |backend| {
        for mode in ["stat", "content"] {
            let inbox = Inbox::start(backend, &["--etag", mode]);
            let put = inbox.put("/inbox/a", &[], b"one");
            let tag = put.field("ETag").unwrap().to_owned();
            let got = inbox.server.get("/inbox/a");
            assert_eq!(got.field("ETag"), Some(tag.as_str()), "{backend} {mode}");
        }
        let inbox = Inbox::start(backend, &[]);
        let tag = inbox
            .put("/inbox/a", &[], b"one")
            .field("ETag")
            .unwrap()
            .to_owned();
        let expects = format!("If-Match: {tag}");
        assert_eq!(
            inbox.put("/inbox/a", &[&expects], b"two").status,
            204,
            "{backend}"
        );
        assert_eq!(
            inbox.put("/inbox/a", &[&expects], b"three").status,
            412,
            "{backend}"
        );
        assert_eq!(inbox.server.get("/inbox/a").text(), "two", "{backend}");
    });
}

/// By content a tag is known only by reading the file, for which a condition is reason enough.
#[test]
fn conditions_hold_by_content_as_by_stamps() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--etag=content", "--on-conflict=replace"]);
        let put = inbox.put("/inbox/a", &[], b"one");
        let tag = put.field("ETag").unwrap().to_owned();
        let check = |field: String, status: u16, text: &str| {
            let answer = inbox.put("/inbox/a", &[&field], b"two");
            assert_eq!(answer.status, status, "{backend} {field}");
            assert_eq!(inbox.server.get("/inbox/a").text(), text, "{backend}");
        };
        check(format!("If-None-Match: {tag}, \"x\""), 412, "one");
        check("If-Match: \"x\"".into(), 412, "one");
        check(format!("If-Match: \"x\", {tag}"), 204, "two");
        check(format!("If-Match: {tag}"), 412, "two");
        check(format!("If-None-Match: {tag}"), 204, "two");
        let new = inbox.put("/inbox/new", &[&format!("If-None-Match: {tag}")], b"new");
        assert_eq!(new.status, 201, "{backend}");
    });
}

/// The tag is said at once, and yet it is never that of what an editor writes into the same file in
/// the next moment, with the same length.
#[test]
fn an_edit_right_behind_an_upload_shows() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        for _ in 0..20 {
            let put = inbox.put("/inbox/a", &[], b"one");
            fs::write(inbox.path("a"), "two").unwrap();
            let got = inbox.server.get("/inbox/a");
            assert_eq!(got.text(), "two", "{backend}");
            assert_ne!(got.field("ETag"), put.field("ETag"), "{backend}");
            let expects = format!("If-Match: {}", put.field("ETag").unwrap());
            let late = inbox.put("/inbox/a", &[&expects], b"three");
            assert_eq!(late.status, 412, "{backend}");
        }
    });
}

#[test]
fn content_that_is_not_what_its_digest_says_is_not_kept() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let (right, wrong) = (digest(b"content"), digest(b"other"));
        for field in ["Repr-Digest", "Content-Digest"] {
            let check = |value: &str, status| {
                let answer = inbox.put("/inbox/new/a", &[&format!("{field}: {value}")], b"content");
                assert_eq!(answer.status, status, "{backend} {field}: {value}");
                let kept = inbox.names();
                assert_eq!(
                    kept.is_empty(),
                    status != 201,
                    "{backend} {value}: {kept:?}"
                );
                let _ = fs::remove_dir_all(inbox.path("new"));
            };
            check(&wrong, 400);
            check(&format!("{right}, {wrong}"), 400);
            check("sha-256=:AAAA:", 400);
            check("sha-256=AAAA", 400);
            check(&right, 201);
            check(&format!("md5=:AAAA:, {right};why=\"x\""), 201);
            check("sha-512=:AAAA:", 201);
        }
    });
}

/// RFC 9110 §10.1.1: a client that waits for permission sends nothing that would be thrown away.
#[test]
fn what_is_refused_is_refused_before_it_is_sent() {
    each(&BACKENDS, |backend| {
        let words = ["--max-upload=100", "--upload-quota=150"];
        let inbox = Inbox::start(backend, &words);
        assert_eq!(inbox.put("/inbox/a", &[], &[b'a'; 60]).status, 201);
        let check = |target: &str, fields: &[&str], status| {
            let mut client = inbox.server.connect();
            let expect: &[&str] = &["Expect: 100-continue"];
            client.send(request("PUT", target, &[expect, fields].concat()).as_bytes());
            let first = client.head();
            assert_eq!(
                first.status, status,
                "{backend} {target} {fields:?}: {}",
                first.head
            );
            // RFC 9110 §12.5.3.
            let encodings = (status == 415).then_some("identity");
            assert_eq!(first.field("Accept-Encoding"), encodings, "{backend}");
            if status == 100 {
                client.send(b"abc");
                assert_eq!(client.answer("PUT").status, 201, "{backend}");
            }
        };
        check("/inbox/a", &["Content-Length: 3"], 409);
        check("/inbox/a/b", &["Content-Length: 3"], 409);
        check("/inbox/new", &["Content-Length: 101"], 413);
        check("/inbox/new", &["Content-Length: 99"], 507);
        check("/inbox/new", &["Content-Length: 3", "If-Match: *"], 412);
        check("/inbox/a", &["Content-Length: 3", "If-None-Match: *"], 412);
        check(
            "/inbox/new",
            &["Content-Length: 3", "Content-Encoding: gzip"],
            415,
        );
        check(
            "/inbox/new",
            &["Content-Length: 3", "Content-Range: bytes 0-2/9"],
            400,
        );
        check(
            "/inbox/new",
            &["Content-Length: 3", "Repr-Digest: sha-256=x"],
            400,
        );
        check(
            "/inbox/new",
            &["Content-Length: 3", "Sec-Fetch-Site: cross-site"],
            403,
        );
        check("/inbox/.new", &["Content-Length: 3"], 400);
        check("/a", &["Content-Length: 3"], 405);
        assert_eq!(inbox.names(), ["a"], "{backend}");
        check("/inbox/new", &["Content-Length: 3"], 100);
        assert_eq!(inbox.names(), ["a", "new"], "{backend}");
    });
}

#[test]
fn a_client_of_http_1_0_can_send_a_file() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let sent = b"PUT /inbox/a HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc";
        let answer = inbox.server.raw(sent);
        assert!(answer.starts_with("HTTP/1.1 201"), "{backend}: {answer}");
        assert_eq!(inbox.tree()["a"], b"abc", "{backend}");
        // One that ends with the connection would be kept without any of it.
        let answer = inbox.server.raw(b"PUT /inbox/b HTTP/1.0\r\n\r\nabc");
        assert!(answer.starts_with("HTTP/1.1 411"), "{backend}: {answer}");
        assert_eq!(inbox.names(), ["a"], "{backend}");
    });
}

/// The methods of the directory, and those of a browser that asks for another site.
#[test]
fn other_methods_are_answered_as_before() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--cors"]);
        let ask =
            |method: &str, target: &str, fields: &[&str]| inbox.server.ask(method, target, fields);
        for method in ["DELETE", "PATCH", "MKCOL"] {
            let answer = ask(method, "/inbox/a", &[]);
            assert!(
                matches!(answer.status, 405 | 501),
                "{backend} {method}: {}",
                answer.head
            );
        }
        let answer = ask("DELETE", "/inbox/a", &[]);
        assert_eq!(answer.field("Allow"), Some("GET, HEAD, OPTIONS, POST, PUT"));
        let answer = ask("OPTIONS", "/inbox/", &[]);
        assert_eq!(
            (answer.status, answer.field("Allow")),
            (204, Some("GET, HEAD, OPTIONS, POST, PUT"))
        );
        let answer = ask("OPTIONS", "/inbox/a?upload=0123456789abcdef", &[]);
        let allow = Some("DELETE, HEAD, OPTIONS, PATCH");
        assert_eq!((answer.status, answer.field("Allow")), (204, allow));
        let answer = ask("OPTIONS", "/", &[]);
        assert!(
            !answer.field("Allow").unwrap().contains("PUT"),
            "{backend}: {}",
            answer.head
        );
        assert!(ask("OPTIONS", "*", &[]).status < 300, "{backend}");
        let preflight = ["Origin: http://other", "Access-Control-Request-Method: PUT"];
        let methods = ask("OPTIONS", "/inbox/a", &preflight);
        let methods = methods
            .field("Access-Control-Allow-Methods")
            .unwrap_or_default();
        assert!(!methods.contains("PUT"), "{backend}: {methods}");
        assert_eq!(ask("HEAD", "/inbox/", &[]).status, 200);
    });
}

/// The URL of a file begins with the prefix, and its names are encoded.
#[test]
fn a_prefix_stands_before_the_directory() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("in/box")).unwrap();
        let words = ["--prefix=/files", "--upload=in/box", "--log=off"];
        let server = Server::of(backend, root.path(), &words);
        let inbox = Inbox { server, root };
        let answer = inbox.put("/files/in/box/x/a%20b%25", &[], b"abc");
        assert_eq!(answer.status, 201, "{backend}: {}", answer.text());
        assert_eq!(answer.field("Location"), Some("/files/in/box/x/a%20b%25"));
        assert_eq!(inbox.server.get("/files/in/box/x/a%20b%25").text(), "abc");
        for outside in [
            "/in/box/a",
            "/files/in/boxes/a",
            "/files/in/box/../a",
            "/files/in/a",
        ] {
            let status = inbox.put(outside, &[], b"abc").status;
            assert!(matches!(status, 404 | 405), "{backend} {outside}: {status}");
        }
        let answer = inbox.post("/files/in/box", &[], &form(&[("b", b"x")]));
        assert_eq!(
            answer.field("Location"),
            Some("/files/in/box/"),
            "{backend}"
        );
    });
}
