//! One connection of a loop, and what the loop knows of its socket.
//!
//! *Floor 4.* Keeps the bits that `settle.rs` decides by; does not know when they are looked at.

use super::deadlines::{DueStep, NEVER};
use super::settle::{Bits, Settled};
use crate::conn::Connection;
use crate::driver::wanted::Wanted;
use crate::http::Tick;
use crate::kernel::{Kernel, Peer, Socket};
use crate::readiness::{Directions, Event};
use crate::service::Sink;

/// One connection of the loop. Kept small: 10,000 idle ones should cost little.
pub(super) struct Slot<K: Kernel> {
    pub(super) socket: K::Socket,
    pub(super) conn: Connection,
    pub(super) sink: Option<Box<dyn Sink>>,
    pub(super) peer: Peer,
    /// Directions in which nothing has shown since the kernel last said "ready" that it is used up: no
    /// EAGAIN, no short read, no short write. A new connection counts as ready to write.
    ready: Directions,
    /// The kernel's interest set.
    armed: Directions,
    /// The end of the client's stream has been announced: a short read does not mean "empty".
    eof_possible: bool,
    /// In the run queue or in this turn's batch. More than [`Settled::queued`], which asks for the
    /// run queue.
    queued: bool,
    /// Looked at by the clock: see `room.rs`.
    unwatched: bool,
    /// Its entry among the deadlines.
    pub(super) deadline_entry: DueStep,
}

impl<K: Kernel> Slot<K> {
    /// A connection that has just come in, and that the kernel has not been asked to watch.
    pub(super) const fn new(socket: K::Socket, conn: Connection, peer: Peer) -> Self {
        Self {
            socket,
            conn,
            sink: None,
            peer,
            // Nothing was sent yet, so there is room to write.
            ready: Directions::WRITE,
            armed: Directions::NONE,
            eof_possible: false,
            queued: false,
            unwatched: false,
            deadline_entry: NEVER,
        }
    }

    // ------------------------------------------------------------------ what is known of it

    /// What would be done, whatever the kernel says.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::of(&self.socket, &self.conn)
    }

    /// What the rule decides by.
    pub(super) fn bits(&self) -> Bits {
        let wanted = self.wanted();
        Bits {
            wanted: wanted.directions,
            ready: self.ready,
            armed: self.armed,
            has_work: wanted.has_work,
        }
    }

    /// Whether a read is worth a system call.
    pub(super) const fn is_readable(&self) -> bool {
        self.ready.readable
    }

    /// Whether an end of file may stand behind what is read.
    pub(super) const fn is_eof_possible(&self) -> bool {
        self.eof_possible
    }

    /// Whether a write is worth a system call.
    pub(super) const fn is_writable(&self) -> bool {
        self.ready.writable
    }

    pub(super) const fn is_armed(&self) -> bool {
        self.armed.any()
    }

    pub(super) const fn is_queued(&self) -> bool {
        self.queued
    }

    pub(super) fn is_due(&self, now: &Tick) -> bool {
        let deadline = self.conn.next_deadline();
        deadline.is_some_and(|at| at <= now.instant)
    }

    // ------------------------------------------------------------------ what happened to it

    /// The kernel has said something about it.
    pub(super) fn on_event(&mut self, event: &Event) {
        self.look(Directions {
            readable: event.readable,
            writable: event.writable,
        });
        self.eof_possible |= event.eof_possible;
    }

    /// It is taken for ready: if it is not, a call will say so.
    pub(super) const fn look(&mut self, ready: Directions) {
        self.ready = self.ready.or(ready);
    }

    /// Whether there may be more after what was read.
    pub(super) const fn on_read(&mut self, readable: bool) {
        self.ready.readable = readable;
    }

    /// Whether the socket has room after what was written.
    pub(super) const fn on_written(&mut self, writable: bool) {
        self.ready.writable = writable;
    }

    /// Puts it into a queue, if it is in none.
    pub(super) const fn enqueue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// It is its turn.
    pub(super) const fn dequeue(&mut self) {
        self.queued = false;
    }

    /// The kernel has been asked what the rule says. Whether it must be queued for that.
    pub(super) const fn on_settled(&mut self, settled: Settled) -> bool {
        self.armed = settled.armed;
        self.ready = settled.ready;
        settled.queued && self.enqueue()
    }

    /// The kernel watches it no more, and the clock looks at it. Whether it is the first to say so.
    pub(super) const fn on_unwatched(&mut self) -> bool {
        self.armed = Directions::NONE;
        !std::mem::replace(&mut self.unwatched, true)
    }

    /// The clock looks at it.
    pub(super) fn on_looked_at(&mut self) {
        self.socket.renumber();
        self.unwatched = false;
    }
}
