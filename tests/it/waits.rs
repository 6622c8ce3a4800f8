//! What may wait stops no other client: slow file systems, dear work, clients that are gone.

#![expect(clippy::disallowed_methods, reason = "deadlines of the tests")]

mod slow_fs;

use std::fs::{self, File};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::harness::{BACKENDS, Client, LOOPS, PATIENCE, Server, request, uninterrupted};
use crate::process::{MANY, each, processor, wait_until, zeros};
use slow_fs::{Gate, LARGE_BYTES, SlowFs, content};

/// Takes `target` whole while another client is served, before the gate opens. The content.
fn taken_while_others_are_served(server: &Server, gate: &Gate, target: &str) -> String {
    let mut slow = server.connect();
    slow.send(request("GET", target, &["Connection: close"]).as_bytes());
    gate.is_reached();
    for _ in 0..3 {
        assert_eq!(server.get("/fast").text(), "fast");
    }
    assert!(gate.open(), "{target}: others waited for it");
    let whole = slow.rest();
    assert!(whole.starts_with("HTTP/1.1 200"), "{target}: {whole:.99}");
    whole.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A root with a file on a disk, `fast`, and the slow file system at `slow`.
fn root_with(mount: impl Fn(&Path) -> Option<SlowFs>) -> Option<(SlowFs, tempfile::TempDir)> {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("fast"), "fast").unwrap();
    fs::create_dir(root.path().join("slow")).unwrap();
    Some((mount(&root.path().join("slow"))?, root))
}

/// FUSE, and so NFS: each read waits for another process.
#[test]
fn files_on_a_slow_file_system_stop_nobody() {
    each(&MANY, |backend| {
        for (name, len) in [("large", LARGE_BYTES), ("small", 1_000)] {
            let Some((mount, root)) = root_with(SlowFs::mount) else {
                return;
            };
            let server = Server::of(backend, root.path(), &[]);
            let target = format!("/slow/{name}");
            let got = taken_while_others_are_served(&server, &mount.gate, &target);
            assert!(got.as_bytes() == content(0..len), "{backend}: {name}");
            let range = ["Range: bytes=7-270000,300000-400000"];
            let both = server.ask("GET", &target, &range);
            assert_eq!(both.status, 206);
            let last = content(300_000.min(len)..400_001.min(len));
            assert!(both.body.windows(last.len().max(1)).any(|w| w == last) || last.is_empty());
            drop(server);
        }
    });
}

/// close(2) asks FUSE's server to flush, and waits for what it says.
#[test]
fn closing_a_file_on_a_slow_file_system_stops_nobody() {
    each(&MANY, |backend| {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        assert!(mount.gate.open());
        let server = Server::of(backend, root.path(), &[]);
        let whole = server.get("/slow/shut");
        assert!(whole.body == content(0..LARGE_BYTES), "{backend}");
        // Whatever is kept of an answer until the next request comes is given up now.
        let mut next = server.connect();
        next.send(request("GET", "/fast", &[]).as_bytes());
        mount.closing.is_reached();
        for _ in 0..3 {
            assert_eq!(server.get("/fast").text(), "fast", "{backend}");
        }
        assert!(mount.closing.open(), "{backend}: others waited for it");
        assert_eq!(next.answer("GET").text(), "fast", "{backend}");
        drop(server);
    });
}

/// overlayfs (containers) answers EOPNOTSUPP where it is asked not to wait.
#[test]
fn a_file_system_that_cannot_say_stops_nobody() {
    each(&MANY, |backend| {
        let lower = tempfile::tempdir().unwrap();
        let Some(mount) = SlowFs::mount(lower.path()) else {
            return;
        };
        let root = tempfile::tempdir().unwrap();
        let [own, top] = ["own", "top"].map(|name| root.path().join(name));
        fs::create_dir(&own).unwrap();
        fs::create_dir(&top).unwrap();
        fs::write(own.join("fast"), "fast").unwrap();
        let layers = format!("lowerdir={}:{}", own.display(), lower.path().display());
        let Some(_overlay) = mount.covered_by(&layers, &top) else {
            return;
        };
        let server = Server::of(backend, &top, &[]);
        let got = taken_while_others_are_served(&server, &mount.gate, "/large");
        assert!(got.as_bytes() == content(0..LARGE_BYTES), "{backend}");
        drop(server);
    });
}

