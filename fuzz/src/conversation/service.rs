//! A service with one resource of each kind.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use httpoll::http::{Body, Chunk, Chunks, Method, Part, Request, Response, Source, Status, Wake};
use httpoll::service::{Flow, Reply, Sink};

/// More than is copied behind a head, and more than is kept of answers.
const LARGE: &[u8] = &[b'L'; 900];

/// Answers a request; `None` is a panic. `waits` is whether sinks and streams may make the
/// connection wait.
pub(super) fn call(request: &Request<'_>, waits: bool) -> Option<Reply> {
    let response = match request.path() {
        "/panic" => return None,
        "/later" => return Some(Reply::Later(Box::new(|| Response::text("here it is")))),
        "/echo" => return Some(receive(None, false)),
        "/busy" => return Some(receive(None, waits)),
        "/picky" => return Some(receive(Some(20), waits)),
        "/" => Response::text("Hello, World!"),
        "/none" => Response::new(Status::NO_CONTENT),
        "/same" => Response::new(Status::NOT_MODIFIED).body(Body::Static(b"must not be sent")),
        "/close" => Response::text("the last one").close(),
        "/refuse" => Response::plain(Status::FORBIDDEN),
        _ if request.method() == Method::Other => Response::plain(Status::NOT_IMPLEMENTED),
        path => match content(path, waits) {
            Some(body) => Response::new(Status::OK).body(body),
            None => Response::plain(Status::NOT_FOUND),
        },
    };
    Some(Reply::Now(response))
}

/// One body of each kind.
fn content(path: &str, waits: bool) -> Option<Body> {
    Some(match path {
        "/large" => Body::Static(LARGE),
        "/owned" => Body::Owned(b"owned ".repeat(50)),
        "/shared" => Body::Shared(Arc::from(&LARGE[..40])),
        "/stream" => stream(&["one", "", "two\r\n", "three"], waits, false),
        "/waits" => stream(&["", "0\r\n\r\n"], waits, false),
        "/broken" => stream(&["so far", ""], waits, true),
        "/file" => range(700, 100, 500),
        "/short" => range(300, 0, 700),
        "/empty" => range(0, 0, 0),
        "/parts" => Body::Parts(vec![
            Part::Bytes(b"--a\r\n\r\n".to_vec()),
            part(0, 10),
            Part::Bytes(b"\r\n--a\r\n\r\n".to_vec()),
            part(20, 0),
            part(50, 40),
            Part::Bytes(b"\r\n--a--\r\n".to_vec()),
        ]),
        _ => return None,
    })
}

fn stream(pieces: &[&'static str], waits: bool, fails: bool) -> Body {
    let waiting = pieces.iter().flat_map(|piece| [Some(*piece), None]);
    let left = waiting.filter(|piece| waits || piece.is_some()).rev();
    Body::Stream(Box::new(Pieces {
        left: left.collect(),
        fails,
    }))
}

fn range(there: u64, offset: u64, len: u64) -> Body {
    Body::Range {
        source: Arc::new(Text { there }),
        offset,
        len,
    }
}

fn part(offset: u64, len: u64) -> Part {
    Part::Range {
        source: Arc::new(Text { there: 90 }),
        offset,
        len,
    }
}

fn receive(bytes_max: Option<usize>, busy: bool) -> Reply {
    Reply::Receive(Box::new(Echo {
        content: Vec::new(),
        bytes_max,
        busy,
    }))
}

/// Sends an upload back, a few bytes at a time; perhaps it must wait before it begins, or refuses
/// what is too much for it.
struct Echo {
    content: Vec<u8>,
    bytes_max: Option<usize>,
    busy: bool,
}

impl Sink for Echo {
    fn write(&mut self, chunk: &[u8], _: &Wake) -> Result<Flow, Response> {
        if std::mem::take(&mut self.busy) {
            return Ok(Flow::Busy);
        }
        let room = self
            .bytes_max
            .map_or(usize::MAX, |max| max - self.content.len());
        if room == 0 {
            return Err(Response::plain(Status::UNSUPPORTED_MEDIA_TYPE));
        }
        let n = chunk.len().min(7).min(room);
        self.content.extend_from_slice(&chunk[..n]);
        Ok(Flow::Taken(n))
    }

    fn finish(self: Box<Self>) -> Reply {
        Response::new(Status::OK)
            .body(Body::Owned(self.content))
            .into()
    }
}

/// Pieces from the last to the first; `None` makes the connection wait.
struct Pieces {
    left: Vec<Option<&'static str>>,
    fails: bool,
}

impl Chunks for Pieces {
    fn next_chunk(&mut self, _: &Wake) -> Chunk {
        match self.left.pop() {
            Some(Some(piece)) => Chunk::Bytes(piece.as_bytes().to_vec()),
            Some(None) => Chunk::Pending,
            None if self.fails => Chunk::Failed,
            None => Chunk::End,
        }
    }
}

/// A file of so many bytes, whatever was promised of it.
struct Text {
    there: u64,
}

impl Source for Text {
    fn len(&self) -> u64 {
        self.there
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.there.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = left.min(into.len());
        into[..n].fill(b'f');
        Ok(n)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
