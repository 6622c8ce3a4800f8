//! HTTP/1.1 vocabulary and wire format.
//!
//! *Floor 0: pure values and functions.* Nothing here reads a clock, a file or a socket; time
//! comes in as a [`Tick`]. Each file is one subject of RFC 9110 or RFC 9112 with its tables of
//! cases beside it.

use std::time::{Instant, SystemTime};

pub mod body;
pub mod date;
pub mod error;
pub mod forwarded;
pub mod framing;
pub(crate) mod head;
mod list;
pub mod negotiate;
pub mod range;
pub mod request;
pub mod response;
pub mod scan;
pub mod status;
pub mod target;
pub mod validator;

pub use body::{Body, Chunk, Chunks, Notify, Part, Source, Wake};
pub use error::ProtocolError;
pub use forwarded::{Network, TrustedProxies};
pub(crate) use head::Head;
pub use head::{HeadLimits, Method, OwnedRequest, Request};
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
