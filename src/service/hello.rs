//! `GET /` answers `Hello, World!`: the smallest service there is, and what wrk is pointed at.
//!
//! *Floor 3.* Everything is compiled in, so that what remains is the server itself.

use crate::http::{Body, HeaderBlock, Request, Response, Status, Tick};
use crate::service::Reply;

/// Thirteen bytes of plain text.
pub fn hello(_: &Request<'_>, _: &Tick) -> Reply {
    Reply::Now(Response {
        status: Status::OK,
        fields: HeaderBlock::Static(b"Content-Type: text/plain\r\n"),
        body: Body::Static(b"Hello, World!"),
        close: false,
    })
}
