//! What lies in `deploy/`, tried: where the tools are at hand, with the very files.

#![expect(clippy::disallowed_methods, reason = "HAProxy's port is tried")]

use std::fs;
use std::io::{BufRead, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::handover::{Load, Tally, converse, stop};
use crate::harness::{Client, PATIENCE, Server, request, tool};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// As installed, but with the program that was just built and a directory that is there.
#[test]
fn systemd_accepts_its_units() {
    if !tool("systemd-analyze", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for unit in ["httpoll.service", "httpoll.socket"] {
        let text = fs::read_to_string(deploy(unit)).unwrap();
        let text = text.replace("/usr/local/bin/httpoll", env!("CARGO_BIN_EXE_httpoll"));
        fs::write(dir.path().join(unit), text).unwrap();
    }
    let units = ["httpoll.service", "httpoll.socket"].map(|unit| dir.path().join(unit));
    let mut command = Command::new("systemd-analyze");
    let output = command
        .args(["verify", "--man=no"])
        .args(units)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It also looks at what it finds on this machine; what it says of ours names them.
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("httpoll"))
        .collect();
    assert!(ours.is_empty(), "{said}");
    assert!(output.status.success(), "{said}");
}

/// A program in the foreground, ended with the test.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Foreground {
    fn haproxy(replicas: &[SocketAddr; 3], socket: &TcpListener) -> Self {
        let mut command = Command::new("sh");
        let script = r#"exec haproxy -db -f "$0" 3<&0 </dev/null"#;
        command.args(["-c", script]).arg(deploy("haproxy.cfg"));
        for (name, address) in ["HTTPOLL_A", "HTTPOLL_B", "HTTPOLL_C"].iter().zip(replicas) {
            command.env(name, address.to_string());
        }
        command
            .env("HTTPOLL_FRONT", "fd@3")
            .env("HTTPOLL_CHECK", "200ms");
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        command
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

/// The first part is fetched, with whatever else the cache wants; a second one is not.
fn ranges_are_answered_from_a_cache(start: impl Fn(&Path, SocketAddr, SocketAddr) -> Command) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    for name in ["a.bin", "a.iso"] {
        fs::write(root.join(name), &content).unwrap();
    }
    std::thread::sleep(Duration::from_millis(25)); // until tags are strong
    let mut server = Server::of("edge", &root, &["--log", "plain", "--max-age", "60"]);
    let front = free_address();
    let _cache = Foreground(quiet(start(dir.path(), front, server.address)));
    for name in ["a.bin", "a.iso"] {
        let part = |first: usize, last: usize| {
            let range = format!("Range: bytes={first}-{last}");
            let target = format!("/{name}");
            let answer = connect(front).ask("GET", &target, &[&range, "Connection: close"]);
            assert_eq!(answer.status, 206, "{name}: {}", answer.head);
            assert!(answer.body == content[first..=last], "{name}: other bytes");
        };
        part(1_000, 1_999);
        part(900_000, 900_999);
        part(500, 999_999);
        // Only now, so that whatever was asked for stands before it.
        server.get(&format!("/end-of-{name}"));
        let (mut line, mut asked) = (String::new(), 0);
        while !line.contains("/end-of-") {
            asked += u32::from(line.contains(&format!("GET /{name} ")));
            line.clear();
            server.out.read_line(&mut line).unwrap();
        }
        assert_eq!(asked, 1, "{name}");
    }
}

#[test]
fn nginx_answers_ranges_from_its_cache() {
    if !tool("nginx", "-v") {
        return;
    }
    // With --max-age, as it says there.
    let conf = fs::read_to_string(deploy("nginx.conf")).unwrap();
    let conf = conf
        .replace("proxy_ignore_headers Cache-Control;", "")
        .replace("proxy_cache_valid 200 206 1s;", "");
    ranges_are_answered_from_a_cache(|dir, front, back| nginx(&conf, dir, front, back));
}

/// nginx with the recipe, in front of `back`.
fn nginx(conf: &str, dir: &Path, front: SocketAddr, back: SocketAddr) -> Command {
    let here = |path: &str| dir.join(path).to_str().unwrap().to_owned();
    let conf = conf
        .replace("127.0.0.1:8080;", &format!("{back};"))
        .replace("listen 8000;", &format!("listen {front};"))
        .replace("/var/cache/nginx/httpoll", &here("cache"));
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", here(kind)))
        .concat();
    let whole = format!(
        "daemon off; master_process off; pid {}; error_log stderr;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}{conf}}}\n",
        here("pid")
    );
    fs::write(dir.join("nginx.conf"), whole).unwrap();
    let mut command = Command::new("nginx");
    command
        .args(["-e", "stderr", "-p"])
        .arg(dir)
        .arg("-c")
        .arg(dir.join("nginx.conf"));
    command
}

/// As it is delivered, for a second at least, which is as long as it keeps what may be kept.
#[test]
fn nginx_hands_nothing_that_needs_a_password_to_who_has_none() {
    if !tool("nginx", "-v") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("own/sub")).unwrap();
    for name in ["own/a.txt", "own/a.zip", "own/sub/b", "all.txt"] {
        fs::write(root.join(name), name).unwrap();
    }
    let words = ["--auth", "a:b", "--auth-for", "own/**"];
    let server = Server::of("edge", &root, &words);
    let conf = fs::read_to_string(deploy("nginx.conf")).unwrap();
    let front = free_address();
    let _cache = Foreground(quiet(nginx(&conf, dir.path(), front, server.address)));
    let password = "Authorization: Basic YTpi"; // a:b
    for target in ["/own/a.txt", "/own/a.zip", "/own/sub/?zip"] {
        let ask = |fields: &[&str]| {
            let mut client = connect(front);
            client.send(request("GET", target, fields).as_bytes());
            client.head().status
        };
        let statuses = [ask(&[password]), ask(&[]), ask(&[password]), ask(&[])];
        assert_eq!(statuses, [200, 401, 200, 401], "{target}");
    }
    // What is not to be kept is made anew.
    let sub = || {
        let (mut client, mut answer) = (connect(front), Vec::new());
        client.send(request("GET", "/?tar", &["Connection: close"]).as_bytes());
        client.0.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        answer.len()
    };
    let before = sub();
    fs::write(root.join("new.txt"), "new").unwrap();
    assert!(sub() > before);
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn quiet(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A client, once something listens there.
fn connect(front: SocketAddr) -> Client<TcpStream> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(front) {
            Ok(stream) => return Client::new(stream),
            Err(_) => assert!(begun.elapsed() < PATIENCE, "the cache does not listen"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn squid_answers_ranges_from_its_cache() {
    if !tool("squid", "-v") {
        return;
    }
    ranges_are_answered_from_a_cache(|dir, front, back| {
        let conf = fs::read_to_string(deploy("squid.conf")).unwrap();
        let conf = conf
            .replace("http_port 8000", &format!("http_port {front}"))
            .replace("parent 8080", &format!("parent {}", back.port()));
        let own = "pid_filename none\naccess_log none\ncache_log /dev/null\n\
                   cache_store_log none\nshutdown_lifetime 1 second\n";
        fs::write(dir.join("squid.conf"), conf + own).unwrap();
        let mut command = Command::new("squid");
        command.args(["-N", "-f"]).arg(dir.join("squid.conf"));
        command
    });
}

fn replica(listen: &str) -> Server {
    let words = [
        "-l",
        listen,
        "--hello",
        "--proxy-protocol",
        "--log",
        "plain",
    ];
    Server::start_with(&[&words[..], &["--sandbox", "strict"]].concat())
}

/// Waits until HAProxy sends it requests of clients. Checks are HEAD, and come all the time.
fn wait_for_work(server: &mut Server) {
    let (begun, mut line) = (Instant::now(), String::new());
    while !line.contains("\"GET / ") {
        assert!(begun.elapsed() < PATIENCE, "only health checks: {line}");
        line.clear();
        assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "it ended");
    }
}

#[test]
fn three_replicas_behind_haproxy_are_replaced_without_a_loss() {
    if !tool("haproxy", "-v") {
        return;
    }
    let mut replicas = [(); 3].map(|()| replica("127.0.0.1:0"));
    let addresses = [0, 1, 2].map(|at: usize| replicas[at].address);
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let _haproxy = Foreground::haproxy(&addresses, &front);
    let mut first = Tally::default();
    converse(front.local_addr().unwrap(), 1, &mut first);
    assert_eq!(first.answered, 1, "HAProxy serves: {first:?}");
    let load = Load::on(front.local_addr().unwrap());
    let rounds = 4;
    for _ in 0..rounds {
        for at in 0..3 {
            wait_for_work(&mut replicas[at]);
            stop(&mut replicas[at]);
            replicas[at] = replica(&addresses[at].to_string());
            wait_for_work(&mut replicas[at]);
        }
    }
    let tally = load.end();
    println!(
        "three replicas behind HAProxy, each replaced {rounds} times: {} answered, {} retried, {} failed",
        tally.answered,
        tally.retried,
        tally.failed.len()
    );
    assert!(tally.answered > 100, "there was a load: {tally:?}");
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
}

/// What the Debian package takes is in the repository, or made by its script.
#[test]
fn what_the_package_takes_is_there_or_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let script = fs::read_to_string(deploy("deb.sh")).unwrap();
    let (_, assets) = manifest.split_once("\nassets = [\n").unwrap();
    let (assets, _) = assets.split_once("\n]").unwrap();
    let mut taken = 0;
    for line in assets.lines() {
        let source = line.split('"').nth(1).unwrap();
        let is_there = match source.strip_prefix("target/package/files/httpoll.") {
            Some("1") => script.contains("\"$made/httpoll.1\""),
            Some(shell) => {
                script.contains(&format!("{shell} ")) || script.contains(&format!(" {shell};"))
            }
            None => source == "target/release/httpoll" || root.join(source).is_file(),
        };
        assert!(is_there, "{line}");
        taken += 1;
    }
    assert_eq!(taken, 10);
}
