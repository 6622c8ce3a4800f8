//! HTTP/1.1 vocabulary and wire format.
//!
//! *Floor 0: pure values and functions.* Nothing here reads a clock, a file or a socket; time
//! comes in as a [`Tick`]. Each file is one subject with its tables of cases beside it: `message/`
//! is RFC 9112, how a request is framed; `fields/` is RFC 9110, what fields mean; the rest is what
//! answers are made of, and `target.rs`.

use std::time::{Instant, SystemTime};

pub mod body;
mod fields;
mod list;
mod message;
pub mod response;
pub mod status;
pub mod target;

pub use body::{Body, Chunk, Chunks, Notify, Part, Source, Wake};
pub use fields::forwarded::{Network, TrustedProxies};
pub use fields::{date, forwarded, negotiate, range, validator};
pub use message::error::ProtocolError;
pub(crate) use message::head::{self, Head};
pub use message::head::{HeadLimits, Method, OwnedRequest, Request};
pub(crate) use message::section::LastSection;
pub use message::{error, framing, multipart, request, scan};
pub use response::{HeaderBlock, Response};
pub use status::Status;

/// One moment, read once per turn of a loop and handed down: nothing below asks for the time.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Monotonic time, for deadlines.
    pub instant: Instant,
    /// Wall-clock time, for validators and logs. It may jump.
    pub wall: SystemTime,
    /// The turn this moment belongs to; two answers with the same number were made after the same
    /// reads, so a file checked once needs no second check (see `service/files/cache.rs`).
    pub turn: u64,
    /// The `Date` field's value (RFC 9110 §5.6.7), formatted once per second.
    pub http_date: [u8; 29],
}

impl Tick {
    /// A moment for tests and examples: now, with a fixed date.
    #[doc(hidden)]
    #[expect(clippy::disallowed_methods, reason = "only for tests and examples")]
    pub fn for_tests() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now(),
            turn: 1,
            http_date: *b"Sun, 06 Nov 1994 08:49:37 GMT",
        }
    }
}