/// All that is done elsewhere than on a loop needs no call that is not on the list of `strict`:
/// what that refuses fails with EPERM, and its request with 403 or 503.
#[test]
fn strict_allows_whatever_may_wait() {
    let Some((mount, root)) = root_with(SlowFs::mount) else {
        return;
    };
    mount.gate.open();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("huge")).unwrap();
    for n in 0..10_050 {
        File::create(at("huge").join(n.to_string())).unwrap();
    }
    symlink(at("fast"), at("huge/absolute")).unwrap();
    fs::write(at("large"), vec![b'x'; 300_000]).unwrap();
    fs::write(at("app.css"), "plain").unwrap();
    let packed = b"\x1f\x8b\x08\0 what would be packed \x05\0\0\0";
    fs::write(at("app.css.gz"), packed).unwrap();
    each(&BACKENDS, |backend| {
        let words = ["--sandbox", "strict", "--etag", "content"];
        let server = Server::of(backend, root.path(), &words);
        for (target, len) in [
            ("/slow/large", Some(LARGE_BYTES)),
            ("/slow/small", Some(1_000)),
            ("/slow/", None),
            ("/large", Some(300_000)),
            ("/huge/absolute", Some(4)),
            ("/huge/", None),
            ("/slow/?zip", None),
            ("/huge/?tar.gz", None),
        ] {
            let whole = server.raw(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
            let (head, body) = whole.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("HTTP/1.1 200"),
                "{backend}, {target}: {head}"
            );
            let right = len.is_none_or(|len| body.len() == len);
            assert!(right, "{backend}, {target}: {} bytes", body.len());
        }
        let range = ["Range: bytes=7-270000,300000-400000"];
        assert_eq!(server.ask("GET", "/slow/large", &range).status, 206);
        let sibling = server.ask("GET", "/app.css", &["Accept-Encoding: gzip"]);
        assert_eq!(sibling.body, packed, "{backend}");
        drop(server);
    });
}

/// More names than are sorted, and links among them whose targets take their time.
#[test]
fn a_huge_listing_full_of_links_stops_nobody() {
    each(&MANY, |backend| {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        let huge = root.path().join("huge");
        fs::create_dir(&huge).unwrap();
        for n in 0..10_050 {
            File::create(huge.join(format!("{n}"))).unwrap();
        }
        for n in 0..4 {
            symlink(
                format!("../slow/link-{n}"),
                huge.join(format!("0-link-{n}")),
            )
            .unwrap();
        }
        let server = Server::of(backend, root.path(), &[]);
        let page = taken_while_others_are_served(&server, &mount.gate, "/huge/");
        for n in 0..4 {
            assert!(page.contains(&format!("0-link-{n}")), "{backend}: link {n}");
        }
        drop(server);
    });
}

#[test]
fn an_archive_of_a_slow_file_system_stops_nobody() {
    each(&MANY, |backend| {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        let server = Server::of(backend, root.path(), &[]);
        let archive = taken_while_others_are_served(&server, &mount.gate, "/?tar");
        for name in ["fast", "slow/large", "slow/small"] {
            assert!(archive.contains(&format!("/{name}\0")), "{backend}: {name}");
        }
        assert!(archive.len() > LARGE_BYTES && archive.ends_with("\r\n0\r\n\r\n"));
        drop(server);
    });
}

