//! Uploads that break off and go on, on every backend.

use std::fs;
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;

use httpoll::config::Backend;
use rustix::process::Signal;

use crate::harness::{Answer, BACKENDS, Client, Server, request, tool};
use crate::process::{each, exit, signal, wait_until};
use crate::uploads::digest;

fn serve(backend: Backend, root: &Path) -> Server {
    Server::of(
        backend.name(),
        root,
        &["--upload=in", "--hidden", "--log", "off"],
    )
}

fn send(server: &Server, method: &str, target: &str, fields: &[&str], content: &[u8]) -> Answer {
    let mut client = server.connect();
    put(&mut client, method, target, fields, content, content.len());
    client.answer(method)
}

/// Sends a request that announces `len` bytes.
fn put(
    client: &mut Client<std::net::TcpStream>,
    method: &str,
    target: &str,
    fields: &[&str],
    content: &[u8],
    len: usize,
) {
    let length = format!("Content-Length: {len}");
    let fields: Vec<&str> = fields.iter().copied().chain([length.as_str()]).collect();
    client.send(request(method, target, &fields).as_bytes());
    client.send(content);
}

/// Begins an upload: its own URL.
fn begin(server: &Server, target: &str) -> String {
    let begun = send(server, "PUT", target, &["Upload-Complete: ?0"], b"");
    assert_eq!(begun.status, 201, "{}", begun.head);
    assert_eq!(begun.field("Upload-Offset"), Some("0"));
    begun.field("Location").unwrap().to_owned()
}

fn offset(server: &Server, upload: &str) -> Option<usize> {
    let looked = server.ask("HEAD", upload, &[]);
    let said = looked.field("Upload-Offset")?;
    assert_eq!(
        (looked.status, looked.field("Upload-Complete")),
        (204, Some("?0"))
    );
    said.parse().ok()
}

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("in")).unwrap();
    root
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("in")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The client's connection breaks, and then the server ends; each time it goes on where it was.
#[test]
fn an_upload_goes_on_where_it_stopped() {
    let content: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    for backend in Backend::ALL {
        let root = root();
        let server = serve(backend, root.path());
        let upload = begin(&server, "/in/a.bin");
        let mut client = server.connect();
        put(
            &mut client,
            "PATCH",
            &upload,
            &["Upload-Offset: 0"],
            &content[..900_000],
            1_500_000,
        );
        wait_until("some of it is kept", || kept(root.path()) > 200_000);
        drop(client);
        wait_until("the upload is free", || {
            let at = offset(&server, &upload).unwrap();
            let field = format!("Upload-Offset: {at}");
            let part = &content[at..at + 1];
            send(&server, "PATCH", &upload, &[&field], part).status == 204
        });
        drop(server);
        let server = serve(backend, root.path());
        // Neither served nor listed, though hidden names are.
        let hidden = names(root.path()).pop().unwrap();
        assert!(!server.get("/in/").text().contains(&hidden));
        assert_eq!(server.get(&format!("/in/{hidden}")).status, 404);
        let at = offset(&server, &upload).unwrap();
        assert!(at > 200_000 && at < 900_002, "{at}");
        let field = format!("Upload-Offset: {at}");
        let fields = [field.as_str(), "Upload-Complete: ?1"];
        let done = send(&server, "PATCH", &upload, &fields, &content[at..]);
        assert_eq!(
            (done.status, done.field("Location")),
            (201, Some("/in/a.bin")),
            "{backend:?}"
        );
        assert_eq!(server.get("/in/a.bin").body, content);
        assert_eq!(names(root.path()), ["a.bin"]);
        assert_eq!(server.ask("HEAD", &upload, &[]).status, 404);
    }
}

