//! multipart/form-data, taken apart as it arrives: what a browser's form sends.
//!
//! *Floor 0.* Bytes in, parts out; knows no files, and keeps nothing but the head of a part.
//!
//! The idea: content ends where `CRLF "--" boundary` begins, and a boundary holds no CR. So while
//! that delimiter is being matched, what was matched so far need not be kept: if the match fails,
//! those bytes were content, and they are the first bytes of the delimiter. The next match can
//! only begin at another CR.
//!
//! ```text
//!            ┌────────────── CRLF "--" boundary ◀── content ◀──┐
//!            ▼                                                  │
//!  preamble ─▶ after the delimiter ── CRLF ─▶ head ── CRLF CRLF ┘
//!                        └── "--" ─▶ epilogue
//! ```
//!
//! *References:* RFC 2046 §5.1 (multipart), RFC 7578 (form-data).

use memchr::memchr;

/// Bytes of one part's head.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Fields of one part's head.
const FIELDS_MAX: usize = 16;
/// Characters of a boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// What cannot be a form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadForm(
    /// Why.
    pub &'static str,
);

/// What stands next in the form.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// A part begins.
    Part(PartHead),
    /// Content of the part.
    Content(&'a [u8]),
    /// The part ends.
    PartEnd,
    /// The form is complete; what follows means nothing.
    End,
    /// Everything was consumed.
    NeedBytes,
}

/// What a part says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartHead {
    /// The field of the form.
    pub field: Vec<u8>,
    /// The name of the file, as it was sent, if it is one.
    pub file_name: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before the first delimiter, which needs no CRLF in front.
    Preamble,
    /// In a part's content.
    Content,
    /// Behind a delimiter.
    Delimited,
    /// One hyphen behind it.
    Hyphen,
    /// White space behind it.
    Padding,
    /// Its CR.
    Cr,
    Head,
    Epilogue,
}

/// A form that arrives piece by piece.
pub struct Multipart {
    /// `CRLF "--" boundary`.
    delimiter: Vec<u8>,
    state: State,
    /// A part has begun, and not ended.
    in_part: bool,
    /// Bytes of the delimiter that the input ended with.
    matched: usize,
    /// Of these, how many belong to what came before: no content if the match fails.
    lent: usize,
    head: Vec<u8>,
}

impl Multipart {
    /// A form delimited as its Content-Type says.
    ///
    /// # Errors
    /// If that says no valid boundary.
    pub fn new(content_type: &[u8]) -> Result<Self, BadForm> {
        let boundary = boundary(content_type)?;
        Ok(Self {
            delimiter: [b"\r\n--", boundary.as_slice()].concat(),
            state: State::Preamble,
            in_part: false,
            // The form may begin with its delimiter: as if a CRLF had come.
            matched: 2,
            lent: 2,
            head: Vec::new(),
        })
    }

    /// Whether the last delimiter has come.
    pub fn is_complete(&self) -> bool {
        self.state == State::Epilogue
    }

