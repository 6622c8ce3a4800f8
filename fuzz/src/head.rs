//! A request head, whole and in pieces, and whether it is refused, against a naive reader.

use std::sync::Arc;

use httpoll::conn::{CloseReason, Connection, Limits, Step, Transmit};
use httpoll::http::framing::BodyLength;
use httpoll::http::scan::HeadScan;
use httpoll::http::{HeadLimits, ProtocolError, Request, Response, Status, Tick};

use super::naive::{is_field, is_token};

/// Small, so that a small input reaches them.
const BYTES_MAX: usize = 640;
const FIELDS_MAX: usize = 20;
const TARGET_BYTES_MAX: usize = 128;

/// Panics unless a head means the same however it is cut, and is refused where it must be.
pub fn check(data: &[u8]) {
    let (plan, sent) = super::plan_and_sent(data);
    let whole = read([sent].into_iter());
    assert_eq!(whole, read(super::pieces(plan, sent)), "in pieces");
    assert_eq!(whole, read(sent.chunks(1)), "byte by byte");
    scan(plan, sent);
    if sent.len() <= BYTES_MAX
        && let Some(serves) = judge(sent)
    {
        let ours = matches!(whole, Outcome::Read(_));
        assert_eq!(serves, ours, "the naive reader, and ours: {whole:?}");
    }
    if let Some(request) = Request::parse(sent) {
        describes_itself(&request, sent);
    }
}

#[derive(PartialEq, Debug)]
enum Outcome {
    Read(Meaning),
    Unfinished,
    Refused(ProtocolError),
}

/// All that a service can see of a head.
#[derive(PartialEq, Debug)]
struct Meaning {
    line: Vec<u8>,
    method: String,
    target: String,
    path: String,
    query: Option<String>,
    host: String,
    minor_version: u8,
    body: BodyLength,
    fields: Vec<(String, Vec<u8>)>,
}

impl Meaning {
    fn of(request: &Request<'_>) -> Self {
        Self {
            line: request.line().to_vec(),
            method: request.method_str().to_owned(),
            target: request.target().to_owned(),
            path: request.path().to_owned(),
            query: request.query().map(str::to_owned),
            host: request.host().to_owned(),
            minor_version: request.minor_version(),
            body: request.body_length(),
            fields: request
                .fields()
                .map(|(n, v)| (n.to_owned(), v.to_vec()))
                .collect(),
        }
    }
}

/// The first request of a connection that is sent these pieces.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let limits = Limits {
        head_bytes_max: BYTES_MAX,
        fields_max: FIELDS_MAX,
        target_bytes_max: TARGET_BYTES_MAX,
        body_bytes_max: u64::MAX,
        ..Limits::default()
    };
    let now = Tick::for_tests();
    let mut conn = Connection::new(Arc::new(limits), &now);
    for piece in pieces {
        conn.on_bytes(piece, &now);
        match conn.next_step(&now) {
            Step::NeedBytes => {}
            Step::Request(request) => {
                let meaning = Meaning::of(&request);
                conn.respond(Response::new(Status::NO_CONTENT).close(), &now);
                return Outcome::Read(meaning);
            }
            Step::Paused => return Outcome::Refused(why(conn, &now)),
            other => panic!("{other:?} instead of a request"),
        }
    }
    Outcome::Unfinished
}

/// Why a connection refuses, once it has said so.
fn why(mut conn: Connection, now: &Tick) -> ProtocolError {
    while let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() {
        let n = slices.iter().map(|slice| slice.len()).sum();
        conn.on_sent(n, now);
    }
    conn.on_shutdown_sent(now);
    conn.on_eof(now);
    match conn.next_step(now) {
        Step::Close(CloseReason::Refused(error)) => error,
        other => panic!("{other:?} behind a refusal"),
    }
}

/// The search alone: it finds the same, and never looks back.
fn scan(plan: &[u8], sent: &[u8]) {
    let limits = HeadLimits {
        bytes_max: BYTES_MAX,
        fields_max: FIELDS_MAX,
        target_bytes_max: TARGET_BYTES_MAX,
    };
    let whole = HeadScan::default().find(sent, &limits);
    let mut scan = HeadScan::default();
    let mut end = 0;
    let mut found = Ok(None);
    for piece in super::pieces(plan, sent) {
        end += piece.len();
        found = scan.find(&sent[..end], &limits);
        if found != Ok(None) {
            break;
        }
    }
    assert_eq!(whole, found, "the end of the head");
    if let Ok(Some((start, end))) = whole {
        assert!(
            sent[..start].iter().all(|b| b"\r\n".contains(b)),
            "more than empty lines skipped"
        );
        assert!(sent[start..end].ends_with(b"\r\n\r\n"));
        assert_eq!(
            memchr::memmem::find(&sent[start..end], b"\r\n\r\n"),
            Some(end - start - 4)
        );
    }
}

