//! Between a connection and a service: takes steps, asks, answers.
//!
//! *Floor 4.* The same for all six backends. It performs no input or output itself, so it neither
//! waits nor knows what would be worth waiting for.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::conn::{CloseReason, Connection, Limits, Step};
use crate::http::{OwnedRequest, Request, Response, Status, Tick, TrustedProxies, Wake};
use crate::kernel::Peer;
use crate::service::{Flow, Flush, Job, Outcome, Reply, Service, Sink};

/// Where an exchange stands after all steps that could be taken.
pub(crate) enum Advanced {
    /// It waits for the client, for the socket, or for other work.
    Waiting,
    /// The step budget is spent; there may be more to do.
    Spent,
    /// A proxy has named its client; there may be more to do.
    Client(Option<IpAddr>),
    /// An answer must be made by work that may wait.
    Job(Job),
    /// The connection is over.
    Close(CloseReason),
}

/// The peer of a connection, and the proxies whose word about their clients is taken.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) proxies: Option<&'a TrustedProxies>,
}

impl Asker<'_> {
    /// The client behind `request`: the peer, unless that is a proxy that we trust.
    fn client(&self, request: &Request<'_>) -> Option<IpAddr> {
        match self.proxies {
            None => self.peer,
            Some(proxies) => proxies.client(self.peer, request),
        }
    }
}

/// A connection to `peer`, which may be a proxy that must first name its client.
pub(crate) fn begin(peer: Peer, limits: &Arc<Limits>, now: &Tick) -> Connection {
    let limits = Arc::clone(limits);
    match peer {
        Peer::Proxy(_) => Connection::behind_proxy(limits, now),
        Peer::Ip(_) | Peer::Unix => Connection::new(limits, now),
    }
}

/// Takes the steps that a connection has, with `service` answering and `sink` receiving. Each request
/// costs one of `steps`. Content costs none: there is no more of it than the inbox holds.
pub(crate) fn advance<S: Service>(
    conn: &mut Connection,
    sink: &mut Option<Box<dyn Sink>>,
    service: &mut S,
    asker: Asker<'_>,
    wake: impl Fn() -> Wake,
    steps: &mut u32,
    now: &Tick,
) -> Advanced {
    loop {
        if *steps == 0 {
            return Advanced::Spent;
        }
        let reply = match conn.next_step(now) {
            Step::NeedBytes | Step::Paused => break,
            Step::Close(reason) => return Advanced::Close(reason),
            Step::Client(client) => return Advanced::Client(client),
            Step::Request(mut request) => {
                let client = asker.client(&request);
                request.peer = client;
                *steps -= 1;
                let reply = guard(|| service.call(&request, now));
                if asker.proxies.is_some() {
                    conn.name_client(client);
                }
                reply
            }
            Step::Body(chunk) => {
                let Some(open) = sink.as_mut() else { break };
                let (flow, len) = (guard(|| open.write(chunk, &wake())), chunk.len());
                match on_offered(conn, sink, flow, len) {
                    Offered::Taken => continue,
                    Offered::Waits => break,
                    Offered::Job(job) => return Advanced::Job(job),
                    Offered::Reply(reply) => reply,
                }
            }
            Step::BodyEnd => match sink.take() {
                Some(open) => guard(|| open.finish()),
                None => None,
            },
        };
        if let Some(job) = take_reply(conn, sink, reply, now) {
            return Advanced::Job(job);
        }
        // Mostly nothing is pipelined, and another step would only say so.
        if !conn.has_work() {
            break;
        }
    }
    if !conn.is_receiving() {
        // Refused or cut off in the middle: dropping the sink cancels the upload.
        *sink = None;
    }
    Advanced::Waiting
}

/// What came of content that a sink was offered.
enum Offered {
    /// It took some: there may be more.
    Taken,
    /// It takes none before it says so.
    Waits,
    /// It takes none before work is done that may wait.
    Job(Job),
    /// It ends the upload by an answer; `None` stands for a panic.
    Reply(Option<Reply>),
}

