//! The event loop: one thread, any number of connections.
//!
//! *Floor 4.* Generic over the [`Kernel`], so that four selectors and the simulator run the same
//! code, and so that the trigger is a constant of the kernel's type; and over the [`Observer`], so
//! that a loop without observers pays nothing for them.
//!
//! A turn has two passes: **read every ready socket first, once each, then answer.** A check of a
//! file made while answering then follows every read of the turn, so one check per file per turn is
//! enough to show every edit that was made before a request was sent.
//!
//! ```text
//! wait ─▶ collect ─▶ look_* ─▶ admit ─▶ fill (all) ─▶ serve (all) ─▶ expire ─▶ is_done
//!  events   ready bits          accept     read      answer, send, settle
//!
//! collect: the batch of this turn: the run queue, then events and messages, then connections
//!          whose deadline has passed
//! look_*:  connections that no event announces, because a wait or a registration has failed;
//!          and the end of those whose client is gone while a job is at work for it
//! admit:   newcomers, who are not in this batch; the listeners close here when the loop stops
//! expire:  who is late even now that all that was there has been served
//! is_done: when a stop has lasted as long as it may, the end of all connections
//! ```
//!
//! *References:* epoll(7).

mod buffers;
mod deadlines;
mod listeners;
mod room;
mod serve;
pub(crate) mod settle;
mod slot;
mod slots;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conn::CloseReason;
use crate::driver::mailbox::{Handle, Mailbox, Message};
use crate::driver::observe::observer::{Fact, Observer, Woke};
use crate::driver::offload::Offload;
use crate::driver::settings::Settings;
use crate::kernel::{Kernel, Socket};
use crate::readiness::{Directions, Event, Token};
use crate::service::Service;
use deadlines::NEVER;
use listeners::Listeners;
use room::Room;
use serve::{Context, PassEnd};
use slot::Slot;
pub(super) use slots::RESERVED;
use slots::Slots;

/// One loop: a kernel, a service, and the connections between them.
pub struct EventLoop<K: Kernel, S: Service, O: Observer = ()> {
    slots: Slots<Slot<K>>,
    context: Context<K, S, O>,
    listeners: Listeners<K>,
    room: Room,
    /// Connections of this turn.
    batch: Vec<Token>,
    /// Of these, those whose time seems over.
    late: Vec<Token>,
    events: Vec<Event>,
    /// The moment at which a stop stops waiting.
    stop_at: Option<Instant>,
}

/// The token of the event that the mailbox's notifier makes.
pub(super) const MAILBOX: Token = Token::new(u32::MAX, 0);

impl<K: Kernel, S: Service, O: Observer> EventLoop<K, S, O> {
    /// A loop that accepts from `listeners`.
    ///
    /// # Errors
    /// If the kernel cannot watch them.
    pub fn new(
        mut kernel: K,
        listeners: Vec<K::Listener>,
        service: S,
        settings: Settings<O>,
        offload: Offload,
    ) -> io::Result<Self> {
        let mailbox = Mailbox::new(kernel.notifier(MAILBOX)?);
        let listeners = Listeners::open(&mut kernel, listeners)?;
        settings.other_loops.join(&mailbox);
        Ok(Self {
            slots: Slots::new(),
            context: Context::new(kernel, service, settings, mailbox, offload),
            listeners,
            room: Room::default(),
            batch: Vec::new(),
            late: Vec::new(),
            events: Vec::new(),
            stop_at: None,
        })
    }

    /// A way to stop the loop from another thread.
    pub fn handle(&self) -> Handle {
        Handle::to(Arc::clone(&self.context.mailbox))
    }

