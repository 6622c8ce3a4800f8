//! What one connection may cost, in bytes, fields and time, and what it says when that is too much.
//!
//! *Floor 1.* Plain values; in brackets, the status that tells a client that it was too much. `--help`
//! repeats the defaults that have an option; `PROMISES.md` has most of them.

use std::time::Duration;

/// Limits of one connection. Shared by all connections of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head, request line and fields together (431). At most 60 KiB.
    pub head_bytes_max: usize,
    /// Fields in a head (431).
    pub fields_max: usize,
    /// Bytes of a request target (414).
    pub target_bytes_max: usize,
    /// Bytes of a request's content (413).
    pub body_bytes_max: u64,
    /// The most that any service takes by a limit of its own
    /// ([`Sink::bytes_max`](crate::service::Sink::bytes_max)), if that is more: up to here a
    /// service is asked before a request is refused.
    pub receive_bytes_max: u64,
    /// Bytes of chunk extensions and trailers together in one body (400).
    pub chunk_extra_bytes_max: usize,
    /// Unread content up to which a connection is kept by reading and dropping it.
    pub drain_bytes_max: u64,
    /// Content up to which it is copied behind its head, so that small answers leave in one
    /// write, a pipelined batch of them too.
    pub inline_bytes_max: usize,
    /// Encoded answers up to which further pipelined requests are taken up.
    pub outbox_bytes_max: usize,
    /// Unconsumed request bytes up to which a connection goes on reading.
    pub inbox_bytes_max: usize,
    /// For a whole head, whatever drips in.
    pub header_timeout: Duration,
    /// For content without progress.
    pub body_timeout: Duration,
    /// Content slower than this many bytes per second is no progress.
    pub rate_min: u64,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// Without the reader taking anything.
    pub write_timeout: Duration,
    /// For the client to notice that we have closed our half.
    pub linger_timeout: Duration,
    /// Whether every answer says `Connection: close`: the blocking backend, which would otherwise
    /// starve all others behind one keep-alive client.
    pub close_always: bool,
    /// Whether finished answers are reported, for access lines.
    pub report_finished: bool,
    /// Whether they come with their request lines, at the price of an allocation each.
    pub report_lines: bool,
    /// Whether they come with the fields that some access lines show, at the price of three more.
    pub report_fields: bool,
    /// Fields of every refusal, encoded like a [`HeaderBlock`](crate::http::HeaderBlock): a refusal
    /// is made here, without the service. No framing fields, and no Content-Type.
    pub refusal_fields: Box<[u8]>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            body_bytes_max: 1024 * 1024,
            receive_bytes_max: 0,
            chunk_extra_bytes_max: 16 * 1024,
            drain_bytes_max: 64 * 1024,
            inline_bytes_max: 8 * 1024,
            outbox_bytes_max: 64 * 1024,
            inbox_bytes_max: 64 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            rate_min: 500,
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            close_always: false,
            report_finished: false,
            report_lines: true,
            report_fields: false,
            refusal_fields: REFUSAL_FIELDS.into(),
        }
    }
}

/// 414 and 501 may be stored without being asked (RFC 9110 §15.1), and a refusal is about bytes
/// that the next client need not send.
const REFUSAL_FIELDS: &[u8] = b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
