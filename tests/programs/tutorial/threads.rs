//! 08, 11, 13: threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::harness::{Ended, Program, byte_by_byte, rest};

/// A caller who has been greeted.
fn call(server: &Program) -> BufReader<TcpStream> {
    let mut caller = BufReader::new(server.connect());
    let mut line = String::new();
    caller.read_line(&mut line).unwrap();
    assert_eq!(line, "欢迎致电 10086,请输入1xxx,0转人工服务.\n");
    caller
}

fn ask(caller: &mut BufReader<TcpStream>, word: &str) -> String {
    caller
        .get_ref()
        .write_all(format!("{word}\n").as_bytes())
        .unwrap();
    let mut line = String::new();
    caller.read_line(&mut line).unwrap();
    line
}

#[test]
fn thread_chat_client_and_server() {
    let server = Program::serve("08_thread_chat", &[]);
    let _silent = call(&server); // 04 would wait for this one
    let mut client = Program::run("08_thread_chat", &["client", &server.address().to_string()]);
    client.type_in("0\n1234\nexit\n");
    assert_eq!(client.end(), Ended::Code(0));
    for part in ["欢迎致电 10086", "通过可能会被录音", "1234: 1"] {
        assert!(client.told.contains(part), "{}", client.told);
    }
}

#[test]
fn threads_count_together() {
    let server = Program::serve("08_thread_chat", &[]);
    let mut callers: Vec<_> = (0..5).map(|_| call(&server)).collect();
    for (i, caller) in callers.iter_mut().enumerate() {
        assert_eq!(ask(caller, "1086"), format!("1086: {}\n", i + 1));
        assert_eq!(ask(caller, "1999"), format!("1999: {}\n", i + 1));
        for word in ["999", "2000", "1", "-1086", "99999999999999999999999", ""] {
            assert_eq!(ask(caller, word), "请重新输入.\n", "{word}");
        }
    }
    let mut caller = callers.remove(0).into_inner();
    byte_by_byte(&mut caller, b"0\r\n1000\nexit\n");
    let answers = "通过可能会被录音.balabala一大推\n1000: 1\n";
    assert_eq!(String::from_utf8(rest(caller)).unwrap(), answers);
}

#[test]
fn threads_are_bounded() {
    let mut server = Program::serve("08_thread_chat", &[]);
    let mut callers: Vec<_> = (0..100).map(|_| call(&server)).collect();
    let mut text = String::new();
    server.connect().read_to_string(&mut text).unwrap();
    assert_eq!(text, "线路忙,请稍后再拨.\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(
        status.contains("\nThreads:\t101\n"),
        "the header: a thread each\n{status}"
    );
    assert_eq!(ask(&mut callers[50], "1000"), "1000: 1\n");
    server.expect("line is busy");
    callers.truncate(10);
    for _ in 0..90 {
        server.expect("hung up");
    }
    call(&server);
    server.is_well();
}

#[test]
fn counts_are_lost_without_a_lock_only() {
    let mut program = Program::run::<&str>("11_threads_and_locks", &[]);
    assert_eq!(program.end(), Ended::Code(0));
    let counted = |name: &str| -> u32 {
        let line = program
            .told
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(counted("no lock") < 400_000, "{}", program.told);
    for name in ["Mutex", "fetch_add", "own count"] {
        assert_eq!(counted(name), 400_000, "{name}");
    }
    let naps = program.told.split("20 ms: ").nth(1).unwrap();
    let naps: Vec<u32> = naps
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .take(2)
        .collect();
    assert!(naps[0] >= 200 && naps[1] < naps[0], "{naps:?}");
    assert!(program.told.contains("would wait for ever: true"));
    let (before, after) = program.told.split_once("main thread stop\n").unwrap();
    assert!(
        !before.contains("thread0") && after.contains("thread0\n"),
        "joined after"
    );
    assert_eq!(
        after.matches("\nthread").count() + 1,
        10,
        "each was waited for"
    );
    assert!(
        !program.told.contains("never printed"),
        "a detached thread ends with main"
    );
}

#[test]
fn a_pool_does_jobs_five_at_a_time_and_survives_a_panic() {
    let mut program = Program::run("13_pool", &["20", "50"]);
    assert_eq!(program.end(), Ended::Code(0));
    let told = &program.told;
    // Not in front: what a panic prints comes by standard error, which is read by another thread.
    assert!(told.contains("waited for: Some(101)\n"), "{told}");
    assert!(told.contains("a job that panics: None"), "{told}");
    for i in 100..120 {
        assert_eq!(told.matches(&format!("Some({i}) by ")).count(), 1, "{told}");
    }
    for i in 0..5 {
        assert!(
            told.contains(&format!("by Some(\"worker {i}\")")),
            "one worker ended: {told}"
        );
    }
    let took = told
        .split("20 jobs in ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let took: u32 = took.parse().unwrap();
    assert!(
        (200..1_000).contains(&took),
        "four rounds of 50 ms took {took} ms; one after the other they take 1,000"
    );
    for words in [["x", "1"], ["1", "-1"]] {
        let mut program = Program::run("13_pool", &words);
        assert_eq!(program.end(), Ended::Code(1));
        assert!(program.told.contains("say JOBS MILLISECONDS"));
    }
}
