//! A folder as one download, opened by the programs that people have.

#![expect(clippy::disallowed_methods, reason = "the tests have files and clocks")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::{BACKENDS, Client, Server, matrix, request, skip, tool};
use crate::process::{connect, each, settled_descriptors, wait_until, widen};

const PACKINGS: [&str; 3] = ["zip", "tar.gz", "tar"];

/// The content of a chunked answer, and whether it came to its end.
fn chunks(client: &mut Client<TcpStream>) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    loop {
        let mut line = String::new();
        if client.0.read_line(&mut line).unwrap_or(0) == 0 {
            return (content, false);
        }
        let size = u64::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = Vec::new();
        let taken = (&mut client.0).take(size + 2).read_to_end(&mut chunk);
        if taken.unwrap_or(0) < usize::try_from(size).unwrap() + 2 {
            return (content, false);
        }
        if size == 0 {
            return (content, true);
        }
        chunk.truncate(chunk.len() - 2);
        content.append(&mut chunk);
    }
}

fn download(server: &Server, target: &str) -> Vec<u8> {
    let mut client = server.connect();
    client.send(request("GET", target, &[]).as_bytes());
    let head = client.head();
    assert_eq!(head.status, 200, "{target}: {}", head.head);
    assert_eq!(head.field("Transfer-Encoding"), Some("chunked"));
    let (content, complete) = chunks(&mut client);
    assert!(complete, "{target}: cut off after {} bytes", content.len());
    content
}

/// What a directory holds: content (of a file), whether it can be executed, seconds.
type Tree = BTreeMap<Vec<u8>, (Option<Vec<u8>>, bool, i64)>;

fn tree(root: &Path) -> Tree {
    let (mut found, mut todo) = (Tree::new(), vec![PathBuf::new()]);
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            let meta = fs::metadata(root.join(&path)).unwrap();
            let content = meta.is_file().then(|| fs::read(root.join(&path)).unwrap());
            let executable = meta.is_file() && meta.mode() & 0o100 != 0;
            // Those of directories change while they are filled.
            let modified = if meta.is_file() { meta.mtime() } else { 0 };
            let name = path.as_os_str().as_bytes().to_vec();
            found.insert(name, (content, executable, modified));
            if meta.is_dir() {
                todo.push(path);
            }
        }
    }
    found
}

/// How programs are told to unpack their standard input, or the file `archive`, here.
const READERS: [(&str, &[&str]); 7] = [
    ("tar", &["tar", "-xf-"]),
    ("tar", &["bsdtar", "-xf-"]),
    ("tar.gz", &["tar", "-xzf-"]),
    ("tar.gz", &["bsdtar", "-xf-"]),
    ("zip", &["bsdtar", "-xf-"]),
    ("zip", &["bsdtar", "-xf", "archive"]),
    ("zip", &["unzip", "-q", "-^", "archive"]),
];

/// Checks what it says, and unpacks it; a name that is not UTF-8 is as its bytes.
const PYTHON: &str = "
import sys, zipfile, tarfile
if zipfile.is_zipfile('archive'):
    z = zipfile.ZipFile('archive')
    assert z.testzip() is None
    for i in z.infolist():
        sys.stdout.buffer.write(b'%d %s\\0' % (i.file_size, i.filename.encode()))
else:
    for i in tarfile.open('archive'):
        name = i.name + ('/' if i.isdir() else '')
        sys.stdout.buffer.write(b'%d %s\\0' % (i.size, name.encode('utf-8', 'surrogateescape')))
";