/// What is half read when its client leaves is closed where that may wait.
#[test]
fn an_archive_of_a_slow_file_system_is_given_up_elsewhere() {
    each(&MANY, |backend| {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        fs::create_dir(root.path().join("f")).unwrap();
        symlink("../slow/shut", root.path().join("f/shut")).unwrap();
        let server = Server::of(backend, root.path(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/f/?zip", &[]).as_bytes());
        mount.gate.is_reached();
        reset(client);
        mount.gate.open();
        mount.closing.is_reached();
        for _ in 0..3 {
            assert_eq!(server.get("/fast").text(), "fast", "{backend}");
        }
        assert!(mount.closing.open(), "{backend}: others waited for it");
        drop(server);
    });
}

/// So long that hashing it takes minutes; only its length is on the disk.
const ENDLESS: u64 = 64 << 30;

/// Closes with a reset instead of an end.
fn reset(client: Client<TcpStream>) {
    let at_once = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(client.0.get_ref(), at_once).unwrap();
}

/// Waits until a process does something, or nothing.
fn wait_until_busy(pid: u32, busy: bool) {
    wait_until("the work begins or ends", || {
        let before = processor(pid);
        std::thread::sleep(Duration::from_millis(150));
        (processor(pid) > before) == busy
    });
}

/// The work that a client asked for ends when that client is gone.
#[test]
fn work_for_a_client_that_is_gone_stops() {
    let root = zeros(ENDLESS);
    let more = request("GET", "/none", &[]).repeat(2_000);
    // Whether its end was seen before the reset, and what has come behind its request.
    let ways = [(false, ""), (true, ""), (false, &*more)];
    for (backend, (is_half_closed, behind)) in
        BACKENDS.iter().flat_map(|b| ways.map(|way| (b, way)))
    {
        let server = Server::of(backend, root.path(), &["--etag", "content"]);
        let mut client = server.connect();
        client.send(request("HEAD", "/zeros", &[]).as_bytes());
        client.send(behind.as_bytes());
        if is_half_closed {
            client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        }
        wait_until_busy(server.pid(), true);
        reset(client);
        wait_until_busy(server.pid(), false);
        assert_eq!(server.get("/none").status, 404, "{backend}");
    }
}

/// A client that has only closed its sending half still waits for its answer.
#[test]
fn work_for_a_client_that_is_half_closed_goes_on() {
    each(&BACKENDS, |backend| {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        let server = Server::of(backend, root.path(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/slow/small", &[]).as_bytes());
        mount.gate.is_reached();
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        assert!(mount.gate.open());
        assert_eq!(client.answer("GET").body, content(0..1_000), "{backend}");
        drop(server);
    });
}

/// Hashing gigabytes for some clients does not delay what is read in a moment.
#[test]
fn what_is_short_does_not_wait_behind_what_is_long() {
    for backend in LOOPS {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        let endless = File::create(root.path().join("endless")).unwrap();
        endless.set_len(ENDLESS).unwrap();
        mount.gate.open();
        let server = Server::of(backend, root.path(), &["--etag", "content"]);
        let mut others: Vec<_> = (0..9).map(|_| server.connect()).collect();
        for other in &mut others {
            other.send(request("HEAD", "/endless", &[]).as_bytes());
        }
        wait_until_busy(server.pid(), true);
        assert_eq!(
            server.get("/slow/small").body,
            content(0..1_000),
            "{backend}"
        );
        drop(server);
    }
}

/// The client that has an answer first.
fn first_readable(clients: &[Client<TcpStream>]) -> Option<usize> {
    let polled = clients
        .iter()
        .map(|client| PollFd::new(client.0.get_ref(), PollFlags::IN));
    let mut polled: Vec<_> = polled.collect();
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut polled, Some(&patience)).unwrap();
    polled.iter().position(|one| !one.revents().is_empty())
}

/// More requests than may wait are told to come back, and an answer is an answer.
#[test]
fn at_the_bound_requests_are_refused() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    for backend in ["edge", "level", "poll"] {
        let Some((mount, root)) = root_with(SlowFs::mount) else {
            return;
        };
        let server = Server::of(backend, root.path(), &[]);
        let mut clients: Vec<_> = (0..1_100).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(request("GET", "/slow/small", &[]).as_bytes());
        }
        mount.gate.is_reached();
        // Those that came when all places were taken: the last ones, as a rule.
        let at = first_readable(&clients).unwrap_or_else(|| panic!("{backend}: none is refused"));
        let refused = clients.swap_remove(at).answer("GET");
        assert_eq!(refused.status, 503, "{backend}: client {at}");
        assert_eq!(refused.field("Retry-After"), Some("1"));
        // A turn reads all that was sent before this one.
        assert_eq!(server.ask("DELETE", "/", &[]).status, 405);
        assert!(mount.gate.open());
        let codes = clients.iter_mut().map(|client| client.answer("GET").status);
        let answered = codes.filter(|code| *code == 200).count();
        assert!((1_024..1_099).contains(&answered), "{backend}: {answered}");
        drop(server);
    }
}

/// What many ask for at once is made once, and once more for those who asked while it was made: an
/// answer is never older than its request.
#[test]
fn what_is_alike_is_made_once() {
    for (method, target, words) in [
        ("GET", "/slow/", &[][..]),
        ("HEAD", "/slow/large", &["--etag", "content"]),
    ] {
        each(&LOOPS, |backend| {
            let Some((mount, root)) = root_with(SlowFs::mount) else {
                return;
            };
            let server = Server::of(backend, root.path(), words);
            let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
            for (at, client) in clients.iter_mut().enumerate() {
                client.send(request(method, target, &[]).as_bytes());
                if at == 0 {
                    mount.gate.is_reached();
                }
            }
            // A turn reads all that was sent before this one.
            assert_eq!(server.get("/fast").text(), "fast");
            assert!(mount.gate.open());
            for client in &mut clients {
                assert_eq!(client.answer(method).status, 200, "{backend}: {target}");
            }
            let begun = mount.gate.begun();
            assert!(begun <= 2, "{backend}: {target} was read {begun} times");
            drop(server);
        });
    }
}

/// What was made of one root is no answer to who asked when another one stood in its place.
#[test]
fn what_is_made_of_one_root_serves_no_other() {
    each(&LOOPS, |backend| {
        let Some((mount, dir)) = root_with(SlowFs::mount) else {
            return;
        };
        let fresh = dir.path().join("fresh");
        fs::create_dir(&fresh).unwrap();
        fs::write(fresh.join("unheard-of"), "").unwrap();
        let root = dir.path().join("current");
        symlink("slow", &root).unwrap();
        let server = Server::of(backend, &root, &["--follow-root"]);
        let mut clients = [(); 3].map(|()| server.connect());
        for client in &mut clients[..2] {
            client.send(request("GET", "/", &[]).as_bytes());
            mount.gate.is_reached();
        }
        // A turn reads all that was sent before this one.
        assert_eq!(server.ask("DELETE", "/", &[]).status, 405);
        let swap = dir.path().join("swap");
        symlink("fresh", &swap).unwrap();
        fs::rename(&swap, &root).unwrap();
        clients[2].send(request("GET", "/", &[]).as_bytes());
        assert_eq!(server.get("/unheard-of").status, 200);
        assert!(mount.gate.open());
        for (client, name) in clients.iter_mut().zip(["large", "large", "unheard-of"]) {
            let page = client.answer("GET");
            assert!(page.text().contains(name), "{backend}: {}", page.text());
        }
        drop(server);
    });
}

/// A manager hears from `blocking` while it moves, and not while its one thread hangs in a service.
#[test]
fn a_manager_hears_nothing_from_a_thread_that_hangs() {
    let Some((mount, root)) = root_with(SlowFs::mount) else {
        return;
    };
    let path = root.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpoll"));
    command
        .arg(root.path())
        .args(["--backend", "blocking", "--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000");
    let server = Server::run(command);
    let beats_within = |time| {
        manager.set_read_timeout(Some(time)).unwrap();
        uninterrupted(|| manager.recv(&mut [0; 64])).is_ok()
    };
    assert!(beats_within(PATIENCE) && beats_within(PATIENCE));
    let mut client = server.connect();
    client.send(request("GET", "/slow/small", &[]).as_bytes());
    mount.gate.is_reached();
    // What was under way, and then nothing for six periods.
    let falls_silent = (0..20).any(|_| !beats_within(Duration::from_millis(300)));
    assert!(falls_silent, "it hangs, and says that it moves");
    assert!(mount.gate.open());
    assert_eq!(client.answer("GET").body, content(0..1_000));
    assert!(beats_within(PATIENCE));
    drop(server);
}
