//! Room: for one file, for all, on the disk; and time.

use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustix::process::Signal;

use super::*;
use crate::harness::{BACKENDS, Client, skip};
use crate::process::{MANY, each, exit, settled_descriptors, signal, start_limited, wait_until};

#[test]
fn one_file_has_a_limit() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--max-upload=1000"]);
        assert_eq!(
            inbox.put("/inbox/a", &[], &bytes(1000)).status,
            201,
            "{backend}"
        );
        assert_eq!(
            inbox.put("/inbox/b", &[], &bytes(1001)).status,
            413,
            "{backend}"
        );
        let head = request("PUT", "/inbox/c", &["Transfer-Encoding: chunked"]);
        for (len, status) in [(1001, 413), (2_000_000, 413), (1000, 201)] {
            let answer = inbox.send("PUT", head.as_bytes(), &chunked(&bytes(len), 500));
            assert_eq!(answer.status, status, "{backend} {len}");
        }
        assert_eq!(inbox.names(), ["a", "c"], "{backend}");
        // The limit of other requests is not that of uploads, nor the other way round.
        let inbox = Inbox::start(backend, &["--max-body=10"]);
        assert_eq!(
            inbox.put("/inbox/a", &[], &bytes(1000)).status,
            201,
            "{backend}"
        );
        assert_eq!(inbox.put("/a", &[], &bytes(1000)).status, 413, "{backend}");
    });
}

/// What failed gives its part back.
#[test]
fn all_uploads_together_have_a_quota() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--upload-quota=1000000", "--on-conflict=refuse"]);
        let chunks = request("PUT", "/inbox/big", &["Transfer-Encoding: chunked"]);
        let wrong = format!("Repr-Digest: {}", digest(b"other"));
        assert_eq!(
            inbox.put("/inbox/a", &[], &bytes(300_000)).status,
            201,
            "{backend}"
        );
        for _ in 0..3 {
            assert_eq!(
                inbox.put("/inbox/big", &[], &bytes(700_001)).status,
                507,
                "{backend}"
            );
            let answer = inbox.send("PUT", chunks.as_bytes(), &chunked(&bytes(700_001), 9999));
            assert_eq!(answer.status, 507, "{backend}");
            assert_eq!(
                inbox.put("/inbox/big", &[&wrong], &bytes(700_000)).status,
                400
            );
            let files: [(&str, &[u8]); 2] = [("a", &bytes(600_000)), ("b", &bytes(700_001))];
            assert_eq!(
                inbox.post("/inbox/", &[], &form(&files)).status,
                409,
                "{backend}"
            );
            let mut gone = inbox.server.connect();
            gone.send(request("PUT", "/inbox/gone", &["Content-Length: 700000"]).as_bytes());
            gone.send(&bytes(600_000));
            drop(gone);
        }
        assert_eq!(inbox.names(), ["a"], "{backend}");
        // The last reset may not be known yet.
        wait_until("the quota is free again", || {
            let answer = inbox.put("/inbox/b", &[], &bytes(700_000));
            assert!(
                matches!(answer.status, 201 | 507),
                "{backend}: {}",
                answer.head
            );
            answer.status == 201
        });
        assert_eq!(inbox.put("/inbox/c", &[], b"x").status, 507, "{backend}");
        assert_eq!(inbox.put("/inbox/c", &[], b"").status, 201, "{backend}");
    });
}

#[test]
fn some_of_the_disk_stays_free() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        let words = ["--upload", "--upload-reserve=1000000G", "--log=off"];
        let inbox = Inbox {
            server: Server::of(backend, root.path(), &words),
            root,
        };
        assert_eq!(inbox.put("/a", &[], b"x").status, 507, "{backend}");
        let answer = inbox.post("/", &[], &form(&[("a", b"x")]));
        assert_eq!(answer.status, 507, "{backend}: {}", answer.text());
        assert_eq!(tree(inbox.root.path()).len(), 0, "{backend}");
    });
}

/// A mount, ended with the test.
struct Small(PathBuf);