fn run(words: &[&str], at: &Path, input: Option<&[u8]>) -> Vec<u8> {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env("LC_ALL", "C.UTF-8")
        .current_dir(at)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Some(input) = input {
        // A reader may stop at the end of the archive, before the end of its input.
        let _ = stdin.write_all(input);
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", output.status);
    output.stdout
}

fn tools_are_there() -> bool {
    tool("bsdtar", "--version")
        && tool("unzip", "-v")
        && tool("python3", "--version")
        && tool("tar", "--version")
}

/// All three archives of the folder at `path`, unpacked by all programs, are what is at `expected`.
fn reads_back(server: &Server, path: &str, name: &str, expected: &Tree) {
    for packing in PACKINGS {
        let archive = download(server, &format!("{path}?{packing}"));
        let scratch = tempfile::tempdir().unwrap();
        let at = scratch.path();
        fs::write(at.join("archive"), &archive).unwrap();
        for (number, (of, words)) in READERS.iter().enumerate() {
            if *of != packing {
                continue;
            }
            let place = at.join(number.to_string());
            fs::create_dir(&place).unwrap();
            let from_file = words.contains(&"archive");
            if from_file {
                fs::copy(at.join("archive"), place.join("archive")).unwrap();
            }
            run(words, &place, (!from_file).then_some(&archive[..]));
            let mut found = tree(&place.join(name));
            if packing == "zip" && !from_file {
                // Rights stand at the end of the archive, where it has passed the file.
                for (path, entry) in &mut found {
                    entry.1 = expected.get(path).is_some_and(|expected| expected.1);
                }
            }
            for (path, entry) in expected {
                let shown = String::from_utf8_lossy(path);
                assert!(
                    found.get(path) == Some(entry),
                    "{words:?} {packing}: {shown:?}"
                );
            }
            assert_eq!(found.len(), expected.len(), "{words:?} {packing}");
        }
        let told = run(&["python3", "-c", PYTHON], at, None);
        let mut told: Vec<_> = told.split_inclusive(|&b| b == 0).collect();
        told.sort_unstable();
        let mut should: Vec<_> = expected
            .iter()
            .map(|(path, (content, ..))| {
                let slash = if content.is_some() { "" } else { "/" };
                let size = content.as_ref().map_or(0, Vec::len);
                let head = format!("{size} {name}/");
                [head.as_bytes(), path, slash.as_bytes(), b"\0"].concat()
            })
            .collect();
        should.push(format!("0 {name}/\0").into_bytes());
        should.sort_unstable();
        assert!(told == should, "python: {packing}");
    }
}

/// Bytes that no compressor shrinks.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn put(root: &Path, path: &str, content: &[u8], seconds: u64) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(&path).unwrap().set_modified(time).unwrap();
}

/// Every kind of thing there is.
fn sample(root: &Path) {
    let long = |n: usize| "n".repeat(n);
    put(root, "a b/c's \"d\".txt", b"text", 1_000_000_001);
    put(root, "\u{fc}ber/\u{65e5}\u{672c}.txt", b"", 1_000_000_003);
    put(root, "new\nline", b"x", 1_600_000_000);
    put(root, "back\\slash", b"y", 1_600_000_000);
    put(root, &long(120), b"long", 1_600_000_000);
    let deep = [long(200), long(250), long(255)].join("/");
    put(root, &deep, b"deep", 1_600_000_000);
    put(root, "large", &noise(700_001), 1_700_000_000);
    put(
        root,
        "page.html",
        &b"<p>Again. ".repeat(70_000),
        1_700_000_001,
    );
    put(root, "just", &noise(65_536), 1_700_000_000);
    put(root, "more", &noise(65_537), 1_700_000_000);
    put(root, "run", b"#!/bin/sh\n", 1_700_000_000);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.join("run"), executable).unwrap();
    fs::create_dir_all(root.join("empty/too")).unwrap();
}

matrix! {
    fn archives_are_read_by_what_people_have(backend) {
        if !tools_are_there() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("f");
        fs::create_dir(&folder).unwrap();
        sample(&folder);
        let expected = tree(&folder);
        let server = Server::of(backend, root.path(), &[]);
        reads_back(&server, "/f/", "f", &expected);
        // HTTP/1.0 has no chunks: the end of the connection is that of the content.
        for packing in PACKINGS {
            let mut client = server.connect();
            client.send(format!("GET /f/?{packing} HTTP/1.0\r\n\r\n").as_bytes());
            let head = client.head();
            assert_eq!(head.field("Transfer-Encoding"), None);
            let mut content = Vec::new();
            client.0.read_to_end(&mut content).unwrap();
            assert!(content == download(&server, &format!("/f/?{packing}")), "{packing}");
        }
    }
}

