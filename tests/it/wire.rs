//! Conversations with the connection automaton, byte for byte and without a socket.
//!
//! [`converse`] plays the driver and the client at once: it feeds a request in pieces, lets a
//! small service answer, collects what is sent, and reads the answers with a reader that shares
//! no code with the one under test. The tests here are the conversations whose point is their
//! exact bytes or their order in time; tables of requests and statuses are in `cases.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use httpoll::conn::{CloseReason, Connection, Limits, Step, Transmit};
use httpoll::http::{Body, Chunk, Chunks, Method, Request, Response, Status, Tick, Wake};
use httpoll::service::{Flow, Reply, Sink, finish};

/// How a request is cut up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feed {
    /// As it is, in what one read(2) takes at most.
    Whole,
    /// In pieces of so many bytes.
    Pieces(usize),
    /// In two.
    SplitAt(usize),
}

/// What a connection is left in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Ready for a next request.
    Ready,
    /// In the middle of a request.
    Waiting,
    /// Closed, or about to be.
    Over,
}

/// What came of a conversation.
pub(crate) struct Talk {
    /// All that was sent, interim answers apart: whether those are needed depends on timing.
    pub(crate) output: Vec<u8>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) state: State,
    /// A rule for all answers that was broken.
    pub(crate) fault: Option<String>,
}

impl Talk {
    /// Statuses and state in the notation of `cases.rs`.
    pub(crate) fn outcome(&self) -> String {
        let end = match self.state {
            State::Ready => None,
            State::Waiting => Some("~".to_owned()),
            State::Over => Some("x".to_owned()),
        };
        let statuses = self.answers.iter().map(|answer| answer.status.to_string());
        statuses.chain(end).collect::<Vec<_>>().join(" ")
    }
}

/// Feeds `sent`, then a probe, then the end of file.
pub(crate) fn converse(sent: &[u8], feed: Feed) -> Talk {
    let mut peer = Peer::new(Limits::default());
    match feed {
        Feed::Whole => peer.feed(sent),
        Feed::Pieces(len) => sent.chunks(len).for_each(|piece| peer.feed(piece)),
        Feed::SplitAt(at) => {
            peer.feed(&sent[..at]);
            peer.feed(&sent[at..]);
        }
    }
    let raw = std::mem::take(&mut peer.output);
    let heads = peer.heads.len();
    let over = peer.is_over();
    peer.feed(b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n");
    let probed = peer.probed;
    let late = std::mem::take(&mut peer.output);
    peer.finish();
    let state = match (over, probed) {
        (true, _) => State::Over,
        (false, true) => State::Ready,
        (false, false) => State::Waiting,
    };
    let mut fault = (over && !late.is_empty()).then(|| "sent something after the end".to_owned());
    if peer.closed.is_none() {
        fault = Some("end of file did not end the connection".to_owned());
    }
    let output = without_interim(&raw);
    let heads = &peer.heads[..heads];
    let (answers, broken) = match read_answers(&output, heads, state == State::Over) {
        Ok(answers) => (answers, None),
        Err(broken) => (Vec::new(), Some(broken)),
    };
    Talk {
        output,
        answers,
        state,
        fault: broken.or(fault),
    }
}

fn without_interim(raw: &[u8]) -> Vec<u8> {
    const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut kept = raw.to_vec();
    while let Some(at) = memchr::memmem::find(&kept, INTERIM) {
        kept.drain(at..at + INTERIM.len());
    }
    kept
}

// ---------------------------------------------------------------------- the driver's part

/// A connection with a driver, a service and a client that reads everything at once.
struct Peer {
    conn: Connection,
    now: Tick,
    sink: Option<Box<dyn Sink>>,
    output: Vec<u8>,
    /// Of each request served, whether it was HEAD.
    heads: Vec<bool>,
    /// Whether the last request served was the probe, whole.
    probed: bool,
    /// How often something was given to the socket.
    writes: usize,
    /// Whether the client takes what is sent.
    reads: bool,
    shut: bool,
    closed: Option<CloseReason>,
}

impl Peer {
    fn new(limits: Limits) -> Self {
        let now = Tick::for_tests();
        Self {
            conn: Connection::new(Arc::new(limits), &now),
            now,
            sink: None,
            output: Vec::new(),
            heads: Vec::new(),
            probed: false,
            writes: 0,
            reads: true,
            shut: false,
            closed: None,
        }
    }

    /// Delivers `bytes` as far as they are wanted, at most a read's worth at once.
    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(READ_BYTES_MAX) {
            self.turn();
            if self.closed.is_some() || !self.conn.wants_read() {
                return;
            }
            self.conn.on_bytes(piece, &self.now);
        }
        self.turn();
    }

    /// The client closes its sending half, and in the end reads ours.
    fn finish(&mut self) {
        self.conn.on_eof(&self.now);
        self.turn();
    }

    /// Whether no further request will be answered.
    fn is_over(&self) -> bool {
        self.closed.is_some() || self.shut
    }

    /// Serves until nothing moves.
    fn turn(&mut self) {
        loop {
            let mut stepped = false;
            while self.step() {
                stepped = true;
            }
            let sent = self.send();
            if self.closed.is_some() || !(stepped || sent) {
                return;
            }
        }
    }

    fn step(&mut self) -> bool {
        let reply = match self.conn.next_step(&self.now) {
            Step::NeedBytes | Step::Paused => return false,
            Step::Client(_) => return true,
            Step::Close(reason) => {
                self.closed = Some(reason);
                return false;
            }
            Step::Request(request) => {
                self.heads.push(request.method() == Method::Head);
                self.probed = request.method() == Method::Get && request.path() == "/probe";
                answer(&request)
            }
            Step::Body(content) => {
                let Some(sink) = self.sink.as_mut() else {
                    panic!("content without a sink");
                };
                match sink.write(content, &Wake::noop()) {
                    Ok(Flow::Taken(n)) => {
                        self.conn.on_body_taken(n);
                        return true;
                    }
                    Ok(Flow::Busy | Flow::Full(_)) => panic!("this sink is never busy"),
                    Err(refusal) => Reply::Now(refusal),
                }
            }
            Step::BodyEnd => match self.sink.take() {
                Some(sink) => sink.finish(),
                None => panic!("an end without a sink"),
            },
        };
        match reply {
            Reply::Now(response) => self.conn.respond(response, &self.now),
            Reply::Later(job) => {
                self.conn.respond_later();
                self.conn
                    .respond(finish(job, &|| false).unwrap(), &self.now);
            }
            Reply::Receive(sink) => {
                self.sink = Some(sink);
                self.conn.receive(&self.now);
            }
        }
        true
    }

    fn send(&mut self) -> bool {
        let mut any = false;
        while self.reads {
            if self.conn.wants_pull() {
                self.conn.pull(&Wake::noop());
            }
            let n = match self.conn.next_transmit() {
                None => return any,
                Some(Transmit::File { .. }) => panic!("no file is served here"),
                Some(Transmit::LastLook) => {
                    self.conn.on_last_look(true);
                    return true;
                }
                Some(Transmit::Shutdown) => {
                    self.shut = true;
                    self.conn.on_shutdown_sent(&self.now);
                    continue;
                }
                Some(Transmit::Bytes { slices, .. }) => {
                    // A short write, so that every position of the output is once a beginning.
                    let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                    let n = all.len().min(WRITE_BYTES_MAX);
                    self.output.extend_from_slice(&all[..n]);
                    n
                }
            };
            self.conn.on_sent(n, &self.now);
            self.writes += 1;
            any = true;
        }
        any
    }
}

