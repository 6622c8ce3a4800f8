//! 00: the troublesome client, against some of the others.

use crate::harness::{Ended, PATIENCE, Program};

/// What it printed of one misbehaviour.
fn came(server: &Program, words: &[&str]) -> String {
    let address = server.address().to_string();
    let all: Vec<&str> = [&[address.as_str()], words].concat();
    let mut client = Program::run("00_clients", &all);
    assert_eq!(client.end(), Ended::Code(0), "{}", client.told);
    client.told.clone()
}

#[test]
fn each_server_answers_the_troublesome_as_the_good() {
    let mut server = Program::serve("04_menu_chat", &[]);
    let message = "0\\nexit\\n";
    let answer = "通过可能会被录音.balabala一大推\\n\"\n";
    let all = came(&server, &["all", message]);
    let lines: Vec<&str> = all.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 7, "{all}");
    let begins = ["split      7 pieces sent; 94 bytes back, then the end: \"欢迎致电 10086"];
    assert!(lines[0].starts_with(begins[0]), "{all}");
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(answer) || line.contains("idle")),
        "{all}"
    );
    assert!(
        lines[2].starts_with("half-close 94 bytes back, then the end"),
        "{all}"
    );
    assert!(
        lines[3].starts_with("reset      gone; the next one: 94 bytes"),
        "{all}"
    );
    assert!(
        lines[4].starts_with("slow       16 bytes one by one, then 78 bytes"),
        "{all}"
    );
    assert!(
        lines[5].starts_with("vanish     gone; the next one: 94 bytes"),
        "{all}"
    );
    // One caller at a time: those who are idle are before the one who asks, in a full queue.
    assert!(
        lines[6].contains(" open; another: ") && !lines[6].contains("欢迎"),
        "{all}"
    );
    server.is_well();
}

/// What each model does with many who say nothing, as its header says.
#[test]
fn a_thousand_idle_clients() {
    let server = Program::serve("06_select_chat", &[]);
    assert!(
        came(&server, &["idle"]).contains("bytes back, then silence: \"welcome; others here: ")
    );
    let server = Program::serve("08_thread_chat", &[]);
    assert!(came(&server, &["idle"]).contains("线路忙,请稍后再拨."));
}

#[test]
fn it_says_what_it_cannot() {
    for words in [
        &[][..],
        &["1", "sideways"],
        &["no.such.host.invalid:1"],
        &["70000"],
    ] {
        let mut client = Program::run("00_clients", words);
        assert_eq!(client.end(), Ended::Code(1), "{words:?}");
        assert!(
            client.told.starts_with("Error: \""),
            "{words:?}: {}",
            client.told
        );
    }
    assert!(PATIENCE.as_secs() > 1);
}