/// Whatever is in a folder.
#[test]
fn any_tree_is_read_back_the_same() {
    if !tools_are_there() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let server = Server::of("edge", root.path(), &[]);
    const PIECES: [&str; 11] = [
        "a",
        "B",
        " ",
        "\u{e9}",
        "\u{1f40e}",
        "\n",
        "'",
        "-",
        "%41",
        "&",
        "0123456789",
    ];
    let name = prop::collection::vec(prop::sample::select(&PIECES[..]), 1..30);
    // Not one that begins with a dash, which is nothing to the server and all to some programs.
    let name = name.prop_map(|pieces| format!("n{}", pieces.concat()));
    let path = prop::collection::vec(name, 1..5);
    let content = (0..3_u8, prop_oneof![0..2_000_usize, 60_000..140_000_usize]);
    let file = (path, content, 315_532_800..2_000_000_000_u64);
    let files = prop::collection::vec(file, 0..12);
    let number = Cell::new(0);
    let config = ProptestConfig {
        cases: 6,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    let ran = TestRunner::new(config).run(&files, |files| {
        number.set(number.get() + 1);
        let name = format!("case{}", number.get());
        let folder = root.path().join(&name);
        fs::create_dir(&folder).unwrap();
        for (path, (kind, len), seconds) in files {
            let path = path.join("/");
            let parent = folder.join(&path);
            let parent = parent.parent().unwrap();
            if kind == 2 || parent.ancestors().any(|above| above.is_file()) {
                let _ = fs::create_dir_all(parent);
                continue;
            }
            let content = if kind == 0 {
                noise(len)
            } else {
                b"line\n".repeat(len / 5)
            };
            if !folder.join(&path).is_dir() {
                put(&folder, &path, &content, seconds);
            }
        }
        reads_back(&server, &format!("/{name}/"), &name, &tree(&folder));
        Ok(())
    });
    ran.unwrap();
}

/// Before 1970, beyond 8 GiB of seconds, and names that are no text: tar has room for all of it.
#[test]
fn what_only_tar_can_say() {
    if !tools_are_there() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("f");
    fs::create_dir(&folder).unwrap();
    let at = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    fs::write(at(b"caf\xe9"), "latin").unwrap();
    fs::write(at(&[&b"\xff"[..], &[b'y'; 200]].concat()), "long").unwrap();
    fs::write(at(b"old"), "old").unwrap();
    let old = SystemTime::UNIX_EPOCH - Duration::from_secs(86_400);
    File::open(at(b"old")).unwrap().set_modified(old).unwrap();
    let expected = tree(&folder);
    assert_eq!(expected[&b"old"[..]].2, -86_400);
    let server = Server::of("edge", root.path(), &[]);
    let archive = download(&server, "/f/?tar");
    for words in [["tar", "-xf-"], ["bsdtar", "-xf-"]] {
        let place = tempfile::tempdir().unwrap();
        run(&words, place.path(), Some(&archive));
        assert!(tree(&place.path().join("f")) == expected, "{words:?}");
    }
}

/// RFC 9110 §13.1.2, §14.3; RFC 6266 §4.3.
#[test]
fn an_archive_says_what_it_is() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("my f\u{f6}lder");
    put(&folder, "a.txt", b"text", 1_700_000_000);
    let server = Server::of("edge", &folder, &[]);
    let head = server.ask("HEAD", "/?zip", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("Content-Type"), Some("application/zip"));
    assert_eq!(head.field("Cache-Control"), Some("no-store"));
    assert_eq!(head.field("Accept-Ranges"), Some("none"));
    assert_eq!(
        head.field("Content-Disposition"),
        Some(
            "attachment; filename=\"my f\u{f6}lder.zip\"; \
             filename*=UTF-8''my%20f%C3%B6lder.zip"
        )
    );
    for (query, status) in [
        ("tar", 200),
        ("tar.gz=", 200),
        ("x&zip=", 200),
        ("rar", 200),
    ] {
        let target = format!("/?{query}");
        let head = server.ask("HEAD", &target, &["Range: bytes=0-5"]);
        let is_listing = head.field("Content-Disposition").is_none();
        assert_eq!(
            (head.status, is_listing),
            (status, query == "rar"),
            "{query}"
        );
    }
    assert_eq!(
        server.ask("HEAD", "/?zip", &["If-None-Match: *"]).status,
        304
    );
    assert_eq!(
        server
            .ask("HEAD", "/?zip", &["If-None-Match: \"x\""])
            .status,
        200
    );
    assert_eq!(
        server.ask("HEAD", "/?zip", &["If-Match: \"x\""]).status,
        412
    );
    assert_eq!(server.ask("POST", "/?zip", &[]).status, 405);
}