    /// The next piece of the form, and how many bytes of `input` it consumed. To be asked with what
    /// is left of the input until that piece is [`Piece::NeedBytes`] or [`Piece::End`].
    ///
    /// # Errors
    /// What is no form; nothing may be asked after it.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Piece<'a>), BadForm> {
        let mut at = 0;
        loop {
            match self.state {
                // Not before the line of the delimiter is whole: the part of a form that is none is
                // not whole either.
                State::Head | State::Epilogue if self.in_part => {
                    self.in_part = false;
                    return Ok((at, Piece::PartEnd));
                }
                State::Epilogue => return Ok((input.len(), Piece::End)),
                State::Preamble | State::Content => {
                    let is_content = self.state == State::Content;
                    let (used, content) = self.content(&input[at..]);
                    match content {
                        // Lifetimes: found first, borrowed last.
                        Scanned::Held(from, to) if is_content => {
                            return Ok((at + used, Piece::Content(&self.delimiter[from..to])));
                        }
                        Scanned::Here(len) if is_content => {
                            return Ok((at + used, Piece::Content(&input[at..at + len])));
                        }
                        Scanned::Held(..) | Scanned::Here(_) => at += used,
                        Scanned::Delimiter => {
                            at += used;
                            self.state = State::Delimited;
                        }
                        Scanned::Nothing => return Ok((input.len(), Piece::NeedBytes)),
                    }
                }
                State::Head => match self.head(&input[at..])? {
                    (used, Some(head)) => return Ok((at + used, Piece::Part(head))),
                    (_, None) => return Ok((input.len(), Piece::NeedBytes)),
                },
                State::Delimited | State::Hyphen | State::Padding | State::Cr => {
                    let Some(&byte) = input.get(at) else {
                        return Ok((at, Piece::NeedBytes));
                    };
                    at += 1;
                    self.state = self.behind_delimiter(byte)?;
                }
            }
        }
    }

    /// Looks for content or the delimiter at the front of `input`; how much of it was consumed.
    fn content(&mut self, input: &[u8]) -> (usize, Scanned) {
        let mut at = 0;
        while self.matched > 0 {
            if self.matched == self.delimiter.len() {
                (self.matched, self.lent) = (0, 0);
                return (at, Scanned::Delimiter);
            }
            match input.get(at) {
                None => return (at, Scanned::Nothing),
                Some(byte) if *byte == self.delimiter[self.matched] => {
                    self.matched += 1;
                    at += 1;
                }
                // No match: what was taken for a delimiter is content.
                Some(_) => {
                    let held = std::mem::take(&mut self.matched);
                    let lent = std::mem::take(&mut self.lent);
                    return (at, Scanned::Held(lent, held));
                }
            }
        }
        match memchr(b'\r', &input[at..]) {
            Some(0) => {
                self.matched = 1;
                (at + 1, Scanned::Here(0))
            }
            Some(len) => (at + len, Scanned::Here(len)),
            None if at == input.len() => (at, Scanned::Nothing),
            None => (input.len(), Scanned::Here(input.len() - at)),
        }
    }

    /// `*LWSP-char CRLF` or `"--"` (RFC 2046 §5.1.1).
    fn behind_delimiter(&mut self, byte: u8) -> Result<State, BadForm> {
        match (self.state, byte) {
            (State::Delimited, b'-') => Ok(State::Hyphen),
            (State::Hyphen, b'-') => Ok(State::Epilogue),
            (State::Delimited | State::Padding, b' ' | b'\t') => Ok(State::Padding),
            (State::Delimited | State::Padding, b'\r') => Ok(State::Cr),
            (State::Cr, b'\n') => {
                self.head.clear();
                Ok(State::Head)
            }
            _ => Err(BadForm("what follows a boundary is no end of line")),
        }
    }

    /// Collects a part's head; the head once it is whole.
    fn head(&mut self, input: &[u8]) -> Result<(usize, Option<PartHead>), BadForm> {
        for (at, byte) in input.iter().enumerate() {
            self.head.push(*byte);
            if self.head.ends_with(b"\r\n\r\n") || self.head == b"\r\n" {
                (self.state, self.in_part) = (State::Content, true);
                // An empty part needs no CRLF of its own (RFC 2046 §5.1.1).
                (self.matched, self.lent) = (2, 2);
                return Ok((at + 1, Some(part_head(&self.head)?)));
            }
            if self.head.len() == HEAD_BYTES_MAX {
                return Err(BadForm("the head of a part is too long"));
            }
        }
        Ok((input.len(), None))
    }
}

/// What stands at the front of the input.
enum Scanned {
    /// The delimiter from here to there, which was content after all.
    Held(usize, usize),
    /// So many bytes of content in the input.
    Here(usize),
    Delimiter,
    Nothing,
}