/// Less than one buffer, on a connection that breaks, is cut or is stopped.
#[test]
fn what_has_come_is_kept_however_little_it_is() {
    each(&BACKENDS, |backend| {
        let root = root();
        let mut at = 0;
        for way in ["half-close", "close", "time-out", "stop"] {
            let mut words = vec!["--upload=in", "--hidden", "--log=off", "--grace=0.1"];
            if way == "time-out" {
                words.extend(["--body-timeout=0.3", "--min-rate=1000000"]);
            }
            let mut server = Server::of(backend, root.path(), &words);
            let upload = match names(root.path()).first() {
                None => begin(&server, "/in/a.bin"),
                Some(name) => format!("/in/a.bin?upload={}", name.rsplit('-').next().unwrap()),
            };
            let mut client = server.connect();
            let offset = format!("Upload-Offset: {at}");
            let fields = [&offset, "Content-Length: 1500000", "Expect: 100-continue"];
            client.send(request("PATCH", &upload, &fields).as_bytes());
            assert_eq!(client.head().status, 100, "{backend} {way}");
            client.send(&[b'x'; 1_000]);
            at += 1_000;
            match way {
                "half-close" => client.0.get_ref().shutdown(Shutdown::Write).unwrap(),
                "close" => drop(client),
                "time-out" => assert_eq!(client.answer("PATCH").status, 408),
                _ => {
                    signal(server.pid(), Signal::TERM);
                    assert_eq!(exit(server.child()).0, Some(0), "{backend}");
                    assert_eq!(kept(root.path()), at, "{backend}");
                    continue;
                }
            }
            wait_until("it is kept", || kept(root.path()) == at);
        }
    });
}

/// Asked at once, by a client that does not wait until its last connection is cleared away.
#[test]
fn what_is_told_is_where_the_next_part_begins() {
    each(&BACKENDS, |backend| {
        let root = root();
        let server = Server::of(backend, root.path(), &["--upload=in", "--log=off"]);
        let upload = begin(&server, "/in/a.bin");
        for sent in (0..20).map(|n| n * 1_000) {
            let at = offset(&server, &upload).unwrap();
            assert_eq!(at, sent, "{backend}");
            let said = format!("Upload-Offset: {at}");
            let fields = [&said, "Content-Length: 1500000", "Expect: 100-continue"];
            let mut client = server.connect();
            client.send(request("PATCH", &upload, &fields).as_bytes());
            assert_eq!(client.head().status, 100, "{backend}");
            client.send(&[b'x'; 1_000]);
        }
    });
}

/// How much lies there. Not asked of the server: `blocking` answers nothing while it receives.
fn kept(root: &Path) -> u64 {
    let name = names(root).pop().unwrap();
    fs::metadata(root.join("in").join(name)).unwrap().len()
}

#[test]
fn a_part_begins_where_the_last_one_ended() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    let upload = begin(&server, "/in/a");
    let part = |fields: &[&str]| send(&server, "PATCH", &upload, fields, b"0123");
    assert_eq!(part(&["Upload-Offset: 0"]).status, 204);
    for (fields, status) in [
        (&["Upload-Offset: 0"][..], 409),
        (&["Upload-Offset: 5"], 409),
        (&["Upload-Offset: x"], 400),
        (&[], 400),
    ] {
        let answer = part(fields);
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(status != 409 || answer.field("Upload-Offset") == Some("4"));
    }
    let last = part(&["Upload-Offset: 4", "Upload-Complete: ?1"]);
    assert_eq!(last.status, 201);
    assert_eq!(server.get("/in/a").body, b"01230123");
}

#[test]
fn a_digest_of_the_whole_is_checked_before_the_name_appears() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    // Of "01230123".
    let right = "Repr-Digest: sha-256=:IZ0u5kvaYTdgGBivTZUFdmxbuocYqubnRkQ+M2f0kgs=:";
    let wrong = "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    for (digest, status) in [(wrong, 400), (right, 201)] {
        let upload = begin(&server, "/in/a");
        let part = |fields: &[&str]| send(&server, "PATCH", &upload, fields, b"0123");
        assert_eq!(part(&["Upload-Offset: 0"]).status, 204);
        let last = part(&["Upload-Offset: 4", "Upload-Complete: ?1", digest]);
        assert_eq!(last.status, status, "{}", last.text());
        assert_eq!(names(root.path()).len(), usize::from(status == 201));
    }
}