#[test]
fn archives_are_where_listings_are() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "a.txt", b"text", 1_700_000_000);
    put(root.path(), "site/index.html", b"page", 1_700_000_000);
    put(root.path(), "site/beside", b"beside", 1_700_000_000);
    let server = Server::of("edge", root.path(), &["--hidden"]);
    assert_eq!(server.get("/a.txt?zip").text(), "text");
    // A directory with a page of its own is not listed; it is a part of what is above it.
    assert_eq!(server.get("/site/?zip").text(), "page");
    let moved = server.get("/site?zip");
    assert_eq!(
        (moved.status, moved.field("Location")),
        (301, Some("/site/?zip"))
    );
    let whole = download(&server, "/?tar");
    assert!(whole.windows(6).any(|window| window == b"beside"));
    assert!(
        server
            .ask("GET", "/", &["Accept: text/html"])
            .text()
            .contains("name=\"tar.gz\"")
    );

    for words in [["--no-listing"], ["--no-archive"]] {
        let server = Server::of("edge", root.path(), &words);
        assert_eq!(server.get("/?zip").status, 404, "{words:?}");
        let page = server.ask("GET", "/", &["Accept: text/html"]).text();
        assert!(!page.contains("<form id=\"download\""), "{words:?}");
    }
}

#[test]
fn an_archive_is_called_like_its_folder() {
    let root = tempfile::tempdir().unwrap();
    let named = |words: &[&str], target: &str, of: &Path| {
        let head = Server::of("edge", of, words).ask("HEAD", target, &[]);
        head.field("Content-Disposition").unwrap().to_owned()
    };
    let hidden = root.path().join(".hidden");
    fs::create_dir_all(hidden.join("in")).unwrap();
    let expected = |name: &str| format!("attachment; filename=\"{name}.tar\"");
    assert_eq!(named(&[], "/?tar", &hidden), expected("files"));
    assert_eq!(named(&["--hidden"], "/?tar", &hidden), expected(".hidden"));
    assert_eq!(named(&[], "/in/?tar", &hidden), expected("in"));
    assert_eq!(
        named(&["--prefix", "/p/q"], "/p/q/?tar", &hidden),
        expected("q")
    );
}

/// What the listing does not show is not there; links are what they lead to.
#[test]
fn nothing_is_in_it_that_is_not_served() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    put(root.path(), "f/shown", b"SHOWN", 1_700_000_000);
    put(root.path(), "f/.hidden", b"HIDDEN", 1_700_000_000);
    put(root.path(), "f/.dir/file", b"HIDDEN", 1_700_000_000);
    put(
        root.path(),
        "f/.httpoll-part-1",
        b"UNFINISHED",
        1_700_000_000,
    );
    put(root.path(), "g/file", b"INSIDE", 1_700_000_000);
    put(outside.path(), "secret", b"OUTSIDE", 1_700_000_000);
    symlink("../g", at("f/link")).unwrap();
    symlink(outside.path(), at("f/out")).unwrap();
    symlink(outside.path().join("secret"), at("f/out-file")).unwrap();
    symlink(".", at("f/loop")).unwrap();
    symlink("..", at("g/up")).unwrap();
    let check = |words: &[&str], expected: [bool; 5]| {
        let server = Server::of("edge", root.path(), words);
        let whole = download(&server, "/f/?tar");
        let words_of = ["SHOWN", "INSIDE", "HIDDEN", "OUTSIDE", "UNFINISHED"];
        for (word, expected) in words_of.into_iter().zip(expected) {
            let there = whole.windows(word.len()).any(|w| w == word.as_bytes());
            assert_eq!(there, expected, "{words:?}: {word}");
        }
    };
    check(&[], [true, true, false, false, false]);
    check(&["--symlinks", "deny"], [true, false, false, false, false]);
    check(&["--hidden"], [true, true, true, false, false]);
    check(&["--symlinks", "follow"], [true, true, false, true, false]);
    put(root.path(), "f/box/sent", b"SENT", 1_700_000_000);
    let words = ["--upload=f/box", "--upload-only"];
    let server = Server::of("edge", root.path(), &words);
    let whole = String::from_utf8_lossy(&download(&server, "/f/?tar")).into_owned();
    assert!(whole.contains("SHOWN") && !whole.contains("SENT"));
    assert!(whole.contains("box/: it is a drop box\n"));
}

