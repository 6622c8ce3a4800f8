//! `GET /` answers `Hello, World!`: the smallest service there is, and what wrk is pointed at.
//!
//! *Floor 3.* Everything is compiled in, so that what remains is the server itself.

use std::sync::Arc;

use crate::http::head::Known;
use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{Body, HeaderBlock, Request, Response, Status, Tick};
use crate::service::{Decoration, Reply, Service, pages};

/// Thirteen bytes of plain text.
pub fn hello(request: &Request<'_>, now: &Tick) -> Reply {
    // One bit test for everybody who asks for nothing special.
    if request.has(Known::CONDITIONS)
        && let Some(response) = unmet(request, now)
    {
        return response.into();
    }
    greeting(HeaderBlock::Static(FIELDS)).into()
}

/// [`hello`] with the fields that a user wants on every answer: encoded once, so that it allocates
/// as little.
pub struct Hello {
    decoration: Decoration,
    fields: Arc<[u8]>,
}

impl Hello {
    /// With these fields.
    pub fn new(decoration: Decoration) -> Self {
        let response = decoration.apply(greeting(HeaderBlock::Static(FIELDS)));
        let fields = response.fields.as_bytes().into();
        Self { decoration, fields }
    }
}

impl Service for Hello {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        if request.has(Known::CONDITIONS)
            && let Some(response) = unmet(request, now)
        {
            return self.decoration.apply(response).into();
        }
        greeting(HeaderBlock::Shared(Arc::clone(&self.fields))).into()
    }
}

const fn greeting(fields: HeaderBlock) -> Response {
    Response {
        status: Status::OK,
        fields,
        body: Body::Static(b"Hello, World!"),
        close: false,
    }
}

const FIELDS: &[u8] = b"Content-Type: text/plain\r\n";

/// It has no validator, but it exists: `*` is true of it (RFC 9110 §13.1.1, §13.1.2).
#[cold]
fn unmet(request: &Request<'_>, now: &Tick) -> Option<Response> {
    match validator::evaluate(request, &Validators::default(), now.wall) {
        Evaluation::Proceed => None,
        Evaluation::NotModified => Some(Response::new(Status::NOT_MODIFIED)),
        Evaluation::Failed => Some(pages::error_page(Status::PRECONDITION_FAILED, request)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 §13.2.1: a server must evaluate them.
    #[test]
    fn preconditions_hold_for_it_too() {
        let check = |field: &str, expected: u16| {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
            let request = Request::parse(head.as_bytes()).unwrap();
            let Reply::Now(response) = hello(&request, &Tick::for_tests()) else {
                panic!("answered at once");
            };
            assert_eq!(response.status.code(), expected, "{field}");
        };
        check("If-Match: *", 200);
        check("If-Match: \"x\"", 412);
        check("If-None-Match: *", 304);
        check("If-None-Match: \"x\"", 200);
        check("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200);
        check("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200);
    }
}