/// Of one part (RFC 9530 §2): what was damaged on the way is sent again, and nothing else is lost.
#[test]
fn a_digest_of_a_part_is_checked_by_itself() {
    let of = |content: &[u8]| format!("Content-Digest: {}", digest(content));
    for backend in Backend::ALL {
        let root = root();
        let server = serve(backend, root.path());
        let upload = begin(&server, "/in/a");
        let part = |at: &str, complete: &str, digest: &str, content: &[u8]| {
            let fields = [
                &format!("Upload-Offset: {at}"),
                &format!("Upload-Complete: {complete}"),
                digest,
            ];
            send(&server, "PATCH", &upload, &fields, content)
        };
        assert_eq!(part("0", "?0", &of(b"0123"), b"0123").status, 204);
        for (complete, digest, content) in [
            ("?0", of(b"0123"), &b"4567"[..]),
            ("?1", of(b"01234567"), b"4567"),
            ("?0", "Content-Digest: sha-256=AAAA".to_owned(), b"4567"),
        ] {
            let damaged = part("4", complete, &digest, content);
            assert_eq!(damaged.status, 400, "{backend:?} {digest}");
            assert_eq!(offset(&server, &upload), Some(4), "{backend:?} {digest}");
        }
        assert_eq!(part("4", "?1", &of(b"4567"), b"4567").status, 201);
        assert_eq!(server.get("/in/a").body, b"01234567");
    }
}

/// A field that is no boolean of its kind, or a length that does not fit, makes no file of a part.
#[test]
fn a_part_is_never_taken_for_the_whole() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    for complete in ["?0", "?0;a=b", "?0 ; a"] {
        let field = format!("Upload-Complete: {complete}");
        let begun = send(&server, "PUT", "/in/a", &[&field], b"");
        assert_eq!(begun.field("Upload-Offset"), Some("0"), "{complete}");
    }
    for complete in ["0", "?2", "false", "?0, ?0", "?00", ""] {
        let field = format!("Upload-Complete: {complete}");
        let answer = send(&server, "PUT", "/in/a", &[&field], b"part");
        assert_eq!(answer.status, 400, "{complete}");
    }
    let twice = ["Upload-Complete: ?1", "Upload-Complete: ?0"];
    assert_eq!(send(&server, "PUT", "/in/a", &twice, b"part").status, 400);
    for (length, status) in [("5", 400), ("3", 400), ("x", 400), ("4", 201)] {
        let length = format!("Upload-Length: {length}");
        let fields = ["Upload-Complete: ?1", &length];
        let answer = send(&server, "PUT", "/in/a", &fields, b"0123");
        assert_eq!(answer.status, status, "{length}");
    }
    let upload = begin(&server, "/in/b");
    for at in ["+0", "0, 0", "-0", "0x0"] {
        let field = format!("Upload-Offset: {at}");
        assert_eq!(send(&server, "PATCH", &upload, &[&field], b"x").status, 400);
    }
    let twice = ["Upload-Offset: 0", "Upload-Offset: 1"];
    assert_eq!(send(&server, "PATCH", &upload, &twice, b"x").status, 400);
    assert_eq!(offset(&server, &upload), Some(0));
}

/// What is not there any more is told as that, and no disk is called broken.
#[test]
fn an_upload_without_a_place_is_refused() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    let end = ["Upload-Offset: 0", "Upload-Complete: ?1"];
    // A name was cut off.
    let upload = begin(&server, "/in/a");
    let (_, token) = upload.split_once('?').unwrap();
    for target in ["/in/", "/in/sub/"] {
        let target = format!("{target}?{token}");
        assert_eq!(send(&server, "PATCH", &target, &end, b"x").status, 400);
    }
    assert_eq!(offset(&server, &upload), Some(0));
    // The owner has tidied up.
    let mut client = server.connect();
    put(
        &mut client,
        "PATCH",
        &upload,
        &end,
        &[b'x'; 300_000],
        300_001,
    );
    wait_until("some of it is kept", || kept(root.path()) > 0);
    for name in names(root.path()) {
        fs::remove_file(root.path().join("in").join(name)).unwrap();
    }
    client.send(b"x");
    assert_eq!(client.answer("PATCH").status, 404);
    assert_eq!(names(root.path()).len(), 0);
}