/// The archive says what it lacks.
#[test]
fn what_may_not_be_read_is_named_in_the_archive() {
    if !rustix::process::geteuid().is_root() {
        return skip("root, for --user");
    }
    let root = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put(root.path(), "f/open", b"OPEN", 1_700_000_000);
    put(root.path(), "f/shut", b"SHUT", 1_700_000_000);
    put(root.path(), "f/closed/file", b"SHUT", 1_700_000_000);
    mode(root.path(), 0o755);
    mode(&root.path().join("f/shut"), 0o600);
    mode(&root.path().join("f/closed"), 0o700);
    let server = Server::of("edge", root.path(), &["--user", "nobody"]);
    for packing in ["tar", "zip"] {
        let whole = download(&server, &format!("/f/?{packing}"));
        let whole = String::from_utf8_lossy(&whole).into_owned();
        assert!(whole.contains("OPEN") && !whole.contains("SHUT"));
        let told = "Not in this archive:\n\nclosed/: the server may not read it\n\
                    shut: the server may not read it\n";
        assert_eq!(whole.contains(told), packing == "tar");
        assert!(whole.contains("f-left-out.txt"), "{packing}");
    }
    assert_eq!(server.get("/f/closed/?zip").status, 403);
}

/// A root with a file of 16 MiB that does not shrink, between two others.
fn root_with_large() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "f/a", b"before", 1_700_000_000);
    put(
        root.path(),
        "f/b",
        &noise(1 << 20).repeat(16),
        1_700_000_000,
    );
    put(root.path(), "f/c", b"behind", 1_700_000_000);
    root
}

/// A download that has begun and is not read on: most of the large file is still to be read.
fn begun(server: &Server, target: &str) -> Client<TcpStream> {
    let mut client = connect(server, None, Some(4096));
    client.send(request("GET", target, &[]).as_bytes());
    assert_eq!(client.head().status, 200);
    // The first piece has its beginning.
    assert!(!client.0.fill_buf().unwrap().is_empty());
    client
}

/// The rest of it.
fn read_on(mut client: Client<TcpStream>) -> (Vec<u8>, bool) {
    widen(&client);
    chunks(&mut client)
}

/// The size that was told holds, or the transfer does not look complete.
#[test]
fn a_file_that_changes_meanwhile_spoils_no_archive() {
    if !tool("unzip", "-v") || !tool("tar", "--version") {
        return;
    }
    each(&BACKENDS, |backend| {
        let root = root_with_large();
        let large = File::options()
            .write(true)
            .open(root.path().join("f/b"))
            .unwrap();
        let server = Server::of(backend, root.path(), &[]);
        let sizes = |words: &[&str], archive: &[u8]| {
            let place = tempfile::tempdir().unwrap();
            fs::write(place.path().join("archive"), archive).unwrap();
            run(words, place.path(), None);
            ["a", "b", "c"].map(|name| {
                let file = place.path().join("f").join(name);
                fs::metadata(file).map_or(0, |meta| meta.len())
            })
        };
        let unzip = ["unzip", "-q", "archive"];
        let tar = ["tar", "-xf", "archive"];
        for (target, words) in [("/f/?zip", unzip), ("/f/?tar", tar)] {
            let client = begun(&server, target);
            large.set_len(20 << 20).unwrap();
            let (archive, complete) = read_on(client);
            assert!(complete, "{backend} {target}");
            assert_eq!(
                sizes(&words, &archive),
                [6, 16 << 20, 6],
                "{backend} {target}"
            );
            large.set_len(16 << 20).unwrap();
        }
        let client = begun(&server, "/f/?zip");
        large.set_len(100_000).unwrap();
        let (archive, complete) = read_on(client);
        assert!(complete, "{backend}");
        let [a, b, c] = sizes(&unzip, &archive);
        assert!(
            a == 6 && c == 6 && (100_000..16 << 20).contains(&b),
            "{backend}: {b}"
        );
        for target in ["/f/?tar", "/f/?tar.gz"] {
            large.set_len(16 << 20).unwrap();
            large.sync_all().unwrap();
            fs::write(root.path().join("f/b"), noise(1 << 20).repeat(16)).unwrap();
            let client = begun(&server, target);
            large.set_len(100_000).unwrap();
            let (_, complete) = read_on(client);
            assert!(!complete, "{backend} {target}");
        }
    });
}

