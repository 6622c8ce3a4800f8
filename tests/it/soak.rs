//! A soak: good and hostile clients together for as long as asked, and at the end everything is
//! back where it began.
//!
//! `HTTPOLL_SOAK_SECONDS=600 cargo test --release --test it -- --ignored --nocapture soak`

#![expect(
    clippy::disallowed_methods,
    reason = "clients wait, and look at the clock"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant, SystemTime};

use crate::harness::{Client, Server, request};
use crate::process::{MANY, connect, each, memory_kib, processor, wait_until};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What is served: each kind of answer has its own way through the server.
struct Site {
    root: tempfile::TempDir,
    file: Vec<u8>,
}

impl Site {
    /// Names of `many/`, whose listing is kept, and of `more/`, whose is one of pages.
    const MANY: usize = 3_000;
    const MORE: usize = 11_000;

    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let bytes = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap());
        let file: Vec<u8> = bytes.collect();
        fs::write(at("file"), &file).unwrap();
        fs::write(at("small"), "small").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/etc/passwd", at("outside")).unwrap();
        fs::write(at("app.css"), "plain").unwrap();
        fs::write(at("app.css.gz"), SIBLINGS[0]).unwrap();
        // With --etag content a digest is a job of its own: so many zeros, none of them on a disk.
        File::create(at("zeros"))
            .unwrap()
            .set_len(16 << 20)
            .unwrap();
        for (folder, names) in [("many", Self::MANY), ("more", Self::MORE)] {
            fs::create_dir(at(folder)).unwrap();
            for n in 0..names {
                File::create(at(folder).join(format!("name-{n}"))).unwrap();
            }
        }
        Self { root, file }
    }

    /// Replaces the sibling, and makes the digest stale.
    fn edit(&self, until: Instant) {
        let at = |name: &str| self.root.path().join(name);
        let zeros = File::options().write(true).open(at("zeros")).unwrap();
        for sibling in SIBLINGS.iter().cycle() {
            fs::write(at("next"), sibling).unwrap();
            fs::rename(at("next"), at("app.css.gz")).unwrap();
            zeros.set_modified(SystemTime::now()).unwrap();
            sleep(ms(300));
            if Instant::now() >= until {
                break;
            }
        }
    }
}

/// What app.css.gz holds, in turns: what is looked at is that of gzip(1), the length of "plain" at
/// the end.
const SIBLINGS: [&[u8]; 2] = [
    b"\x1f\x8b\x08\0 one, which would be packed \x05\0\0\0",
    b"\x1f\x8b\x08\0 another one, as packed \x05\0\0\0",
];

/// A client that minds no delay: the soak may run beside others, at low priority.
fn patient(server: &Server) -> Client<TcpStream> {
    let client = server.connect();
    let patience = Some(Duration::from_secs(20));
    client.0.get_ref().set_read_timeout(patience).unwrap();
    client
}

/// Two clients that keep all rules: each answer must be theirs, whole and right. How many came.
fn good(server: &Server, until: Instant, file: &[u8]) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let mut client = patient(server);
        for at in 0..50_usize {
            let from = at * 1000;
            let range = format!("Range: bytes={from}-{}", from + 499);
            let answer = client.ask("GET", "/file", &[&range]);
            assert_eq!(answer.status, 206);
            assert_eq!(answer.body, file[from..from + 500]);
            let pair = request("GET", "/small", &[]) + &request("GET", "/missing", &[]);
            client.send(pair.as_bytes());
            assert_eq!(client.answer("GET").body, b"small");
            assert_eq!(client.answer("GET").status, 404);
            count += 3;
        }
        assert_eq!(
            client.ask("GET", "/file", &["Connection: close"]).body,
            file
        );
        client.expect_closed();
        count += 1;
    }
    count
}

/// A client that asks for what is not just read: a link, a sibling, listings, a digest.
fn thorough(server: &Server, until: Instant, file: &[u8]) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let mut client = patient(server);
        assert_eq!(client.ask("GET", "/link", &[]).body, file);
        assert_eq!(client.ask("GET", "/outside", &[]).status, 404);
        let packed = client.ask("GET", "/app.css", &["Accept-Encoding: gzip"]);
        assert_eq!(packed.field("Content-Encoding"), Some("gzip"));
        assert!(SIBLINGS.contains(&&packed.body[..]), "{packed:?}");
        assert_eq!(client.ask("GET", "/app.css", &[]).text(), "plain");
        let zeros = client.ask("HEAD", "/zeros", &["Connection: close"]);
        assert!(zeros.field("ETag").is_some(), "{}", zeros.head);
        for (folder, names) in [("many", Site::MANY), ("more", Site::MORE)] {
            // Without chunks: it ends with the connection.
            let mut client = patient(server);
            client.send(format!("GET /{folder}/ HTTP/1.0\r\n\r\n").as_bytes());
            let page = client.rest();
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
            assert_eq!(page.matches("href=\"name-").count(), names, "{folder}");
        }
        count += 7;
    }
    count
}

/// Clients that are killed, each a moment later than the one before: what the kernel does then is
/// to close their sockets, with a reset if there is something unread.
fn killed(server: &Server, until: Instant) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let targets = ["/file", "/many/", "/more/", "/zeros", "/app.css", "/link"];
        let target = targets[(count % 6) as usize];
        let method = if target == "/zeros" { "HEAD" } else { "GET" };
        let asked = request(method, target, &["Accept-Encoding: gzip"]);
        let moment = count / 6;
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(ms(50))).unwrap();
        match moment % 3 {
            // Within its request, ...
            0 => {
                let sent = usize::try_from(moment / 3).unwrap() % asked.len();
                let _ = stream.write_all(&asked.as_bytes()[..sent]);
            }
            // ... while the answer is made, ...
            1 => {
                let _ = stream.write_all(asked.as_bytes());
                sleep(Duration::from_micros(moment * 37 % 20_000));
            }
            // ... or while it is sent.
            _ => {
                let _ = stream.write_all(asked.as_bytes());
                let taken = usize::try_from(moment * 997 % 300_000).unwrap();
                let _ = stream.read_exact(&mut vec![0; taken]);
            }
        }
        count += 1;
    }
    count
}

