//! Two files for one name.

use std::thread;

use super::*;
use crate::harness::BACKENDS;
use crate::process::{MANY, each};

/// What becomes of an upload: its status, and the names that are there then.
type Fate<'a> = (u16, &'a [&'a str]);
/// Options, then what becomes of a PUT and of a form.
type PolicyRow<'a> = (&'a [&'a str], Fate<'a>, Fate<'a>);

#[test]
fn a_name_that_is_taken_is_refused_renamed_or_replaced() {
    each(&BACKENDS, |backend| {
        let rows: [PolicyRow<'_>; 4] = [
            (&[], (409, &["a.txt"]), (201, &["a (1).txt", "a.txt"])),
            (
                &["--on-conflict=refuse"],
                (409, &["a.txt"]),
                (409, &["a.txt"]),
            ),
            (
                &["--on-conflict=rename"],
                (201, &["a (1).txt", "a.txt"]),
                (201, &["a (1).txt", "a.txt"]),
            ),
            (
                &["--on-conflict=replace"],
                (200, &["a.txt"]),
                (201, &["a.txt"]),
            ),
        ];
        for (words, put, post) in rows {
            let json = ["Accept: application/json"];
            for (sends_form, (status, names)) in [(false, put), (true, post)] {
                let inbox = Inbox::start(backend, words);
                assert_eq!(inbox.put("/inbox/a.txt", &[], b"old").status, 201);
                let answer = match sends_form {
                    true => inbox.post("/inbox/", &json, &form(&[("a.txt", b"new")])),
                    false => inbox.put("/inbox/a.txt", &json, b"new"),
                };
                assert_eq!(
                    answer.status,
                    status,
                    "{backend} {words:?}: {}",
                    answer.text()
                );
                assert_eq!(inbox.names(), names, "{backend} {words:?}");
                let tree = inbox.tree();
                let newest = tree.get("a (1).txt").unwrap_or(&tree["a.txt"]);
                assert_eq!(newest == b"new", status < 300, "{backend} {words:?}");
            }
        }
    });
}

/// RFC 7240: a preference, which a server that is told what to do does not follow.
#[test]
fn a_put_may_prefer_a_number_to_a_refusal() {
    each(&BACKENDS, |backend| {
        let rename = "Prefer: respond-async, On-Conflict=rename ";
        for (words, field, expected) in [
            (&[][..], rename, (201, &["a (1).txt", "a.txt"][..])),
            (&[], "Prefer: on-conflict=rename2", (409, &["a.txt"])),
            (&["--on-conflict=refuse"], rename, (409, &["a.txt"])),
            (&["--on-conflict=replace"], rename, (204, &["a.txt"])),
        ] {
            let inbox = Inbox::start(backend, words);
            assert_eq!(inbox.put("/inbox/a.txt", &[field], b"old").status, 201);
            let status = inbox.put("/inbox/a.txt", &[field], b"new").status;
            let names = inbox.names();
            assert_eq!(
                (status, names.iter().map(String::as_str).collect()),
                (expected.0, expected.1.to_vec()),
                "{backend} {words:?} {field}"
            );
        }
    });
}

/// RFC 9110 §13.1.1: whoever says which version is replaced means that one, and no new name.
#[test]
fn if_match_replaces_what_it_names() {
    each(&BACKENDS, |backend| {
        for (words, expected) in [
            (&[][..], 204),
            (&["--on-conflict=rename"], 204),
            (&["--on-conflict=replace"], 204),
            (&["--on-conflict=refuse"], 409),
        ] {
            let inbox = Inbox::start(backend, words);
            let tag = inbox.put("/inbox/a", &[], b"old");
            let tag = format!("If-Match: {}", tag.field("ETag").unwrap());
            assert_eq!(
                inbox.put("/inbox/a", &[&tag], b"new").status,
                expected,
                "{words:?}"
            );
            assert_eq!(inbox.names(), ["a"], "{backend} {words:?}");
            assert_eq!(
                inbox.put("/inbox/a", &["If-Match: \"x\""], b"no").status,
                412
            );
            assert_eq!(inbox.put("/inbox/b", &["If-Match: *"], b"no").status, 412);
            assert_eq!(
                inbox.put("/inbox/a", &["If-None-Match: *"], b"no").status,
                412
            );
            assert_eq!(
                inbox.put("/inbox/b", &["If-None-Match: *"], b"b").status,
                201
            );
        }
    });
}

/// What stands in the way is no file: it stays.
#[test]
fn directories_links_and_pipes_are_not_replaced_by_accident() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        fs::create_dir(inbox.path("dir")).unwrap();
        fs::write(inbox.path("dir/x"), "x").unwrap();
        let fifo = rustix::fs::mknodat(
            rustix::fs::CWD,
            inbox.path("fifo"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        );
        fifo.unwrap();
        for name in ["dir", "fifo"] {
            let answer = inbox.put(&format!("/inbox/{name}"), &[], b"new");
            assert_eq!(answer.status, 409, "{backend} {name}: {}", answer.text());
        }
        assert_eq!(inbox.put("/inbox/fifo/x", &[], b"new").status, 409);
        fs::remove_file(inbox.path("fifo")).unwrap();
        assert_eq!(inbox.names(), ["dir/", "dir/x"], "{backend}");
    });
}