/// What one read(2) takes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// What one write(2) takes: odd, so that it meets the ends of heads and bodies.
const WRITE_BYTES_MAX: usize = 10_007;

// ---------------------------------------------------------------------- the service

/// More than is copied behind a head, and more than one write takes.
const LARGE: &[u8] = &[b'L'; 30_000];

/// A service with one resource of each kind.
fn answer(request: &Request<'_>) -> Reply {
    use Method::{Connect, Get, Head, Options, Other, Trace};
    const ALLOW: &str = "GET, HEAD, POST, OPTIONS";
    let response = match (request.method(), request.path()) {
        (Other, _) => Response::plain(Status::NOT_IMPLEMENTED),
        (Connect | Trace, _) => Response::plain(Status::METHOD_NOT_ALLOWED).field("Allow", ALLOW),
        (Options, _) => Response::new(Status::NO_CONTENT).field("Allow", ALLOW),
        (Get | Head, "/") => Response::text("Hello, World!"),
        (Get | Head, "/probe") => Response::text("still here"),
        (Get | Head, "/where") => Response::text(format!(
            "{} {} {:?} 1.{}",
            request.host(),
            request.path(),
            request.query(),
            request.minor_version(),
        )),
        (Get | Head, "/large") => Response::new(Status::OK).body(Body::Static(LARGE)),
        (Get | Head, "/stream") => {
            Response::new(Status::OK).body(Body::Stream(Box::new(Countdown(3))))
        }
        (Get | Head, "/broken") => {
            Response::new(Status::OK).body(Body::Stream(Box::new(Broken(true))))
        }
        (Get | Head, "/none") => Response::new(Status::NO_CONTENT),
        (Get | Head, "/unchanged") => {
            Response::new(Status::NOT_MODIFIED).body(Body::Static(b"must not be sent"))
        }
        (_, "/echo") => return Reply::Receive(Box::new(Echo::default())),
        (_, "/picky") => return Reply::Receive(Box::new(Picky)),
        (_, "/refuse") => Response::plain(Status::FORBIDDEN),
        _ => Response::plain(Status::NOT_FOUND),
    };
    Reply::Now(response)
}

