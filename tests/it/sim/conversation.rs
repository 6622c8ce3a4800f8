//! What a client says, and what it must hear.

use std::sync::Arc;

use httpoll::conn::{Connection, Limits, Step, Transmit};
use httpoll::http::{Tick, Wake};
use httpoll::kernel::Kernel;
use httpoll::kernel::sim::{Act, Schedule, Sim};
use httpoll::service::{Flow, Reply, Service, Sink, finish};

use super::scenery::{KINDS, Scenery, pattern};

/// A client and what it must receive.
pub(crate) struct Conversation {
    pub(crate) script: Vec<Act>,
    pub(crate) answers: Vec<u8>,
    /// It does not stay to the end, or cannot expect the server to: a prefix is right too.
    pub(crate) prefix: bool,
    /// The server's send buffer for it.
    pub(crate) outbox_max: usize,
}

impl Conversation {
    /// Draws one.
    pub(crate) fn draw(draw: &mut Schedule, limits: &Arc<Limits>) -> Self {
        let ending = draw.pick(10);
        let mut sent = Vec::new();
        let mut script = Vec::new();
        let mut heard = Reference::new(limits);
        for _ in 0..1 + draw.pick(3) {
            let batch = batch(draw, ending == 1);
            heard.hear(&batch);
            sent.extend_from_slice(&batch);
            script.push(Act::Send(batch));
            script.push(Act::Await(heard.out.len()));
        }
        let outbox_max = [4 * 1024, 64 * 1024, 700, 16 * 1024][draw.pick(4)];
        let prefix = end(ending, &mut script, &mut sent);
        Self {
            answers: reference(&sent, limits, ending == 1),
            script,
            prefix,
            outbox_max,
        }
    }
}

