//! What httpoll's own connection says: the measure for exercises on the protocol.

use std::sync::Arc;

use httpoll::conn::{Connection, Limits, Step, Transmit};
use httpoll::http::{Response, Tick};

/// The answer to one request: `head` is everything up to its empty line, that included. What is
/// not a whole head is refused.
pub fn answer(head: &[u8]) -> Vec<u8> {
    let answer = answers(head);
    match answer.is_empty() {
        true => {
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()
        }
        false => answer,
    }
}

/// The answers to all requests in `sent`, when they come in one piece.
pub fn answers(sent: &[u8]) -> Vec<u8> {
    let now = Tick::for_tests();
    let mut conn = Connection::new(Arc::new(Limits::default()), &now);
    conn.on_bytes(sent, &now);
    let mut out = Vec::new();
    loop {
        if let Step::Request(request) = conn.next_step(&now) {
            let text = format!("you asked for {}\n", request.path());
            conn.respond(Response::text(text), &now);
        }
        let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() else {
            return out;
        };
        let before = out.len();
        slices.iter().for_each(|slice| out.extend_from_slice(slice));
        conn.on_sent(out.len() - before, &now);
    }
}

/// The first line of an answer, for symptoms.
pub fn first_line(answer: &[u8]) -> String {
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    format!("\"{}\"", line.escape_ascii())
}

/// A GET for `path`, without content.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}