/// Sends an upload back. It takes a few bytes at a time, so that content is offered again.
#[derive(Default)]
struct Echo(Vec<u8>);

impl Sink for Echo {
    fn write(&mut self, chunk: &[u8], _: &Wake) -> Result<Flow, Response> {
        let n = chunk.len().min(4_001);
        self.0.extend_from_slice(&chunk[..n]);
        Ok(Flow::Taken(n))
    }

    fn finish(self: Box<Self>) -> Reply {
        Response::new(Status::OK).body(Body::Owned(self.0)).into()
    }
}

/// Refuses an upload at its first byte.
struct Picky;

impl Sink for Picky {
    fn write(&mut self, _: &[u8], _: &Wake) -> Result<Flow, Response> {
        Err(Response::plain(Status::UNSUPPORTED_MEDIA_TYPE))
    }

    fn finish(self: Box<Self>) -> Reply {
        Response::plain(Status::CREATED).into()
    }
}

/// Three lines, two, one. An empty piece stands between: it must not end the body.
struct Countdown(u8);

impl Chunks for Countdown {
    fn next_chunk(&mut self, _: &Wake) -> Chunk {
        let n = self.0;
        self.0 = n.wrapping_sub(1);
        match n {
            1..=3 => Chunk::Bytes(format!("{n}\n").into_bytes()),
            0 => Chunk::Bytes(Vec::new()),
            _ => Chunk::End,
        }
    }
}

/// A line, and then no more.
struct Broken(bool);

impl Chunks for Broken {
    fn next_chunk(&mut self, _: &Wake) -> Chunk {
        if std::mem::take(&mut self.0) {
            Chunk::Bytes(b"so far".to_vec())
        } else {
            Chunk::Failed
        }
    }
}

// ---------------------------------------------------------------------- the client's part

/// What [`Tick::for_tests`] says.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// One answer as a client reads it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
}

impl Answer {
    fn values(&self, name: &str) -> Vec<&str> {
        let field = |line: &'_ str| -> Option<(usize, usize)> {
            let (found, _) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then_some((found.len() + 1, line.len()))
        };
        let lines = self.head.split("\r\n").skip(1);
        lines
            .filter_map(|line| field(line).map(|(from, to)| line[from..to].trim()))
            .collect()
    }
}

/// Takes the output apart and holds each answer against what is true of all. `heads` says of the
/// first answers whether they are to HEAD; later ones are refusals.
fn read_answers(mut rest: &[u8], heads: &[bool], over: bool) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let end = rest
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .ok_or("an unfinished head")?;
        let head =
            String::from_utf8(rest[..end].to_vec()).map_err(|_| "a head that is not text")?;
        rest = &rest[end + 4..];
        let status = head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .ok_or("no status")?;
        let mut answer = Answer {
            status,
            head,
            content: Vec::new(),
        };
        let to_head = heads.get(answers.len()).copied();
        check_head(&answer)?;
        let used = match content(&answer, rest, to_head)? {
            Some((content, used)) => {
                answer.content = content;
                used
            }
            None => {
                answer.content = rest.to_vec();
                rest.len()
            }
        };
        rest = &rest[used..];
        let says_close = answer.values("Connection").contains(&"close");
        answers.push(answer);
        if says_close != (over && rest.is_empty()) {
            return Err(format!(
                "Connection: close is {says_close}, and over is {over}"
            ));
        }
    }
    if answers.is_empty() && over {
        return Err("it ended without a word".to_owned());
    }
    Ok(answers)
}

/// What is true of every head.
fn check_head(answer: &Answer) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {:?}", answer.head));
    let bodiless = matches!(answer.status, 204 | 304);
    let lengths = answer.values("Content-Length");
    let codings = answer.values("Transfer-Encoding");
    if !answer.head.starts_with("HTTP/1.1 ") {
        return fail("another version");
    }
    if answer.values("Date") != [DATE] {
        return fail("not one Date (RFC 9110 §6.6.1)");
    }
    if answer
        .head
        .split("\r\n")
        .skip(1)
        .any(|line| !line.contains(':'))
    {
        return fail("a line that is no field");
    }
    if lengths.len() > 1 || codings.len() > 1 || lengths.len() + codings.len() > 1 {
        return fail("two lengths (RFC 9112 §6.2)");
    }
    if bodiless && !(lengths.is_empty() && codings.is_empty()) {
        return fail("a length of nothing (RFC 9110 §8.6)");
    }
    if answer.status == 405 && answer.values("Allow").is_empty() {
        return fail("405 without Allow (RFC 9110 §15.5.6)");
    }
    let refused = matches!(answer.status, 400 | 408 | 413 | 414 | 417 | 431 | 505);
    if refused && answer.values("Cache-Control") != ["no-store"] {
        return fail("a refusal that may be stored (RFC 9110 §15.1)");
    }
    if refused && answer.values("X-Content-Type-Options") != ["nosniff"] {
        return fail("a refusal whose type may be guessed");
    }
    Ok(())
}