/// Many at once who say nothing, and then all go.
fn bursts(server: &Server, until: Instant) -> u64 {
    let mut count = 0;
    while Instant::now() < until {
        let silent: Vec<_> = (0..100)
            .map(|_| TcpStream::connect(server.address).unwrap())
            .collect();
        sleep(ms(200));
        count += silent.len() as u64;
    }
    count
}

/// Clients that keep none, one after the other; what becomes of them does not matter.
fn hostile(server: &Server, until: Instant, seed: u64) -> u64 {
    let mut count = seed;
    while Instant::now() < until {
        let narrow = count.is_multiple_of(3).then_some(4096);
        let client = connect(server, None, narrow);
        let mut stream = client.0.get_ref();
        stream.set_write_timeout(Some(ms(50))).unwrap();
        stream.set_read_timeout(Some(ms(20))).unwrap();
        misbehave(stream, count);
        if count.is_multiple_of(2) {
            let at_once = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(stream, at_once).unwrap();
        }
        let _ = stream.read(&mut [0; 4096]);
        count += 1;
    }
    count - seed
}

fn misbehave(mut stream: &TcpStream, kind: u64) {
    let get = request("GET", "/file", &[]);
    let _ = match kind % 11 {
        0 => Ok(()),
        1 => stream.write_all(b"GET / HT"),
        2 => stream.write_all(get.as_bytes()), // and never reads it
        3 => stream.write_all(get.repeat(500).as_bytes()),
        4 => stream.write_all(&[0xff; 20_000]),
        5 => stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\nxx"),
        6 => stream
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"),
        7 => stream
            .write_all(get.as_bytes())
            .and_then(|()| stream.shutdown(Shutdown::Both)),
        8 => stream.shutdown(Shutdown::Write),
        9 => get.bytes().try_for_each(|byte| stream.write_all(&[byte])),
        _ => {
            for _ in 0..20 {
                let _ = stream.write_all(b"X");
                sleep(ms(5));
            }
            Ok(())
        }
    };
}

/// All clients at once for as long as `length`: how many answers were right, and how many attacks
/// there were.
fn run(server: &Server, site: &Site, length: Duration) -> (u64, u64) {
    let until = Instant::now() + length;
    let sum = |threads: Vec<ScopedJoinHandle<'_, u64>>| {
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.sum::<u64>()
    };
    scope(|scope| {
        scope.spawn(|| site.edit(until));
        let answered = vec![
            scope.spawn(|| good(server, until, &site.file)),
            scope.spawn(|| good(server, until, &site.file)),
            scope.spawn(|| thorough(server, until, &site.file)),
        ];
        let mut attacks: Vec<_> = (0..4)
            .map(|seed| scope.spawn(move || hostile(server, until, seed * 7)))
            .collect();
        attacks.push(scope.spawn(|| killed(server, until)));
        attacks.push(scope.spawn(|| bursts(server, until)));
        (sum(answered), sum(attacks))
    })
}

#[test]
#[ignore = "runs for as long as HTTPOLL_SOAK_SECONDS says"]
fn everything_is_given_back() {
    let seconds = std::env::var("HTTPOLL_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(10);
    each(&MANY, |backend| soak(backend, seconds));
}

/// Two large files and the root, for each of a few loops.
const FILES_MAX: usize = 12;

/// Its descriptors, and those of the site: how many files its caches keep for a minute depends on
/// what was edited last.
fn held(server: &Server, site: &Site) -> (usize, usize) {
    let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    let (files, others): (Vec<_>, Vec<_>) = links.partition(|to| to.starts_with(site.root.path()));
    (others.len(), files.len())
}

fn soak(backend: &str, seconds: u64) {
    let site = &Site::new();
    let words = "--header-timeout 2 --write-timeout 2 --body-timeout 2 --etag content --log off";
    let words: Vec<_> = words.split(' ').collect();
    let server = Server::of(backend, site.root.path(), &words);
    // What it keeps for the next client is there after a while: buffers, and up to 18 threads of a
    // loop, each with an arena of malloc, of which the last is first needed after a minute or two.
    run(&server, site, Duration::from_secs(seconds.min(240)) / 2);
    // What the idle server holds: nothing but listeners and wakers.
    let quiet = || {
        sleep(ms(4000));
        (held(&server, site).0, memory_kib(server.pid()))
    };
    let (open, memory) = quiet();
    let (answers, attacks) = run(&server, site, Duration::from_secs(seconds));
    wait_until("all closed", || held(&server, site).0 <= open);
    let (_, after) = quiet();
    let (_, files) = held(&server, site);
    let cpu = processor(server.pid());
    println!(
        "{backend}: {answers} answers, {attacks} attacks, {seconds} s; descriptors {open} + {files}, \
         memory {memory} -> {after} KiB, processor {cpu:?}"
    );
    assert!(files <= FILES_MAX, "{files} of the site are open");
    assert!(after < memory + 2048, "{memory} -> {after} KiB");
    let mut client: Client<TcpStream> = server.connect();
    assert_eq!(client.ask("GET", "/small", &[]).status, 200);
}