#[test]
fn an_archive_for_a_client_that_is_gone_leaves_nothing_open() {
    each(&BACKENDS, |backend| {
        let root = root_with_large();
        let server = Server::of(backend, root.path(), &[]);
        // What the first one costs stays: threads, their mailboxes.
        download(&server, "/f/?zip");
        let before = settled_descriptors(server.pid());
        for packing in PACKINGS {
            let client = begun(&server, &format!("/f/?{packing}"));
            drop(client);
            wait_until("all is closed", || {
                settled_descriptors(server.pid()) <= before
            });
        }
    });
}

/// Links are followed by what makes mirrors, `rel=nofollow` or not; forms are not.
#[test]
fn a_mirror_takes_a_listing_once_and_no_archives() {
    if !tool("wget", "--version") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    for name in ["f/README.md", "f/a", "f/b.jpg", "f/d/c"] {
        put(root.path(), name, b"text", 1_700_000_000);
    }
    let server = Server::of("edge", root.path(), &[]);
    let place = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", server.address);
    let words = ["wget", "-q", "-r", "-np", "-nH", "-e", "robots=off", &url];
    run(&words, place.path(), None);
    let names: Vec<_> = tree(place.path()).into_keys().collect();
    let names: Vec<_> = names
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    let expected = [
        "f",
        "f/README.md",
        "f/a",
        "f/b.jpg",
        "f/d",
        "f/d/c",
        "f/d/index.html",
        "f/index.html",
        "index.html",
    ];
    assert_eq!(names, expected);
}

/// 70,000 files in one directory and 5 GiB in one file: `cargo test --release --test it -- --ignored
/// archives_have_no_size`.
#[test]
#[ignore = "takes a minute and 5 GiB of disk"]
fn archives_have_no_size() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..70_000 {
        put(root.path(), &format!("many/file-{n}"), b"", 1_700_000_000);
    }
    fs::create_dir(root.path().join("large")).unwrap();
    let sparse = File::create(root.path().join("large/sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    let server = Server::of("edge", root.path(), &[]);
    let check = |target: &str, lister: &[&str], expected: &str| {
        let place = tempfile::tempdir().unwrap();
        let url = format!("http://{}{target}", server.address);
        run(&["curl", "-sSfo", "archive", &url], place.path(), None);
        let told = run(lister, place.path(), None);
        let told = String::from_utf8_lossy(&told);
        assert!(
            told.contains(expected),
            "{target} {lister:?}: {:.300}",
            told
        );
    };
    let python = "import zipfile; z = zipfile.ZipFile('archive'); l = z.infolist(); \
                  print(len(l), sum(i.file_size for i in l), [i.filename for i in l][-1])";
    check(
        "/many/?zip",
        &["python3", "-c", python],
        "70001 0 many/file-69999",
    );
    check("/many/?zip", &["unzip", "-tq", "archive"], "No errors");
    check(
        "/large/?zip",
        &["python3", "-c", python],
        "2 5368709120 large/sparse",
    );
    check("/large/?zip", &["unzip", "-tq", "archive"], "No errors");
    check("/large/?zip", &["bsdtar", "-tvf", "archive"], "5368709120");
    check("/large/?tar.gz", &["tar", "-tvzf", "archive"], "5368709120");
    check(
        "/many/?tar",
        &["tar", "-tf", "archive"],
        "many/file-69999\n",
    );
}