impl Small {
    fn at(directory: &Path, size: &str) -> Option<Self> {
        let words = ["-t", "tmpfs", "-o", &format!("size={size}"), "upload-test"];
        let mounted = Command::new("mount").args(words).arg(directory).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(directory.to_owned()));
        }
        skip("a right to mount tmpfs");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inbox")).unwrap();
        let Some(_mount) = Small::at(&root.path().join("inbox"), "2m") else {
            return;
        };
        let inbox = Inbox::of(backend, root, &[]);
        let head = request("PUT", "/inbox/b", &["Transfer-Encoding: chunked"]);
        assert_eq!(
            inbox.put("/inbox/a", &[], &bytes(600_000)).status,
            201,
            "{backend}"
        );
        for _ in 0..2 {
            assert_eq!(
                inbox.put("/inbox/b", &[], &bytes(3_000_000)).status,
                507,
                "{backend}"
            );
            let answer = inbox.send("PUT", head.as_bytes(), &chunked(&bytes(3_000_000), 60_000));
            assert_eq!(answer.status, 507, "{backend}: {}", answer.text());
            let files: [(&str, &[u8]); 2] = [("b", &bytes(3_000_000)), ("c", b"fits")];
            assert_eq!(
                inbox.post("/inbox/", &[], &form(&files)).status,
                507,
                "{backend}"
            );
            assert_eq!(inbox.names(), ["a", "c"], "{backend}");
            fs::remove_file(inbox.path("c")).unwrap();
        }
        wait_until("what failed has given its room back", || {
            inbox.put("/inbox/b", &[], &bytes(1_200_000)).status == 201
        });
    });
}

/// setrlimit(2), `RLIMIT_FSIZE`: the signal ends nothing, and the call fails.
#[test]
fn a_file_longer_than_the_process_may_write_is_told() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        let words = [
            root.path().to_str().unwrap(),
            "--backend",
            backend,
            "--upload",
        ];
        let server = start_limited("-f 1000", &words);
        let inbox = Inbox { server, root };
        assert_eq!(
            inbox.put("/a", &[], &bytes(2_000_000)).status,
            507,
            "{backend}"
        );
        assert_eq!(
            inbox.put("/a", &[], &bytes(400_000)).status,
            201,
            "{backend}"
        );
        assert_eq!(tree(inbox.root.path()).len(), 1, "{backend}");
    });
}

#[test]
fn who_sends_too_slowly_is_cut_and_leaves_nothing() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--body-timeout=0.5", "--min-rate=1000"]);
        let mut client = inbox.server.connect();
        client.send(request("PUT", "/inbox/new/a", &["Content-Length: 1000000"]).as_bytes());
        client.send(&bytes(300_000));
        assert_eq!(client.answer("PUT").status, 408, "{backend}");
        assert_eq!(inbox.names(), [""; 0], "{backend}");
    });
}

/// Begins 300 uploads: those that are taken, and those that are told to wait.
fn begin_many(server: &Server, backend: &str) -> (Vec<Client<TcpStream>>, Vec<Client<TcpStream>>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for n in 0..300 {
        let mut client = server.connect();
        let target = format!("/inbox/sub/{backend}{n}");
        let fields = ["Content-Length: 1", "Expect: 100-continue"];
        client.send(request("PUT", &target, &fields).as_bytes());
        let answer = client.head();
        if answer.status == 100 {
            taken.push(client);
        } else {
            assert_eq!(
                (answer.status, answer.field("Retry-After")),
                (503, Some("1"))
            );
            refused.push(client);
        }
    }
    (taken, refused)
}

/// As many as a quarter of the descriptors is enough for are received; who comes next is told to wait.
/// 300 of them, with a directory and a reader's descriptor each, would be 1,200.
#[test]
fn uploads_leave_descriptors_for_files() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("inbox/sub")).unwrap();
    fs::write(root.path().join("large"), bytes(200_000)).unwrap();
    let path = root.path().to_str().unwrap();
    each(&MANY, |backend| {
        let words = [
            "--upload=inbox",
            "--upload-follow",
            "--backend",
            backend,
            path,
        ];
        let server = start_limited("-n 1200", &words);
        let begun = ["Upload-Complete: ?0", "Content-Length: 0"];
        let begun = server.ask("PUT", &format!("/inbox/part-{backend}"), &begun);
        let (mut taken, _refused) = begin_many(&server, backend);
        // What select(2) watches is less, and so is what uploads may hold of it.
        let expected = if backend == "select" { 85 } else { 100 };
        assert_eq!(taken.len(), expected, "{backend}");
        let answer = server.get("/large");
        assert_eq!(
            (answer.status, answer.body.len()),
            (200, 200_000),
            "{backend}"
        );
        // What takes nothing away needs no place.
        let upload = begun.field("Location").unwrap();
        assert_eq!(server.ask("HEAD", upload, &[]).status, 204, "{backend}");
        assert_eq!(server.ask("DELETE", upload, &[]).status, 204, "{backend}");
        let (form, kind) = (
            form(&[("f", b"x")]),
            format!("multipart/form-data; boundary={BOUNDARY}"),
        );
        let fields = [
            format!("Content-Type: {kind}"),
            format!("Content-Length: {}", form.len()),
        ];
        let mut client = server.connect();
        client.send(request("POST", "/inbox/", &fields.each_ref().map(String::as_str)).as_bytes());
        client.send(&form);
        let answer = client.answer("POST");
        assert_eq!(
            (answer.status, answer.field("Retry-After")),
            (503, Some("1")),
            "{backend}"
        );
        let mut first = taken.swap_remove(0);
        first.send(b"x");
        assert_eq!(first.answer("PUT").status, 201, "{backend}");
        let mut next = server.connect();
        let fields = ["Content-Length: 0"];
        next.send(request("PUT", &format!("/inbox/{backend}"), &fields).as_bytes());
        assert_eq!(next.answer("PUT").status, 201, "{backend}");
    });
}

