//! Why a connection ended.
//!
//! *Floor 1.* Every connection ends with exactly one reason; logs, metrics and tests count them.

use crate::http::ProtocolError;

/// The one reason for which a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseReason {
    /// The client closed between two requests: the normal end.
    ClientClosed,
    /// The answer said `Connection: close`, as the client asked or as we decided.
    Answered,
    /// The client broke the protocol and has been told so.
    Refused(ProtocolError),
    /// The client closed in the middle of a request.
    Truncated,
    /// A proxy was to say for whom it speaks, and did not, or not so that it could be understood.
    BadPreface,
    /// No whole head within `--header-timeout`, and not even a first byte.
    HeaderTimeout,
    /// No request for `--idle-timeout`.
    IdleTimeout,
    /// The reader took nothing for `--write-timeout`.
    WriteTimeout,
    /// A file ended before its promised length.
    SourceEnded,
    /// A stream could not be completed.
    StreamFailed,
    /// The socket failed: usually a reset by the client.
    SocketFailed,
    /// The server is stopping.
    Shutdown,
    /// Dropped to make room for another client.
    Evicted,
    /// Its address holds its share of connections already.
    AddressLimit,
    /// The handler panicked; the client got a 500.
    Panicked,
}

impl CloseReason {
    /// A word for logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::Answered => "answered",
            Self::Refused(_) => "refused",
            Self::Truncated => "truncated",
            Self::BadPreface => "bad_preface",
            Self::HeaderTimeout => "header_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::SourceEnded => "source_ended",
            Self::StreamFailed => "stream_failed",
            Self::SocketFailed => "socket_failed",
            Self::Shutdown => "shutdown",
            Self::Evicted => "evicted",
            Self::AddressLimit => "address_limit",
            Self::Panicked => "panicked",
        }
    }

    /// All words, in the order of [`CloseReason::index`].
    pub const NAMES: [&'static str; 15] = [
        "client_closed",
        "answered",
        "refused",
        "truncated",
        "bad_preface",
        "header_timeout",
        "idle_timeout",
        "write_timeout",
        "source_ended",
        "stream_failed",
        "socket_failed",
        "shutdown",
        "evicted",
        "address_limit",
        "panicked",
    ];

    /// Position in [`CloseReason::NAMES`].
    pub fn index(self) -> usize {
        Self::NAMES
            .iter()
            .position(|name| *name == self.name())
            .unwrap_or(0)
    }

    /// One sentence for a person.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::ClientClosed => "the client closed between two requests",
            Self::Answered => "the answer was the last on this connection",
            Self::Refused(error) => error.explain(),
            Self::Truncated => "the client closed in the middle of a request",
            Self::BadPreface => "no valid PROXY header came first",
            Self::HeaderTimeout => "no request head came in time",
            Self::IdleTimeout => "no further request came in time",
            Self::WriteTimeout => "the client stopped taking the answer",
            Self::SourceEnded => "the file became shorter while it was sent",
            Self::StreamFailed => "the content could not be completed",
            Self::SocketFailed => "the connection broke",
            Self::Shutdown => "the server is stopping",
            Self::Evicted => "room was needed for another client",
            Self::AddressLimit => "its address holds its share of connections already",
            Self::Panicked => "the handler failed",
        }
    }
}
