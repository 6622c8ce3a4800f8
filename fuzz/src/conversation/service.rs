//! A service with one resource of each kind.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use httpoll::http::{Body, Chunk, Chunks, Method, Part, Request, Response, Source, Status, Wake};
use httpoll::service::{Flow, Reply, Sink};

/// More than is copied behind a head, and more than is kept of answers.
const LARGE: &[u8] = &[b'L'; 900];

/// What the service does with a request.
pub(super) enum Does {
    Replies(Reply),
    Panics,
}

/// Answers a request. `waits` is whether sinks and streams may make the connection wait.
#[expect(clippy::too_many_lines, reason = "it is a table of paths")]
pub(super) fn call(request: &Request<'_>, waits: bool) -> Does {
    let ok = Response::new(Status::OK);
    let stream = |pieces: &[&'static str], fails| {
        let pieces: Vec<Option<&str>> = pieces
            .iter()
            .flat_map(|piece| [Some(*piece), None])
            .filter(|piece| waits || piece.is_some())
            .rev()
            .collect();
        Body::Stream(Box::new(Pieces {
            left: pieces,
            fails,
        }))
    };
    let text = |len| -> Arc<dyn Source> { Arc::new(Text { len, there: len }) };
    let response = match request.path() {
        "/" => Response::text("Hello, World!"),
        "/large" => ok.body(Body::Static(LARGE)),
        "/owned" => ok.body(Body::Owned(b"owned ".repeat(50))),
        "/shared" => ok.body(Body::Shared(Arc::from(&LARGE[..40]))),
        "/stream" => ok.body(stream(&["one", "", "two\r\n", "three"], false)),
        "/waits" => ok.body(stream(&["", "0\r\n\r\n"], false)),
        "/broken" => ok.body(stream(&["so far", ""], true)),
        "/file" => ok.body(Body::Range {
            source: text(700),
            offset: 100,
            len: 500,
        }),
        "/short" => {
            let source = Arc::new(Text {
                len: 700,
                there: 300,
            });
            ok.body(Body::Range {
                source,
                offset: 0,
                len: 700,
            })
        }
        "/empty" => ok.body(Body::Range {
            source: text(0),
            offset: 0,
            len: 0,
        }),
        "/parts" => ok.body(Body::Parts(vec![
            Part::Bytes(b"--a\r\n\r\n".to_vec()),
            Part::Range {
                source: text(90),
                offset: 0,
                len: 10,
            },
            Part::Bytes(b"\r\n--a\r\n\r\n".to_vec()),
            Part::Range {
                source: text(90),
                offset: 20,
                len: 0,
            },
            Part::Range {
                source: text(90),
                offset: 50,
                len: 40,
            },
            Part::Bytes(b"\r\n--a--\r\n".to_vec()),
        ])),
        "/none" => Response::new(Status::NO_CONTENT),
        "/same" => Response::new(Status::NOT_MODIFIED).body(Body::Static(b"must not be sent")),
        "/close" => Response::text("the last one").close(),
        "/refuse" => Response::plain(Status::FORBIDDEN),
        "/later" => {
            return Does::Replies(Reply::Later(Box::new(|| Response::text("here it is"))));
        }
        "/echo" => return receive(None, false),
        "/busy" => return receive(None, waits),
        "/picky" => return receive(Some(20), waits),
        "/panic" => return Does::Panics,
        _ if request.method() == Method::Other => Response::plain(Status::NOT_IMPLEMENTED),
        _ => Response::plain(Status::NOT_FOUND),
    };
    Does::Replies(Reply::Now(response))
}

fn receive(bytes_max: Option<usize>, busy: bool) -> Does {
    Does::Replies(Reply::Receive(Box::new(Echo {
        content: Vec::new(),
        bytes_max,
        busy,
    })))
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

/// A file that says it is `len` bytes long and is shorter by now.
struct Text {
    len: u64,
    there: u64,
}

impl Source for Text {
    fn len(&self) -> u64 {
        self.len
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
