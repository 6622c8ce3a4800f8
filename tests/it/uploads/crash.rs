//! A server that is killed, and file systems without files that have no name.

use std::io::Write;
use std::thread;
use std::time::Duration;

use super::flat_fs::FlatFs;
use super::*;
use crate::harness::BACKENDS;
use crate::process::{MANY, each, settled_descriptors, wait_until};

/// An inbox on the flat file system, which outlives its servers.
fn flat() -> Option<(FlatFs, tempfile::TempDir)> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("inbox")).unwrap();
    fs::write(root.path().join("fast"), "fast").unwrap();
    Some((FlatFs::mount(&root.path().join("inbox"))?, root))
}

fn serve(backend: &str, root: &Path, words: &[&str]) -> Server {
    let mut all = vec!["--upload=inbox", "--upload-reserve=0", "--log=off"];
    all.extend(words);
    Server::of(backend, root, &all)
}

/// Kills a server in the middle of several uploads, `times` over; the last one starts in peace.
fn killed(backend: &str, root: &Path, times: usize) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..times {
        let mut server = serve(backend, root, &["--on-conflict=replace"]);
        for (name, content) in tree(&root.join("inbox")) {
            assert!(
                name.starts_with("file"),
                "{backend} round {round}: {name} is left"
            );
            assert!(
                content == bytes(content.len()) && content.len() >= 100_000,
                "{backend}: {name} is not whole"
            );
        }
        thread::scope(|scope| {
            for client in 0..4 {
                let address = server.address;
                scope.spawn(move || {
                    for n in 0..100 {
                        let len = 100_000 + (round * 7 + client * 13 + n) % 400_000;
                        let target = format!("/inbox/file{}", (client + n) % 3);
                        let length = format!("Content-Length: {len}");
                        let sent = std::net::TcpStream::connect(address).and_then(|mut stream| {
                            stream.write_all(request("PUT", &target, &[&length]).as_bytes())?;
                            stream.write_all(&bytes(len))?;
                            std::io::Read::read(&mut stream, &mut [0; 512])
                        });
                        if sent.is_err() {
                            break;
                        }
                    }
                });
            }
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            thread::sleep(Duration::from_micros(1_000 + (state >> 33) % 60_000));
            server.child().kill().unwrap();
            server.child().wait().unwrap();
        });
    }
    let _server = serve(backend, root, &[]);
    let names: Vec<_> = tree(&root.join("inbox")).into_keys().collect();
    assert!(
        names.iter().all(|name| name.starts_with("file")),
        "{backend}: {names:?}"
    );
}

/// How often a server is killed in one test; more by `HTTPOLL_KILLS`.
fn kills() -> usize {
    std::env::var("HTTPOLL_KILLS").map_or(8, |kills| kills.parse().unwrap())
}

#[test]
fn after_a_crash_there_are_whole_files_and_nothing_else() {
    each(&["edge", "poll", "threads"], |backend| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inbox")).unwrap();
        killed(backend, root.path(), kills());
    });
}

#[test]
fn after_a_crash_hidden_names_are_taken_away() {
    each(&["edge", "threads"], |backend| {
        let Some((_flat, root)) = flat() else {
            return;
        };
        killed(backend, root.path(), kills());
    });
}

/// Without `O_TMPFILE`, links and rename flags: all the same.
#[test]
fn a_file_system_without_unnamed_files_will_do() {
    each(&BACKENDS, |backend| {
        let Some((_flat, root)) = flat() else {
            return;
        };
        let inbox = Inbox::of(backend, root, &["--sandbox=auto"]);
        let content = bytes(700_000);
        let put = inbox.put("/inbox/a", &[], &content);
        assert_eq!(put.status, 201, "{backend}: {}", put.text());
        assert_eq!(inbox.put("/inbox/a", &[], b"x").status, 409, "{backend}");
        let wrong = format!("Repr-Digest: {}", digest(b"other"));
        assert_eq!(
            inbox.put("/inbox/b", &[&wrong], &content).status,
            400,
            "{backend}"
        );
        let answer = inbox.post("/inbox/", &[], &form(&[("a", b"one"), ("a", b"two")]));
        assert_eq!(answer.status, 303, "{backend}: {}", answer.text());
        // This one cannot hold such a name, which is its sender's to know and no failure of a disk.
        assert_eq!(inbox.put("/inbox/a:b", &[], b"x").status, 400, "{backend}");
        wait_until("nothing hidden is left", || {
            inbox.names() == ["a", "a (1)", "a (2)"]
        });
        assert!(inbox.tree()["a"] == content, "{backend}");
    });
}

/// Another server's unfinished upload is no leftover.
#[test]
fn a_second_server_leaves_the_uploads_of_the_first_alone() {
    each(&["edge"], |backend| {
        let Some((_flat, root)) = flat() else {
            return;
        };
        let inbox = Inbox::of(backend, root, &[]);
        let mut client = inbox.server.connect();
        let fields = ["Content-Length: 3", "Expect: 100-continue"];
        client.send(request("PUT", "/inbox/a", &fields).as_bytes());
        assert_eq!(client.head().status, 100);
        fs::write(inbox.path(".httpoll-part-1-1"), "of a crash").unwrap();
        let _second = serve(backend, inbox.root.path(), &[]);
        let names = inbox.names();
        assert!(
            names.len() == 1 && names[0] != ".httpoll-part-1-1",
            "{names:?}"
        );
        client.send(b"abc");
        assert_eq!(client.answer("PUT").status, 201);
        assert_eq!(inbox.names(), ["a"]);
    });
}

/// A disk that does not answer keeps its uploads waiting, and nobody else; not even when their
/// clients are gone, and what they have left is to be taken away.
#[test]
fn a_disk_that_hangs_stops_nobody() {
    each(&MANY, |backend| {
        let Some((flat, root)) = flat() else {
            return;
        };
        let inbox = Inbox::of(backend, root, &[]);
        let mut client = inbox.server.connect();
        client.send(request("PUT", "/inbox/a", &["Content-Length: 3000000"]).as_bytes());
        let mut gone = inbox.server.connect();
        let fields = ["Content-Length: 3000000", "Expect: 100-continue"];
        gone.send(request("PUT", "/inbox/gone", &fields).as_bytes());
        assert_eq!(gone.head().status, 100, "{backend}");
        gone.send(&bytes(1000));
        flat.close();
        let content = bytes(3_000_000);
        thread::scope(|scope| {
            let sends = scope.spawn(|| {
                client.send(&content);
                client.answer("PUT")
            });
            flat.is_reached();
            let before = settled_descriptors(inbox.server.pid());
            drop(gone);
            wait_until("its end is known", || {
                settled_descriptors(inbox.server.pid()) < before
            });
            for _ in 0..20 {
                assert_eq!(inbox.server.get("/fast").text(), "fast", "{backend}");
            }
            assert!(!sends.is_finished(), "{backend}");
            flat.open();
            assert_eq!(sends.join().unwrap().status, 201, "{backend}");
        });
        wait_until("nothing is left of the other", || inbox.names() == ["a"]);
        assert!(inbox.tree()["a"] == content, "{backend}");
    });
}
