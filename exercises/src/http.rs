//! What httpoll's own connection says: the measure for exercises on the protocol.

use std::sync::Arc;

use httpoll::conn::{Connection, Limits, Step, Transmit};
use httpoll::http::{Body, Request, Response, Status, Tick};

use crate::small::answer as answer_of;

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
    let now = now();
    let mut conn = connection(&now);
    conn.on_bytes(sent, &now);
    let mut out = Vec::new();
    loop {
        let answered = match conn.next_step(&now) {
            Step::Request(request) => {
                let response = respond(&request);
                conn.respond(response, &now);
                true
            }
            _ => false,
        };
        let before = out.len();
        if let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() {
            slices.iter().for_each(|slice| out.extend_from_slice(slice));
            conn.on_sent(out.len() - before, &now);
        }
        if !answered && out.len() == before {
            return out;
        }
    }
}

/// The service behind all exercises: `/bytes/12` is answered by twelve bytes, everything else by a
/// line that names it.
pub fn respond(request: &Request<'_>) -> Response {
    let len = request
        .path()
        .strip_prefix("/bytes/")
        .and_then(|n| n.parse().ok());
    match len {
        Some(len) => Response::new(Status::OK).body(Body::Owned(answer_of(len))),
        None => Response::text(format!("you asked for {}\n", request.path())),
    }
}

/// A new connection of a server.
pub fn connection(now: &Tick) -> Connection {
    Connection::new(Arc::new(Limits::default()), now)
}

/// A moment whose date is that of the simulated kernel, so that answers can be compared.
pub fn now() -> Tick {
    Tick::for_tests()
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
