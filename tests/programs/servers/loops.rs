//! 27 and 28: several loops, several threads.

use super::client::Client;
use crate::harness::{Ended, Program, byte_by_byte};

#[test]
fn every_client_is_taken_by_one_loop_and_each_loop_has_some() {
    for way in ["reuseport", "exclusive", "shared"] {
        let mut program = Program::run("27_http_loops", &[way, "0"]).listening();
        let mut text = String::new();
        for _ in 0..64 {
            let answer = Client::of(&program).get("/");
            text = String::from_utf8(answer.content).unwrap();
        }
        let accepted: Vec<u64> = text.lines().skip(1).map(accepted).collect();
        assert!(accepted.len() >= 2, "{way}: {text}");
        assert_eq!(accepted.iter().sum::<u64>(), 64, "{way}: {text}");
        // A hash of 64 ports; which loop of several idle ones is woken, the kernel may choose.
        if way == "reuseport" {
            assert!(accepted.iter().all(|count| *count > 0), "{way}: {text}");
        }
        program.is_well();
    }
}

/// `loop 1: 32 accepted, 0 in vain`
fn accepted(line: &str) -> u64 {
    let words: Vec<_> = line.split(' ').collect();
    assert_eq!(words[3], "accepted,", "{line}");
    words[2].parse().unwrap()
}

#[test]
fn bad_clients_get_an_answer_from_27() {
    let mut program = Program::run("27_http_loops", &["0"]).listening();
    for (request, status) in [
        ("GET /none HTTP/1.1\r\n\r\n".to_owned(), 404),
        ("\r\n\r\n".to_owned(), 404),
        ("x".repeat(8 * 1024), 431),
    ] {
        let mut client = Client::of(&program);
        client.send(request.as_bytes());
        assert_eq!(client.answer(false).unwrap().status, status, "{request}");
        assert!(client.is_closed());
    }
    let mut client = Client::of(&program);
    byte_by_byte(&mut client.stream, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer(false).unwrap().status, 200);
    program.is_well();
}

#[test]
fn with_oneshot_no_two_threads_are_in_one_connection() {
    let mut program = Program::run("28_oneshot", &["100"]);
    assert_eq!(program.end(), Ended::Code(0), "{}", program.told);
    let rows: Vec<Vec<&str>> = program
        .told
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 5, "{}", program.told);
    for row in &rows[3..] {
        let [mixed_up, _, together, armed] = row[2..] else {
            panic!("{row:?}");
        };
        assert_eq!((mixed_up, together, armed), ("0", "0", "1.00"), "{row:?}");
    }
    assert!(
        rows[1..].iter().all(|row| row.len() >= 5),
        "{}",
        program.told
    );
}

#[test]
fn a_number_that_is_none_is_said() {
    let mut program = Program::run("28_oneshot", &["soon"]);
    assert_eq!(program.end(), Ended::Code(1));
    assert!(program.told.contains("milliseconds"), "{}", program.told);
}
