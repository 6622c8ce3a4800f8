//! `--compress`: what is made, for whom, and that it is never older than its file.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use flate2::read::GzDecoder;
use httpoll::http::{Body, Request, Tick};
use httpoll::service::{Files, FilesConfig, Reply, Service, finish, run_to_end};

use crate::counting::counted;
use crate::harness::{Answer, PATIENCE, Server, matrix};

const TAKES: &str = "Accept-Encoding: gzip, deflate, br, zstd";

fn json(bytes: usize) -> String {
    let mut text = String::new();
    let mut n = 0_u32;
    while text.len() < bytes {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += &format!("{{\"id\": {n}, \"name\": \"entry\"}},\n");
    }
    text
}

/// Bytes that no compressor makes shorter.
fn noise(bytes: usize) -> Vec<u8> {
    let mut n = 1_u32;
    let next = || {
        n ^= n << 13;
        n ^= n >> 17;
        n ^= n << 5;
        n.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn decoded(answer: &Answer) -> String {
    let mut text = String::new();
    match answer.field("Content-Encoding") {
        None => answer.text(),
        Some("gzip") => {
            GzDecoder::new(&answer.body[..])
                .read_to_string(&mut text)
                .unwrap();
            text
        }
        Some("br") => {
            brotli::Decompressor::new(&answer.body[..], 4096)
                .read_to_string(&mut text)
                .unwrap();
            text
        }
        Some(other) => panic!("nobody takes {other}"),
    }
}

/// Asks until the file has been left alone for long enough. Each answer is right until then, too.
fn encoded(server: &Server, target: &str, expected: &str) -> Answer {
    let begin = Instant::now();
    loop {
        let answer = server.ask("GET", target, &[TAKES]);
        assert_eq!((answer.status, decoded(&answer).as_str()), (200, expected));
        assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
        if answer.field("Content-Encoding").is_some() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "never compressed");
    }
}

matrix! {
    fn what_shrinks_is_compressed_once_and_kept(backend) {
        let root = tempfile::tempdir().unwrap();
        let text = json(100 * 1024);
        fs::write(root.path().join("a.json"), &text).unwrap();
        let server = Server::of(backend, root.path(), &["--compress"]);
        let answer = encoded(&server, "/a.json", &text);
        assert!(answer.body.len() < text.len() / 2);
        assert_eq!(answer.field("Content-Type"), Some("application/json"));
        let plain = server.get("/a.json");
        assert_eq!((plain.field("Content-Encoding"), plain.text()), (None, text.clone()));
        assert_eq!(plain.field("Vary"), Some("Accept-Encoding"));
        let (tag, plain_tag) = (answer.field("ETag").unwrap(), plain.field("ETag").unwrap());
        assert!(tag != plain_tag && !tag.starts_with("W/"), "RFC 9110 8.8.3.3: {tag}");
        let head = server.ask("HEAD", "/a.json", &[TAKES]);
        for field in ["Content-Length", "ETag", "Content-Encoding", "Vary"] {
            assert_eq!(head.field(field), answer.field(field), "{field}");
        }
        let known = |tag: &str| format!("If-None-Match: {tag}");
        let ask = |fields: &[&str]| server.ask("GET", "/a.json", fields);
        assert_eq!(ask(&[TAKES, &known(tag)]).status, 304);
        assert_eq!(ask(&[&known(plain_tag)]).status, 304);
        assert_eq!(ask(&[&known(tag)]).status, 200, "it has the other one");
        for refused in ["Accept-Encoding: gzip;q=0", "Accept-Encoding: zstd", "Accept-Encoding: identity"] {
            assert_eq!(ask(&[refused]).field("Content-Encoding"), None, "{refused}");
        }
        // A part is one of the plain file, unless If-Range names the encoded one.
        let part = ask(&[TAKES, "Range: bytes=10-19"]);
        assert_eq!((part.status, part.text().as_str()), (206, &text[10..20]));
        assert_eq!((part.field("Content-Encoding"), part.field("ETag")), (None, Some(plain_tag)));
        let part = ask(&[TAKES, "Range: bytes=10-19", &format!("If-Range: {tag}")]);
        assert_eq!((part.status, part.body.as_slice()), (206, &answer.body[10..20]));
        assert_eq!(part.field("Content-Encoding"), Some("br"));
    }

    /// Whoever comes first, each has what it likes best of what it takes.
    fn each_client_has_the_coding_that_it_takes(backend) {
        const CODINGS: [(&str, Option<&str>); 6] = [
            ("gzip", Some("gzip")),
            ("gzip, br", Some("br")),
            ("br", Some("br")),
            ("br;q=0.5, gzip", Some("gzip")),
            ("*", Some("br")),
            ("br;q=0, gzip;q=0", None),
        ];
        let root = tempfile::tempdir().unwrap();
        let text = json(100 * 1024);
        for n in 0..CODINGS.len() {
            fs::write(root.path().join(format!("{n}.json")), &text).unwrap();
        }
        let last = json(2048);
        fs::write(root.path().join("last.txt"), &last).unwrap();
        let server = Server::of(backend, root.path(), &["--compress"]);
        encoded(&server, "/last.txt", &last);
        for n in 0..CODINGS.len() {
            let mut tags = std::collections::HashMap::new();
            for (taken, coding) in CODINGS.iter().cycle().skip(n).take(2 * CODINGS.len()) {
                let field = format!("Accept-Encoding: {taken}");
                let answer = server.ask("GET", &format!("/{n}.json"), &[&field]);
                assert_eq!(answer.field("Content-Encoding"), *coding, "{n}: {taken}");
                assert!(decoded(&answer) == text, "{n}: {taken}");
                let tag = answer.field("ETag").unwrap().to_owned();
                assert_eq!(*tags.entry(*coding).or_insert_with(|| tag.clone()), tag);
            }
            assert_eq!(tags.len(), 3);
        }
    }

    fn an_edit_is_seen_whatever_was_compressed(backend) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.txt");
        let server = Server::of(backend, root.path(), &["--compress", "--no-precompressed"]);
        for round in 0..2 {
            let text = format!("round {round}\n") + &json(300 * 1024);
            fs::write(&path, &text).unwrap();
            assert_eq!(decoded(&server.ask("GET", "/a.txt", &[TAKES])), text);
            encoded(&server, "/a.txt", &text);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(server.ask("GET", "/a.txt", &[TAKES]).status, 404);
    }
}

fn is_compressed(server: &Server, target: &str) -> bool {
    let answer = server.ask("GET", target, &[TAKES]);
    assert_eq!(answer.status, 200, "{target}");
    answer.field("Content-Encoding") == Some("br")
}

#[test]
fn what_is_not_worth_it_is_sent_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
    write("small.txt", &json(900).as_bytes()[..900]);
    write("enough.txt", &json(1024).as_bytes()[..1024]);
    write("noise.txt", &noise(64 * 1024));
    write("image.png", json(64 * 1024).as_bytes());
    write("huge.txt", json(8 * 1024 * 1024 + 1).as_bytes());
    write("big.txt", json(4 * 1024 * 1024).as_bytes());
    write("sibling.txt", json(64 * 1024).as_bytes());
    let last = json(2048);
    write("last.txt", last.as_bytes());
    let server = Server::of("edge", root.path(), &["--compress"]);
    // All are older than that one.
    encoded(&server, "/last.txt", &last);
    for target in ["/enough.txt", "/big.txt", "/sibling.txt"] {
        assert!(is_compressed(&server, target), "{target}");
    }
    for target in ["/small.txt", "/noise.txt", "/image.png", "/huge.txt"] {
        assert!(!is_compressed(&server, target), "{target}");
    }
    drop(server);
    // Without room to keep it, nothing is made.
    let server = Server::of(
        "edge",
        root.path(),
        &["--compress", "--cache-memory", "64K"],
    );
    assert!(is_compressed(&server, "/last.txt"));
    assert!(!is_compressed(&server, "/sibling.txt"));
    drop(server);
    let server = Server::of("edge", root.path(), &[]);
    assert!(!is_compressed(&server, "/last.txt"), "it is not asked for");
}

