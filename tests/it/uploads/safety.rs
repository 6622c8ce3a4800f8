//! Who may send, what may be read, and what content may do.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::*;
use crate::encodings::gzip;
use crate::harness::{BACKENDS, skip};
use crate::process::each;

#[test]
fn pages_of_other_sites_cannot_send_files() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--cors"]);
        let check = |fields: &[&str], taken: bool| {
            let (put, post) = (
                inbox.put("/inbox/a", fields, b"x").status,
                inbox.post("/inbox/", fields, &form(&[("b", b"x")])).status,
            );
            let expected = if taken { (201, 303) } else { (403, 403) };
            assert_eq!((put, post), expected, "{backend} {fields:?}");
            assert_eq!(inbox.names().is_empty(), !taken, "{backend} {fields:?}");
            for name in inbox.names() {
                fs::remove_file(inbox.path(&name)).unwrap();
            }
        };
        check(&[], true);
        check(&["Sec-Fetch-Site: same-origin"], true);
        check(&["Sec-Fetch-Site: none"], true);
        check(&["Sec-Fetch-Site: cross-site"], false);
        check(&["Sec-Fetch-Site: same-site"], false);
        check(
            &["Sec-Fetch-Site: cross-site", "Origin: http://localhost"],
            false,
        );
        check(&["Origin: http://localhost"], true);
        check(&["Origin: http://LOCALHOST"], true);
        check(&["Origin: http://localhost:81"], false);
        check(&["Origin: http://other"], false);
        check(&["Origin: null"], false);
        check(&["Origin:"], false);
    });
}

/// Who may not replace a file may not say either what is sent in its place.
#[test]
fn what_was_sent_stands_for_no_other_file() {
    each(&BACKENDS, |backend| {
        let other = gzip(&b"echo evil".repeat(500));
        for words in [&[][..], &["--compress"]] {
            let inbox = Inbox::start(backend, words);
            let own = b"echo good".repeat(500);
            assert_eq!(inbox.put("/inbox/a.js", &[], &own).status, 201);
            assert_eq!(inbox.put("/inbox/a.js.gz", &[], &other).status, 201);
            for place in ["from the file", "from the cache"] {
                let fields = ["Accept-Encoding: gzip"];
                let got = inbox.server.ask("GET", "/inbox/a.js", &fields);
                let is_encoded = got.field("Content-Encoding").is_some();
                assert!(words.len() == 1 || !is_encoded, "{backend} {place}");
                assert_ne!(got.body, other, "{backend} {place}");
            }
        }
    });
}

/// A document that somebody sent has an origin of its own.
#[test]
fn documents_that_were_sent_are_sandboxed() {
    each(&BACKENDS, |backend| {
        let page = b"<script>alert(1)</script>";
        let check = |words: &[&str], target: &str, sandboxed: bool| {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir(root.path().join("inbox")).unwrap();
            for name in [
                "own.html",
                "inbox/a.html",
                "inbox/a.svg",
                "inbox/a.xhtml",
                "inbox/a.xml",
                "inbox/a.png",
                "inbox/a.txt",
                "inbox/a",
                "inbox/index.html",
            ] {
                fs::write(root.path().join(name), page).unwrap();
            }
            let server = Server::of(backend, root.path(), &[&["--log=off"], words].concat());
            for fields in [&[][..], &["Range: bytes=0-3"]] {
                let answer = server.ask("GET", target, fields);
                assert!(
                    matches!(answer.status, 200 | 206),
                    "{backend} {target}: {}",
                    answer.head
                );
                let policies = answer
                    .head
                    .lines()
                    .filter(|line| line.ends_with("Content-Security-Policy: sandbox"));
                assert_eq!(
                    policies.count(),
                    usize::from(sandboxed),
                    "{backend} {target}: {}",
                    answer.head
                );
                assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
            }
        };
        for name in ["a.html", "a.svg", "a.xhtml", "a.xml", "index.html"] {
            check(&["--upload=inbox"], &format!("/inbox/{name}"), true);
            check(&["--upload"], &format!("/inbox/{name}"), true);
            check(
                &["--upload=inbox", "--prefix=/p"],
                &format!("/p/inbox/{name}"),
                true,
            );
        }
        for name in ["a.png", "a.txt", "a"] {
            check(&["--upload"], &format!("/inbox/{name}"), false);
        }
        check(&["--upload", "--no-listing"], "/inbox/", true);
        check(&["--upload=inbox"], "/own.html", false);
        check(&["--upload"], "/own.html", true);
        check(&["--upload", "--spa=inbox/index.html"], "/own.html", true);
    });
}

