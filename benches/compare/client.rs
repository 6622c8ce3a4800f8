//! The client in a process of its own: ten thousand connections to each of several servers are more
//! descriptors than one process may have.
//!
//! The two speak in lines: the client says `ready` once it is connected, and then answers each line
//! with what it did in a turn.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::load::{Done, Load};
use crate::{TURN, must};

/// The first argument of such a process; behind it the address, and how many connections ask and how
/// many are idle.
const ROLE: &str = "client";

/// A client of one server, whose connections last as long as it does.
pub(crate) struct Client {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Client {
    /// One that is connected.
    pub(crate) fn start(address: SocketAddr, active: usize, idle: usize) -> Self {
        let mut command = Command::new(must(std::env::current_exe()));
        command.args([ROLE, &address.to_string()]);
        command.args([active, idle].map(|n| n.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = must(command.spawn());
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            panic!("both are pipes");
        };
        let from = BufReader::new(from);
        let mut client = Self { process, to, from };
        assert_eq!(client.line(), "ready");
        client
    }

    /// Has it ask for one turn.
    pub(crate) fn turn(&mut self) -> Done {
        must(writeln!(self.to, "turn"));
        let line = self.line();
        let figures: Vec<f64> = line.split(' ').map(|word| must(word.parse())).collect();
        match figures[..] {
            [seconds, requests, p50, p99] => Done {
                seconds,
                requests,
                p50,
                p99,
            },
            _ => panic!("another line: {line}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        must(self.from.read_line(&mut line));
        line.trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is such a client, if this process is to be one. Whether it was.
pub(crate) fn serve() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, address, active, idle] = &arguments[..] else {
        return false;
    };
    if role != ROLE {
        return false;
    }
    let [active, idle] = [active, idle].map(|n| must(n.parse()));
    let mut load = Load::new(must(address.parse()), active, idle);
    println!("ready");
    for line in std::io::stdin().lines() {
        must(line);
        let done = load.turn(TURN);
        println!(
            "{} {} {} {}",
            done.seconds, done.requests, done.p50, done.p99
        );
    }
    true
}