/// What the last part is refused for may be mended: what has come before stays.
#[test]
fn an_upload_that_is_refused_at_its_end_is_not_lost() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    let upload = begin(&server, "/in/a");
    let end = |fields: &[&str]| {
        let fields = [&["Upload-Offset: 0", "Upload-Complete: ?1"], fields].concat();
        send(&server, "PATCH", &upload, &fields, b"0123")
    };
    // Another was faster.
    let other = send(&server, "PUT", "/in/a", &[], b"other");
    assert_eq!(other.status, 201);
    assert_eq!(end(&[]).status, 409);
    let at = offset(&server, &upload);
    assert_eq!(at, Some(4), "the part is here, only its name was refused");
    let tag = format!("If-Match: {}", other.field("ETag").unwrap());
    let rest = |fields: &[&str]| {
        let fields = [&["Upload-Offset: 4", "Upload-Complete: ?1"], fields].concat();
        send(&server, "PATCH", &upload, &fields, b"45")
    };
    // A client that knows how long the file is has it checked.
    let short = rest(&[&tag, "Upload-Length: 7"]);
    assert_eq!(
        (short.status, short.field("Upload-Offset")),
        (409, Some("6"))
    );
    let fields = [
        "Upload-Offset: 6",
        "Upload-Complete: ?1",
        "Upload-Length: 7",
        &tag,
    ];
    assert_eq!(send(&server, "PATCH", &upload, &fields, b"6").status, 204);
    assert_eq!(server.get("/in/a").body, b"0123456");
}

/// Started again with a limit that is less than what has come already.
#[test]
fn a_limit_that_is_lower_now_ends_no_server() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    let upload = begin(&server, "/in/a");
    let part = |server: &Server, at: &str| send(server, "PATCH", &upload, &[at], b"0123456789");
    assert_eq!(part(&server, "Upload-Offset: 0").status, 204);
    drop(server);
    let words = ["--upload=in", "--max-upload", "4", "--log", "off"];
    let server = Server::of(Backend::Edge.name(), root.path(), &words);
    assert_eq!(part(&server, "Upload-Offset: 10").status, 413);
    assert_eq!(offset(&server, &upload), Some(10));
}

#[test]
fn an_upload_can_be_given_up_and_is_nobodys_guess() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    fs::write(root.path().join("in/there"), "x").unwrap();
    // What would be refused at its end is refused at its begin.
    for (target, status) in [
        ("/in/there", 409),
        ("/in/CON", 400),
        ("/in/.httpoll-part-x", 400),
        ("/out", 405),
    ] {
        let answer = send(&server, "PUT", target, &["Upload-Complete: ?0"], b"");
        assert_eq!(answer.status, status, "{target}");
    }
    let upload = begin(&server, "/in/a");
    let (path, _) = upload.split_once('?').unwrap();
    for other in ["upload=0000000000000000", "upload=..%2f", "upload="] {
        let answer = send(
            &server,
            "PATCH",
            &format!("{path}?{other}"),
            &["Upload-Offset: 0"],
            b"x",
        );
        assert!(
            [404, 405].contains(&answer.status),
            "{other} {}",
            answer.status
        );
    }
    assert_eq!(server.ask("DELETE", &upload, &[]).status, 204);
    assert_eq!(offset(&server, &upload), None);
    assert_eq!(names(root.path()), ["there"]);
}

