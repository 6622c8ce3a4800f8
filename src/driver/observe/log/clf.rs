//! The Common Log Format, and the combined one: what log analysers read.
//!
//! *Floor 4.* Pure. Apache httpd's `%h %l %u %t "%r" %>s %b`, with `"%{Referer}i" "%{User-Agent}i"`
//! behind it in the combined one; nginx's `combined` is the same. The time is that of the answer's last
//! byte, as in nginx, in UTC: the time zone's file is out of reach in the sandbox. `-` stands for what is
//! not known, and for no content at all (`%b`). No user is shown (PROMISES.md says why); an answer that
//! was cut is seen by its bytes alone.
//!
//! *References:* Apache httpd, mod_log_config; nginx, ngx_http_log_module.

use super::line::{Line, date_parts, push_address, push_escaped, push_number};

pub(super) fn push_common(into: &mut Vec<u8>, line: &Line<'_>) {
    push_fields(into, line);
    into.push(b'\n');
}

pub(super) fn push_combined(into: &mut Vec<u8>, line: &Line<'_>) {
    push_fields(into, line);
    let fields = line.finished.fields.as_deref();
    let referer = fields.and_then(|fields| fields.referer.as_deref());
    let user_agent = fields.and_then(|fields| fields.user_agent.as_deref());
    for field in [referer, user_agent] {
        into.push(b' ');
        push_quoted(into, field);
    }
    into.push(b'\n');
}

fn push_fields(into: &mut Vec<u8>, line: &Line<'_>) {
    let finished = line.finished;
    if push_address(into, line.peer).is_none() {
        into.push(b'-');
    }
    let [day, month, year, time] = date_parts(&line.now.http_date);
    for piece in [
        b" - - [",
        day,
        b"/",
        month,
        b"/",
        year,
        b":",
        time,
        b" +0000] ",
    ] {
        into.extend_from_slice(piece);
    }
    let request = Some(finished.request_line.as_slice()).filter(|line| !line.is_empty());
    push_quoted(into, request);
    into.push(b' ');
    push_number(into, finished.status.code().into());
    into.push(b' ');
    match finished.body_bytes {
        0 => into.push(b'-'),
        some => push_number(into, some),
    }
}

/// Escaped as httpd does it: `\"`, `\\`, white space as in C, `\xNN`.
fn push_quoted(into: &mut Vec<u8>, value: Option<&[u8]>) {
    into.push(b'"');
    let mut rest = value.unwrap_or(b"-");
    while let Some(at) = rest.iter().position(|byte| c_letter(*byte).is_some()) {
        push_escaped(into, &rest[..at]);
        into.extend(
            c_letter(rest[at])
                .map(|letter| [b'\\', letter])
                .iter()
                .flatten(),
        );
        rest = &rest[at + 1..];
    }
    push_escaped(into, rest);
    into.push(b'"');
}

const fn c_letter(byte: u8) -> Option<u8> {
    match byte {
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0b => Some(b'v'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, fields, ip, line};
    use super::*;
    use crate::config::LogFormat;
    use crate::kernel::Peer;

    #[test]
    fn common_has_seven_fields() {
        let mut one = answer(b"GET /apache_pb.gif HTTP/1.0");
        let shown = line(LogFormat::Common, ip("127.0.0.1"), &one, 0);
        assert_eq!(
            shown,
            "127.0.0.1 - - [23/Nov/2026:22:10:05 +0000] \"GET /apache_pb.gif HTTP/1.0\" 200 1234\n"
        );
        one.body_bytes = 0;
        one.request_line.clear();
        let shown = line(LogFormat::Common, Peer::Unix, &one, 0);
        assert_eq!(shown, "- - - [23/Nov/2026:22:10:05 +0000] \"-\" 200 -\n");
    }

    #[test]
    fn combined_has_referer_and_user_agent_behind_them() {
        let mut one = answer(b"GET / HTTP/1.1");
        let check = |one: &_, expected: &str| {
            let shown = line(LogFormat::Combined, ip("::1"), one, 0);
            let begin = "::1 - - [23/Nov/2026:22:10:05 +0000] \"GET / HTTP/1.1\" 200 1234 ";
            assert_eq!(shown.strip_prefix(begin), Some(expected));
        };
        check(&one, "\"-\" \"-\"\n");
        one.fields = fields(
            Some(b"http://a.example/?b=\"c\""),
            Some(b"Mozilla/5.0 (X11)"),
        );
        check(
            &one,
            "\"http://a.example/?b=\\\"c\\\"\" \"Mozilla/5.0 (X11)\"\n",
        );
        one.fields = fields(None, Some(b""));
        check(&one, "\"-\" \"\"\n");
    }

    #[test]
    fn a_field_stays_one_field() {
        let mut out = Vec::new();
        push_quoted(&mut out, Some(b"a\tb\x1b[2J\"\\\xff\r\n\x08\x0b"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#""a\tb\x1b[2J\"\\\xff\r\n\b\v""#
        );
    }
}
