//! Pages that reload when a file changes: what is told, to whom, and what becomes of the pages.

use std::fs;
use std::io::{BufRead, Read};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{Client, Server, matrix, request};

const EVENTS: &str = "/.httpoll/reload";
const PAGE: &str = "<!DOCTYPE html>\n<title>a</title>\n<link rel=stylesheet href=a.css>\n<p>a\n";

/// Backends that hold more than one connection.
const WATCHING: [&str; 5] = ["edge", "level", "poll", "select", "threads"];

fn site() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("index.html"), PAGE).unwrap();
    fs::write(dir.path().join("a.css"), "p { color: red }").unwrap();
    fs::write(dir.path().join("sub/plain"), "<p>none").unwrap();
    dir
}

fn watching(backend: &str, root: &Path, words: &[&str]) -> Server {
    Server::of(backend, root, &[&["--watch"], words].concat())
}

/// A page that watches, as EventSource does.
struct Page(Client<TcpStream>);

impl Page {
    /// It has been let in once this returns.
    fn open(server: &Server, query: &str, fields: &[&str]) -> Self {
        let mut client = server.connect();
        let target = format!("{EVENTS}{query}");
        client.send(request("GET", &target, fields).as_bytes());
        let head = client.head();
        assert_eq!(head.status, 200, "{}", head.head);
        assert_eq!(head.field("Content-Type"), Some("text/event-stream"));
        assert_eq!(head.field("Cache-Control"), Some("no-store"));
        let mut page = Self(client);
        assert_eq!(page.line_of("retry: "), "1000");
        page
    }

