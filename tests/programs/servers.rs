//! 20 to 28: one HTTP server after another.

mod broken;
mod client;
mod conversations;
mod loads;
mod loops;
mod texts;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Program, built};
use crate::uninterrupted::uninterrupted;

/// Each server, and the words before its port. The first two have calls that wait.
const ALL: [(&str, &[&str]); 8] = [
    ("20_http_blocking", &[]),
    ("21_http_threads", &[]),
    ("22_http_select", &[]),
    ("23_http_poll", &[]),
    ("24_http_epoll_level", &[]),
    ("25_http_epoll_edge", &[]),
    ("26_http_mio", &["--trigger", "edge"]),
    ("26_http_mio", &["--trigger", "level"]),
];

/// Those that serve one client while another one is silent.
fn many() -> &'static [(&'static str, &'static [&'static str])] {
    &ALL[1..]
}

/// A server, and the directory that it serves.
struct Site {
    program: Program,
    name: String,
    root: PathBuf,
    _dir: TempDir,
}

const BIG: usize = 10 << 20;

impl Site {
    fn of(server: &(&str, &[&str])) -> Self {
        Self::limited(server, "true")
    }

    /// The same, once `sh` has run `limit`, such as `ulimit -n 40`.
    fn limited((name, words): &(&str, &[&str]), limit: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("site");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(dir.path().join("secret.txt"), "secret").unwrap();
        fs::write(root.join("index.html"), "<p>index").unwrap();
        fs::write(root.join("a.txt"), "hello").unwrap();
        fs::write(root.join("empty.css"), "").unwrap();
        fs::write(root.join("sub/index.html"), "<p>sub").unwrap();
        fs::write(root.join("big.bin"), big()).unwrap();
        let fifo = Command::new("mkfifo").arg(root.join("fifo")).status();
        assert!(fifo.unwrap().success());
        symlink("../secret.txt", root.join("out")).unwrap();
        symlink("sub/index.html", root.join("in")).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{limit}; exec \"$@\""));
        command
            .arg("sh")
            .arg(built(name))
            .args(*words)
            .arg("0")
            .arg(&root);
        Self {
            program: Program::spawn(command).listening(),
            name: [&[*name], *words].concat().join(" "),
            root,
            _dir: dir,
        }
    }
}

/// The content of `big.bin`: a piece in the wrong place is seen.
fn big() -> &'static [u8] {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let mut content = Vec::with_capacity(BIG);
        for word in 0..u32::try_from(BIG / 4).unwrap() {
            content.extend_from_slice(&word.to_le_bytes());
        }
        content
    })
}

/// How long the program has used a processor, in hundredths of a second (proc_pid_stat(5)).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<_> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The most memory it has had so far, in KiB (proc_pid_status(5)).
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Nothing comes for a while.
fn assert_silent(mut stream: &TcpStream, name: &str) {
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let came = uninterrupted(|| stream.read(&mut [0]));
    assert!(
        came.as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "{name}: {came:?}"
    );
    stream
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
}
