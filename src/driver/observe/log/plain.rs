//! The plain line, which people read.
//!
//! *Floor 4.* Pure. `2026-11-23T22:10:05Z 127.0.0.1 "GET /a HTTP/1.1" 200 1234 0.4ms`: when the answer's
//! last byte left, to whom, for which request, its status, bytes of content, and how long that took.
//! Behind it stands what came with the request, if any content did: ` in 1048576`. An answer that the
//! client did not take whole ends in ` cut`, and so does a request that broke off, as 400.

use super::line::{Line, push_address, push_escaped, push_number, push_timestamp};

pub(super) fn push(into: &mut Vec<u8>, line: &Line<'_>) {
    let (finished, took) = (line.finished, line.took());
    push_timestamp(into, &line.now.http_date);
    into.push(b' ');
    if push_address(into, line.peer).is_none() {
        into.extend_from_slice(b"unix");
    }
    into.extend_from_slice(b" \"");
    match finished.request_line.as_slice() {
        b"" => into.push(b'-'), // an answer to no request: 408, or a head of empty lines
        line => push_escaped(into, line),
    }
    into.extend_from_slice(b"\" ");
    push_number(into, finished.status.code().into());
    into.push(b' ');
    push_number(into, finished.body_bytes);
    into.push(b' ');
    push_number(into, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    into.push(b'.');
    push_number(into, u64::from(took.subsec_micros() / 100 % 10));
    into.extend_from_slice(b"ms");
    // What is appended breaks no reader of the fields before it.
    if finished.received_bytes > 0 {
        into.extend_from_slice(b" in ");
        push_number(into, finished.received_bytes);
    }
    into.extend_from_slice(if finished.complete { b"\n" } else { b" cut\n" });
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, ip, line};
    use crate::config::LogFormat;
    use crate::kernel::Peer;

    #[test]
    fn it_names_peer_request_status_content_and_duration() {
        let check = |peer: Peer, request: &[u8], micros: u64, expected: &str| {
            let shown = line(LogFormat::Plain, peer, &answer(request), micros);
            assert_eq!(shown, expected);
        };
        let get = b"GET /a HTTP/1.1";
        check(
            ip("127.0.0.1"),
            get,
            450,
            "2026-11-23T22:10:05Z 127.0.0.1 \"GET /a HTTP/1.1\" 200 1234 0.4ms\n",
        );
        check(
            ip("::ffff:192.0.2.1"),
            get,
            61_001_999,
            "2026-11-23T22:10:05Z 192.0.2.1 \"GET /a HTTP/1.1\" 200 1234 61001.9ms\n",
        );
        check(
            ip("2001:db8::1"),
            b"",
            0,
            "2026-11-23T22:10:05Z 2001:db8::1 \"-\" 200 1234 0.0ms\n",
        );
        check(
            Peer::Unix,
            b"BREW / HTTP/1.1",
            999,
            "2026-11-23T22:10:05Z unix \"BREW / HTTP/1.1\" 200 1234 0.9ms\n",
        );
    }

    #[test]
    fn an_answer_that_was_not_taken_whole_says_so() {
        let mut half = answer(b"GET /a HTTP/1.1");
        half.complete = false;
        let shown = line(LogFormat::Plain, Peer::Unix, &half, 0);
        assert!(shown.ends_with(" 200 1234 0.0ms cut\n"), "{shown}");
        half.received_bytes = 5;
        let shown = line(LogFormat::Plain, Peer::Unix, &half, 0);
        assert!(shown.ends_with(" 200 1234 0.0ms in 5 cut\n"), "{shown}");
    }
}