    /// The rest of the next line that begins so.
    fn line_of(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            let n = self.0.0.read_line(&mut line).unwrap();
            assert_ne!(n, 0, "it ended without {start}");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// The next event, with the state of the files that it names.
    fn event(&mut self) -> (String, String) {
        let id = self.line_of("id: ");
        (self.line_of("event: "), id)
    }
}

/// The script at the end of a page, and the state that it names.
fn script_of(page: &str) -> (&str, &str) {
    let tag = &page[page.rfind("<script ").expect(page)..];
    let state = tag.split('"').nth(3).unwrap();
    (tag, state)
}

fn refusal(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    let output = command.args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

matrix! {
    fn pages_are_told_of_every_way_to_change_a_file(backend) {
        let dir = site();
        let root = dir.path();
        if backend == "blocking" {
            let line = refusal(&["--backend", backend, "--watch", root.to_str().unwrap()]);
            assert!(line.contains("take edge, level, poll, select or threads"), "{line}");
            return;
        }
        let server = watching(backend, root, &[]);
        let (mut page, mut other) = (Page::open(&server, "", &[]), Page::open(&server, "", &[]));
        // What is written slowly is told more than once.
        let mut before = String::new();
        let mut check = |expected: &str, about: &str| {
            for page in [&mut page, &mut other] {
                while let (event, _) = page.event() && event != expected {
                    assert_eq!(event, before, "{about}");
                }
            }
            before = expected.into();
        };
        fs::write(root.join("index.html"), "<p>b").unwrap();
        check("reload", "an edit");
        fs::write(root.join("a.css"), "p {}").unwrap();
        check("styles", "a style sheet");
        fs::create_dir_all(root.join("new/in/it")).unwrap();
        check("reload", "directories");
        fs::write(root.join("new/in/it/b.css"), "p {}").unwrap();
        check("styles", "a file in the new directory");
        fs::write(root.join(".new"), "<p>c").unwrap();
        fs::rename(root.join(".new"), root.join("index.html")).unwrap();
        check("reload", "a rename into place");
        fs::remove_file(root.join("a.css")).unwrap();
        check("styles", "a style sheet deleted");
        symlink("index.html", root.join("link.html")).unwrap();
        check("reload", "a link");
        fs::write(root.join("sub/b.css"), "p {}").unwrap();
        check("styles", "a style sheet again");
        fs::write(root.join(".index.html.swp"), "x").unwrap();
        fs::write(root.join("sub/b.css"), "").unwrap();
        check("styles", "a hidden file is no change");
    }
}

#[test]
fn a_page_is_the_file_with_a_script_behind_it() {
    WATCHING
        .iter()
        .for_each(|backend| page_with_script_on(backend));
}

fn page_with_script_on(backend: &str) {
    let dir = site();
    let long = "<p>long\n".repeat(1024 * 1024 / 8);
    fs::write(dir.path().join("long.html"), &long).unwrap();
    fs::write(dir.path().join("empty.html"), "").unwrap();
    fs::write(dir.path().join("utf16.html"), b"\xff\xfe<\0p\0>\0").unwrap();
    let server = watching(
        backend,
        dir.path(),
        &["--max-age", "60", "--immutable", "*.html"],
    );
    for round in ["from the disk", "once more"] {
        for (target, file) in [("/", PAGE), ("/long.html?x", &long), ("/empty.html", "")] {
            let about = format!("{target} {round}");
            let answer = server.get(target);
            let text = answer.text();
            let (tag, state) = script_of(&text);
            let expected =
                format!("<script src=\"{EVENTS}.js\" data-since=\"{state}\" async></script>\n");
            assert_eq!(tag, expected, "{about}");
            assert!(text.strip_suffix(tag) == Some(file), "{about}");
            assert_eq!(answer.field("Cache-Control"), Some("no-cache"), "{about}");
            for absent in ["ETag", "Last-Modified", "Accept-Ranges"] {
                assert_eq!(answer.field(absent), None, "{about}");
            }
            // Neither a part of the file nor what a browser has kept of it is such a page.
            for field in [
                "Range: bytes=0-1",
                "If-None-Match: *",
                "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
            ] {
                let again = server.ask("GET", target, &[field]);
                assert_eq!(again.status, 200, "{about} {field}");
                assert!(again.body == answer.body, "{about} {field}");
            }
            let head = server.ask("HEAD", target, &[]);
            assert_eq!(
                head.field("Content-Length"),
                answer.field("Content-Length"),
                "{about}"
            );
            assert_eq!(head.field("ETag"), None, "{about}");
        }
    }
    assert_eq!(server.get("/utf16.html").body, b"\xff\xfe<\0p\0>\0");
    // All else is as it was, but that browsers ask for it every time.
    for target in ["/a.css", "/sub/plain"] {
        let answer = server.get(target);
        assert!(!answer.text().contains("<script"), "{target}");
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"), "{target}");
    }
    let part = server.ask("GET", "/a.css", &["Range: bytes=0-0"]);
    assert_eq!((part.status, part.text().as_str()), (206, "p"));
}

/// A listing and a 404 have it too, and a policy that lets it in: a file may turn up there. A listing that
/// takes files has none, which would be loaded anew in the middle of an upload.
#[test]
fn where_a_file_may_turn_up_a_script_waits_for_it() {
    let dir = site();
    fs::create_dir(dir.path().join("in")).unwrap();
    let many = dir.path().join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..6_000 {
        fs::write(many.join(format!("{n}")), "").unwrap();
    }
    let server = watching("edge", dir.path(), &["--upload=in"]);
    let html = &["Accept: text/html"];
    for target in ["/missing.html", "/sub/", "/sub/?as=grid"] {
        let answer = server.ask("GET", target, html);
        let policy = answer.field("Content-Security-Policy").unwrap();
        assert!(policy.contains("script-src 'self'"), "{target}: {policy}");
        assert!(
            policy.contains("; connect-src 'self'"),
            "{target}: {policy}"
        );
        assert!(script_of(&answer.text()).0.contains(EVENTS), "{target}");
    }
    let many = server.raw(b"GET /many/ HTTP/1.0\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    assert!(many.contains("; connect-src 'self'") && script_of(&many).0.contains(EVENTS));
    assert!(!server.ask("GET", "/in/", html).text().contains(EVENTS));
    let listing = server.ask("GET", "/sub/", &["Accept: application/json"]);
    assert!(listing.status == 200 && !listing.text().contains(EVENTS));
}

/// Without a grace that would end it anyway.
#[test]
fn a_page_that_watches_does_not_keep_the_server_from_stopping() {
    for backend in WATCHING {
        let dir = site();
        let mut server = watching(backend, dir.path(), &["--grace", "600"]);
        let mut page = Page::open(&server, "", &[]);
        let pid = Pid::from_child(server.child());
        kill_process(pid, Signal::TERM).unwrap();
        assert!(page.0.rest().ends_with("\r\n0\r\n\r\n"), "{backend}");
        assert!(server.child().wait().unwrap().success());
    }
}

#[test]
fn a_page_is_told_what_it_has_missed() {
    let dir = site();
    let server = watching("edge", dir.path(), &[]);
    let mut watcher = Page::open(&server, "", &[]);
    let text = server.get("/").text();
    let (_, first) = script_of(&text);
    fs::write(dir.path().join("a.css"), "p {}").unwrap();
    let (_, second) = watcher.event();
    // Made before the change, and opened after it.
    let since = format!("?since={first}");
    let mut late = Page::open(&server, &since, &[]);
    assert_eq!(late.event(), ("styles".into(), second.clone()));
    // A connection that was lost: the browser says what it knows, and that goes first.
    let mut again = Page::open(&server, &since, &[&format!("Last-Event-ID: {second}")]);
    fs::write(dir.path().join("index.html"), "<p>b").unwrap();
    let (event, third) = again.event();
    assert_eq!(event, "reload");
    assert_eq!(late.event(), (event, third.clone()));
    fs::write(dir.path().join("a.css"), "").unwrap();
    let (event, fourth) = late.event();
    assert_eq!(event, "styles");
    for (state, expected) in [(first, "reload"), (&second, "reload"), (&third, "styles")] {
        let mut page = Page::open(&server, &format!("?since={state}"), &[]);
        assert_eq!(page.event(), (expected.into(), fourth.clone()), "{state}");
    }
    // A page of another run of the server, or of none, begins anew.
    for state in ["", "x", "0-0", "0-99999999999999999999", "%00"] {
        let mut page = Page::open(&server, &format!("?since={state}"), &[]);
        assert_eq!(page.event(), ("reload".into(), fourth.clone()), "{state}");
    }
}

#[test]
fn pages_that_watch_are_bounded() {
    let dir = site();
    let server = watching("edge", dir.path(), &[]);
    let mut first = Page::open(&server, "", &["Connection: close"]);
    // A HEAD watches nothing.
    for _ in 0..3 {
        assert_eq!(server.ask("HEAD", EVENTS, &[]).status, 200);
    }
    let mut others: Vec<_> = (0..63).map(|_| Page::open(&server, "", &[])).collect();
    fs::write(dir.path().join("index.html"), "<p>b").unwrap();
    assert_eq!(first.event().0, "reload");
    let last = Page::open(&server, "", &[]);
    assert_eq!(first.line_of("event: "), "full");
    assert!(first.0.rest().ends_with("\r\n0\r\n\r\n"));
    for page in others.iter_mut().chain([&mut { last }]).take(63) {
        assert_eq!(page.event().0, "reload");
    }
}

#[test]
fn the_reserved_place_is_guarded_and_moves_with_the_prefix() {
    let dir = site();
    for backend in WATCHING {
        let server = watching(backend, dir.path(), &["--prefix", "/d", "--auth", "a:b"]);
        let script = format!("/d{EVENTS}.js");
        assert_eq!(server.get(&script).status, 401);
        assert_eq!(server.get(&format!("/d{EVENTS}")).status, 401);
        let known = "Authorization: Basic YTpi";
        let answer = server.ask("GET", &script, &[known]);
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("new EventSource("));
        assert_eq!(
            answer.field("Content-Type"),
            Some("text/javascript; charset=utf-8")
        );
        let foreign = server.ask("GET", &script, &[known, "Sec-Fetch-Site: cross-site"]);
        assert_eq!(foreign.status, 403);
        let refused = server.ask("POST", &script, &[known, "Content-Length: 0"]);
        assert_eq!(
            (refused.status, refused.field("Allow")),
            (405, Some("GET, HEAD"))
        );
        let page = server.ask("GET", "/d/", &[known]);
        assert!(page.text().contains(&format!("src=\"{script}\"")));
        assert_eq!(page.field("Cache-Control"), Some("private, no-cache"));
        assert_eq!(
            server.ask("GET", &format!("{EVENTS}.js"), &[known]).status,
            404
        );
    }
    // Without the option there is no such place.
    let server = Server::of("edge", dir.path(), &[]);
    assert_eq!(server.get(EVENTS).status, 404);
    assert_eq!(server.get("/").text(), PAGE);
}

#[test]
fn one_page_can_be_watched_alone() {
    let dir = site();
    let file = dir.path().join("index.html");
    let server = watching("edge", &file, &[]);
    assert!(server.get("/").text().starts_with(PAGE));
    let mut page = Page::open(&server, "", &[]);
    fs::write(dir.path().join("a.css"), "").unwrap();
    fs::write(&file, "<p>b").unwrap();
    assert_eq!(page.event().0, "reload");
    let mut text = String::new();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    client.0.read_to_string(&mut text).unwrap();
    assert!(text.contains("\r\n\r\n<p>b<script "), "{text}");
}

#[test]
fn where_nothing_can_be_watched_it_says_why() {
    let dir = site();
    let root = dir.path().to_str().unwrap();
    let check = |words: &[&str], reason: &str| {
        let line = refusal(&[&["--watch"], words].concat());
        assert!(line.contains(reason) && line.lines().count() == 1, "{line}");
    };
    check(
        &["--sandbox", "strict", root],
        "which --sandbox strict forbids, because",
    );
    check(&["--follow-root", root], "leave one of them out");
    check(&["--hello"], "httpoll --watch DIR");
    let line = refusal(&["--live-reload", root]);
    assert!(line.contains("--watch has open pages reload"), "{line}");
}
