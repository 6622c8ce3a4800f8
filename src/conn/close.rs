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
    /// A proxy was to name its client, and did not, or not so that it could be understood.
    BadProxyHeader,
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

/// One of each, in the order in which they are counted.
const ALL: [CloseReason; 15] = [
    CloseReason::ClientClosed,
    CloseReason::Answered,
    CloseReason::Refused(ProtocolError::RequestLine),
    CloseReason::Truncated,
    CloseReason::BadProxyHeader,
    CloseReason::HeaderTimeout,
    CloseReason::IdleTimeout,
    CloseReason::WriteTimeout,
    CloseReason::SourceEnded,
    CloseReason::StreamFailed,
    CloseReason::SocketFailed,
    CloseReason::Shutdown,
    CloseReason::Evicted,
    CloseReason::AddressLimit,
    CloseReason::Panicked,
];

impl CloseReason {
    /// All words, in the order of [`CloseReason::index`].
    pub const NAMES: [&'static str; ALL.len()] = {
        let mut names = [""; ALL.len()];
        let mut at = 0;
        while at < ALL.len() {
            names[at] = ALL[at].name();
            at += 1;
        }
        names
    };

    /// A word for logs and metric labels.
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// One sentence for a person.
    pub const fn explain(self) -> &'static str {
        self.words().1
    }

    /// Position in [`CloseReason::NAMES`].
    pub fn index(self) -> usize {
        let is_same = |name: &&str| *name == self.name();
        Self::NAMES.iter().position(is_same).unwrap_or(0)
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ClientClosed => ("client_closed", "the client closed between two requests"),
            Self::Answered => ("answered", "the answer was the last on this connection"),
            Self::Refused(error) => ("refused", error.explain()),
            Self::Truncated => ("truncated", "the client closed in the middle of a request"),
            Self::BadProxyHeader => ("bad_preface", "no valid PROXY header came first"),
            Self::HeaderTimeout => ("header_timeout", "no request head came in time"),
            Self::IdleTimeout => ("idle_timeout", "no further request came in time"),
            Self::WriteTimeout => ("write_timeout", "the client stopped taking the answer"),
            Self::SourceEnded => ("source_ended", "the file became shorter while it was sent"),
            Self::StreamFailed => ("stream_failed", "the content could not be completed"),
            Self::SocketFailed => ("socket_failed", "the connection broke"),
            Self::Shutdown => ("shutdown", "the server is stopping"),
            Self::Evicted => ("evicted", "room was needed for another client"),
            Self::AddressLimit => (
                "address_limit",
                "its address holds its share of connections already",
            ),
            Self::Panicked => ("panicked", "the handler failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_counted_at_a_place_of_its_own() {
        for (at, reason) in ALL.iter().enumerate() {
            assert_eq!(reason.index(), at, "{}", reason.name());
        }
    }
}