/// The content behind a head and what it used of `rest`; `None` if only the close tells its end.
fn content(
    answer: &Answer,
    rest: &[u8],
    to_head: Option<bool>,
) -> Result<Option<(Vec<u8>, usize)>, String> {
    if to_head == Some(true) || matches!(answer.status, 204 | 304) {
        return Ok(Some((Vec::new(), 0)));
    }
    if answer.values("Transfer-Encoding") == ["chunked"] {
        return unchunk(rest).map(Some);
    }
    let Some(length) = answer
        .values("Content-Length")
        .first()
        .map(|n| n.parse::<usize>())
    else {
        return Ok(None);
    };
    let length = length.map_err(|_| "a length that is no number")?;
    if rest.is_empty() && to_head.is_none() {
        // A refusal of a HEAD request.
        return Ok(Some((Vec::new(), 0)));
    }
    let content = rest
        .get(..length)
        .ok_or("content shorter than its length")?;
    Ok(Some((content.to_vec(), length)))
}

/// The naive reader of a chunked body without extensions and trailers, which we never send.
fn unchunk(rest: &[u8]) -> Result<(Vec<u8>, usize), String> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let line = rest[at..]
            .windows(2)
            .position(|w| w == b"\r\n")
            .ok_or("no size line")?;
        let size = std::str::from_utf8(&rest[at..at + line]).map_err(|_| "a size of no text")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("size {size:?}"))?;
        at += line + 2;
        content.extend_from_slice(rest.get(at..at + size).ok_or("a short chunk")?);
        at += size;
        if rest.get(at..at + 2) != Some(b"\r\n") {
            return Err("a chunk without its end".to_owned());
        }
        at += 2;
        if size == 0 {
            return Ok((content, at));
        }
    }
}

// ---------------------------------------------------------------------- conversations

/// The output for one request, interim answers included.
fn said(sent: &[u8]) -> String {
    let mut peer = Peer::new(Limits::default());
    peer.feed(sent);
    String::from_utf8_lossy(&peer.output).into_owned()
}

