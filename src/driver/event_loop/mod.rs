//! The event loop: one thread, any number of connections.
//!
//! *Floor 4.* Generic over the [`Kernel`], so that four selectors and the simulator run the same
//! code, and so that the trigger is a constant of the kernel's type.
//!
//! A turn has two passes: **read every ready socket first, then answer.** A check of a file made
//! while answering then follows every read of the turn, so one check per file per turn is enough
//! to show every edit that was made before a request was sent.
//!
//! ```text
//! wait ─▶ mark ─▶ admit ─▶ fill (all) ─▶ serve (all) ─▶ settle ─▶ expire
//!  events   ready bits  accept     read      answer, send      see settle.rs
//! ```
//!
//! *References:* epoll(7). *Read next:* `serve.rs`, then `settle.rs`, `listeners.rs`.

mod buffers;
mod deadlines;
mod listeners;
mod room;
mod serve;
pub(crate) mod settle;
mod slot;
mod slots;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conn::CloseReason;
use crate::driver::exchange;
use crate::driver::mailbox::{Handle, Mailbox, Message};
use crate::driver::observe::counters::{Call, Counts, Waking};
use crate::driver::offload::Offload;
use crate::driver::settings::{Budget, Settings};
use crate::http::Tick;
use crate::kernel::{Kernel, Socket};
use crate::readiness::{Directions, Event, Token};
use crate::service::Service;
use buffers::Pool;
use deadlines::{Deadlines, NEVER};
use listeners::Listeners;
use room::Room;
use slot::Slot;
use slots::{RESERVED, Slots};

/// One loop: a kernel, a service, and the connections between them.
pub struct EventLoop<K: Kernel, S: Service> {
    kernel: K,
    service: S,
    settings: Settings,
    listeners: Listeners<K>,
    room: Room,
    slots: Slots<Slot<K>>,
    /// Connections that nobody will announce: they go on in the next turn.
    run_queue: VecDeque<Token>,
    deadlines: Deadlines,
    mailbox: Arc<Mailbox>,
    offload: Offload,
    pool: Pool,
    /// The moment at which a stop stops waiting.
    stop_at: Option<Instant>,
    closed: crate::driver::Closed,
    counts: Counts,
    batch: Vec<Token>,
    /// What each of the batch may do.
    share: Budget,
    /// Of the batch, those whose time seems over.
    late: Vec<Token>,
    events: Vec<Event>,
    scratch: Box<[u8]>,
    now: Tick,
}

/// The token of the mailbox's knock.
const MAILBOX: Token = Token::new(u32::MAX, 0);

impl<K: Kernel, S: Service> EventLoop<K, S> {
    /// A loop that accepts from `listeners`.
    ///
    /// # Errors
    /// If the kernel cannot watch them.
    pub fn new(
        mut kernel: K,
        listeners: Vec<K::Listener>,
        service: S,
        settings: Settings,
        offload: Offload,
    ) -> io::Result<Self> {
        let mailbox = Mailbox::new(kernel.notifier(MAILBOX)?);
        let listeners = Listeners::open(&mut kernel, listeners)?;
        settings.other_loops.join(&mailbox);
        let now = kernel.now();
        Ok(Self {
            kernel,
            service,
            listeners,
            room: Room::default(),
            slots: Slots::new(),
            run_queue: VecDeque::new(),
            deadlines: Deadlines::new(now.instant),
            mailbox,
            offload,
            pool: Pool::default(),
            stop_at: None,
            closed: crate::driver::Closed::default(),
            counts: Counts::new(),
            batch: Vec::new(),
            share: settings.budget,
            late: Vec::new(),
            events: Vec::new(),
            scratch: vec![0; settings.read_bytes].into(),
            settings,
            now,
        })
    }

    /// A way to stop the loop from another thread.
    pub fn handle(&self) -> Handle {
        Handle::to(Arc::clone(&self.mailbox))
    }

    /// Turns until the loop has been stopped.
    ///
    /// # Errors
    /// If the wait of a kernel fails that is none: a simulator's verdict. What Linux refuses is tried
    /// again.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// One turn. Whether there is another.
    ///
    /// # Errors
    /// As [`EventLoop::run`].
    pub fn turn(&mut self) -> io::Result<bool> {
        self.wait()?;
        self.now = self.kernel.now();
        let now = self.now;
        self.collect(&now);
        self.look_at_all(&now);
        self.look_at_unwatched(&now);
        self.look_for_the_gone(&now);
        self.admit(&now);
        let batch = std::mem::take(&mut self.batch);
        self.share = self.settings.budget.among(batch.len());
        for token in &batch {
            self.fill(*token, &now);
        }
        for token in &batch {
            self.serve(*token, &now);
        }
        self.batch = batch;
        self.expire(&now);
        self.make_room_to_wait(&now);
        if let Some(log) = &mut self.settings.log {
            log.flush();
        }
        let is_done = self.is_done(&now);
        if self.settings.shown.is_some() {
            self.show(&now);
        }
        Ok(!is_done)
    }

    /// Shows what was counted, the length of this turn included.
    fn show(&mut self, now: &Tick) {
        let ends = self.kernel.now().instant;
        let lag = ends.saturating_duration_since(now.instant);
        self.counts.lagged(lag);
        let knocked = |event: &Event| event.token == MAILBOX;
        self.counts.woken(match self.events.as_slice() {
            [] => Waking::Timeout,
            events if events.iter().all(knocked) => Waking::Message,
            _ => Waking::Ready,
        });
        self.counts.copy(&self.closed, self.service.cache_tally());
        self.counts.copy_jobs(self.offload.tally());
        if let Some(shown) = &self.settings.shown {
            shown.show(&self.counts);
        }
    }