/// The page of a Markdown file and the file are of one version, and two things to encode. Who asked
/// first and takes no coding does not decide for those who do.
#[test]
fn a_page_is_compressed_beside_its_file() {
    let root = tempfile::tempdir().unwrap();
    let (source, last) = ("# Title\n\nText.\n\n".repeat(500), json(2048));
    fs::write(root.path().join("a.md"), &source).unwrap();
    fs::write(root.path().join("last.txt"), &last).unwrap();
    let server = Server::of("edge", root.path(), &["--compress"]);
    encoded(&server, "/last.txt", &last);
    let page = server.get("/a.md?view").text();
    for (target, content) in [
        ("/a.md", &source),
        ("/a.md?view", &page),
        ("/a.md", &source),
    ] {
        assert_eq!(server.get(target).field("Content-Encoding"), None);
        let answer = server.ask("GET", target, &[TAKES]);
        assert_eq!(answer.field("Content-Encoding"), Some("br"), "{target}");
        assert!(decoded(&answer) == *content, "{target}");
    }
}

/// What a user's rule calls encoded has no second coding, neither made nor from beside it, and what is
/// not to be transformed is not.
#[test]
fn a_rule_says_what_is_sent_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (text, last) = (json(64 * 1024), json(2048));
    for name in ["own.txt", "sibling.txt", "kept.txt", "last.txt"] {
        let text = if name == "last.txt" { &last } else { &text };
        fs::write(root.path().join(name), text).unwrap();
    }
    let mut sibling = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut sibling, text.as_bytes()).unwrap();
    fs::write(
        root.path().join("sibling.txt.gz"),
        sibling.finish().unwrap(),
    )
    .unwrap();
    let words = [
        ["own.txt", "Content-Encoding: x-own"],
        ["sibling.txt", "Content-Encoding: x-own"],
        ["kept.txt", "Cache-Control: max-age=60, No-Transform"],
    ];
    let mut words: Vec<_> = (words.iter())
        .flat_map(|[glob, field]| ["--header-for", glob, field])
        .collect();
    words.push("--compress");
    let server = Server::of("edge", root.path(), &words);
    encoded(&server, "/last.txt", &last);
    for (target, coding) in [
        ("/own.txt", Some("x-own")),
        ("/sibling.txt", Some("x-own")),
        ("/kept.txt", None),
    ] {
        let answer = server.ask("GET", target, &[TAKES]);
        assert_eq!(answer.field("Content-Encoding"), coding, "{target}");
        assert!(answer.text() == text, "{target}");
    }
}