/// What a request says of itself is in its bytes.
fn describes_itself(request: &Request<'_>, sent: &[u8]) {
    let holds = |part: &str| memchr::memmem::find(sent, part.as_bytes()).is_some();
    assert!(holds(request.target()) && holds(request.host()) && holds(request.method_str()));
    assert!(request.path().is_empty() || request.path().starts_with(['/', '*']));
    assert!(request.target().bytes().all(|b| b.is_ascii_graphic()));
    for (name, value) in request.fields() {
        assert!(name.bytes().all(is_token) && value.iter().copied().all(is_field));
        assert!(request.field(name).is_some(), "{name} is there");
        assert!(
            request.field_values(name).any(|v| v == value),
            "{name} has its value"
        );
    }
    assert_eq!(request.field("x-not-there-at-all"), None);
}

// ---------------------------------------------------------------------- the naive reader

/// Whether RFC 9112 and our refusals let a whole head pass; `None` if it is not whole, or where
/// that takes more than a naive reader knows.
fn judge(sent: &[u8]) -> Option<bool> {
    let mut rest = sent;
    while let Some(behind) = rest.strip_prefix(b"\r\n") {
        rest = behind;
    }
    let end = memchr::memmem::find(rest, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?;
    if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Some(false);
    }
    let fields: Option<Vec<(String, &str)>> = lines.map(field).collect();
    let (Some(fields), Some((method, target, minor))) = (fields, request_line(line)) else {
        return Some(false);
    };
    if fields.len() > FIELDS_MAX || target.len() > TARGET_BYTES_MAX {
        return Some(false);
    }
    // A method that leaves no room for a target is refused by its length.
    if method.len() > 32 {
        return None;
    }
    let holds = [
        target_holds(method, target)?,
        host_holds(&fields, minor)?,
        framing_holds(&fields, minor),
        expectation_holds(&fields, minor),
    ];
    Some(!holds.contains(&false))
}

fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let holds = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_field);
    holds.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
}

fn request_line(line: &str) -> Option<(&str, &str, u8)> {
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, version] = &parts[..] else {
        return None;
    };
    let minor = version.strip_prefix("HTTP/1.")?;
    let minor = (minor.len() == 1).then(|| minor.parse().ok())??;
    let holds = !method.is_empty() && method.bytes().all(is_token) && !target.is_empty();
    holds.then_some((method, target, minor))
}

fn target_holds(method: &str, target: &str) -> Option<bool> {
    if !target
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"<>#".contains(&b))
    {
        return Some(false);
    }
    if method == "CONNECT" || !target.starts_with('/') {
        // Authorities are left to the tables beside the code.
        return (target == "*" && method != "CONNECT").then_some(method == "OPTIONS");
    }
    // A backslash is for a query only: in a path, clients take it for a slash.
    let path = target.split('?').next().unwrap_or_default();
    Some(!path.contains('\\'))
}

/// `None` where only a full grammar of host names could tell.
fn host_holds(fields: &[(String, &str)], minor: u8) -> Option<bool> {
    let hosts: Vec<&str> = values(fields, "host").collect();
    let &[host] = &hosts[..] else {
        return Some(hosts.is_empty() && minor == 0);
    };
    if host.is_empty() || host.contains([' ', '\t', '/', '?', '#', '@', '"', '<', '\\']) {
        return Some(false);
    }
    host.bytes()
        .all(|b| b.is_ascii_alphanumeric())
        .then_some(true)
}

/// RFC 9112 §6.1 to §6.3.
fn framing_holds(fields: &[(String, &str)], minor: u8) -> bool {
    let mut lengths = values(fields, "content-length").flat_map(|value| value.split(','));
    let lengths: Option<Vec<u64>> = lengths.try_fold(Vec::new(), |mut all, length| {
        let length = length.trim_matches([' ', '\t']);
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        all.push(digits.then(|| length.parse::<u64>().ok())??);
        Some(all)
    });
    let Some(lengths) = lengths else {
        return false;
    };
    let codings: Vec<&str> = values(fields, "transfer-encoding").collect();
    let same = lengths.windows(2).all(|pair| pair[0] == pair[1]);
    match (&codings[..], &lengths[..]) {
        ([], _) => same,
        ([coding], []) => coding.eq_ignore_ascii_case("chunked") && minor > 0,
        // Two lines are a list, of which only the last may be chunked, and nothing else is served.
        _ => false,
    }
}

/// RFC 9110 §10.1.1.
fn expectation_holds(fields: &[(String, &str)], minor: u8) -> bool {
    // Empty members are none (RFC 9110 §5.6.1.2).
    let mut members = values(fields, "expect").flat_map(|value| value.split(','));
    let known = |member: &str| member.is_empty() || member.eq_ignore_ascii_case("100-continue");
    minor == 0 || members.all(|member| known(member.trim_matches([' ', '\t'])))
}

fn values<'a>(fields: &'a [(String, &'a str)], name: &'a str) -> impl Iterator<Item = &'a str> {
    fields
        .iter()
        .filter(move |(n, _)| n == name)
        .map(|(_, value)| *value)
}
