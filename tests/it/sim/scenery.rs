//! A service with every kind of answer, and the same service in a hurry.
//!
//! With an [`Elsewhere`] it is as awkward as it can be: streams that have nothing now, sinks that
//! are busy, sources that are cold, each waking the loop at a moment of the schedule's choosing.
//! Without one it gives the same content at once: that is the reference.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use httpoll::http::{
    Body, Chunk, Chunks, Method, Part, Request, Response, Source, Status, Tick, Wake,
};
use httpoll::kernel::sim::Elsewhere;
use httpoll::service::{Flow, Reply, Service, Sink};

#[derive(Clone)]
pub(crate) struct Scenery {
    pub(crate) elsewhere: Option<Elsewhere>,
}

/// What a `GET /kind/length` can ask for.
pub(crate) const KINDS: [&str; 8] = [
    "owned", "shared", "range", "cold", "parts", "stream", "later", "missing",
];

impl Service for Scenery {
    fn call(&mut self, request: &Request<'_>, _: &Tick) -> Reply {
        let mut segments = request.path().split('/').skip(1);
        let kind = segments.next().unwrap_or("");
        let len: usize = segments.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let ok = Response::new(Status::OK);
        match kind {
            "upload" if request.method() == Method::Post => {
                return Reply::Receive(Box::new(Upload::new(self.elsewhere.clone())));
            }
            "later" => return Reply::Later(Box::new(move || ok.body(Body::Owned(pattern(len))))),
            "owned" => ok.body(Body::Owned(pattern(len))),
            "shared" => ok.body(Body::Shared(pattern(len).into())),
            "range" => ok.body(self.range(len, false)),
            "cold" => ok.body(self.range(len, true)),
            "parts" => ok.body(Body::Parts(vec![
                Part::Bytes(b"--one\r\n\r\n".to_vec()),
                Part::Range {
                    source: Arc::new(Pattern::new(len, false)),
                    offset: 0,
                    len: len as u64,
                },
                Part::Bytes(b"\r\n--one--\r\n".to_vec()),
            ])),
            "stream" => ok.body(Body::Stream(Box::new(Producer {
                left: len,
                pause: true,
                elsewhere: self.elsewhere.clone(),
            }))),
            _ => Response::plain(Status::NOT_FOUND),
        }
        .into()
    }
}

impl Scenery {
    fn range(&self, len: usize, cold: bool) -> Body {
        Body::Range {
            source: Arc::new(Pattern::new(len + 9, cold && self.elsewhere.is_some())),
            offset: 4,
            len: len as u64,
        }
    }
}

/// Bytes that say where they belong, so that a piece sent twice or left out shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    pattern_from(0, len)
}

/// By slices: unoptimised tests make megabytes of it.
fn pattern_from(start: usize, len: usize) -> Vec<u8> {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvw";
    let skip = start % ALPHABET.len();
    let mut bytes = ALPHABET.repeat((skip + len).div_ceil(ALPHABET.len()));
    bytes.truncate(skip + len);
    bytes.split_off(skip)
}

/// A source without a descriptor, of which only what was read once is in memory.
struct Pattern {
    len: usize,
    warm_up_to: AtomicU64,
}

impl Pattern {
    fn new(len: usize, cold: bool) -> Self {
        let warm_up_to = AtomicU64::new(if cold { 0 } else { u64::MAX });
        Self { len, warm_up_to }
    }
}

impl Source for Pattern {
    fn len(&self) -> u64 {
        self.len as u64
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).expect("a small source");
        let n = into.len().min(self.len.saturating_sub(start));
        into[..n].copy_from_slice(&pattern_from(start, n));
        self.warm_up_to
            .fetch_max(offset + n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn is_resident(&self, offset: u64, len: usize) -> bool {
        let end = (offset + len as u64).min(self.len());
        end <= self.warm_up_to.load(Ordering::Relaxed)
    }
}

/// Chunks of 1,000 bytes, and nothing at every second time of asking.
struct Producer {
    left: usize,
    pause: bool,
    elsewhere: Option<Elsewhere>,
}

impl Chunks for Producer {
    fn next_chunk(&mut self, wake: &Wake) -> Chunk {
        self.pause = !self.pause;
        if let Some(elsewhere) = self.elsewhere.as_ref().filter(|_| !self.pause) {
            let wake = wake.clone();
            elsewhere.run(move || wake.wake());
            return Chunk::Pending;
        }
        if self.left == 0 {
            return Chunk::End;
        }
        let n = self.left.min(1_000);
        self.left -= n;
        Chunk::Bytes(pattern(n))
    }
}

/// Counts what it is given; with other threads, it is busy every third time and takes little.
struct Upload {
    taken: usize,
    sum: u32,
    calls: usize,
    elsewhere: Option<Elsewhere>,
}

impl Upload {
    fn new(elsewhere: Option<Elsewhere>) -> Self {
        Self {
            taken: 0,
            sum: 0,
            calls: 0,
            elsewhere,
        }
    }
}

impl Sink for Upload {
    fn write(&mut self, chunk: &[u8], wake: &Wake) -> Result<Flow, Response> {
        self.calls += 1;
        let mut n = chunk.len();
        if let Some(elsewhere) = &self.elsewhere {
            if self.calls % 3 == 1 {
                let wake = wake.clone();
                elsewhere.run(move || wake.wake());
                return Ok(Flow::Busy);
            }
            n = n.min(700);
        }
        self.taken += n;
        self.sum = chunk[..n].iter().fold(self.sum, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
        });
        Ok(Flow::Taken(n))
    }

    fn finish(self: Box<Self>) -> Reply {
        Response::text(format!("{} bytes, {:08x}\n", self.taken, self.sum)).into()
    }
}