/// `404.html` and the page of an application are sent for other paths than their own.
#[test]
fn documents_that_stand_for_others_are_sandboxed() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        let server = Server::of(backend, root.path(), &["--upload", "--log=off"]);
        let inbox = Inbox { server, root };
        for name in ["404.html", "index.html"] {
            let put = inbox.send(
                "PUT",
                request("PUT", &format!("/{name}"), &["Content-Length: 4"]).as_bytes(),
                b"<b>x",
            );
            assert_eq!(put.status, 201, "{backend}");
        }
        for target in ["/missing", "/index.html"] {
            let answer = inbox.server.ask("GET", target, &["Accept: text/html"]);
            assert_eq!(answer.text(), "<b>x", "{backend} {target}");
            assert_eq!(
                answer.field("Content-Security-Policy"),
                Some("sandbox"),
                "{backend} {target}"
            );
        }
    });
}

/// Else whoever may send a file could put a page in the place of the others, and of the button.
#[test]
fn a_directory_that_takes_files_is_listed_whatever_is_sent() {
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("inbox/deep")).unwrap();
        for directory in ["", "inbox/", "inbox/deep/"] {
            fs::write(root.path().join(directory).join("index.html"), "<b>x").unwrap();
        }
        let check = |words: &[&str], target: &str, is_listed: bool| {
            let words = [words, &["--log=off"]].concat();
            let server = Server::of(backend, root.path(), &words);
            let page = server.get(target).text();
            assert_eq!(page != "<b>x", is_listed, "{backend} {words:?} {target}");
            assert_eq!(page.contains("id=\"upload\""), is_listed, "{target}");
            assert_eq!(server.get(&format!("{target}index.html")).text(), "<b>x");
        };
        check(&[], "/inbox/", false);
        check(&["--upload=inbox"], "/", false);
        check(&["--upload=inbox"], "/inbox/", true);
        check(&["--upload=inbox"], "/inbox/deep/", true);
        check(&["--upload"], "/", true);
        // There is nothing else to show.
        check(&["--upload", "--no-listing"], "/", false);
    });
}

#[test]
fn of_a_drop_box_nothing_can_be_read() {
    each(&BACKENDS, |backend| {
        let inbox = Inbox::start(backend, &["--upload-only"]);
        fs::write(inbox.root.path().join("open"), "open").unwrap();
        assert_eq!(
            inbox.put("/inbox/vault/a", &[], b"secret").status,
            201,
            "{backend}"
        );
        let secret = |target: &str, fields: &[&str]| {
            let answer = inbox.server.ask("GET", target, fields);
            assert!(!answer.text().contains("secret"), "{backend} {target}");
            assert!(
                !answer.text().contains("vault"),
                "{backend} {target}: {}",
                answer.text()
            );
            answer.status
        };
        for target in [
            "/inbox/vault/a",
            "/inbox/vault/",
            "/inbox/vault",
            "/inbox/missing",
            "/%69nbox/vault/a",
            "/./inbox/vault/a",
            "/inbox/./vault/a",
            "/x/../inbox/vault/a",
        ] {
            assert_eq!(secret(target, &[]), 403, "{backend} {target}");
        }
        for target in ["//inbox/vault/a", "/inbox//vault/a", "/inbox/%2e/vault/a"] {
            assert!(secret(target, &[]) >= 301, "{backend} {target}");
        }
        let page = inbox.server.get("/inbox/");
        assert!(
            page.status == 200 && page.text().contains("<form"),
            "{backend}"
        );
        assert_eq!(secret("/inbox/", &["Accept: application/json"]), 200);
        assert_eq!(secret("/inbox", &[]), 200);
        assert_eq!(inbox.server.ask("HEAD", "/inbox/vault/a", &[]).status, 403);
        assert_eq!(inbox.server.get("/open").text(), "open", "{backend}");
        let answer = inbox.post("/inbox", &[], &form(&[("b", b"x")]));
        assert_eq!(
            (answer.status, answer.field("Location")),
            (303, Some("/inbox/?sent=1")),
            "{backend}"
        );
        // That a name is taken is learned only by who asks for just that one.
        assert_eq!(inbox.put("/inbox/b", &[], b"y").status, 409);
    });
}