/// The boundary parameter of `multipart/form-data` (RFC 7578 §4.1, RFC 2046 §5.1.1).
fn boundary(content_type: &[u8]) -> Result<Vec<u8>, BadForm> {
    const MISSING: BadForm = BadForm("the Content-Type has no valid boundary");
    let (kind, parameters) = split_at_byte(content_type, b';');
    if !kind
        .trim_ascii()
        .eq_ignore_ascii_case(b"multipart/form-data")
    {
        return Err(BadForm("the Content-Type is not multipart/form-data"));
    }
    let boundary = parameter(parameters, b"boundary").ok_or(MISSING)?;
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
    let is_valid = (1..=BOUNDARY_MAX).contains(&boundary.len())
        && boundary.iter().all(is_allowed)
        && !boundary.ends_with(b" ");
    is_valid.then_some(boundary).ok_or(MISSING)
}

fn part_head(head: &[u8]) -> Result<PartHead, BadForm> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed = httparse::parse_headers(head, &mut fields);
    let Ok(httparse::Status::Complete((_, fields))) = parsed else {
        return Err(BadForm("the head of a part is no list of fields"));
    };
    let disposition = fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-disposition"))
        .ok_or(BadForm("a part has no Content-Disposition"))?;
    let (kind, parameters) = split_at_byte(disposition.value, b';');
    if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err(BadForm("a part is not form-data"));
    }
    // `filename*` is not for forms (RFC 7578 §4.2), and sent all the same.
    let extended = parameter(parameters, b"filename*").and_then(|value| extended_value(&value));
    let plain = || parameter(parameters, b"filename").map(|name| unescape_file_name(&name));
    Ok(PartHead {
        field: parameter(parameters, b"name").unwrap_or_default(),
        file_name: extended.or_else(plain),
    })
}

/// The value of a parameter. In quotes, `\"` is a quote and `\\` two backslashes or one: browsers
/// escape no backslash, and one that wrote a whole path (`C:\dir\file`) meant what it wrote.
fn parameter(mut rest: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    loop {
        rest = rest.trim_ascii_start();
        let (name, after) = split_at_byte(rest, b'=');
        if rest.is_empty() || name.len() == rest.len() {
            return None;
        }
        let after = after.trim_ascii_start();
        let (value, behind) = match after.strip_prefix(b"\"") {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let (value, behind) = split_at_byte(after, b';');
                (value.trim_ascii_end().to_vec(), behind)
            }
        };
        if name.trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind;
    }
}

/// A quoted value without its first quote, and what follows the next semicolon.
fn quoted_value(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'\\' if quoted.get(at + 1) == Some(&b'"') => {
                value.push(b'"');
                at += 2;
            }
            b'"' => break,
            byte => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    let (_, behind) = split_at_byte(&quoted[at + 1..], b';');
    Some((value, behind))
}

/// What browsers write for the three characters that a quoted name cannot hold (HTML, "multipart/
/// form-data encoding algorithm"): `%22`, `%0D`, `%0A`. A percent sign itself stays as it is.
fn unescape_file_name(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, behind)) = rest.split_first() {
        let escaped = match behind.get(..2) {
            Some(b"22") => Some(b'"'),
            Some(b"0D" | b"0d") => Some(b'\r'),
            Some(b"0A" | b"0a") => Some(b'\n'),
            _ => None,
        };
        (rest, out) = match (byte, escaped) {
            (b'%', Some(plain)) => (&behind[2..], push(out, plain)),
            _ => (behind, push(out, *byte)),
        };
    }
    out
}

fn push(mut out: Vec<u8>, byte: u8) -> Vec<u8> {
    out.push(byte);
    out
}

/// `UTF-8''na%C3%AFve` (RFC 8187 §3.2).
fn extended_value(value: &[u8]) -> Option<Vec<u8>> {
    let (charset, rest) = split_at_byte(value, b'\'');
    let (_, encoded) = split_at_byte(rest, b'\'');
    let is_known = charset.eq_ignore_ascii_case(b"utf-8");
    is_known.then(|| percent_encoding::percent_decode(encoded).collect())
}

