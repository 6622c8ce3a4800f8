//! Between a connection and a service: takes steps, asks, answers.
//!
//! *Floor 4.* The same for all six drivers. It performs no input or output itself, so it neither
//! waits nor knows what would be worth waiting for.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::conn::{CloseReason, Connection, Limits, Step};
use crate::http::{Request, Response, Status, Tick, TrustedProxies, Wake};
use crate::kernel::Peer;
use crate::service::{Flow, Job, Reply, Service, Sink};

/// Where an exchange stands after all steps that could be taken.
pub(crate) enum Advanced {
    /// It waits for the client, for the socket, or for other work.
    Waiting,
    /// The step budget is spent; there may be more to do.
    Spent,
    /// A proxy has said for whom it speaks; there may be more to do.
    Client(Option<IpAddr>),
    /// An answer must be made by work that may block.
    Job(Job),
    /// The connection is over.
    Close(CloseReason),
}

/// Who is connected, and whose word about others is taken.
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

/// A connection to `peer`, which may have to say first for whom it speaks.
pub(crate) fn begin(peer: Peer, limits: &Arc<Limits>, now: &Tick) -> Connection {
    let limits = Arc::clone(limits);
    match peer {
        Peer::Proxy(_) => Connection::behind_proxy(limits, now),
        Peer::Ip(_) | Peer::Unix => Connection::new(limits, now),
    }
}

/// Takes up to `steps` steps on a connection, with `service` answering and `sink` receiving.
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
                match guard(|| open.write(chunk, &wake())) {
                    Some(Ok(Flow::Taken(n))) => {
                        let n = n.min(chunk.len());
                        conn.on_body_taken(n);
                        continue;
                    }
                    Some(Ok(Flow::Busy)) => {
                        conn.on_body_taken(0);
                        break;
                    }
                    Some(Err(response)) => Some(Reply::Now(response)),
                    None => None,
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
            *sink = Some(open);
            conn.receive(now);
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
    /// There was no room for it.
    Refused,
    Panicked,
    /// Nobody waited for it any more.
    Nothing,
}

/// Gives the connection what a job made.
pub(crate) fn finish_job(conn: &mut Connection, made: JobResult, now: &Tick) {
    match made {
        JobResult::Answer(response) => conn.respond(*response, now),
        JobResult::Refused => conn.respond(busy(), now),
        JobResult::Panicked => conn.fail(now),
        JobResult::Nothing => conn.on_abort(CloseReason::SocketFailed),
    }
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