/// Neither is it lost to another sender, nor do conditions tell what is not shown.
#[test]
fn of_a_drop_box_nothing_is_replaced_or_found_out_by_conditions() {
    each(&BACKENDS, |backend| {
        for (words, taken) in [(&[][..], 409), (&["--on-conflict=rename"], 201)] {
            let words = [&["--upload-only"], words].concat();
            let inbox = Inbox::start(backend, &words);
            let first = inbox.put("/inbox/a", &[], b"first");
            let tag = format!("If-Match: {}", first.field("ETag").unwrap());
            for (condition, status) in [
                ("If-Match: *", 409),
                (&tag, 412),
                ("If-Match: \"x\"", 412),
                ("If-None-Match: *", 412),
                ("If-None-Match: \"x\"", taken),
                ("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", taken),
                ("If-Unmodified-Since: Sat, 01 Jan 2050 00:00:00 GMT", taken),
            ] {
                let answer = inbox.put("/inbox/a", &[condition], b"other");
                assert_eq!(answer.status, status, "{backend} {words:?} {condition}");
            }
            assert_eq!(inbox.tree()["a"], b"first", "{backend} {words:?}");
        }
        // Whoever runs it may say otherwise.
        let inbox = Inbox::start(backend, &["--upload-only", "--on-conflict=replace"]);
        let first = inbox.put("/inbox/a", &[], b"first");
        let tag = format!("If-Match: {}", first.field("ETag").unwrap());
        assert_eq!(
            inbox.put("/inbox/a", &["If-Match: \"x\""], b"no").status,
            412
        );
        assert_eq!(inbox.put("/inbox/a", &[&tag], b"other").status, 204);
    });
}

/// All that an upload does, under each sandbox, as a user without rights where the test may become one.
#[test]
fn the_sandbox_leaves_room_for_uploads() {
    let nobody = rustix::process::geteuid().is_root();
    each(&BACKENDS, |backend| {
        for sandbox in ["strict", "auto", "off"] {
            for as_nobody in [false, nobody] {
                let root = tempfile::tempdir().unwrap();
                let open = fs::Permissions::from_mode(0o777);
                fs::create_dir(root.path().join("inbox")).unwrap();
                fs::set_permissions(root.path().join("inbox"), open.clone()).unwrap();
                fs::set_permissions(root.path(), open).unwrap();
                let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
                command.arg(root.path()).args([
                    "--backend",
                    backend,
                    "--listen=127.0.0.1:0",
                    "--log=off",
                ]);
                command.args([
                    "--upload=inbox",
                    "--sandbox",
                    sandbox,
                    "--durable",
                    "--upload-reserve=0",
                ]);
                if as_nobody {
                    command.uid(65_534).gid(65_534);
                }
                let inbox = Inbox {
                    server: Server::run(command),
                    root,
                };
                let why = format!("{backend} {sandbox} {as_nobody}");
                let tag = inbox.put("/inbox/new/dir/a", &[], b"one");
                assert_eq!(tag.status, 201, "{why}: {}", tag.text());
                let tag = format!("If-Match: {}", tag.field("ETag").unwrap());
                let replaced = inbox.put("/inbox/new/dir/a", &[&tag], b"two");
                assert_eq!(replaced.status, 204, "{why}: {}", replaced.text());
                let answer = inbox.post("/inbox/new/", &[], &form(&[("b", b"x"), ("b", b"y")]));
                assert_eq!(answer.status, 303, "{why}: {}", answer.text());
                let names = ["new/", "new/b", "new/b (1)", "new/dir/", "new/dir/a"];
                assert_eq!(inbox.names(), names, "{why}");
                assert_eq!(inbox.server.get("/inbox/new/dir/a").text(), "two", "{why}");
                // A part that was damaged is cut off again.
                let part = ["Upload-Complete: ?0"];
                let begun = inbox.put("/inbox/new/c", &part, b"");
                let damaged = format!("Content-Digest: {}", digest(b"other"));
                let fields = ["Content-Length: 1", "Upload-Offset: 0", &damaged];
                let head = request("PATCH", begun.field("Location").unwrap(), &fields);
                let answer = inbox.send("PATCH", head.as_bytes(), b"x");
                assert_eq!(answer.status, 400, "{why}: {}", answer.text());
            }
        }
    });
    if !nobody {
        skip("the rights of root, to be a user without");
    }
}

/// open(2): what the umask leaves.
#[test]
fn files_have_the_mode_that_the_umask_leaves() {
    each(&BACKENDS, |backend| {
        for (umask, file, directory) in [("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
            let root = tempfile::tempdir().unwrap();
            let mut shell = Command::new("sh");
            let script = format!("umask {umask}; exec \"$0\" \"$@\"");
            shell
                .args(["-c", &script, env!("CARGO_BIN_EXE_httpoll")])
                .arg(root.path());
            shell.args([
                "--backend",
                backend,
                "--listen=127.0.0.1:0",
                "--upload",
                "--log=off",
            ]);
            let inbox = Inbox {
                server: Server::run(shell),
                root,
            };
            assert_eq!(inbox.put("/dir/a", &[], b"x").status, 201, "{backend}");
            let mode =
                |name: &str| fs::metadata(inbox.root.path().join(name)).unwrap().mode() & 0o7777;
            assert_eq!((mode("dir/a"), mode("dir")), (file, directory), "{backend}");
        }
    });
}
