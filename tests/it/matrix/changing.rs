//! Large files, and files that change while they are served.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Site, Six, settle};
use crate::harness::{BACKENDS, Server, matrix, request};

/// More than two socket buffers hold, so that part of it is always still to be sent.
const LARGE: usize = 24 << 20;

/// [`LARGE`] bytes without a short period, so that a piece sent twice or left out shows.
fn pattern() -> &'static [u8] {
    static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let numbers = 0..u32::try_from(LARGE / 4).unwrap();
        numbers.flat_map(u32::to_be_bytes).collect()
    });
    &PATTERN
}

matrix! {
    fn a_slow_reader_gets_every_byte(backend) {
        let site = Site::new(&[("small", "small")]);
        site.write("large", pattern());
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/large", &[]).as_bytes());
        let head = client.head();
        assert_eq!(head.field("Content-Length"), Some(LARGE.to_string().as_str()));
        let mut received = vec![0; LARGE];
        for (piece, chunk) in received.chunks_mut(LARGE / 8).enumerate() {
            if piece == 4 && backend != "blocking" {
                assert_eq!(server.get("/small").text(), "small"); // does not wait for it
            }
            thread::sleep(Duration::from_millis(5)); // long enough for the buffers to fill
            client.0.read_exact(chunk).unwrap();
        }
        assert!(received == pattern(), "different bytes");
    }

    /// The length was promised: all that can be done is to say that it was not kept.
    fn a_file_that_shrinks_while_it_is_sent(backend) {
        let site = Site::new(&[]);
        File::create(site.path("large")).unwrap().set_len(LARGE as u64).unwrap();
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/large", &[]).as_bytes());
        assert_eq!(client.head().status, 200);
        File::options().write(true).open(site.path("large")).unwrap().set_len(100).unwrap();
        let mut received = Vec::new();
        // A reset is as good as an end here: what counts is that it is short and over.
        let _ = client.0.read_to_end(&mut received);
        assert!(received.len() < LARGE, "{} bytes", received.len());
        assert_eq!(server.get("/large").body.len(), 100);
    }

    fn a_file_that_grows_while_it_is_sent(backend) {
        let site = Site::new(&[("a", "next")]);
        File::create(site.path("large")).unwrap().set_len(LARGE as u64).unwrap();
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/large", &[]).as_bytes());
        let head = client.head();
        File::options().write(true).open(site.path("large")).unwrap().set_len(LARGE as u64 * 2).unwrap();
        let promised: u64 = head.field("Content-Length").unwrap().parse().unwrap();
        assert_eq!(promised, LARGE as u64);
        let received = std::io::copy(&mut (&mut client.0).take(promised), &mut std::io::sink());
        assert_eq!(received.unwrap(), promised);
        match backend {
            "blocking" => client.expect_closed(),
            _ => assert_eq!(client.ask("GET", "/a", &[]).text(), "next"),
        }
    }

    /// Edits in place, by rename, by removal: whatever an editor does, the next request sees it.
    fn an_edit_is_seen_by_the_very_next_request(backend) {
        let site = Site::new(&[("a", "")]);
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        for n in 0..60 {
            let content = format!("edit {}", n % 10); // often of the same length
            match n % 3 {
                0 => site.write("a", &content),
                1 => {
                    site.write("new", &content);
                    fs::rename(site.path("new"), site.path("a")).unwrap();
                }
                _ => {
                    fs::remove_file(site.path("a")).unwrap();
                    site.write("a", &content);
                }
            }
            if backend == "blocking" {
                client = server.connect();
            }
            assert_eq!(client.ask("GET", "/a", &[]).text(), content, "edit {n}");
        }
        fs::remove_file(site.path("a")).unwrap();
        assert_eq!(server.get("/a").status, 404);
    }

    /// SIGTERM: no new client is let in, answers in flight are finished, then it ends well.
    fn a_stop_finishes_what_it_began(backend) {
        let site = Site::new(&[]);
        site.write("large", pattern());
        let mut server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/large", &[]).as_bytes());
        client.head();
        let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let mut received = vec![0; LARGE];
        client.0.read_exact(&mut received).unwrap();
        assert!(received == pattern(), "different bytes");
        client.expect_closed();
        assert!(server.child().wait().unwrap().success());
    }

    /// One version of the file: status, length, tag and bytes agree.
    fn a_file_replaced_while_it_is_sent(backend) {
        let site = Site::new(&[]);
        site.write("large", vec![b'1'; LARGE]);
        let server = Server::of(backend, site.root(), &[]);
        let mut client = server.connect();
        client.send(request("GET", "/large", &[]).as_bytes());
        let head = client.head();
        site.write("new", vec![b'2'; LARGE / 2]);
        fs::rename(site.path("new"), site.path("large")).unwrap();
        let mut received = vec![0; LARGE];
        client.0.read_exact(&mut received).unwrap();
        assert!(received == vec![b'1'; LARGE], "a piece of the other file");
        let after = server.get("/large");
        assert!(after.body == vec![b'2'; LARGE / 2], "not the other file");
        assert_ne!(head.field("ETag"), after.field("ETag"));
    }
}

#[test]
fn what_may_not_be_read_is_forbidden() {
    let site = Site::new(&[("file", "x"), ("dir/x", "x"), ("open", "open")]);
    let set_mode = |name: &str, mode| {
        fs::set_permissions(site.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let program = without_privileges(site.root());
    let servers = BACKENDS.map(|backend| {
        let mut command = program();
        command
            .arg(site.root())
            .args(["-b", backend, "-l", "127.0.0.1:0"]);
        (backend, Server::run(command))
    });
    let six = Six(servers.into());
    set_mode("file", 0o000);
    set_mode("dir", 0o000);
    six.content("GET /file", &[], 403, &[], "403 Forbidden\n");
    six.check("GET /dir/", &[], 403, &[]);
    six.check("GET /dir/x", &[], 403, &[]);
    six.content("GET /open", &[], 200, &[], "open");
    set_mode("file", 0o644);
    set_mode("dir", 0o755);
    settle();
    six.content("GET /file", &[], 200, &[], "x"); // and nothing of that was remembered
}

#[test]
fn a_root_that_may_not_be_read_is_an_error_at_the_start() {
    let site = Site::new(&[("shut/x", "x"), ("file", "x")]);
    let program = without_privileges(site.root());
    for name in ["shut", "file"] {
        let path = site.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let mut command = program();
        let output = command.arg(&path).args(["-p", "0"]).output().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let line = format!(
            "httpoll: may not read {} (see ls -ld for who may)\n",
            path.display()
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
        assert_eq!(
            (output.status.code(), output.stdout.is_empty()),
            (Some(1), true)
        );
    }
}

/// httpoll as a user whom permissions bind: root may read everything. Where the build lies,
/// others may not be allowed to look, so it is put into `folder`.
fn without_privileges(folder: &Path) -> impl Fn() -> Command {
    let root = rustix::process::geteuid().is_root();
    let mut program = PathBuf::from(env!("CARGO_BIN_EXE_httpoll"));
    if root {
        let copy = folder.join("httpoll");
        // A link where that is possible: a file just written may not be started while a child of
        // another test, not yet at its exec, holds it open for writing (ETXTBSY).
        if fs::hard_link(&program, &copy).is_err() {
            fs::copy(&program, &copy).unwrap();
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        program = copy;
    }
    move || {
        let mut command = Command::new(&program);
        if root {
            command.uid(65534).gid(65534);
        }
        command
    }
}