/// Descriptors, room and hidden names come back from whoever is gone.
#[test]
fn who_is_gone_in_the_middle_leaves_nothing() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--upload-quota=100000000"]);
        assert_eq!(inbox.put("/inbox/warm", &[], b"x").status, 201);
        let before = settled_descriptors(inbox.server.pid());
        for n in 0..24 {
            let mut client = inbox.server.connect();
            let target = format!("/inbox/dir{n}/a");
            client.send(request("PUT", &target, &["Content-Length: 1000000"]).as_bytes());
            client.send(&bytes(n * 30_000));
            match n % 3 {
                0 => sockopt::set_socket_linger(client.0.get_ref(), Some(Duration::ZERO)).unwrap(),
                1 => client.0.get_ref().shutdown(Shutdown::Write).unwrap(),
                _ => {}
            }
            if n % 3 == 1 {
                assert_eq!(client.head().status, 400, "{backend}");
            }
        }
        wait_until("all descriptors are back", || {
            settled_descriptors(inbox.server.pid()) == before
        });
        assert_eq!(inbox.names(), ["warm"], "{backend}");
        assert_eq!(
            inbox.put("/inbox/all", &[], &bytes(1 << 20)).status,
            201,
            "{backend}"
        );
    });
}

/// A stop lets an upload come to its end, within the grace.
#[test]
fn a_stop_waits_for_an_upload() {
    each(&BACKENDS, |backend| {
        for finishes in [true, false] {
            let grace = if finishes {
                "--grace=10"
            } else {
                "--grace=0.3"
            };
            let mut inbox = Inbox::start(backend, &[grace]);
            let mut client = inbox.server.connect();
            let fields = ["Content-Length: 600000", "Expect: 100-continue"];
            client.send(request("PUT", "/inbox/a", &fields).as_bytes());
            assert_eq!(client.head().status, 100, "{backend}");
            client.send(&bytes(600_000)[..300_000]);
            signal(inbox.server.pid(), Signal::TERM);
            if finishes {
                client.send(&bytes(600_000)[300_000..]);
                assert_eq!(client.answer("PUT").status, 201, "{backend}");
            }
            let (code, _) = exit(inbox.server.child());
            assert_eq!(code, Some(0), "{backend} {finishes}");
            let there = inbox.tree();
            match finishes {
                true => assert!(there["a"] == bytes(600_000), "{backend}"),
                false => assert!(there.is_empty(), "{backend}"),
            }
        }
    });
}

/// Where no more connections may be, one that sends is not dropped for one that says nothing.
#[test]
fn an_upload_is_not_dropped_for_a_newcomer() {
    each(&["edge", "level", "poll", "select"], |backend| {
        let inbox = Inbox::start(backend, &["--max-connections=3"]);
        let content = bytes(3_000_000);
        let mut client = inbox.server.connect();
        client.send(request("PUT", "/inbox/a", &["Content-Length: 3000000"]).as_bytes());
        let begun = Instant::now();
        for piece in content.chunks(250_000) {
            client.send(piece);
            let silent: Vec<_> = (0..4).map(|_| inbox.server.connect()).collect();
            drop(silent);
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(
            client.answer("PUT").status,
            201,
            "{backend} after {:?}",
            begun.elapsed()
        );
        assert!(inbox.tree()["a"] == content, "{backend}");
    });
}
