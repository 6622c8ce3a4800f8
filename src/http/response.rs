//! An answer as a service makes it: status, metadata, content.
//!
//! *Floor 0.* Two rules of ownership: **the connection owns framing** (`Content-Length`,
//! `Transfer-Encoding`, `Connection`, `Date`), **the service owns metadata**. A service that sets
//! a framing field fails a `debug_assert`.

use std::sync::Arc;

use super::body::Body;
use super::status::Status;

/// Encoded header fields, each line with its CRLF: `b"Content-Type: text/html\r\n"`.
///
/// Kept encoded so that a cached answer allocates and formats nothing.
#[derive(Clone, Debug)]
pub enum HeaderBlock {
    /// Compiled into the program.
    Static(&'static [u8]),
    /// Shared with a cache.
    Shared(Arc<[u8]>),
    /// Made for this answer.
    Owned(Vec<u8>),
}

impl HeaderBlock {
    /// The encoded lines.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A final answer (status 200 or above).
///
/// ```
/// use httpoll::http::{Body, Response, Status};
/// let response = Response::new(Status::OK)
///     .field("Content-Type", "text/plain; charset=utf-8")
///     .body(Body::Static(b"Hello, World!"));
/// assert_eq!(response.body.len(), Some(13));
/// ```
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// Metadata fields, encoded.
    pub fields: HeaderBlock,
    /// The content. For an answer to HEAD leave it in place: the connection sends its length only.
    pub body: Body,
    /// Whether the connection must not be used again after this answer.
    pub close: bool,
}

impl Response {
    /// An answer without fields or content.
    pub const fn new(status: Status) -> Self {
        Self {
            status,
            fields: HeaderBlock::Static(b""),
            body: Body::Empty,
            close: false,
        }
    }

    /// `200` with a short text as `text/plain; charset=utf-8`.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            status: Status::OK,
            fields: HeaderBlock::Static(b"Content-Type: text/plain; charset=utf-8\r\n"),
            body: Body::Owned(text.into().into_bytes()),
            close: false,
        }
    }

    /// A one-line plain answer for a client that is not a browser: `404 Not Found\n`.
    pub fn plain(status: Status) -> Self {
        Self {
            status,
            ..Self::text(format!("{status}\n"))
        }
    }

    /// Adds one field. A value with a CR, LF or NUL is left out: it would start a new line.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        debug_assert!(!is_framing_field(name), "{name} belongs to the connection");
        let whole = !value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0));
        debug_assert!(whole, "a field value holds CR, LF or NUL");
        if whole {
            let mut fields = match self.fields {
                HeaderBlock::Owned(fields) => fields,
                other => other.as_bytes().to_vec(),
            };
            for piece in [name, ": ", value, "\r\n"] {
                fields.extend_from_slice(piece.as_bytes());
            }
            self.fields = HeaderBlock::Owned(fields);
        }
        self
    }

    /// Sets the content.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Ends the connection after this answer.
    #[must_use]
    pub const fn close(mut self) -> Self {
        self.close = true;
        self
    }
}

/// The fields that the connection alone may write.
pub fn is_framing_field(name: &str) -> bool {
    [
        "content-length",
        "transfer-encoding",
        "connection",
        "date",
        "keep-alive",
        "trailer",
    ]
    .iter()
    .any(|framing| name.eq_ignore_ascii_case(framing))
}