/// Tells the connection how much of `len` bytes its sink took.
fn on_offered(
    conn: &mut Connection,
    sink: &mut Option<Box<dyn Sink>>,
    flow: Option<Result<Flow, Response>>,
    len: usize,
) -> Offered {
    match flow {
        Some(Ok(Flow::Taken(n))) => {
            conn.on_body_taken(n.min(len));
            Offered::Taken
        }
        Some(Ok(Flow::Busy)) => {
            conn.on_body_taken(0);
            Offered::Waits
        }
        Some(Ok(Flow::Full(n))) => {
            conn.on_body_taken(n.min(len));
            // And no more, until it is flushed.
            conn.on_body_taken(0);
            match sink.take() {
                Some(full) => Offered::Job(Box::new(Flush(full))),
                None => Offered::Waits,
            }
        }
        Some(Err(response)) => Offered::Reply(Some(Reply::Now(response))),
        None => Offered::Reply(None),
    }
}

/// Tells the connection what the service decided; `None` stands for a panic.
fn take_reply(
    conn: &mut Connection,
    sink: &mut Option<Box<dyn Sink>>,
    reply: Option<Reply>,
    now: &Tick,
) -> Option<Job> {
    match reply {
        Some(Reply::Now(response)) => {
            *sink = None;
            conn.respond(response, now);
        }
        Some(Reply::Later(job)) => {
            conn.respond_later();
            return Some(job);
        }
        Some(Reply::Receive(open)) => {
            conn.receive_up_to(open.bytes_max(), now);
            *sink = Some(open);
        }
        None => {
            *sink = None;
            conn.fail(now);
        }
    }
    None
}

/// What came of a job.
pub(crate) enum JobResult {
    Answer(Box<Response>),
    Receive(Box<dyn Sink>),
    /// The service is to be asked once more.
    Again(OwnedRequest),
    /// There was no room for it.
    Refused,
    Panicked,
    /// Its client was gone.
    Nothing,
}

impl JobResult {
    /// Of work that is done; the rest of it, if that takes long.
    pub(crate) fn of(outcome: Outcome) -> Result<Self, Job> {
        Ok(match outcome {
            Outcome::Answer(response) => Self::Answer(Box::new(response)),
            Outcome::Receive(sink) => Self::Receive(sink),
            Outcome::Again(request) => Self::Again(request),
            Outcome::Abandoned => Self::Nothing,
            Outcome::Long(rest) => return Err(rest),
        })
    }
}

/// Gives the connection what a job made; the request, if the service is to be asked once more.
pub(crate) fn finish_job(
    conn: &mut Connection,
    sink: &mut Option<Box<dyn Sink>>,
    made: JobResult,
    now: &Tick,
) -> Option<OwnedRequest> {
    match made {
        JobResult::Answer(response) => conn.respond(*response, now),
        JobResult::Receive(open) => {
            if conn.is_receiving() {
                conn.on_wake(now);
            } else {
                conn.receive_up_to(open.bytes_max(), now);
            }
            *sink = Some(open);
        }
        JobResult::Again(request) => return Some(request),
        JobResult::Refused => conn.respond(busy(), now),
        JobResult::Panicked => conn.fail(now),
        JobResult::Nothing => conn.on_abort(CloseReason::SocketFailed),
    }
    None
}

/// Asks the service once more; the next job, if it hands over another.
pub(crate) fn ask_again<S: Service>(
    conn: &mut Connection,
    sink: &mut Option<Box<dyn Sink>>,
    service: &mut S,
    request: &OwnedRequest,
    now: &Tick,
) -> Option<Job> {
    let reply = guard(|| service.call(&request.borrow(), now));
    take_reply(conn, sink, reply, now)
}

/// What is said where too much waits already (RFC 9110 §15.6.4).
fn busy() -> Response {
    Response::plain(Status::SERVICE_UNAVAILABLE)
        .field("Retry-After", "1")
        .field("Cache-Control", "no-store")
}

/// Takes what a stream has. One that panics ends its connection, visibly incomplete: its answer
/// has begun, so that it is too late for a 500.
pub(crate) fn pull(conn: &mut Connection, wake: &Wake) {
    if guard(|| conn.pull(wake)).is_none() {
        conn.on_stream_broken(CloseReason::Panicked);
    }
}