fn request(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

#[test]
fn an_answer_to_the_byte() {
    let hello = "HTTP/1.1 200 OK\r\n\
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 13\r\n\r\n\
        Hello, World!";
    assert_eq!(said(&request("GET / HTTP/1.1")), hello);
}

#[test]
fn head_is_get_without_content() {
    for path in [
        "/",
        "/large",
        "/stream",
        "/none",
        "/unchanged",
        "/where?a",
        "/nowhere",
    ] {
        let get = said(&request(&format!("GET {path} HTTP/1.1")));
        let head = said(&request(&format!("HEAD {path} HTTP/1.1")));
        let end = get.find("\r\n\r\n").expect("a head") + 4;
        assert_eq!(head, get[..end], "{path}");
    }
}

#[test]
fn a_stream_is_chunked_for_http_1_1_and_ends_with_the_connection_for_http_1_0() {
    let new = said(&request("GET /stream HTTP/1.1"));
    assert!(new.contains("\r\nTransfer-Encoding: chunked\r\n"), "{new}");
    assert!(
        new.ends_with("\r\n\r\n2\r\n3\n\r\n2\r\n2\n\r\n2\r\n1\n\r\n0\r\n\r\n"),
        "{new}"
    );

    let old = said(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(
        !old.contains("Transfer-Encoding") && !old.contains("Content-Length"),
        "{old}"
    );
    assert!(old.contains("\r\nConnection: close\r\n"), "{old}");
    assert!(old.ends_with("\r\n\r\n3\n2\n1\n"), "{old}");
}

/// RFC 9112 §8: a body that is cut short must look cut short.
#[test]
fn a_stream_that_fails_has_no_last_chunk() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(&request("GET /broken HTTP/1.1"));
    let output = String::from_utf8_lossy(&peer.output).into_owned();
    assert!(
        output.ends_with("6\r\nso far\r\n") || !output.contains("so far"),
        "{output}"
    );
    assert!(peer.is_over());
}

/// A client may take the answers before it as answered, and must not lose them to a reset either:
/// what it asked behind it is unread.
#[test]
fn answers_before_a_stream_that_fails_are_sent_whole() {
    let hello = request("GET / HTTP/1.1");
    let whole = said(&hello).repeat(2);
    let chunked = (request("GET /broken HTTP/1.1"), "6\r\nso far\r\n");
    let until_close = (b"GET /broken HTTP/1.0\r\n\r\n".to_vec(), "so far");
    for (broken, end) in [chunked, until_close] {
        let mut peer = Peer::new(Limits::default());
        peer.feed(&[&hello[..], &hello, &broken, &hello].concat());
        let output = String::from_utf8_lossy(&peer.output).into_owned();
        let rest = output.strip_prefix(&whole).expect("both answers, whole");
        assert!(rest.ends_with(end), "{rest}");
        assert!(peer.shut, "its half is closed, the other one still taken");
        peer.finish();
        assert_eq!(peer.closed, Some(CloseReason::StreamFailed));
    }
}

/// What shows how far it is: of this answer or this request alone, whatever its connection had before.
#[test]
fn what_is_under_way_is_one_answer_or_one_upload() {
    type Shown<'a> = (&'a str, bool, u64, Option<u64>);
    fn shown(conn: &Connection) -> Option<Shown<'_>> {
        let way = conn.under_way()?;
        let line = std::str::from_utf8(way.request_line).unwrap();
        Some((line, way.is_upload, way.done, way.of))
    }
    let now = Tick::for_tests();
    let limits = Arc::new(Limits {
        report_finished: true,
        ..Limits::default()
    });
    let mut conn = Connection::new(Arc::clone(&limits), &now);
    for line in ["GET /a HTTP/1.1", "GET /b HTTP/1.1"] {
        assert_eq!(shown(&conn), None);
        conn.on_bytes(&request(line), &now);
        assert!(matches!(conn.next_step(&now), Step::Request(_)));
        let body = Body::Owned(vec![b'x'; 100_000]);
        conn.respond(Response::new(Status::OK).body(body), &now);
        assert_eq!(shown(&conn), Some((line, false, 0, Some(100_000))));
        let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() else {
            panic!("bytes are to be sent")
        };
        let head = slices.iter().map(|slice| slice.len()).sum::<usize>() - 100_000;
        conn.on_sent(head + 40_000, &now);
        assert_eq!(shown(&conn), Some((line, false, 40_000, Some(100_000))));
        conn.on_sent(60_000, &now);
        assert!(conn.next_finished().is_some());
    }
    for (framing, content, of) in [
        ("Content-Length: 500", "x".repeat(200), Some(500)),
        (
            "Transfer-Encoding: chunked",
            format!("c8\r\n{}\r\n", "x".repeat(200)),
            None,
        ),
    ] {
        let mut conn = Connection::new(Arc::clone(&limits), &now);
        let line = "PUT /c HTTP/1.1";
        conn.on_bytes(&request(&format!("{line}\r\n{framing}")), &now);
        assert!(matches!(conn.next_step(&now), Step::Request(_)));
        conn.receive(&now);
        assert_eq!(shown(&conn), Some((line, true, 0, of)));
        conn.on_bytes(content.as_bytes(), &now);
        let Step::Body(taken) = conn.next_step(&now) else {
            panic!("content has come")
        };
        let taken = taken.len();
        conn.on_body_taken(taken);
        assert_eq!(shown(&conn), Some((line, true, 200, of)));
    }
}

/// Buffers go from one connection to the next; what was counted in them must not.
#[test]
fn a_stream_that_failed_is_not_counted_for_the_next_one() {
    let limits = Limits {
        report_finished: true,
        ..Limits::default()
    };
    let mut broken = Peer::new(limits.clone());
    broken.feed(&request("GET /broken HTTP/1.1"));
    broken.finish();
    let cut = broken.conn.next_finished().expect("it is over");
    let sent = "6\r\nso far\r\n".len() as u64;
    assert_eq!((cut.body_bytes, cut.complete), (sent, false));
    assert!(broken.conn.next_finished().is_none());
    let mut peer = Peer::new(limits);
    peer.conn.lend(broken.conn.reclaim().expect("it is over"));
    peer.feed(&request("GET /stream HTTP/1.1"));
    let finished = peer.conn.next_finished().expect("it is out");
    assert_eq!(finished.body_bytes, "3\n2\n1\n".len() as u64);
}

#[test]
fn an_unchanged_answer_has_neither_content_nor_length() {
    let output = said(&request("GET /unchanged HTTP/1.1"));
    assert!(
        output.starts_with("HTTP/1.1 304 ") && output.ends_with("\r\n\r\n"),
        "{output}"
    );
    assert!(!output.contains("Content-Length"), "{output}");
}

