//! Names stay in the directory, and are ones that every system can hold.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::*;
use crate::harness::BACKENDS;
use crate::process::{MANY, each};

#[test]
fn no_name_leads_out_of_the_directory() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace"]);
        fs::write(inbox.root.path().join("outside"), "mine").unwrap();
        for name in [
            "../outside",
            "%2e%2e/outside",
            "..%2foutside",
            "x/../../outside",
            "x%2fy",
            "%2fetc%2fx",
            "a%00b",
            "a%0ab",
            "a%c2%9bb",
            "a%5C..%5Cb",
            "a.",
            "a%20",
            "CON",
            "nul.txt",
            ".hidden",
            "x/.git/config",
            "",
            "dir/",
            ".",
            "%",
            "%zz",
        ] {
            let answer = inbox.put(&format!("/inbox/{name}"), &[], b"new");
            assert!(
                matches!(answer.status, 400 | 404 | 405),
                "{backend} {name:?}: {}",
                answer.head
            );
        }
        let long = "a".repeat(256);
        assert_eq!(inbox.put(&format!("/inbox/{long}"), &[], b"x").status, 400);
        let deep = "d/".repeat(40) + "a";
        assert_eq!(inbox.put(&format!("/inbox/{deep}"), &[], b"x").status, 400);
        assert_eq!(inbox.names(), [""; 0], "{backend}");
        assert_eq!(
            fs::read_dir(inbox.root.path()).unwrap().count(),
            2,
            "{backend}"
        );
        // What a name may be all the same.
        for name in ["a%25b", "%C3%BC", "%FF", "-rf", "a b"] {
            let name = name.replace(' ', "%20");
            assert_eq!(
                inbox.put(&format!("/inbox/{name}"), &[], b"new").status,
                201,
                "{name}"
            );
            assert_eq!(
                inbox.server.get(&format!("/inbox/{name}")).text(),
                "new",
                "{backend} {name}"
            );
        }
    });
}

#[test]
fn links_on_the_way_are_not_followed() {
    each(&BACKENDS, |backend| {
        for policy in ["inside", "follow"] {
            let words = [
                "--on-conflict=replace",
                "--symlinks",
                policy,
                "--sandbox=off",
            ];
            let inbox = Inbox::start(backend, &words);
            let outside = tempfile::tempdir().unwrap();
            let victim = outside.path().join("victim");
            fs::write(&victim, "mine").unwrap();
            symlink(outside.path(), inbox.path("out")).unwrap();
            symlink(&victim, inbox.path("link")).unwrap();
            symlink("nowhere", inbox.path("dangling")).unwrap();
            assert_eq!(
                inbox.put("/inbox/out/new", &[], b"new").status,
                409,
                "{backend}"
            );
            assert_eq!(
                inbox.put("/inbox/out/x/new", &[], b"new").status,
                409,
                "{backend}"
            );
            assert_eq!(
                inbox
                    .post("/inbox/out/", &[], &form(&[("new", b"x")]))
                    .status,
                409
            );
            // The link itself is a name like others: it is replaced, and what it led to stays.
            assert_eq!(
                inbox.put("/inbox/link", &[], b"new").status,
                204,
                "{backend}"
            );
            assert_eq!(
                inbox.put("/inbox/dangling", &[], b"new").status,
                204,
                "{backend}"
            );
            assert!(fs::symlink_metadata(inbox.path("link")).unwrap().is_file());
            assert_eq!(fs::read_to_string(&victim).unwrap(), "mine", "{backend}");
            assert_eq!(
                fs::read_dir(outside.path()).unwrap().count(),
                1,
                "{backend}"
            );
        }
    });
}

/// A directory on the way becomes a link and a directory again, all the time.
#[test]
fn links_that_are_swapped_in_lead_nowhere() {
    each(&MANY, |backend| {
        let inbox = Inbox::start(backend, &["--on-conflict=replace", "--sandbox=off"]);
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(inbox.path("dir")).unwrap();
        symlink(outside.path(), inbox.path("link")).unwrap();
        let (stop, inbox) = (AtomicBool::new(false), &inbox);
        thread::scope(|scope| {
            let swaps = scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let (one, other) = (inbox.path("dir"), inbox.path("link"));
                    rustix::fs::renameat_with(
                        rustix::fs::CWD,
                        one,
                        rustix::fs::CWD,
                        other,
                        rustix::fs::RenameFlags::EXCHANGE,
                    )
                    .unwrap();
                    thread::yield_now();
                }
            });
            for n in 0..60 {
                let status = inbox.put(&format!("/inbox/dir/a{n}"), &[], b"x").status;
                assert!(matches!(status, 201 | 409), "{backend}: {status}");
            }
            stop.store(true, Relaxed);
            swaps.join().unwrap();
        });
        assert_eq!(
            fs::read_dir(outside.path()).unwrap().count(),
            0,
            "{backend}"
        );
    });
}

/// The directory of uploads may itself be a link: whoever named it meant where it leads.
#[test]
fn the_directory_may_be_a_link() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), root.path().join("inbox")).unwrap();
        let inbox = Inbox::of(backend, root, &[]);
        assert_eq!(inbox.put("/inbox/a/b", &[], b"x").status, 201, "{backend}");
        let there = fs::read(elsewhere.path().join("a/b")).unwrap();
        assert_eq!(there, b"x", "{backend}");
    });
}

#[test]
fn hidden_names_are_taken_where_they_are_shown() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--hidden"]);
        assert_eq!(
            inbox.put("/inbox/.profile", &[], b"x").status,
            201,
            "{backend}"
        );
        let part = "/inbox/.httpoll-part-1-0";
        assert_eq!(inbox.put(part, &[], b"x").status, 400, "{backend}");
        // An unfinished upload is nobody's to see, hidden names or not.
        fs::write(inbox.path(".httpoll-part-1-0"), "unfinished").unwrap();
        assert_eq!(inbox.server.get(part).status, 404, "{backend}");
        let list = inbox.server.ask("GET", "/inbox/", &["Accept: text/plain"]);
        assert_eq!(list.text(), ".profile\n", "{backend}");
    });
}

/// One file has no directory to put files into, and neither has `/hello`.
#[test]
fn uploads_need_a_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("real")).unwrap();
    symlink("real", root.path().join("link")).unwrap();
    let (file, root) = (file.path().to_str().unwrap(), root.path().to_str().unwrap());
    let check = |words: &[&str], code, said: &str| {
        let httpoll = std::process::Command::new(env!("CARGO_BIN_EXE_httpoll"))
            .args(words)
            .output();
        let output = httpoll.unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
        assert!(
            error.contains(said) && error.lines().count() == 1,
            "{words:?}: {error}"
        );
    };
    check(&["--upload", file], 2, "--upload needs a directory");
    check(&["--upload", "--hello"], 2, "--upload needs a directory");
    check(&["--upload=..", root], 2, "a directory below DIR");
    check(&["--upload=/etc", root], 2, "a directory below DIR");
    check(&["--upload=inbox", root], 1, "no directory");
    // By its other name what was sent would be served as if it were the owner's.
    check(&["--upload=link", root], 1, "--upload=real");
    check(&["--upload-only", root], 2, "--upload");
    check(&["--durable", root], 2, "--upload");
    check(
        &["--upload", "--on-conflict=ask", root],
        2,
        "refuse, rename, replace",
    );
}