    /// Waits for readiness, no longer than until the next thing that we must do ourselves.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.now.instant;
        let timeout = match self.run_queue.is_empty() {
            false => Some(Duration::ZERO),
            true => {
                let accept = self.listeners.next_try(now, K::TRIGGER);
                let look = self.room.next_look();
                let work = self.offload.next_look(now);
                let ours = [self.deadlines.next(), accept, look, work, self.stop_at];
                let first = ours.into_iter().flatten().min();
                first.map(|at| at.saturating_duration_since(now))
            }
        };
        self.events.clear();
        self.counts.call(Call::Wait);
        match self.kernel.wait(&mut self.events, timeout) {
            Ok(()) => self.room.end_of_failed_waits(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error().is_some() => {
                self.events.clear();
                self.rest_instead(timeout);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Turns events, messages, the run queue and deadlines into this turn's batch.
    fn collect(&mut self, now: &Tick) {
        self.batch.clear();
        if !self.run_queue.is_empty() {
            self.batch.extend(self.run_queue.drain(..));
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match event.token {
                MAILBOX => self.read_mail(now),
                token if token.slot() >= RESERVED => self.listeners.on_event(token),
                token => self.mark(token, event),
            }
        }
        self.events = events;
        self.call_up(now);
    }

    /// Remembers what the kernel said about one connection.
    fn mark(&mut self, token: Token, event: &Event) {
        let Some(slot) = self.slots.get_mut(token) else {
            return;
        };
        slot.ready = slot.ready.or(Directions {
            readable: event.readable,
            writable: event.writable,
        });
        slot.eof_possible |= event.eof_possible;
        if !slot.queued {
            slot.queued = true;
            self.batch.push(token);
        }
    }

    /// Puts a connection into this turn's batch.
    fn schedule(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token)
            && !slot.queued
        {
            slot.queued = true;
            self.batch.push(token);
        }
    }

    fn read_mail(&mut self, now: &Tick) {
        self.kernel.quiet();
        for message in self.mailbox.take() {
            match message {
                Message::Shutdown(drain) => self.begin_stop(drain, now),
                Message::Ask => self.mailbox.answer(),
                Message::Accept => self.listeners.look_at_all(),
                Message::Abort => self.stop_at = Some(now.instant),
                Message::Wake(token) => self.deliver(token, |slot| slot.conn.on_wake(now)),
                Message::Fetched(token, fetched) => {
                    self.offload.settle(token);
                    self.deliver(token, |slot| slot.conn.on_fetched(fetched, now));
                }
                Message::Answer(token, made) => {
                    self.offload.settle(token);
                    self.deliver(token, |slot| {
                        exchange::finish_job(&mut slot.conn, made, now);
                    });
                }
            }
        }
    }

    /// Hands a message to its connection, if that still exists.
    fn deliver(&mut self, token: Token, message: impl FnOnce(&mut Slot<K>)) {
        if let Some(slot) = self.slots.get_mut(token) {
            message(slot);
            self.schedule(token);
        }
    }

    /// Connections whose time seems over are looked at once more, with all the others of this turn.
    ///
    /// PITFALL: whoever was in time while nobody looked must not pay for it. A process that was
    /// stopped wakes by EINTR and hears of no event, and one wait brings no more than so many
    /// (`what_came_in_time_is_served_before_anybody_is_late`).
    fn call_up(&mut self, now: &Tick) {
        while let Some((step, token)) = self.deadlines.pop_due(now.instant) {
            let Some(slot) = self.slots.get_mut(token) else {
                continue;
            };
            if slot.deadline_entry != step {
                continue;
            }
            if slot.is_due(now) {
                slot.ready.readable |= slot.conn.wants_read();
                self.late.push(token);
                self.schedule(token);
            } else {
                slot.deadline_entry = NEVER;
                self.leave(token);
            }
        }
    }

    /// Ends connections and answers whose time is over, even now that they have been served.
    fn expire(&mut self, now: &Tick) {
        while let Some(token) = self.late.pop() {
            let Some(slot) = self.slots.get_mut(token) else {
                continue;
            };
            // Until here it stood for the entry that came up: no other was needed.
            slot.deadline_entry = NEVER;
            if !slot.is_due(now) {
                self.leave(token);
                continue;
            }
            let unacknowledged = slot.socket.unacknowledged();
            slot.conn.on_deadline(now, unacknowledged);
            self.serve(token, now);
        }
    }

    /// Ends a connection.
    fn close(&mut self, token: Token, reason: CloseReason) {
        let Some(mut slot) = self.slots.remove(token) else {
            return;
        };
        self.offload.settle(token);
        slot.conn.on_abort(reason);
        slot.report(&mut self.counts, self.settings.log.as_mut(), &self.now);
        self.counts.moved(slot.seen_as, None);
        if slot.armed.any() && !K::FORGETS_CLOSED {
            self.counts.call(Call::Interest);
            // Only a descriptor that was never registered can fail here, and this one was.
            let _ = self.kernel.deregister(&slot.socket);
        }
        self.pool.reclaim(&mut slot.conn);
        self.deadlines.disarm(slot.deadline_entry);
        let slots = &mut self.slots;
        let deadline_entry = |token| {
            slots
                .get_mut(token)
                .map_or(NEVER, |slot| slot.deadline_entry)
        };
        self.deadlines.sweep(deadline_entry);
        self.closed.count(reason);
        self.on_left(slot.peer);
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.slots.len()
    }

    /// Why connections have ended so far.
    pub const fn closed(&self) -> &crate::driver::Closed {
        &self.closed
    }

    /// The kernel, for a simulator to look at.
    pub const fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }
}
