//! The output as a client reads it, held against what is true of every answer.

use httpoll::conn::CloseReason;
use httpoll::http::Method;

use super::super::naive::{self, Stop, is_field, is_token};
use super::peer::{Asked, Talk};

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Panics unless the output is a sequence of right answers to the requests, whole up to where the
/// conversation was cut short.
pub(super) fn check(talk: &Talk) {
    let cut = talk.cut
        || matches!(
            talk.closed,
            CloseReason::SourceEnded | CloseReason::StreamFailed
        );
    let mut rest = &talk.output[..];
    let mut answers = Vec::new();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(INTERIM) {
            rest = behind;
            continue;
        }
        let asked = talk.requests.get(answers.len());
        let is_head = asked.map_or(talk.refused_head, |asked| asked.method == Method::Head);
        let shown = || format!("{cut} {}", talk.output.escape_ascii());
        match read(&mut rest, is_head, asked) {
            Ok(answer) => answers.push(answer),
            Err(Stop::Short) if cut => break,
            Err(stop) => panic!("answer {} is {stop:?}: {}", answers.len(), shown()),
        }
        if answers.last().is_some_and(|answer| answer.closes) {
            assert!(
                rest.is_empty(),
                "something behind the last answer: {}",
                shown()
            );
        }
    }
    for (i, answer) in answers.iter().enumerate() {
        let expected = talk.requests.get(i).and_then(|asked| asked.status);
        let refused = i + 1 >= talk.requests.len() && answer.status >= 400;
        assert!(
            expected == Some(answer.status) || refused,
            "{expected:?}: {}",
            answer.status
        );
    }
    if !cut {
        complete(talk, &answers);
    }
    assert!(
        talk.finished.len() >= answers.len(),
        "an answer without an access line"
    );
    for (answer, line) in answers.iter().zip(&talk.finished) {
        assert_eq!(answer.status, line.status.code(), "the access line");
        assert!(
            line.complete || cut,
            "an answer that is out is not finished"
        );
        if let Some(length) = answer.length.filter(|_| line.complete) {
            assert_eq!(line.body_bytes, length, "bytes in the access line");
        }
    }
}

/// Every request has its answer, and the end was announced.
fn complete(talk: &Talk, answers: &[Answer]) {
    let refused = matches!(
        talk.closed,
        CloseReason::Refused(_) | CloseReason::Truncated
    );
    let beyond = answers.len() - talk.requests.len().min(answers.len());
    assert!(
        answers.len() >= talk.requests.len(),
        "a request without an answer"
    );
    assert!(
        beyond <= usize::from(refused),
        "an answer without a request"
    );
    let announced = answers.last().is_some_and(|answer| answer.closes);
    let silent = matches!(
        talk.closed,
        CloseReason::ClientClosed | CloseReason::Shutdown
    );
    assert!(
        announced || silent,
        "an end that nobody announced: {:?}",
        talk.closed
    );
}

struct Answer {
    status: u16,
    closes: bool,
    /// Of the content that was sent, if that was said beforehand.
    length: Option<u64>,
}

/// Takes one answer off the front.
fn read(rest: &mut &[u8], is_head: bool, asked: Option<&Asked>) -> Result<Answer, Stop> {
    let end = rest
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .ok_or(Stop::Short)?;
    let head = std::str::from_utf8(&rest[..end]).map_err(|_| Stop::Bad)?;
    *rest = &rest[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(status).ok_or(Stop::Bad)?;
    let fields: Vec<(&str, &str)> = lines.map(field).collect::<Option<_>>().ok_or(Stop::Bad)?;
    let values = |name: &'static str| -> Vec<&str> {
        let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).collect()
    };
    let (lengths, codings) = (values("Content-Length"), values("Transfer-Encoding"));
    let bodiless = matches!(status, 204 | 304);
    let right = values("Date").len() == 1
        && lengths.len() + codings.len() <= 1
        && (!bodiless || lengths.is_empty() && codings.is_empty())
        && matches!(codings[..], [] | ["chunked"])
        && matches!(values("Connection")[..], [] | ["close"] | ["keep-alive"]);
    let old = asked.is_some_and(|asked| asked.minor_version == 0);
    if !right || (old && !codings.is_empty()) {
        return Err(Stop::Bad);
    }
    let closes = values("Connection") == ["close"];
    let length: Option<u64> = lengths
        .first()
        .map(|n| n.parse().map_err(|_| Stop::Bad))
        .transpose()?;
    let mut answer = Answer {
        status,
        closes,
        length: length.filter(|_| !is_head),
    };
    if is_head || bodiless {
        answer.length = Some(0);
        return Ok(answer);
    }
    let len = match (length, codings.is_empty()) {
        (Some(len), _) => usize::try_from(len).map_err(|_| Stop::Bad)?,
        (None, false) => naive::unchunk(rest, 0, &mut Vec::new())?,
        // Only the end of the connection ends it, so that must have been said.
        (None, true) if closes && old => rest.len(),
        (None, true) => return Err(Stop::Bad),
    };
    *rest = rest.get(len..).ok_or(Stop::Short)?;
    Ok(answer)
}

/// `HTTP/1.1 SP 3DIGIT SP reason`, and no interim one.
fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.1 ")?;
    let (code, reason) = rest.split_once(' ')?;
    let code: u16 = code.parse().ok()?;
    ((200..600).contains(&code) && !reason.is_empty()).then_some(code)
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(": ")?;
    let right = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_field);
    right.then_some((name, value))
}