/// Who is asked for what (RFC 9112 §3.2, §3.3).
#[test]
fn targets_are_reduced_to_host_path_and_query() {
    let table = [
        ("GET /where HTTP/1.1", "a /where None 1.1"),
        ("GET /where? HTTP/1.1", "a /where Some(\"\") 1.1"),
        ("GET /where?b=c?d HTTP/1.1", "a /where Some(\"b=c?d\") 1.1"),
        ("GET http://b/where HTTP/1.1", "b /where None 1.1"),
        (
            "GET http://b:80/where?c HTTP/1.1",
            "b:80 /where Some(\"c\") 1.1",
        ),
        (
            "GET HTTPS://[::1]:8443/where HTTP/1.1",
            "[::1]:8443 /where None 1.1",
        ),
        ("GET /where HTTP/1.7", "a /where None 1.1"),
        ("GET /where HTTP/1.0", "a /where None 1.0"),
    ];
    for (line, expected) in table {
        let output = said(&request(line));
        assert_eq!(output.split("\r\n\r\n").nth(1), Some(expected), "{line}");
    }
}

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// RFC 9110 §10.1.1.
#[test]
fn continue_is_said_once_and_before_the_content() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(peer.output, CONTINUE.as_bytes());
    peer.feed(b"he");
    peer.feed(b"llo");
    let output = String::from_utf8_lossy(&peer.output).into_owned();
    assert_eq!(output.matches("HTTP/1.1 ").count(), 2, "{output}");
    assert!(output.ends_with("hello"), "{output}");
    assert!(!peer.is_over());
}