/// Each client of a crowd gets the whole of it, whoever had it made.
#[test]
fn a_crowd_that_asks_first_is_answered() {
    let root = tempfile::tempdir().unwrap();
    let text = json(2 * 1024 * 1024);
    fs::write(root.path().join("a.txt"), &text).unwrap();
    let last = json(2048);
    fs::write(root.path().join("last.txt"), &last).unwrap();
    let server = Server::of("edge", root.path(), &["--compress", "--etag", "content"]);
    encoded(&server, "/last.txt", &last);
    let mut clients: Vec<_> = (0..24).map(|_| server.connect()).collect();
    let request = crate::harness::request("GET", "/a.txt", &[TAKES]);
    for client in &mut clients {
        client.send(request.as_bytes());
    }
    let answers: Vec<_> = clients
        .iter_mut()
        .map(|client| client.answer("GET"))
        .collect();
    for answer in &answers {
        assert_eq!(answer.field("Content-Encoding"), Some("br"));
        assert_eq!(answer.field("ETag"), answers[0].field("ETag"));
        assert!(decoded(answer) == text);
    }
}

/// A request on a service of its own, jobs done at once.
fn call(files: &mut Files, request: &Request<'_>, now: &Tick) -> u64 {
    match files.call(request, now) {
        Reply::Later(job) => {
            drop(run_to_end(job, &|| false));
            1
        }
        _ => 0,
    }
}