/// The answers to 32 clients that send different content to the same name at once.
fn at_once(inbox: &Inbox) -> Vec<(u16, Option<String>)> {
    thread::scope(|scope| {
        let send = |n: usize| {
            let content = bytes(100_000 + n);
            let answer = inbox.put("/inbox/a", &[], &content);
            (
                answer.status,
                answer.field("Location").map(ToOwned::to_owned),
            )
        };
        let clients: Vec<_> = (0..32).map(|n| scope.spawn(move || send(n))).collect();
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// That the file is one of those which [`at_once`] sends.
fn is_whole(content: &[u8]) -> bool {
    (100_000..100_032).contains(&content.len()) && *content == bytes(content.len())
}

#[test]
fn of_many_writers_of_one_name_one_wins() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let answers = at_once(&inbox);
        let count = |status| answers.iter().filter(|(found, _)| *found == status).count();
        assert_eq!((count(201), count(409)), (1, 31), "{backend}");
        assert_eq!(inbox.names(), ["a"], "{backend}");
        assert!(is_whole(&inbox.tree()["a"]), "{backend}");
    });
}

#[test]
fn of_many_writers_of_one_name_each_gets_its_own() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=rename"]);
        let answers = at_once(&inbox);
        let mut urls: Vec<_> = answers
            .into_iter()
            .map(|(status, url)| {
                assert_eq!(status, 201);
                url.unwrap()
            })
            .collect();
        urls.sort();
        urls.dedup();
        assert_eq!(urls.len(), 32, "{backend}");
        let tree = inbox.tree();
        assert!(
            tree.len() == 32 && tree.values().all(|content| is_whole(content)),
            "{backend}"
        );
    });
}

/// Another directory of the same name is not the one that was opened, and may not be one that is meant.
#[test]
fn a_directory_that_was_replaced_is_named_as_the_reason() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &[]);
        fs::remove_dir(inbox.path("")).unwrap();
        fs::create_dir(inbox.path("")).unwrap();
        let answer = inbox.put("/inbox/a", &[], b"x");
        assert_eq!(answer.status, 500, "{backend}");
        assert!(answer.text().contains("removed or replaced"), "{backend}");
    });
}

/// The number behind those that are taken, in few looks: a form may have thousands of parts of one name.
#[test]
fn the_next_number_is_found_however_many_are_taken() {
    let inbox = Inbox::start("edge", &["--on-conflict=rename"]);
    let name = |number| match number {
        0 => "a.txt".to_owned(),
        _ => format!("a ({number}).txt"),
    };
    let mut there = 0;
    for taken in [0, 1, 2, 3, 4, 7, 8, 300, 998, 999] {
        while there < taken {
            fs::write(inbox.path(&name(there)), b"").unwrap();
            there += 1;
        }
        assert_eq!(inbox.put("/inbox/a.txt", &[], b"x").status, 201, "{taken}");
        assert_eq!(fs::read(inbox.path(&name(taken))).unwrap(), b"x", "{taken}");
        there += 1;
    }
    let parts = vec![("a.txt", &b"x"[..]); 3_000];
    let answer = inbox.post("/inbox/", &[], &form(&parts));
    assert_eq!((answer.status, there), (409, 1_000));
}

#[test]
fn while_a_file_is_replaced_readers_see_one_version() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        assert_eq!(inbox.put("/inbox/a", &[], &bytes(100_000)).status, 201);
        thread::scope(|scope| {
            let writers = scope.spawn(|| at_once(&inbox));
            let mut looks = 0;
            while !writers.is_finished() || looks == 0 {
                let got = inbox.server.get("/inbox/a");
                assert!(
                    got.status == 200 && is_whole(&got.body),
                    "{backend}: {}",
                    got.head
                );
                assert!(is_whole(&fs::read(inbox.path("a")).unwrap()), "{backend}");
                looks += 1;
            }
            assert!(
                writers
                    .join()
                    .unwrap()
                    .iter()
                    .all(|(status, _)| *status == 204)
            );
        });
        assert_eq!(inbox.names(), ["a"], "{backend}");
    });
}

/// A directory that one upload has made and given up is another's way at the same time.
#[test]
fn an_upload_that_fails_takes_no_directory_from_another() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &[]);
        let wrong = format!("Repr-Digest: {}", digest(b"other"));
        let mut keeps = inbox.server.connect();
        let mut fails = inbox.server.connect();
        let head = |name: &str, fields: &[&str]| {
            let length = ["Content-Length: 3", "Expect: 100-continue"];
            request(
                "PUT",
                &format!("/inbox/new/dir/{name}"),
                &[&length, fields].concat(),
            )
        };
        fails.send(head("fails", &[&wrong]).as_bytes());
        assert_eq!(fails.head().status, 100);
        keeps.send(head("keeps", &[]).as_bytes());
        assert_eq!(keeps.head().status, 100);
        assert_eq!(
            inbox.names(),
            [""; 0],
            "{backend}: nothing is to be seen yet"
        );
        fails.send(b"abc");
        assert_eq!(fails.answer("PUT").status, 400, "{backend}");
        assert_eq!(inbox.names(), [""; 0], "{backend}");
        keeps.send(b"abc");
        assert_eq!(keeps.answer("PUT").status, 201, "{backend}");
        assert_eq!(
            inbox.names(),
            ["new/", "new/dir/", "new/dir/keeps"],
            "{backend}"
        );
    });
}