/// Runs foreign code: a panic in it costs its request, not the server. What it may have left half
/// done is its own service, whose caches hold whole values only.
fn guard<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Transmit;
    use crate::service::run_to_end;

    /// Takes four bytes between two flushes.
    struct Narrow {
        held: usize,
        flushed: usize,
        bytes_max: Option<u64>,
    }

    impl Sink for Narrow {
        fn bytes_max(&self) -> Option<u64> {
            self.bytes_max
        }

        fn write(&mut self, chunk: &[u8], _: &Wake) -> Result<Flow, Response> {
            let taken = chunk.len().min(4 - self.held);
            self.held += taken;
            Ok(match taken {
                0 => Flow::Full(0),
                // At its end, too.
                taken if chunk.ends_with(b"!") => Flow::Full(taken),
                taken => Flow::Taken(taken),
            })
        }

        fn flush(&mut self) -> Result<(), Response> {
            self.flushed += std::mem::take(&mut self.held);
            if self.flushed == 16 {
                return Err(Response::plain(Status::CONFLICT));
            }
            Ok(())
        }

        fn finish(self: Box<Self>) -> Reply {
            Reply::Now(Response::text(format!("{}+{}", self.flushed, self.held)))
        }
    }

    /// What a client hears that sends `content` where any request may carry 8 bytes and this sink
    /// says `bytes_max`; and how many jobs that took.
    fn upload(content: &str, bytes_max: Option<u64>) -> (String, usize) {
        let now = Tick::for_tests();
        let limits = Limits {
            body_bytes_max: 8,
            receive_bytes_max: 100,
            ..Limits::default()
        };
        let mut conn = Connection::new(Arc::new(limits), &now);
        let len = content.len();
        let request =
            format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{content}");
        conn.on_bytes(request.as_bytes(), &now);
        let mut service = move |_: &Request<'_>, _: &Tick| {
            let (held, flushed) = (0, 0);
            Reply::Receive(Box::new(Narrow {
                held,
                flushed,
                bytes_max,
            }))
        };
        let asker = Asker {
            peer: None,
            proxies: None,
        };
        let (mut sink, mut jobs, mut steps) = (None, 0, u32::MAX);
        loop {
            let wake = || Wake::noop();
            match advance(
                &mut conn,
                &mut sink,
                &mut service,
                asker,
                wake,
                &mut steps,
                &now,
            ) {
                Advanced::Job(job) => {
                    assert!(job.writes() && sink.is_none());
                    jobs += 1;
                    let Ok(made) = JobResult::of(run_to_end(job, &|| false)) else {
                        panic!("a flush is one piece of work")
                    };
                    let again = finish_job(&mut conn, &mut sink, made, &now);
                    assert!(again.is_none());
                }
                _ => break,
            }
        }
        let Some(Transmit::Bytes { slices, .. }) = conn.next_transmit() else {
            panic!("no answer");
        };
        let answer: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer[9..12].to_owned();
        let content = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        (format!("{status} {}", content.trim_end()), jobs)
    }

    #[test]
    fn a_full_sink_is_flushed_as_a_job_and_received_on() {
        assert_eq!(upload("0123", Some(100)), ("200 0+4".into(), 0));
        assert_eq!(upload("0123456789", Some(100)), ("200 8+2".into(), 2));
        assert_eq!(upload("01!", Some(100)), ("200 3+0".into(), 1));
        let (answer, jobs) = upload("0123456789abcdefghi", Some(100));
        assert!(answer.starts_with("409 ") && jobs == 4, "{answer} {jobs}");
    }

    #[test]
    fn a_sink_has_a_limit_of_its_own() {
        let refused = |content, bytes_max| upload(content, bytes_max).0.starts_with("413 ");
        assert!(!refused("01234567", None));
        assert!(refused("012345678", None));
        assert!(!refused("012345678", Some(9)));
        assert!(refused("0123456789", Some(9)));
        assert!(refused("01234", Some(4)));
        assert!(
            refused(&"x".repeat(101), Some(u64::MAX)),
            "none is asked beyond"
        );
    }
}
