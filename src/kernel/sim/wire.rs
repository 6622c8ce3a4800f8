//! One simulated connection, both ends of it: what TCP would hold between a client and the
//! server, and what epoll would say about the server's end.
//!
//! *Floor 2.* Each rule here was checked on Linux 6.18; the conformance suite repeats the checks
//! on the real selectors, so this file cannot drift from them unnoticed.
//!
//! *References:* tcp(7), epoll(7), `tcp_poll` and `sk_stream_is_writeable` in Linux's `net/`.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::readiness::Directions;

/// What the socket has ready, before the interest set is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ready {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) eof_possible: bool,
    /// HUP or ERR: reported even if not asked for.
    pub(super) hung_up: bool,
}

impl Ready {
    /// What is reported for this interest, if anything is.
    pub(super) fn seen_with(self, interest: Directions) -> Option<Self> {
        let seen = Self {
            readable: self.hung_up || self.readable && interest.readable,
            writable: self.hung_up || self.writable && interest.writable,
            eof_possible: self.hung_up || self.eof_possible && interest.readable,
            hung_up: self.hung_up,
        };
        (seen.readable || seen.writable).then_some(seen)
    }
}

/// How far the server's end is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ServerEnd {
    /// The client has not connected yet.
    Absent,
    /// In the accept queue.
    Backlog,
    Open,
    Closed,
}

/// The state between the two ends.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) server: ServerEnd,
    /// Arrived and not read by the server.
    pub(super) inbox: VecDeque<u8>,
    /// The client's FIN has arrived.
    pub(super) fin: bool,
    /// The server has read the end of file.
    pub(super) fin_read: bool,
    /// The server's send buffer.
    pub(super) outbox: VecDeque<u8>,
    pub(super) outbox_max: usize,
    /// The server has met a full send buffer (`SOCK_NOSPACE`): only then does freed space become
    /// an event.
    pub(super) nospace: bool,
    /// The server has sent its FIN.
    pub(super) shut: bool,
    pub(super) reset: bool,
    /// The error a reset leaves behind, told once.
    error: Option<io::ErrorKind>,
}

impl Wire {
    pub(super) fn new(outbox_max: usize) -> Self {
        Self {
            server: ServerEnd::Absent,
            inbox: VecDeque::new(),
            fin: false,
            fin_read: false,
            outbox: VecDeque::new(),
            outbox_max,
            nospace: false,
            shut: false,
            reset: false,
            error: None,
        }
    }

    /// What poll(2) would say now. Looking at a full buffer also sets `nospace`, as `tcp_poll`
    /// does; without that a level waiter would never be told of the space.
    pub(super) fn ready(&mut self) -> Ready {
        let hung_up = self.reset || self.fin && self.shut;
        let writable = self.reset || self.shut || self.has_room();
        self.nospace |= !writable;
        Ready {
            readable: self.reset || self.fin || !self.inbox.is_empty(),
            writable,
            eof_possible: self.reset || self.fin,
            hung_up,
        }
    }

    /// Linux reports a send buffer as writable once a third of it is free.
    fn has_room(&self) -> bool {
        self.room() * 3 >= self.outbox_max
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.inbox.is_empty() {
            let n = into.len().min(self.inbox.len());
            into[..n].copy_from_slice(&take_front(&mut self.inbox, n));
            return Ok(n);
        }
        if self.fin {
            self.fin_read = true;
            return Ok(0);
        }
        match self.error.take() {
            Some(error) => Err(error.into()),
            None if self.reset => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Moves what fits into the send buffer. A buffer that was too small is remembered; one that
    /// was filled to the last byte is not, because no write has been refused yet.
    pub(super) fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.reset || self.shut {
            let error = self.error.take().unwrap_or(io::ErrorKind::BrokenPipe);
            return Err(error.into());
        }
        let asked: usize = from.iter().map(|slice| slice.len()).sum();
        let n = asked.min(self.room());
        self.outbox
            .extend(from.iter().flat_map(|slice| slice.iter()).take(n));
        self.nospace |= n < asked;
        if n == 0 && asked > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(n)
    }

    pub(super) fn room(&self) -> usize {
        self.outbox_max - self.outbox.len()
    }

    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        if self.reset {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.shut = true;
        Ok(())
    }

    /// The server closes its end. Unread bytes turn the close into a reset that destroys what the
    /// client has not received yet (RFC 1122 §4.2.2.13): why servers linger.
    pub(super) fn close(&mut self) {
        if !self.inbox.is_empty() {
            self.reset = true;
            self.outbox.clear();
        }
        self.inbox.clear();
        self.shut = true;
        self.server = ServerEnd::Closed;
    }

    /// A client takes up to `n` bytes out of the send buffer; whether that is an event.
    pub(super) fn take(&mut self, n: usize, into: &mut Vec<u8>) -> bool {
        let n = n.min(self.outbox.len());
        into.extend_from_slice(&take_front(&mut self.outbox, n));
        let event = self.nospace && self.has_room();
        self.nospace &= !event;
        event
    }

    /// The client's RST. After a FIN the error is EPIPE and reading still ends in 0 (`tcp_reset`).
    pub(super) fn reset(&mut self) {
        self.reset = true;
        self.outbox.clear();
        self.error = Some(match self.fin {
            true => io::ErrorKind::BrokenPipe,
            false => io::ErrorKind::ConnectionReset,
        });
    }
}

/// Takes `n` bytes off the front. By slices, not byte by byte: unoptimised tests move megabytes.
fn take_front(bytes: &mut VecDeque<u8>, n: usize) -> Vec<u8> {
    let rest = bytes.split_off(n);
    std::mem::replace(bytes, rest).into()
}