/// How the client leaves; whether it may miss something by it.
fn end(ending: usize, script: &mut Vec<Act>, sent: &mut Vec<u8>) -> bool {
    let mut say = |script: &mut Vec<Act>, bytes: &[u8]| {
        sent.extend_from_slice(bytes);
        script.push(Act::Send(bytes.to_vec()));
    };
    match ending {
        // The end of file comes with the last requests; the answers are still wanted.
        1 => {
            let last = script.len() - 1;
            script.insert(last, Act::Finish);
            script.push(Act::AwaitEnd);
        }
        2 => {
            say(
                script,
                b"GET /owned/5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            );
            script.push(Act::AwaitEnd);
        }
        // Refused, with more behind it: the answer must survive what is left unread.
        3 => {
            say(script, b"GET / HTTP/1.1\r\nHost : a\r\n\r\nand then some");
            script.push(Act::AwaitEnd);
        }
        // It hangs up, or breaks, before the last answers.
        4 => {
            script.pop();
            script.push(Act::Close);
            return true;
        }
        5 => {
            script.pop();
            script.push(Act::Reset);
            return true;
        }
        // It asks and asks and reads nothing.
        6 => {
            script.push(Act::StopReceiving);
            say(script, &get("owned", 900).repeat(200));
            script.push(Act::Vanish);
            return true;
        }
        // It falls silent in the middle of a head.
        7 => {
            script.push(Act::Send(b"GET / HT".to_vec()));
            script.push(Act::Vanish);
            return true;
        }
        _ => script.extend([Act::Finish, Act::AwaitEnd]),
    }
    false
}

/// Requests to be sent in one go.
fn batch(draw: &mut Schedule, bodiless: bool) -> Vec<u8> {
    // More requests than a turn's budget of steps, now and then.
    let n = [1, 2, 5, 40][draw.pick(4)];
    let mut requests = Vec::new();
    for _ in 0..n {
        let len = match draw.pick(if n < 5 { 12 } else { 8 }) {
            0..=5 => draw.pick(200),
            6 | 7 => draw.pick(3_000),
            8..=10 => draw.pick(20_000),
            _ => 30_000 + draw.pick(30_000),
        };
        match draw.pick(5) {
            0 if !bodiless => {
                let path = ["upload", "owned/3"][draw.pick(2)];
                requests.extend(post(path, len));
            }
            1 if !bodiless => requests.extend(post_chunked("upload", len)),
            _ => requests.extend(get(KINDS[draw.pick(KINDS.len())], len)),
        }
    }
    requests
}

pub(crate) fn get(kind: &str, len: usize) -> Vec<u8> {
    format!("GET /{kind}/{len} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn post(path: &str, len: usize) -> Vec<u8> {
    let head = format!("POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
    [head.into_bytes(), pattern(len)].concat()
}

fn post_chunked(path: &str, len: usize) -> Vec<u8> {
    let head = format!("POST /{path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut request = head.into_bytes();
    for piece in pattern(len).chunks(777) {
        request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        request.extend_from_slice(piece);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// What the automaton answers to `sent` when it gets it whole and its answers are taken at once.
pub(crate) fn reference(sent: &[u8], limits: &Arc<Limits>, eof: bool) -> Vec<u8> {
    let mut reference = Reference::new(limits);
    if eof {
        reference.conn.on_eof(&reference.now);
    }
    reference.hear(sent);
    reference.out
}

/// An automaton with a service and no loop: the shortest driver there is.
struct Reference {
    conn: Connection,
    service: Scenery,
    sink: Option<Box<dyn Sink>>,
    out: Vec<u8>,
    now: Tick,
}

impl Reference {
    fn new(limits: &Arc<Limits>) -> Self {
        let now = Sim::<true>::new(Schedule::friendly()).now();
        Self {
            conn: Connection::new(Arc::clone(limits), &now),
            service: Scenery { elsewhere: None },
            sink: None,
            out: Vec::new(),
            now,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.conn.on_bytes(bytes, &self.now);
        loop {
            let reply = match self.conn.next_step(&self.now) {
                Step::Request(request) => self.service.call(&request, &self.now),
                Step::Client(_) => panic!("no proxy was expected"),
                Step::BodyEnd => self.sink.take().expect("a sink").finish(),
                Step::Body(chunk) => {
                    let sink = self.sink.as_mut().expect("a sink");
                    let Ok(Flow::Taken(n)) = sink.write(chunk, &Wake::noop()) else {
                        panic!("the reference is never busy");
                    };
                    self.conn.on_body_taken(n);
                    continue;
                }
                Step::NeedBytes | Step::Paused | Step::Close(_) => match self.send() {
                    0 => return,
                    _ => continue,
                },
            };
            match reply {
                Reply::Now(response) => self.conn.respond(response, &self.now),
                Reply::Later(job) => self
                    .conn
                    .respond(finish(job, &|| false).unwrap(), &self.now),
                Reply::Receive(sink) => {
                    self.sink = Some(sink);
                    self.conn.receive(&self.now);
                }
            }
        }
    }

    /// Takes all that can be sent, and says how much that was.
    fn send(&mut self) -> usize {
        let before = self.out.len();
        loop {
            if self.conn.wants_pull() {
                self.conn.pull(&Wake::noop());
            }
            let start = self.out.len();
            match self.conn.next_transmit() {
                Some(Transmit::Bytes { slices, .. }) => {
                    for slice in slices {
                        self.out.extend_from_slice(&slice);
                    }
                }
                Some(Transmit::File {
                    source,
                    offset,
                    len,
                }) => {
                    let len = usize::try_from(len).expect("a small source");
                    self.out.resize(start + len, 0);
                    let n = source.read_at(&mut self.out[start..], offset);
                    assert_eq!(n.expect("it is in memory"), len);
                }
                Some(Transmit::LastLook | Transmit::Shutdown) | None => {
                    return self.out.len() - before;
                }
            }
            let n = self.out.len() - start;
            self.conn.on_sent(n, &self.now);
        }
    }
}