#[test]
fn continue_is_not_said_where_nobody_waits_for_it() {
    let table: [(&str, &[u8]); 5] = [
        ("content came with the head", b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        ("no content", b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
        ("no length", b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"),
        ("HTTP/1.0", b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        ("too much content", b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"),
    ];
    for (name, sent) in table {
        assert!(!said(sent).contains("100 Continue"), "{name}");
    }
}

/// The client may now send the content or not, so nothing behind it can be told apart.
#[test]
fn a_final_answer_instead_of_continue_ends_the_connection() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(
        b"POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    let output = String::from_utf8_lossy(&peer.output).into_owned();
    assert!(output.starts_with("HTTP/1.1 403 "), "{output}");
    assert!(output.contains("\r\nConnection: close\r\n"), "{output}");
    assert!(peer.is_over());
}

#[test]
fn large_content_nobody_wants_is_refused_before_it_comes() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    assert!(peer.output.starts_with(b"HTTP/1.1 403 "));
    assert!(peer.is_over());
    // It may be on its way all the same: it is read and dropped, so that the answer is not lost
    // to a reset (RFC 9112 §9.6).
    assert!(peer.conn.wants_read());
    assert!(peer.closed.is_none());
    peer.finish();
    assert!(peer.closed.is_some());
}

#[test]
fn a_sink_may_refuse_in_the_middle() {
    for (length, over) in [(5, false), (900_000, true)] {
        let mut peer = Peer::new(Limits::default());
        let head = format!("POST /picky HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nh");
        peer.feed(head.as_bytes());
        peer.feed(b"ello");
        assert!(peer.output.starts_with(b"HTTP/1.1 415 "), "{length}");
        assert_eq!(peer.is_over(), over, "{length}");
    }
}

/// Without a length beforehand, only what came can decide; how it was cut must not.
#[test]
fn content_nobody_wants_is_drained_by_its_size_not_by_its_pieces() {
    let head = "POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size, outcome) in [(30_000, "403"), (40_000, "403 x")] {
        let chunk = format!("{size:x}\r\n{}\r\n", "a".repeat(size));
        let sent = format!("{head}{chunk}{chunk}0\r\n\r\n");
        for feed in [Feed::Whole, Feed::Pieces(1_000), Feed::Pieces(7)] {
            let talk = converse(sent.as_bytes(), feed);
            assert_eq!(talk.outcome(), outcome, "{size}, {feed:?}");
        }
    }
}

/// RFC 9110 §9.3.2 for a request that cannot be read, also behind empty lines (RFC 9112 §2.2).
#[test]
fn a_refusal_of_head_has_no_content() {
    for empty in ["", "\r\n", "\r\n\r\n"] {
        for rest in ["* HTTP/1.1\r\nHost: a\r\n\r\n", "/ HTTP/1.1\nHost: a"] {
            let output = said(format!("{empty}HEAD {rest}").as_bytes());
            assert!(output.starts_with("HTTP/1.1 400 "), "{output}");
            assert!(output.ends_with("\r\n\r\n"), "{output}");
        }
    }
}

/// A client that reads nothing is given up in the end, also if an interim answer was the first it
/// did not read.
#[test]
fn a_client_that_does_not_even_read_continue_has_a_deadline() {
    let mut peer = Peer::new(Limits::default());
    peer.reads = false;
    peer.feed(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    peer.feed(b"hello(");
    assert!(peer.conn.wants_write() && !peer.conn.wants_read());
    assert!(peer.conn.next_deadline().is_some());
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    for path in ["/", "/large", "/stream"] {
        let mut peer = Peer::new(Limits::default());
        peer.reads = false;
        peer.feed(&request(&format!("GET {path} HTTP/1.1")));
        peer.finish();
        assert!(peer.closed.is_none(), "{path}");
        peer.reads = true;
        peer.turn();
        let answers = read_answers(&peer.output, &[false], false);
        assert_eq!(answers.expect(path).len(), 1, "{path}");
        assert!(peer.closed.is_some(), "{path}");
    }
}

/// Old clients send an empty line behind their content (RFC 9112 §2.2): not a request to wait for.
#[test]
fn a_stop_does_not_wait_behind_an_empty_line() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(&[&request("GET / HTTP/1.1")[..], b"\r\n"].concat());
    assert!(peer.closed.is_none());
    peer.conn.on_shutdown(&peer.now);
    assert!(peer.conn.has_work());
    peer.turn();
    assert_eq!(peer.closed, Some(CloseReason::Shutdown));
}

/// What a stream does not make, no client can take: its pause does not count against the reader.
#[test]
fn a_reader_is_not_blamed_for_the_pause_of_a_stream() {
    /// Has one byte whenever it is told so.
    struct Paused(Arc<AtomicBool>);
    impl Chunks for Paused {
        fn next_chunk(&mut self, _: &Wake) -> Chunk {
            match self.0.swap(false, Ordering::Relaxed) {
                true => Chunk::Bytes(b"x".to_vec()),
                false => Chunk::Pending,
            }
        }
    }
    let more = Arc::new(AtomicBool::new(true));
    let limits = Limits::default();
    let timeout = limits.write_timeout;
    let mut peer = Peer::new(limits);
    let mut now = peer.now;
    peer.conn.on_bytes(&request("GET / HTTP/1.1"), &now);
    assert!(matches!(peer.conn.next_step(&now), Step::Request(_)));
    let stream = Body::Stream(Box::new(Paused(Arc::clone(&more))));
    peer.conn
        .respond(Response::new(Status::OK).body(stream), &now);
    peer.send();
    assert!(peer.conn.waits_for_wake());
    // The kernel still holds all of it for a slow reader; our socket is full when more is made.
    now.instant += 2 * timeout;
    let held = peer.output.len();
    more.store(true, Ordering::Relaxed);
    peer.conn.on_wake(&now);
    peer.conn.pull(&Wake::noop());
    assert!(peer.conn.wants_write());
    let deadline = peer.conn.next_deadline().unwrap();
    assert!(deadline > now.instant, "the reader gets its time");
    now.instant = deadline;
    peer.conn.on_deadline(&now, held);
    assert!(!matches!(peer.conn.next_step(&now), Step::Close(_)));
    now.instant += timeout;
    peer.conn.on_deadline(&now, held);
    let step = peer.conn.next_step(&now);
    assert!(
        matches!(step, Step::Close(CloseReason::WriteTimeout)),
        "{step:?}"
    );
}

/// What an end of file cuts off is refused if anything of it had come (RFC 9112 §8).
#[test]
fn an_end_of_file_inside_a_request() {
    let table: [(&[u8], &[u8]); 7] = [
        (b"", b""),
        (b"\r\n", b""),
        (b"G", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"HTTP/1.1 400 "),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 400 ",
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 400 ",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 400 ",
        ),
    ];
    for (sent, start) in table {
        let mut peer = Peer::new(Limits::default());
        peer.feed(sent);
        peer.finish();
        let shown = peer.output.escape_ascii().to_string();
        assert!(
            peer.output.starts_with(start),
            "{}: {shown}",
            sent.escape_ascii()
        );
        assert_eq!(
            peer.output.is_empty(),
            start.is_empty(),
            "{}: {shown}",
            sent.escape_ascii()
        );
        assert!(peer.closed.is_some(), "{}", sent.escape_ascii());
    }
}

#[test]
fn a_pipelined_batch_of_small_answers_is_one_write() {
    let mut peer = Peer::new(Limits::default());
    peer.feed(&request("GET / HTTP/1.1").repeat(50));
    assert_eq!(peer.heads.len(), 50);
    assert_eq!(peer.writes, 1);
}

/// A head that is the one before it once more is not read again, which must not show: each sequence of
/// four is answered as where no head is ever there whole when it is looked at.
#[test]
fn a_repeated_head_is_answered_like_the_first() {
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 52\r\n\r\n";
    // As long as that head, and its content.
    let long = request("GET /where?aaaaaaaaaaaaaaaaaaa HTTP/1.1");
    assert_eq!((head.len(), long.len()), (52, 52));
    let pool = [
        request("GET /where HTTP/1.1"),
        b"GET /where HTTP/1.1\r\nHost: b\r\n\r\n".to_vec(),
        b"GET http://b/where HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        request("HEAD /where HTTP/1.1"),
        [&head[..], &long].concat(),
        long,
        b"\r\n".to_vec(),
        b"GET /where HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
    ];
    let count = pool.len();
    for n in 0..count.pow(4) {
        let sent: Vec<u8> = (0..4)
            .flat_map(|at| pool[n / count.pow(at) % count].clone())
            .collect();
        let (whole, pieces) = (
            converse(&sent, Feed::Whole),
            converse(&sent, Feed::Pieces(1)),
        );
        assert_eq!(
            whole.output.escape_ascii().to_string(),
            pieces.output.escape_ascii().to_string(),
            "{}",
            sent.escape_ascii()
        );
        assert_eq!(whole.state, pieces.state, "{}", sent.escape_ascii());
    }
}

/// What was learnt of a head belongs to its connection, and buffers go from one to the next: that the
/// same length of bytes comes twice says nothing of them there.
#[test]
fn a_head_of_another_connection_is_not_repeated() {
    let long = b"GET /where?aaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = Peer::new(Limits::default());
    first.feed(long);
    first.finish();
    let mut peer = Peer::new(Limits::default());
    peer.conn = Connection::behind_proxy(Arc::default(), &peer.now);
    peer.conn.lend(first.conn.reclaim().expect("it is over"));
    // As long as that head, and the same twice: in a field of the PROXY header, and behind it.
    let own = b"GET /where HTTP/1.1\r\nHost: abcdefghijklmn\r\n\r\n";
    assert_eq!(own.len(), long.len());
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x20\0".to_vec();
    let len = u8::try_from(own.len()).unwrap();
    header.extend_from_slice(&[0, 3 + len, 0xe0, 0, len]);
    peer.feed(&[&header, &own[..], own].concat());
    let output = String::from_utf8_lossy(&peer.output);
    assert!(
        output.ends_with("\r\n\r\nabcdefghijklmn /where None 1.1"),
        "{output}"
    );
}

/// A client that asks and does not read must not make us keep its answers without end.
#[test]
fn a_client_that_does_not_read_is_not_served_for_ever() {
    let limits = Limits::default();
    let bound = limits.outbox_bytes_max / 100 + 1;
    let mut peer = Peer::new(limits);
    peer.reads = false;
    let batch = request("GET / HTTP/1.1").repeat(1_000);
    for _ in 0..100 {
        peer.feed(&batch);
    }
    assert!(
        peer.heads.len() <= bound,
        "{} answers are kept",
        peer.heads.len()
    );
    assert!(!peer.conn.wants_read());
    let before = peer.heads.len();
    peer.reads = true;
    peer.turn();
    assert!(
        peer.heads.len() > before,
        "it goes on once the client reads"
    );
}

#[test]
fn http_1_0_is_told_that_the_connection_stays() {
    let output = said(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert!(
        output.contains("\r\nConnection: keep-alive\r\n"),
        "{output}"
    );
    let output = said(&request("GET / HTTP/1.1"));
    assert!(!output.contains("Connection"), "{output}");
}

/// The reader of these tests is held to what it must refuse.
#[test]
fn the_naive_reader_reads() {
    let answer = |fields: &str, content: &str| {
        format!("HTTP/1.1 200 OK\r\nDate: {DATE}\r\n{fields}\r\n{content}").into_bytes()
    };
    let good = [
        answer("Content-Length: 2\r\n", "ab"),
        answer("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
    ];
    for output in good {
        let answers = read_answers(&output, &[false], false).expect("a good answer");
        assert_eq!(answers[0].content, b"ab");
    }
    let bad = [
        answer("Content-Length: 3\r\n", "ab"),
        answer("Content-Length: 1\r\n", "ab"),
        answer(
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "2\r\nab\r\n0\r\n\r\n",
        ),
        answer("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n"),
        answer("Transfer-Encoding: chunked\r\n", "3\r\nab\r\n0\r\n\r\n"),
        answer("Content-Length: 2\r\nConnection: close\r\n", "ab"),
        answer("Content-Length: 2\r\nno colon\r\n", "ab"),
    ];
    for output in bad {
        assert!(
            read_answers(&output, &[false], false).is_err(),
            "{}",
            output.escape_ascii()
        );
    }
}
