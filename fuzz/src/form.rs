//! Forms, whole and in pieces, against a naive reader (RFC 2046 §5.1, RFC 7578).
//!
//! An input is a plan, a boundary, and the form: a line each, and the rest.

use httpoll::http::multipart::{BadForm, Multipart, Piece};
use memchr::memmem;

/// The longest head of a part.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A field, the name of its file if it is one, its content.
type FieldPart = (Vec<u8>, Option<Vec<u8>>, Vec<u8>);

/// What a form held, as far as it could be read.
#[derive(PartialEq, Eq, Debug, Default)]
struct Parts {
    parts: Vec<FieldPart>,
    /// Whether the last of them came to its end.
    ended: bool,
    complete: bool,
    bad: Option<BadForm>,
}

/// Panics unless a form reads the same however it is cut, and its parts are those that the naive
/// reader finds.
pub fn check(data: &[u8]) {
    let (plan, rest) = super::plan_and_sent(data);
    let (boundary, form) = super::plan_and_sent(rest);
    let kind = [b"multipart/form-data; boundary=\"", boundary, b"\""].concat();
    // A quote ends it earlier, and what follows is another parameter.
    let is_plain = !boundary.contains(&b'"');
    if Multipart::new(&kind).is_err() {
        assert!(!(is_plain && is_boundary(boundary)), "refused");
        return;
    }
    let whole = read(&kind, [form].into_iter());
    assert_eq!(whole, read(&kind, super::pieces(plan, form)), "in pieces");
    assert_eq!(whole, read(&kind, form.chunks(1)), "byte by byte");
    // A short form is split at each of its bytes.
    for at in 0..form.len().min(64) {
        let halves = [&form[..at], &form[at..]];
        assert_eq!(whole, read(&kind, halves.into_iter()), "at {at}");
    }
    if is_plain {
        assert!(is_boundary(boundary), "taken");
        compare(&whole, boundary, form);
    }
}

/// Feeds a form as an upload does.
fn read<'a>(kind: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> Parts {
    let mut found = Parts::default();
    let Ok(mut form) = Multipart::new(kind) else {
        return found;
    };
    for mut piece in pieces {
        loop {
            let (used, next) = match form.next(piece) {
                Ok(next) => next,
                Err(bad) => {
                    found.bad = Some(bad);
                    return found;
                }
            };
            assert!(used <= piece.len(), "more used than there was");
            match next {
                Piece::Part(head) => {
                    assert!(
                        found.parts.is_empty() || found.ended,
                        "a part within a part"
                    );
                    found.ended = false;
                    found.parts.push((head.field, head.file_name, Vec::new()));
                }
                Piece::Content(content) => {
                    // Not kept: it is the input's, or the delimiter's own.
                    assert!(content.len() <= piece.len() + kind.len(), "made up");
                    let part = found.parts.last_mut().expect("content without a part");
                    assert!(!found.ended, "content behind its end");
                    part.2.extend_from_slice(content);
                }
                Piece::PartEnd => {
                    assert!(!found.ended && !found.parts.is_empty(), "an end of nothing");
                    found.ended = true;
                }
                Piece::NeedBytes | Piece::End => {
                    assert_eq!(used, piece.len(), "something is left lying");
                    break;
                }
            }
            piece = &piece[used..];
        }
    }
    found.complete = form.is_complete();
    found
}

/// Looks for delimiters in the whole form.
fn compare(found: &Parts, boundary: &[u8], form: &[u8]) {
    let delimiter = [b"\r\n--", boundary].concat();
    // The first one may do without its CRLF, and so may one right behind a head.
    let form = [b"\r\n", form].concat();
    let mut parts = found.parts.iter();
    let Some(mut at) = memmem::find(&form, &delimiter) else {
        return assert_eq!(*found, Parts::default(), "no delimiter");
    };
    loop {
        at += delimiter.len();
        let (line, is_last) = match line_behind(&form[at..]) {
            Line::Unread => return assert!(found.bad.is_none() && parts.next().is_none()),
            Line::Bad => return assert!(found.bad.is_some() && parts.next().is_none()),
            Line::End(len) => (len, false),
            Line::Last => (0, true),
        };
        if is_last {
            assert!(found.complete && found.bad.is_none(), "it was the last one");
            return assert_eq!(parts.next(), None);
        }
        at += line;
        let head = match form[at..].strip_prefix(b"\r\n") {
            Some(_) => Some(2),
            None => memmem::find(&form[at..], b"\r\n\r\n").map(|end| end + 4),
        };
        let there = head.unwrap_or(form.len() - at);
        let Some(part) = parts.next() else {
            // What the fields of a head may be is not looked at here.
            let is_bad = head.is_some() || there >= HEAD_BYTES_MAX;
            return assert_eq!(found.bad.is_some(), is_bad, "{there} bytes of a head");
        };
        let len = head.expect("a part has a head");
        assert!(len <= HEAD_BYTES_MAX, "a head of {len} bytes");
        at += len;
        let begin = at - 2;
        let next = memmem::find(&form[begin..], &delimiter).map(|len| begin + len);
        let until = next.unwrap_or_else(|| form.len() - held(&form[begin..], &delimiter));
        let content = form.get(at..until).unwrap_or_default();
        assert_eq!(
            part.2.escape_ascii().to_string(),
            content.escape_ascii().to_string()
        );
        match next {
            Some(next) => at = next,
            None => {
                assert!(!found.ended && !found.complete && found.bad.is_none());
                return assert_eq!(parts.next(), None);
            }
        }
    }
}

/// How many bytes at the end may yet become a delimiter.
fn held(bytes: &[u8], delimiter: &[u8]) -> usize {
    let longest = delimiter.len().min(bytes.len());
    let is_held = |len: &usize| bytes.ends_with(&delimiter[..*len]);
    (1..=longest).rev().find(is_held).unwrap_or(0)
}

/// What stands behind a delimiter (RFC 2046 §5.1.1).
enum Line {
    /// White space and CRLF: so many bytes.
    End(usize),
    /// Two hyphens.
    Last,
    Bad,
    /// Not all of it is here.
    Unread,
}

fn line_behind(bytes: &[u8]) -> Line {
    if bytes.starts_with(b"--") {
        return Line::Last;
    }
    let padding = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    let padding = padding.count();
    match &bytes[padding..] {
        [b'\r', b'\n', ..] => Line::End(padding + 2),
        [] | [b'\r'] => Line::Unread,
        [b'-'] if padding == 0 => Line::Unread,
        _ => Line::Bad,
    }
}

/// RFC 2046 §5.1.1.
fn is_boundary(boundary: &[u8]) -> bool {
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
    (1..=70).contains(&boundary.len())
        && boundary.iter().all(is_allowed)
        && boundary.last() != Some(&b' ')
}