    /// Turns until the loop has been stopped.
    ///
    /// # Errors
    /// If the wait of a kernel fails that is none: a simulator's verdict. What Linux refuses is
    /// tried again.
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
        self.collect();
        self.look_at_all();
        self.look_at_unwatched();
        self.look_for_the_gone();
        self.admit();
        let batch = std::mem::take(&mut self.batch);
        self.context.share_among(batch.len());
        for token in &batch {
            if let Some(slot) = self.slots.get_mut(*token) {
                self.context.fill(*token, slot);
            }
        }
        self.ask_again();
        for token in &batch {
            self.serve(*token);
        }
        self.batch = batch;
        self.expire();
        self.make_room_to_wait();
        let is_done = self.is_done();
        self.end_turn();
        Ok(!is_done)
    }

    /// Waits for readiness, no longer than until the next thing that we must do ourselves.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        self.events.clear();
        let context = &mut self.context;
        match context.kernel.wait(&mut self.events, timeout) {
            Ok(()) => self.room.end_of_failed_waits(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error().is_some() => {
                self.events.clear();
                self.rest_instead(timeout);
            }
            Err(error) => return Err(error),
        }
        self.context.now = self.context.kernel.now();
        if self.context.settings.observer.is_watching() {
            self.tell_of_wait(timeout);
        }
        Ok(())
    }

    fn timeout(&mut self) -> Option<Duration> {
        let context = &mut self.context;
        if !context.run_queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = context.now.instant;
        let first = [
            self.listeners.next_try(now, K::TRIGGER),
            self.room.next_look(),
            context.offload.next_look(now),
            self.stop_at,
        ]
        .into_iter()
        .fold(context.deadlines.next(), sooner);
        first.map(|at| at.saturating_duration_since(now))
    }

    fn tell_of_wait(&mut self, timeout: Option<Duration>) {
        let is_mail = |event: &Event| event.token == MAILBOX;
        let woke = match self.events.as_slice() {
            [] => Woke::Timeout,
            events if events.iter().all(is_mail) => Woke::Message,
            _ => Woke::Ready,
        };
        let context = &mut self.context;
        context.settings.observer.observe(&Fact::TurnStarted {
            timeout,
            events: &self.events,
            woke,
            now: &context.now,
        });
    }

    fn end_turn(&mut self) {
        let context = &mut self.context;
        if context.settings.observer.is_watching() {
            let ends = context.kernel.now().instant;
            let lag = Some(ends.saturating_duration_since(context.now.instant));
            context.tell(&Fact::TurnEnded { lag });
        }
    }

    /// Turns events, messages, the run queue and deadlines into this turn's batch.
    fn collect(&mut self) {
        self.batch.clear();
        if !self.context.run_queue.is_empty() {
            self.batch.extend(self.context.run_queue.drain(..));
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match event.token {
                MAILBOX => self.read_mail(),
                token if token.slot() >= RESERVED => self.listeners.on_event(token),
                token => self.mark(token, event),
            }
        }
        self.events = events;
        self.look_at_due();
    }

    /// Remembers what the kernel said about one connection.
    fn mark(&mut self, token: Token, event: &Event) {
        if let Some(slot) = self.slots.get_mut(token) {
            slot.on_event(event);
            if slot.enqueue() {
                self.batch.push(token);
            }
        }
    }

    fn read_mail(&mut self) {
        self.context.kernel.quiet();
        for message in self.context.mailbox.take() {
            let now = self.context.now;
            match message {
                Message::Shutdown(drain) => self.begin_stop(drain),
                Message::Ask => self.context.mailbox.answer(),
                Message::Accept => self.listeners.look_at_all(),
                Message::Abort => self.stop_at = Some(now.instant),
                Message::Wake(token) => self.deliver(token, |_, slot| slot.conn.on_wake(&now)),
                Message::Fetched(token, fetched) => {
                    self.context.offload.settle(token);
                    self.deliver(token, |_, slot| slot.conn.on_fetched(fetched, &now));
                }
                Message::Answer(token, made) => {
                    self.context.offload.settle(token);
                    self.deliver(token, |context, slot| context.finish_job(token, slot, made));
                }
            }
        }
    }

    /// Hands a message to its connection, if that still exists, and puts it into this turn's batch.
    fn deliver(&mut self, token: Token, message: impl FnOnce(&mut Context<K, S, O>, &mut Slot<K>)) {
        if let Some(slot) = self.slots.get_mut(token) {
            message(&mut self.context, slot);
            if slot.enqueue() {
                self.batch.push(token);
            }
        }
    }

    /// Takes a connection for ready, and puts it into this turn's batch.
    fn look(&mut self, token: Token, ready: Directions) {
        self.deliver(token, |_, slot| slot.look(ready));
        self.context.tell(&Fact::Looked { token, ready });
    }

    /// Second pass, where a job has said that the service is to be asked once more.
    ///
    /// PITFALL: not when its message is read. What the service looks at then would count as looked
    /// at in this turn, whose reads are still to come
    /// (`a_service_is_asked_again_when_the_turn_has_read_all`).
    fn ask_again(&mut self) {
        if self.context.again.is_empty() {
            return;
        }
        for (token, request) in std::mem::take(&mut self.context.again) {
            if let Some(slot) = self.slots.get_mut(token) {
                self.context.ask_again(token, slot, &request);
            }
        }
    }

    /// Second pass, for one connection.
    fn serve(&mut self, token: Token) {
        if let Some(slot) = self.slots.get_mut(token) {
            let left = self.context.serve(token, slot);
            self.conclude(token, left);
        }
    }

    /// What is to be done for a connection that was left, outside of it: nothing, as a rule.
    #[inline]
    fn conclude(&mut self, token: Token, left: PassEnd) {
        match left {
            PassEnd::Settled => {}
            PassEnd::Unwatched => self.watch_or_look(token),
            PassEnd::Over(reason) => self.close(token, reason),
        }
    }

    /// Connections whose time seems over are looked at once more, with all the others of this turn.
    ///
    /// PITFALL: a client that was in time while the loop did not run is not late. A process that
    /// was stopped wakes by EINTR without any event, and one wait brings a limited number of events
    /// (`what_came_in_time_is_served_before_anybody_is_late`).
    fn look_at_due(&mut self) {
        while let Some((step, token)) = (self.context.deadlines).pop_due(self.context.now.instant) {
            let Some(slot) = self.slots.get_mut(token) else {
                continue;
            };
            if slot.deadline_entry != step {
                continue;
            }
            if slot.is_due(&self.context.now) {
                let ready = Directions {
                    readable: slot.conn.wants_read(),
                    writable: false,
                };
                self.late.push(token);
                self.look(token, ready);
            } else {
                slot.deadline_entry = NEVER;
                self.context.await_deadline(token, slot);
            }
        }
    }

    /// Ends connections and answers whose time is over, even now that they have been served.
    fn expire(&mut self) {
        while let Some(token) = self.late.pop() {
            let Some(slot) = self.slots.get_mut(token) else {
                continue;
            };
            // Until here it stood for the entry that came up: no other was needed.
            slot.deadline_entry = NEVER;
            if !slot.is_due(&self.context.now) {
                self.context.await_deadline(token, slot);
                continue;
            }
            let unacknowledged = slot.socket.unacknowledged();
            slot.conn.on_deadline(&self.context.now, unacknowledged);
            self.serve(token);
        }
    }

    /// Ends a connection.
    fn close(&mut self, token: Token, reason: CloseReason) {
        let Some(slot) = self.slots.remove(token) else {
            return;
        };
        let peer = self.context.end(token, slot, reason);
        let slots = &mut self.slots;
        let entry = |token| {
            slots
                .get_mut(token)
                .map_or(NEVER, |slot| slot.deadline_entry)
        };
        self.context.deadlines.sweep(entry);
        self.free_place(peer);
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.slots.len()
    }

    /// The observer.
    pub const fn observer(&self) -> &O {
        &self.context.settings.observer
    }

    /// The kernel, for a simulator to look at.
    pub const fn kernel_mut(&mut self) -> &mut K {
        &mut self.context.kernel
    }
}

/// The sooner of two moments, if there is one.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