/// What the script of the listing sends for a long file (listing/upload_form/transfer.js), field by
/// field, and what it reads in each answer.
#[test]
fn the_page_is_answered_as_it_expects() {
    const JSON: &str = "Accept: application/json";
    const NUMBER: &str = "Prefer: on-conflict=rename";
    const KIND: &str = "Content-Type: application/partial-upload";
    for backend in Backend::ALL {
        let root = root();
        let server = serve(backend, root.path());
        let names = || {
            let mut names = names(root.path());
            names.sort();
            names
        };
        fs::write(root.path().join("in/50% #1?.iso"), "x").unwrap();
        let target = "/in/50%25%20%231%3F.iso";
        let meant = format!("{target}?upload");
        // A proxy that passes no unknown fields makes no empty file of it.
        assert_eq!(send(&server, "PUT", &meant, &[JSON], b"").status, 415);
        assert_eq!(names(), ["50% #1?.iso"]);

        let first = [JSON, NUMBER, "Upload-Complete: ?0", "Upload-Length: 10"];
        let begun = send(&server, "PUT", &meant, &first, b"");
        assert_eq!(begun.status, 201, "{backend:?} {}", begun.text());
        let (path, token) = begun.field("Location").unwrap().split_once('?').unwrap();
        assert!(path == target && token.starts_with("upload=") && token.len() == 23);
        let upload = format!("{target}?{token}");

        let part = |at: &str, complete: &str, content: &[u8]| {
            let offset = format!("Upload-Offset: {at}");
            let complete = format!("Upload-Complete: {complete}");
            let fields = [JSON, NUMBER, KIND, &offset, &complete, "Upload-Length: 10"];
            send(&server, "PATCH", &upload, &fields, content)
        };
        let sent = part("0", "?0", b"01234");
        assert_eq!((sent.status, sent.field("Upload-Offset")), (204, Some("5")));
        let early = part("0", "?0", b"01234");
        assert_eq!(
            (early.status, early.field("Upload-Offset")),
            (409, Some("5"))
        );
        assert_eq!(offset(&server, &upload), Some(5));
        let last = part("5", "?1", b"56789");
        assert_eq!(last.status, 201, "{backend:?} {}", last.text());
        let name = r#""name":"50% #1? (1).iso","#;
        assert!(last.text().contains(name) && last.text().contains(r#""size":10"#));
        assert_eq!(names(), ["50% #1? (1).iso", "50% #1?.iso"]);
        // It is told apart from a proxy's answer: an upload that is over.
        let over = part("10", "?1", b"");
        assert_eq!(over.status, 404);
        assert!(over.text().contains(r#""error":"#));
        assert_eq!(server.ask("HEAD", &upload, &[JSON]).status, 404);
        let upload = begin(&server, "/in/b");
        assert_eq!(server.ask("DELETE", &upload, &[]).status, 204);
    }
}

/// A client that has lost its connection may be back before the server knows.
#[test]
fn an_upload_that_is_in_use_can_be_had_in_a_moment() {
    let root = root();
    let server = serve(Backend::Edge, root.path());
    let upload = begin(&server, "/in/a");
    let mut first = server.connect();
    let content = vec![b'x'; 300_000];
    let fields = ["Upload-Offset: 0"];
    put(&mut first, "PATCH", &upload, &fields, &content, 400_000);
    wait_until("some of it is kept", || kept(root.path()) > 0);
    for (method, fields) in [("PATCH", &["Upload-Offset: 0"][..]), ("DELETE", &[])] {
        let answer = send(&server, method, &upload, fields, b"");
        assert_eq!(answer.status, 409, "{method}");
        assert_eq!(answer.field("Retry-After"), Some("1"), "{method}");
        assert_eq!(answer.field("Upload-Offset"), None, "{method}");
    }
    drop(first);
    wait_until("it is given up", || {
        send(&server, "DELETE", &upload, &[], b"").status == 204
    });
    assert_eq!(names(root.path()), [""; 0]);
}

/// As they stand in README, but for the host.
#[test]
fn the_commands_of_the_readme_go_on_where_they_stopped() {
    if !tool("curl", "--version") {
        return;
    }
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```sh\n").skip(1);
    let block = blocks.map(|rest| rest.split("```").next().unwrap());
    let block = block
        .into_iter()
        .find(|block| block.contains("$N"))
        .unwrap();
    let [begin, look, rest] = block.lines().collect::<Vec<_>>()[..] else {
        panic!("three commands, not {block}");
    };
    let content: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    each(&BACKENDS, |backend| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inbox")).unwrap();
        fs::write(root.path().join("big.iso"), &content).unwrap();
        let server = Server::of(backend, root.path(), &["--upload=inbox", "--log", "off"]);
        let run = |lines: &[&str]| {
            let script = lines.join("\n");
            let script = script.replace("HOST:8080", &server.address.to_string());
            let mut shell = Command::new("sh");
            let ran = shell.args(["-c", &script]).current_dir(&root).output();
            String::from_utf8(ran.unwrap().stdout).unwrap()
        };
        // Less comes than was announced, and then nothing.
        let part = "head -c 300000 big.iso | curl -sm 0.5 -X PATCH -H \"Upload-Offset: $N\" -T - \
                    -H Transfer-Encoding: -H 'Content-Length: 700000' \"$U\"; echo \"U='$U'\"";
        let url = run(&[begin, look, part]);
        let (_, target) = url
            .trim()
            .trim_end_matches('\'')
            .split_once("/inbox")
            .unwrap();
        let upload = format!("/inbox{target}");
        wait_until("the upload is free", || {
            send(&server, "PATCH", &upload, &["Upload-Offset: 300000"], b"").status == 204
        });
        let told = run(&[&url, look, "echo $N", rest]);
        assert_eq!(told, "300000\nCreated /inbox/big.iso\n", "{backend}");
        assert_eq!(server.get("/inbox/big.iso").body, content, "{backend}");
    });
}
