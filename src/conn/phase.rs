//! The phases of a connection and the only ways between them.
//!
//! *Floor 1.* The table is data: debug builds assert that every change is in it, and a test draws
//! the diagram of `ARCHITECTURE.md` from it, so neither can lie.

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Before anything else, where a proxy must first name its client.
    AwaitProxyHeader,
    /// Between two requests, or collecting a head.
    AwaitHead,
    /// A service has the request; its answer has not been made yet.
    AwaitReply,
    /// Content is being received into a sink.
    AwaitBody,
    /// The answer is made, and waits for content that is read and dropped: the connection lives on
    /// behind it (RFC 9112 §9.3).
    Draining,
    /// An answer is on its way that does not fit the outbox; another request may follow.
    Replying,
    /// The last answer is on its way.
    Ending,
    /// Everything is sent and our half is closed; what still comes is discarded, so that the
    /// kernel does not answer it with a reset that would destroy the answer (RFC 9112 §9.6).
    Lingering,
    /// Over.
    Closed,
}

/// Why a phase changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// The proxy has named its client.
    ProxyHeader,
    /// A whole, valid head was read.
    Head,
    /// The service wants the content.
    Receive,
    /// An answer was given before the content had come, and there is little of that.
    Discard,
    /// The content is complete.
    BodyEnd,
    /// An answer was given that fits the outbox and leaves the connection usable.
    AnsweredWhole,
    /// An answer was given that needs more than that.
    Answered,
    /// An answer was given, and no further request is served.
    AnsweredLast,
    /// The protocol was broken, or a time-out deserves an answer.
    Refused,
    /// The answer is out.
    Sent,
    /// The last answer is out, and not acknowledged yet, or request bytes may be unread.
    SentLast,
    /// The answer's source failed: what is missing of it never comes.
    CutShort,
    /// The server is stopping.
    Stopping,
    /// Nothing is left to do.
    Over,
}

use Cause as C;
use Phase as P;

/// Every change there is.
pub const TRANSITIONS: &[(Phase, Cause, Phase)] = &[
    (P::AwaitProxyHeader, C::ProxyHeader, P::AwaitHead),
    (P::AwaitProxyHeader, C::Over, P::Closed),
    (P::AwaitHead, C::Head, P::AwaitReply),
    (P::AwaitHead, C::Refused, P::Ending),
    (P::AwaitHead, C::Over, P::Closed),
    (P::AwaitReply, C::Receive, P::AwaitBody),
    (P::AwaitReply, C::Discard, P::Draining),
    (P::AwaitReply, C::AnsweredWhole, P::AwaitHead),
    (P::AwaitReply, C::Answered, P::Replying),
    (P::AwaitReply, C::AnsweredLast, P::Ending),
    (P::AwaitReply, C::Refused, P::Ending),
    (P::AwaitReply, C::Over, P::Closed),
    (P::AwaitBody, C::BodyEnd, P::AwaitReply),
    (P::AwaitBody, C::Discard, P::Draining),
    (P::AwaitBody, C::AnsweredLast, P::Ending),
    (P::AwaitBody, C::Refused, P::Ending),
    (P::AwaitBody, C::Over, P::Closed),
    (P::Draining, C::Answered, P::Replying),
    (P::Draining, C::AnsweredLast, P::Ending),
    (P::Draining, C::Refused, P::Ending),
    (P::Draining, C::Over, P::Closed),
    (P::Replying, C::Sent, P::AwaitHead),
    (P::Replying, C::CutShort, P::Ending),
    (P::Replying, C::Stopping, P::Ending),
    (P::Replying, C::Over, P::Closed),
    (P::Ending, C::SentLast, P::Lingering),
    (P::Ending, C::Over, P::Closed),
    (P::Lingering, C::Over, P::Closed),
];

impl Phase {
    /// The phase after `cause`.
    pub(super) fn change(&mut self, cause: Cause, to: Self) {
        debug_assert!(
            TRANSITIONS.contains(&(*self, cause, to)),
            "{self:?} --{cause:?}--> {to:?} is not in the table"
        );
        *self = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_diagram_in_the_documents_is_drawn_from_the_table() {
        let begin = "    [*] --> AwaitHead\n    [*] --> AwaitProxyHeader: --proxy-protocol\n";
        let mut diagram = format!("```mermaid\nstateDiagram-v2\n{begin}");
        for (from, cause, to) in TRANSITIONS {
            let to = if *to == Phase::Closed {
                "[*]".to_owned()
            } else {
                format!("{to:?}")
            };
            writeln!(diagram, "    {from:?} --> {to}: {cause:?}").unwrap();
        }
        diagram.push_str("```\n");
        let document = include_str!("../../ARCHITECTURE.md");
        assert!(
            document.contains(&diagram),
            "ARCHITECTURE.md should hold:\n{diagram}"
        );
    }

    #[test]
    fn every_phase_can_end() {
        for phase in [
            P::AwaitProxyHeader,
            P::AwaitHead,
            P::AwaitReply,
            P::AwaitBody,
            P::Draining,
            P::Replying,
            P::Ending,
            P::Lingering,
        ] {
            assert!(
                TRANSITIONS.contains(&(phase, C::Over, P::Closed)),
                "{phase:?}"
            );
        }
    }
}
