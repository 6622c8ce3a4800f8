//! 05 to 07: one thread that waits for several things.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Ended, Program, built, byte_by_byte, reset};

#[test]
fn stdin_is_waited_for_with_a_time_out() {
    let mut program = Program::run::<&str>("05_select_stdin", &[]);
    // Two lines at once: the tutorial would have kept the second one.
    program.type_in("数据\nsecond\n");
    assert_eq!(program.line(), "select get stdin \"数据\"");
    assert_eq!(program.line(), "select get stdin \"second\"");
    program.expect("nothing for a second");
    program.type_in("half a l");
    program.type_in("ine");
    program.close_stdin();
    program.expect("select get stdin \"half a line\"");
    assert_eq!(program.end(), Ended::Code(0));
    assert!(program.told.ends_with("end of input\n"));
}

#[test]
fn stdin_without_lines_does_not_fill_the_memory() {
    let mut program = Program::run::<&str>("05_select_stdin", &[]);
    program.type_in(&"x".repeat(20_000));
    program.close_stdin();
    assert_eq!(program.end(), Ended::Code(0));
    assert!(program.told.lines().count() > 4, "{}", program.told);
}

/// A line that arrives, without its newline.
fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// One who has been welcomed.
fn enter(server: &Program) -> BufReader<TcpStream> {
    let mut client = BufReader::new(server.connect());
    assert!(line(&mut client).starts_with("welcome; others here: "));
    client
}

fn say(client: &BufReader<TcpStream>, text: &str) {
    client.get_ref().write_all(text.as_bytes()).unwrap();
}

#[test]
fn chat_client_and_server() {
    let mut server = Program::serve("06_select_chat", &[]);
    let words = ["client", &server.address().to_string()];
    let mut first = Program::run("06_select_chat", &words);
    first.expect("welcome; others here: 0");
    let mut second = Program::run("06_select_chat", &words);
    second.expect("welcome; others here: 1");
    first.type_in("你好\n");
    second.expect(": 你好");
    second.type_in("hello\n");
    first.expect(": hello");
    first.close_stdin();
    assert_eq!(first.end(), Ended::Code(0));
    server.expect("gone: left");
    assert_eq!(server.interrupt(), Ended::Signal(Signal::INT.as_raw()));
    assert_eq!(second.end(), Ended::Code(1));
    assert!(second.told.contains("the server closed"));
}

#[test]
fn chat_frames_by_lines_and_no_one_waits_for_another() {
    let mut server = Program::serve("06_select_chat", &[]);
    let silent = server.connect();
    let mut ear = enter(&server);
    let half = enter(&server);
    say(&half, "half a li");
    let mut mouth = server.connect();
    byte_by_byte(&mut mouth, "请求\n占领\n".as_bytes());
    mouth
        .write_all("地球\nonce more\nno end".as_bytes())
        .unwrap();
    for text in ["请求", "占领", "地球", "once more"] {
        assert!(line(&mut ear).ends_with(&format!(": {text}")));
    }
    say(&half, "ne\n");
    assert!(line(&mut ear).ends_with(": half a line"));
    reset(mouth);
    server.expect("gone: Connection reset");
    drop(silent);
    let bad = enter(&server);
    let _ = bad.get_ref().write_all(&[b'x'; 10_000]);
    server.expect("gone: a line without end");
    server.is_well();
}

/// Its memory is bounded, and those who read hear everything.
#[test]
fn chat_leaves_one_who_does_not_read() {
    let mut server = Program::serve("06_select_chat", &[]);
    let deaf = enter(&server);
    let mut ear = enter(&server);
    let mouth = enter(&server);
    let text = format!("{}\n", "x".repeat(1000));
    let mut said = 0;
    let gone = loop {
        for _ in 0..100 {
            say(&mouth, &text);
            assert!(line(&mut ear).ends_with("xxx"));
        }
        said += 100;
        assert!(said < 50_000, "the deaf one is still there");
        // The server prints each line: what it printed is read, or its pipe would be full.
        let printed = (0..100)
            .map(|_| server.line())
            .find(|it| it.contains("does not read"));
        if let Some(line) = printed {
            break line;
        }
    };
    assert!(gone.starts_with(&deaf.get_ref().local_addr().unwrap().to_string()));
    server.is_well();
}

/// The program where it may have `limit` descriptors.
fn with_descriptors(limit: u32) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" 0")]);
    shell.arg(built("06_select_chat"));
    Program::spawn(shell).listening()
}

#[test]
fn select_ends_at_fd_setsize() {
    let mut server = with_descriptors(1100);
    let inside: Vec<_> = (0..1020).map(|_| server.connect()).collect();
    let mut outside = BufReader::new(server.connect());
    let mut all = String::new();
    loop {
        let seen = server.line();
        if seen.contains("sent away") {
            assert!(
                seen.ends_with("select cannot watch descriptor 1024"),
                "{seen}"
            );
            break;
        }
    }
    outside.read_to_string(&mut all).unwrap();
    assert_eq!(all, "the chat is full\n");
    drop(inside);
    server.expect("gone");
    enter(&server);
    server.is_well();
}

/// No descriptor is free: it says so once, waits for one without spinning, and goes on.
#[test]
fn chat_without_a_free_descriptor_is_no_busy_loop() {
    let mut server = with_descriptors(16);
    let mut inside: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.expect("cannot accept: Too many open files");
    let stat = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        let times: Vec<u64> = stat
            .split(' ')
            .skip(13)
            .take(2)
            .map(|it| it.parse().unwrap())
            .collect();
        times[0] + times[1]
    };
    let before = stat();
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        stat() - before < 10,
        "it spins: {} ticks in 300 ms",
        stat() - before
    );
    inside.drain(..10);
    server.expect("gone");
    server.expect("came");
    server.is_well();
}

#[test]
fn two_ports_in_one_wait() {
    let mut server = Program::serve("07_two_ports", &["0"]);
    let second = server
        .told
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let second: std::net::SocketAddr = second.parse().unwrap();
    assert_ne!(second, server.address());
    let silent = server.connect();
    for address in [server.address(), second, server.address()] {
        let mut client = Program::run("07_two_ports", &["client", &address.to_string()]);
        client.type_in("0\nx\nexit\n");
        assert_eq!(client.end(), Ended::Code(0));
        for part in ["欢迎致电 10086", "通过可能会被录音", "请重新输入"] {
            assert!(client.told.contains(part), "{}", client.told);
        }
        server.expect(&format!("calls {address}"));
    }
    reset(silent);
    server.expect("lost: ");
    server.is_well();
}