/// What stands before and behind the first `byte`; all and nothing if there is none.
fn split_at_byte(bytes: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr(byte, bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type FormPart = (Vec<u8>, Option<Vec<u8>>, Vec<u8>);

    /// The parts of a form that arrives in pieces of this size; whether it is complete.
    fn parts(form: &[u8], piece: usize) -> Result<(Vec<FormPart>, bool), BadForm> {
        let mut multipart = Multipart::new(b"multipart/form-data; boundary=AaB03x")?;
        let mut parts: Vec<FormPart> = Vec::new();
        let mut open = false;
        for input in form.chunks(piece) {
            let mut input = input;
            loop {
                let (used, found) = multipart.next(input)?;
                match found {
                    Piece::Part(head) => {
                        assert!(!open);
                        open = true;
                        parts.push((head.field, head.file_name, Vec::new()));
                    }
                    Piece::Content(bytes) => parts.last_mut().unwrap().2.extend(bytes),
                    Piece::PartEnd => {
                        assert!(open);
                        open = false;
                    }
                    Piece::End | Piece::NeedBytes => {
                        assert_eq!(used, input.len());
                        break;
                    }
                }
                input = &input[used..];
            }
        }
        Ok((parts, multipart.is_complete()))
    }

    fn file(name: &str, content: &[u8]) -> Vec<u8> {
        let head = format!(
            "--AaB03x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n"
        );
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    #[test]
    fn a_form_is_the_same_whole_and_in_any_pieces() {
        let contents: [&[u8]; 8] = [
            b"",
            b"a",
            b"\r\n",
            b"\r\n--AaB03",
            b"\r\n--AaB03\r\n--AaB0",
            b"\r\r\n\r\r\n--\r\n--AaB03y",
            b"\n--AaB03x--\r",
            b"line\r\nline\r\n",
        ];
        let mut form = b"This is the preamble.\r\n".to_vec();
        for content in contents {
            form.extend(file("a.txt", content));
        }
        form.extend(b"--AaB03x--\r\nThis is the epilogue.\r\n--AaB03x\r\n");
        for piece in 1..=form.len() {
            let (parts, complete) = parts(&form, piece).unwrap();
            assert!(complete, "{piece}");
            let found: Vec<_> = parts.iter().map(|part| part.2.as_slice()).collect();
            assert_eq!(found, contents, "{piece}");
        }
    }

    /// Between the head and the delimiter of an empty part one CRLF is enough.
    #[test]
    fn an_empty_part_may_do_without_a_line_of_its_own() {
        let head = "--AaB03x\r\nContent-Disposition: form-data; name=f\r\n\r\n";
        let form = format!("{head}{head}--AaB03x--");
        for piece in [1, form.len()] {
            let (parts, complete) = parts(form.as_bytes(), piece).unwrap();
            assert!(complete && parts.len() == 2 && parts.iter().all(|part| part.2.is_empty()));
        }
    }

    /// Else a file would be kept that ends in the middle of what was sent.
    #[test]
    fn a_part_does_not_end_with_a_boundary_that_is_none() {
        let form = [file("a", b"he").as_slice(), b"--AaB03xB\r\nllo"].concat();
        let mut multipart = Multipart::new(b"multipart/form-data; boundary=AaB03x").unwrap();
        let mut rest = form.as_slice();
        loop {
            match multipart.next(rest) {
                Ok((_, Piece::PartEnd)) => panic!("a part has ended"),
                Ok((used, _)) => rest = &rest[used..],
                Err(_) => break,
            }
        }
    }

    #[test]
    fn a_form_without_its_last_boundary_is_not_complete() {
        let whole = [file("a", b"content").as_slice(), b"--AaB03x--"].concat();
        assert!(parts(&whole, whole.len()).unwrap().1);
        for len in 0..whole.len() {
            assert!(
                !parts(&whole[..len], 1).is_ok_and(|(_, complete)| complete),
                "{len}"
            );
        }
    }

    #[test]
    fn heads_say_the_field_and_the_file() {
        let check = |disposition: &str, field: &str, name: Option<&str>| {
            let head = format!("Content-Disposition: {disposition}\r\n\r\n");
            let expected = PartHead {
                field: field.into(),
                file_name: name.map(Into::into),
            };
            assert_eq!(part_head(head.as_bytes()), Ok(expected), "{disposition}");
        };
        check("form-data; name=\"f\"", "f", None);
        check("form-data; name=f; filename=a.txt", "f", Some("a.txt"));
        check(
            "FORM-DATA;NAME=\"f\";FILENAME=\"a b;c.txt\"",
            "f",
            Some("a b;c.txt"),
        );
        check("form-data; filename=\"\"; name=\"f\"", "f", Some(""));
        check(
            "form-data; name=\"f\"; filename=\"a\\\"b\"",
            "f",
            Some("a\"b"),
        );
        check(
            "form-data; name=\"f\"; filename=\"a%22b%0Dc%41\"",
            "f",
            Some("a\"b\rc%41"),
        );
        check(
            "form-data; name=\"f\"; filename=\"C:\\new\\a.txt\"",
            "f",
            Some("C:\\new\\a.txt"),
        );
        check(
            "form-data; name=\"f\"; filename=\"ümläut €.txt\"",
            "f",
            Some("ümläut €.txt"),
        );
        check(
            "form-data; name=\"f\"; filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt",
            "f",
            Some("€.txt"),
        );
        check(
            "form-data; name=\"f\"; filename*=latin1''%A3; filename=y",
            "f",
            Some("y"),
        );
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let check = |form: &[u8]| {
            for piece in [1, form.len()] {
                assert!(parts(form, piece).is_err(), "{}", form.escape_ascii());
            }
        };
        check(b"--AaB03xy\r\n");
        check(b"--AaB03x\n");
        check(b"--AaB03x-\r\n");
        check(b"--AaB03x\r\n\r\nno disposition");
        check(b"--AaB03x\r\nContent-Type: text/plain\r\n\r\n");
        check(b"--AaB03x\r\nContent-Disposition: attachment; filename=a\r\n\r\n");
        check(b"--AaB03x\r\nno field\r\n\r\n");
        check(&[b"--AaB03x\r\n".to_vec(), vec![b'a'; HEAD_BYTES_MAX]].concat());
        let many = "A: b\r\n".repeat(FIELDS_MAX + 1);
        check(format!("--AaB03x\r\n{many}\r\n").as_bytes());
    }

    #[test]
    fn boundaries_are_what_the_standard_allows() {
        let check = |content_type: &str, expected: Option<&str>| {
            let found = boundary(content_type.as_bytes()).ok();
            assert_eq!(
                found.as_deref(),
                expected.map(str::as_bytes),
                "{content_type}"
            );
        };
        check("multipart/form-data; boundary=abc", Some("abc"));
        check(
            "Multipart/Form-Data;charset=utf-8; Boundary=\"a b:c\"",
            Some("a b:c"),
        );
        check("multipart/form-data; boundary=abc; x=y", Some("abc"));
        check("multipart/form-data", None);
        check("multipart/form-data; boundary=", None);
        check("multipart/form-data; boundary=\"a \"", None);
        check("multipart/form-data; boundary=\"a\u{1}\"", None);
        check("multipart/form-data; boundary=\"abc", None);
        check("multipart/mixed; boundary=abc", None);
        check("application/x-www-form-urlencoded", None);
        let long = |len| format!("multipart/form-data; boundary={}", "a".repeat(len));
        check(&long(70), Some(&"a".repeat(70)));
        check(&long(71), None);
    }
}
