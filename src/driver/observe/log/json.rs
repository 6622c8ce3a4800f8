//! Access lines as JSON: one object for each.
//!
//! *Floor 4.* Pure. The keys are those of [`JsonLine`], always all of them; what is not known is `null`.
//! All of it is ASCII: a control character beyond it would steer a terminal (CWE-117).
//!
//! *References:* RFC 8259.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::line::{Line, push_address, push_timestamp};

/// One line. A key may join them; none changes its meaning.
#[derive(Serialize)]
struct JsonLine<'a> {
    /// When the answer's last byte left (RFC 3339).
    time: Cow<'a, str>,
    /// The client's address; `null` for one of a Unix socket.
    client: Option<Cow<'a, str>>,
    /// The three parts of the request line; `null` where it has not three.
    method: Option<&'a str>,
    target: Option<&'a str>,
    protocol: Option<&'a str>,
    /// The request line as it came; `null` for an answer to no request.
    request: Option<&'a str>,
    status: u16,
    /// Bytes of content sent.
    bytes: u64,
    /// Bytes of content that came with the request.
    received: u64,
    /// From the request's head to the answer's last byte.
    duration_ms: f64,
    /// Whether the client took the whole answer.
    complete: bool,
    referer: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
}

pub(super) fn push(into: &mut Vec<u8>, line: &Line<'_>) {
    let finished = line.finished;
    let (mut time, mut client) = (Vec::new(), Vec::new());
    push_timestamp(&mut time, &line.now.http_date);
    let client = push_address(&mut client, line.peer).map(|()| text(&client));
    let request = text(&finished.request_line);
    let mut parts = request.splitn(3, ' ');
    let [method, target, protocol] = match [parts.next(), parts.next(), parts.next()] {
        all @ [_, _, Some(protocol)] if !protocol.contains(' ') => all,
        _ => [None; 3],
    };
    let field = |value: Option<&'_ [u8]>| value.map(|value| text(value).into_owned().into());
    let fields = finished.fields.as_deref();
    let entry = JsonLine {
        time: text(&time),
        client,
        method,
        target,
        protocol,
        request: Some(&*request).filter(|line| !line.is_empty()),
        status: finished.status.code(),
        bytes: finished.body_bytes,
        received: finished.received_bytes,
        duration_ms: f64::from(u32::try_from(line.took().as_micros()).unwrap_or(u32::MAX)) / 1000.0,
        complete: finished.complete,
        referer: field(fields.and_then(|fields| fields.referer.as_deref())),
        user_agent: field(fields.and_then(|fields| fields.user_agent.as_deref())),
    };
    // A Vec takes everything, and no key is anything but a string.
    let _ = entry.serialize(&mut Serializer::with_formatter(&mut *into, Ascii));
    into.push(b'\n');
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Compact, and nothing but ASCII.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
        if fragment.as_bytes().iter().all(is_plain) {
            return out.write_all(fragment.as_bytes());
        }
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte @ b' '..=b'~') => out.write_all(&[byte])?,
                _ => write!(out, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::tests::{answer, fields, ip, line};
    use crate::config::LogFormat;
    use crate::conn::Finished;
    use crate::kernel::Peer;

    fn check(peer: Peer, one: &Finished, expected: &Expect) {
        let shown = line(LogFormat::Json, peer, one, 450);
        assert!(shown.ends_with("}\n") && shown.is_ascii());
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read.as_object().unwrap().len(), 13, "always all keys");
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_line_is_an_object_with_all_its_keys() {
        let mut one = answer(b"GET /a?b HTTP/1.1");
        one.fields = fields(
            Some(b"http://a.example/"),
            Some("h\u{e9}\u{1f600}\u{9b}2J\t\"".as_bytes()),
        );
        check(
            ip("192.0.2.1"),
            &one,
            &expect![[r#"
                {"time":"2026-11-23T22:10:05Z","client":"192.0.2.1","method":"GET","target":"/a?b","protocol":"HTTP/1.1","request":"GET /a?b HTTP/1.1","status":200,"bytes":1234,"received":0,"duration_ms":0.45,"complete":true,"referer":"http://a.example/","user_agent":"h\u00e9\ud83d\ude00\u009b2J\t\""}
            "#]],
        );
        one.request_line.clear();
        one.fields = fields(None, Some(b"\xff\x7f"));
        one.complete = false;
        check(
            Peer::Unix,
            &one,
            &expect![[r#"
                {"time":"2026-11-23T22:10:05Z","client":null,"method":null,"target":null,"protocol":null,"request":null,"status":200,"bytes":1234,"received":0,"duration_ms":0.45,"complete":false,"referer":null,"user_agent":"\ufffd\u007f"}
            "#]],
        );
    }

    /// What is no request line is shown whole, and in no parts.
    #[test]
    fn what_is_no_request_has_no_parts() {
        for request in [&b"GET /"[..], b"hello", b"GET / HTTP/1.1 x"] {
            let shown = line(LogFormat::Json, Peer::Unix, &answer(request), 0);
            let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(read["request"].as_str().unwrap().as_bytes(), request);
            assert!(
                read["method"].is_null() && read["target"].is_null() && read["protocol"].is_null()
            );
        }
    }
}