/// A folder with `a.json`, served with compression, and a moment at which that is an hour old.
fn compressing(content: &[u8]) -> (tempfile::TempDir, Files, Tick) {
    let root = tempfile::tempdir().unwrap();
    let name: &Path = &root.path().join("a.json");
    fs::write(name, content).unwrap();
    let config = FilesConfig {
        root: root.path().into(),
        compress: true,
        ..FilesConfig::default()
    };
    let files = Files::open(&config, 1).unwrap();
    let mut now = Tick::for_tests();
    now.wall += std::time::Duration::from_secs(3600);
    (root, files, now)
}

/// Of the clients that like one coding best the first one has it made, be it worth it or not, and
/// who takes none has nothing made.
#[test]
fn nothing_is_made_twice_for_the_same_taste() {
    for (content, about) in [
        (json(100 * 1024).into_bytes(), "what shrinks"),
        (noise(100 * 1024), "noise"),
    ] {
        let (_root, mut files, mut now) = compressing(&content);
        for (taken, jobs) in [
            ("identity", 1), // siblings are looked for
            ("gzip", 1),
            ("deflate, gzip", 0),
            ("zstd", 0),
            ("gzip, br", 1),
            ("br", 0),
            ("gzip", 0),
            ("*", 0),
            ("identity", 0),
        ] {
            let field = format!("Accept-Encoding: {taken}");
            let head = crate::harness::request("GET", "/a.json", &[&field]);
            let request = Request::parse(head.as_bytes()).unwrap();
            now.turn += 1;
            assert_eq!(call(&mut files, &request, &now), jobs, "{about}: {taken}");
        }
    }
}

/// A page that stands in for whatever is missing is found by each path anew, and each loop has a cache
/// of its own: all send the very same bytes.
#[test]
fn what_was_made_is_made_for_all_loops_and_paths() {
    let (root, _, mut now) = compressing(json(100 * 1024).as_bytes());
    let config = FilesConfig {
        root: root.path().into(),
        compress: true,
        spa: Some("a.json".into()),
        ..FilesConfig::default()
    };
    let first = Files::open(&config, 2).unwrap();
    let mut loops = [first.clone(), first];
    let mut all: Vec<Arc<[u8]>> = Vec::new();
    for n in 0..6 {
        let fields = ["Accept: text/html", TAKES];
        let head = crate::harness::request("GET", &format!("/{n}"), &fields);
        let request = Request::parse(head.as_bytes()).unwrap();
        now.turn += 1;
        let response = match loops[n % 2].call(&request, &now) {
            Reply::Now(response) => response,
            Reply::Later(job) => finish(job, &|| false).unwrap(),
            Reply::Receive(_) => panic!("nothing is sent"),
        };
        let Body::Shared(bytes) = response.body else {
            panic!("it is in memory")
        };
        all.push(bytes);
    }
    assert!(all.iter().all(|bytes| Arc::ptr_eq(bytes, &all[0])));
}

#[test]
fn what_is_compressed_and_kept_allocates_nothing() {
    let (_root, mut files, mut now) = compressing(json(100 * 1024).as_bytes());
    let head = crate::harness::request("GET", "/a.json", &[TAKES]);
    let request = Request::parse(head.as_bytes()).unwrap();
    let jobs = call(&mut files, &request, &now);
    assert_eq!(jobs, 1, "it is not made on a loop");
    for turn in 0..100 {
        now.turn = 2 + turn;
        let (count, reply) = counted(|| files.call(&request, &now));
        let Reply::Now(response) = reply else {
            panic!("it is kept")
        };
        let fields = String::from_utf8_lossy(response.fields.as_bytes()).into_owned();
        assert!(fields.contains("Content-Encoding: br\r\n"), "{fields}");
        assert!(count == 0 || turn == 0, "{count}");
    }
}
