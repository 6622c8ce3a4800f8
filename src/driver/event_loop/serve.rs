//! The two passes over a connection: one read, then answers until nothing is left to send.
//!
//! *Floor 4.* Knows one connection at a time; which ones, and in which order, is `mod.rs`.
//!
//! *Read next:* `settle.rs`, by whose rule a connection is left.

use std::io;
use std::sync::Arc;

use super::EventLoop;
use super::settle::Bits;
use crate::conn::CloseReason;
use crate::driver::exchange::{self, Advanced, Asker, JobResult};
use crate::driver::failures::is_missing;
use crate::driver::observe::counters::Call;
use crate::driver::offload::What;
use crate::driver::receive::{Intake, receive_some};
use crate::driver::settings::Budget;
use crate::driver::transmit::{Allowance, Sending, send_some};
use crate::http::{Notify, Tick, Wake};
use crate::kernel::Kernel;
use crate::readiness::Token;
use crate::service::Service;

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// First pass: one read, into the buffer that all connections share.
    pub(super) fn fill(&mut self, token: Token, now: &Tick) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        let mut intake = Intake {
            into: &mut self.scratch,
            readable: slot.ready.readable,
            eof_possible: slot.eof_possible,
        };
        let (socket, conn) = (&mut slot.socket, &mut slot.conn);
        let count = |call| self.counts.call(call);
        let n = receive_some(socket, conn, &mut intake, count, now);
        slot.ready.readable = intake.readable;
        if n > 0 {
            self.pool.lend(conn);
            conn.on_bytes(&self.scratch[..n], now);
        }
    }

    /// Second pass: answer and send, until nothing is left or the budget is spent.
    pub(super) fn serve(&mut self, token: Token, now: &Tick) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        slot.queued = false;
        let mut budget = self.share;
        let mut reason = None;
        while let Some(slot) = self.slots.get_mut(token) {
            let mailbox = &self.mailbox;
            let wake = || Wake::new(Arc::clone(mailbox) as Arc<dyn Notify>, token.0);
            let (conn, sink) = (&mut slot.conn, &mut slot.sink);
            let service = &mut self.service;
            let steps = &mut budget.steps;
            let asker = Asker {
                peer: slot.peer.ip(),
                proxies: self.settings.proxies.as_deref(),
            };
            match exchange::advance(conn, sink, service, asker, wake, steps, now) {
                Advanced::Close(why) => {
                    reason = Some(why);
                    break;
                }
                Advanced::Client(client) => {
                    if let Err(why) = self.introduce(token, client) {
                        reason = Some(why);
                        break;
                    }
                }
                Advanced::Job(job) => {
                    if !self.offload.submit(token, What::Answer(job), mailbox) {
                        exchange::finish_job(&mut slot.conn, JobResult::Refused, now);
                    }
                }
                Advanced::Waiting | Advanced::Spent => {}
            }
            self.transmit(token, &mut budget, now);
            let again = self
                .slots
                .get_mut(token)
                .is_some_and(|slot| slot.conn.has_work());
            if !again || budget.steps == 0 || budget.bytes == 0 {
                break;
            }
        }
        self.report(token, now);
        match reason {
            Some(reason) => self.close(token, reason),
            None => self.leave(token),
        }
    }

    /// Sends until there is nothing more, the socket is full or the budget is spent.
    fn transmit(&mut self, token: Token, budget: &mut Budget, now: &Tick) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        let mut allowance = Allowance {
            bytes: budget.bytes,
            writable: slot.ready.writable,
            waits: false,
        };
        loop {
            if let Some(what) = slot.conn.fetch_chunk() {
                self.offload.submit(token, What::Fetch(what), &self.mailbox);
            } else if slot.conn.wants_pull() {
                let mailbox = Arc::clone(&self.mailbox) as Arc<dyn Notify>;
                exchange::pull(&mut slot.conn, &Wake::new(mailbox, token.0));
            }
            let (socket, conn) = (&mut slot.socket, &mut slot.conn);
            let count = |call| self.counts.call(call);
            match send_some(socket, conn, &mut allowance, count, now) {
                Sending::More => {}
                Sending::Cold => {
                    if let Some(what) = slot.conn.fetch_bytes() {
                        self.offload.submit(token, What::Fetch(what), &self.mailbox);
                    }
                    break;
                }
                Sending::Stop => break,
            }
        }
        slot.ready.writable = allowance.writable;
        budget.bytes = allowance.bytes;
    }

    /// Sees to it that somebody comes back to this connection.
    pub(super) fn leave(&mut self, token: Token) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        // First: what follows is answered sooner by a connection that owes nothing.
        self.pool.reclaim(&mut slot.conn);
        while let Err(error) = self.settle(token) {
            if !is_missing(&error) {
                // Nobody would come back.
                return self.close(token, CloseReason::SocketFailed);
            }
            if !self.make_room_to_watch(token) {
                break;
            }
        }
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        if let Some(at) = slot.conn.next_deadline() {
            slot.deadline_entry = self.deadlines.arm(slot.deadline_entry, at, token);
        }
        if self.settings.shown.is_some() {
            slot.see(&mut self.counts);
        }
    }

    /// Settles a connection by the rule, and makes the kernel's interest set what that says.
    ///
    /// PITFALL: an empty set is not silence. `EPOLLHUP` and `EPOLLERR` are reported whether asked
    /// for or not (epoll_ctl(2)), so a socket that wants nothing must leave the set altogether.
    fn settle(&mut self, token: Token) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(token) else {
            return Ok(());
        };
        let wanted = slot.wanted();
        let bits = Bits {
            wanted: wanted.directions,
            ready: slot.ready,
            armed: slot.armed,
            has_work: wanted.has_work,
        };
        let settled = (self.settings.rule)(K::TRIGGER, bits);
        if settled.armed != slot.armed {
            self.counts.call(Call::Interest);
            let (kernel, socket) = (&mut self.kernel, &slot.socket);
            match (slot.armed.any(), settled.armed.any()) {
                (false, _) => kernel.register(socket, token, settled.armed)?,
                (true, true) => kernel.reregister(socket, token, settled.armed)?,
                (true, false) => kernel.deregister(socket)?,
            }
            slot.armed = settled.armed;
        }
        slot.ready = settled.ready;
        if settled.queued && !slot.queued {
            slot.queued = true;
            self.run_queue.push_back(token);
        }
        Ok(())
    }

    /// Counts answers that are out and writes their access lines.
    fn report(&mut self, token: Token, now: &Tick) {
        let wanted = self.settings.limits.report_finished;
        if wanted && let Some(slot) = self.slots.get_mut(token) {
            slot.report(&mut self.counts, self.settings.log.as_mut(), now);
        }
    }
}
