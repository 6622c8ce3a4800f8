//! The two passes over a connection: one read, then answers until nothing is left to send.
//!
//! *Floor 4.* Knows one connection at a time, borrowed from the table for the length of a pass, and
//! what all of them share. Which ones, and in which order, is `mod.rs`; so is what concerns another
//! connection than this one, which is why a pass ends by saying how it was [left](PassEnd).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::buffers::Pool;
use super::deadlines::Deadlines;
use super::slot::Slot;
use crate::conn::CloseReason;
use crate::driver::exchange::{self, Advanced, JobResult};
use crate::driver::failures::is_missing;
use crate::driver::mailbox::Mailbox;
use crate::driver::observe::observer::{Call, Fact, Observer};
use crate::driver::offload::{Offload, What};
use crate::driver::per_address::counts_in;
use crate::driver::receive::{Intake, receive_some};
use crate::driver::settings::{Budget, Settings};
use crate::driver::transmit::{Allowance, Sending, send_some};
use crate::http::{Notify, OwnedRequest, Tick, Wake};
use crate::kernel::{Kernel, Peer};
use crate::readiness::{Directions, Token};
use crate::service::{Job, Service};

/// What the connections of a loop share.
pub(super) struct Context<K, S, O> {
    pub(super) kernel: K,
    pub(super) service: S,
    pub(super) settings: Settings<O>,
    /// Connections that go on in the next turn although no event will announce them.
    pub(super) run_queue: VecDeque<Token>,
    /// Requests of which a job has said that the service is to be asked once more.
    pub(super) again: Vec<(Token, OwnedRequest)>,
    pub(super) deadlines: Deadlines,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) offload: Offload,
    pub(super) now: Tick,
    pool: Pool,
    /// What each connection of this turn may do.
    share: Budget,
    scratch: Box<[u8]>,
}

/// How a pass has left a connection.
pub(super) enum PassEnd {
    /// The kernel or the run queue will come back to it.
    Settled,
    /// Something is missing for the kernel to watch it.
    Unwatched,
    /// It is over.
    Over(CloseReason),
}

impl<K: Kernel, S: Service, O: Observer> Context<K, S, O> {
    pub(super) fn new(
        mut kernel: K,
        service: S,
        settings: Settings<O>,
        mailbox: Arc<Mailbox>,
        offload: Offload,
    ) -> Self {
        let now = kernel.now();
        Self {
            kernel,
            service,
            run_queue: VecDeque::new(),
            again: Vec::new(),
            deadlines: Deadlines::new(now.instant),
            mailbox,
            offload,
            now,
            pool: Pool::default(),
            share: settings.budget,
            scratch: vec![0; settings.read_bytes].into(),
            settings,
        }
    }

    /// A turn begins in which so many are served.
    pub(super) fn share_among(&mut self, busy: usize) {
        self.share = self.settings.budget.among(busy);
    }

    pub(super) fn tell(&mut self, fact: &Fact<'_>) {
        self.settings.observer.observe(fact);
    }

    /// Tells of a system call.
    pub(super) fn called(&mut self, token: Token, call: Call<'_>) {
        self.tell(&Fact::Called { token, call });
    }

    /// First pass: one read, into the buffer that all connections share.
    pub(super) fn fill(&mut self, token: Token, slot: &mut Slot<K>) {
        let mut intake = Intake {
            into: &mut self.scratch,
            readable: slot.is_readable(),
            eof_possible: slot.is_eof_possible(),
        };
        let observer = &mut self.settings.observer;
        let told = |call: Call<'_>| observer.observe(&Fact::Called { token, call });
        let (socket, conn) = (&mut slot.socket, &mut slot.conn);
        let n = receive_some(socket, conn, &mut intake, told, &self.now);
        let readable = intake.readable;
        slot.on_read(readable);
        if n > 0 {
            let conn = &mut slot.conn;
            self.pool.lend(conn);
            conn.on_bytes(&self.scratch[..n], &self.now);
        }
    }

    /// Second pass: answer and send, until nothing is left or the share of this turn is spent.
    ///
    /// It leaves its queue first: what happens in here may put it into the run queue again.
    pub(super) fn serve(&mut self, token: Token, slot: &mut Slot<K>) -> PassEnd {
        slot.dequeue();
        let mut budget = self.share;
        let has_output = self.pool.lend_output(&mut slot.conn);
        let over = loop {
            if let Err(reason) = self.answer(token, slot, &mut budget) {
                break Some(reason);
            }
            self.transmit(token, slot, &mut budget);
            if !slot.conn.has_work() || budget.steps == 0 || budget.bytes == 0 {
                break None;
            }
        };
        if has_output {
            self.pool.take_output(&mut slot.conn);
        }
        self.report(token, slot);
        match over {
            Some(reason) => PassEnd::Over(reason),
            None => self.leave(token, slot),
        }
    }

    /// Answers what can be answered, and hands over what may wait; the reason if the connection is
    /// over.
    fn answer(
        &mut self,
        token: Token,
        slot: &mut Slot<K>,
        budget: &mut Budget,
    ) -> Result<(), CloseReason> {
        let mailbox = &self.mailbox;
        let wake = || Wake::new(Arc::clone(mailbox) as Arc<dyn Notify>, token.0);
        let (conn, sink) = (&mut slot.conn, &mut slot.sink);
        let asker = self.settings.asker(slot.peer);
        let (service, steps) = (&mut self.service, &mut budget.steps);
        match exchange::advance(conn, sink, service, asker, wake, steps, &self.now) {
            Advanced::Close(reason) => return Err(reason),
            Advanced::Client(client) => {
                // Until here it counted for no address: a proxy has one address for all its
                // clients.
                let peer = slot.peer.speaking_for(client);
                if !counts_in(self.settings.per_address.as_ref(), peer) {
                    return Err(CloseReason::AddressLimit);
                }
                slot.peer = peer;
            }
            Advanced::Job(job) => self.hand_over(token, slot, job),
            Advanced::Waiting | Advanced::Spent => {}
        }
        Ok(())
    }

    fn hand_over(&mut self, token: Token, slot: &mut Slot<K>, job: Job) {
        if !(self.offload).submit(token, What::Answer(job), &self.mailbox) {
            self.finish_job(token, slot, JobResult::Refused);
        }
    }

    /// Gives a connection what a job made for it.
    pub(super) fn finish_job(&mut self, token: Token, slot: &mut Slot<K>, made: JobResult) {
        let (conn, sink) = (&mut slot.conn, &mut slot.sink);
        let again = exchange::finish_job(conn, sink, made, &self.now);
        self.again.extend(again.map(|request| (token, request)));
    }

    /// Asks the service once more.
    pub(super) fn ask_again(&mut self, token: Token, slot: &mut Slot<K>, request: &OwnedRequest) {
        let (conn, sink, service) = (&mut slot.conn, &mut slot.sink, &mut self.service);
        if let Some(job) = exchange::ask_again(conn, sink, service, request, &self.now) {
            self.hand_over(token, slot, job);
        }
    }

    /// Sends until there is nothing more, the socket is full or the share is spent. What a file or a
    /// stream would have to wait for is fetched elsewhere: that lane takes one piece for each
    /// connection and refuses none.
    fn transmit(&mut self, token: Token, slot: &mut Slot<K>, budget: &mut Budget) {
        let mut allowance = Allowance {
            bytes: budget.bytes,
            writable: slot.is_writable(),
            waits: false,
        };
        loop {
            if slot.conn.wants_pull() {
                self.pull(token, slot);
            }
            let (socket, conn) = (&mut slot.socket, &mut slot.conn);
            let observer = &mut self.settings.observer;
            let told = |call: Call<'_>| observer.observe(&Fact::Called { token, call });
            match send_some(socket, conn, &mut allowance, told, &self.now) {
                Sending::More => {}
                Sending::Cold => {
                    if let Some(what) = slot.conn.fetch_bytes() {
                        (self.offload).submit(token, What::Fetch(what), &self.mailbox);
                    }
                    break;
                }
                Sending::Stop => break,
            }
        }
        slot.on_written(allowance.writable);
        budget.bytes = allowance.bytes;
    }

    /// Takes the next piece of a stream, or has it fetched where it may be waited for.
    fn pull(&mut self, token: Token, slot: &mut Slot<K>) {
        match slot.conn.fetch_chunk() {
            Some(what) => {
                (self.offload).submit(token, What::Fetch(what), &self.mailbox);
            }
            None => {
                let mailbox = Arc::clone(&self.mailbox) as Arc<dyn Notify>;
                exchange::pull(&mut slot.conn, &Wake::new(mailbox, token.0));
            }
        }
    }

    /// Sees to it that the kernel or the run queue comes back to this connection.
    pub(super) fn leave(&mut self, token: Token, slot: &mut Slot<K>) -> PassEnd {
        // First: what follows is answered sooner by a connection that owes nothing.
        self.pool.reclaim(&mut slot.conn);
        match self.settle(token, slot) {
            Ok(()) => {}
            Err(error) if is_missing(&error) => return PassEnd::Unwatched,
            // Nothing would come back.
            Err(_) => return PassEnd::Over(CloseReason::SocketFailed),
        }
        self.await_deadline(token, slot);
        PassEnd::Settled
    }

    /// Settles a connection by the rule, and makes the kernel's interest set what that says.
    ///
    /// PITFALL: an empty set is not silence. `EPOLLHUP` and `EPOLLERR` are reported whether asked
    /// for or not (epoll_ctl(2)), so a socket that wants nothing must leave the set altogether.
    fn settle(&mut self, token: Token, slot: &mut Slot<K>) -> io::Result<()> {
        let bits = slot.bits();
        let settled = (self.settings.rule)(K::TRIGGER, bits);
        if settled.armed != bits.armed {
            let (kernel, socket) = (&mut self.kernel, &slot.socket);
            let changed = match (bits.armed.any(), settled.armed.any()) {
                (false, _) => kernel.register(socket, token, settled.armed),
                (true, true) => kernel.reregister(socket, token, settled.armed),
                (true, false) => kernel.deregister(socket),
            };
            self.told_interest(token, settled.armed, &changed);
            changed?;
        }
        if slot.on_settled(settled) {
            self.run_queue.push_back(token);
        }
        self.tell(&Fact::Settled {
            token,
            bits,
            settled,
            conn: &slot.conn,
        });
        Ok(())
    }

    fn told_interest(&mut self, token: Token, armed: Directions, result: &io::Result<()>) {
        let result = result.as_ref().copied();
        self.called(token, Call::Interest { armed, result });
    }

    /// Takes a connection out of the selector.
    pub(super) fn unwatch(&mut self, token: Token, slot: &Slot<K>) {
        if slot.is_armed() {
            // What cannot be taken out is reported too often, and served.
            let result = self.kernel.deregister(&slot.socket);
            self.told_interest(token, Directions::NONE, &result);
        }
    }

    pub(super) fn await_deadline(&mut self, token: Token, slot: &mut Slot<K>) {
        if let Some(at) = slot.conn.next_deadline() {
            slot.deadline_entry = self.deadlines.arm(slot.deadline_entry, at, token);
        }
    }

    /// Tells of answers that are out, or cut short, where
    /// [`report_finished`](crate::conn::Limits::report_finished) asks for that.
    fn report(&mut self, token: Token, slot: &mut Slot<K>) {
        if self.settings.limits.report_finished {
            while let Some(finished) = slot.conn.next_finished() {
                let now = &self.now;
                self.settings.observer.observe(&Fact::Answered {
                    token,
                    peer: slot.peer,
                    finished: &finished,
                    now,
                });
            }
        }
    }

    /// Ends a connection that has left the table. Returns its peer.
    ///
    /// In this order: work for it is void, then its answers are told as cut short, and only then its
    /// end.
    pub(super) fn end(&mut self, token: Token, mut slot: Slot<K>, reason: CloseReason) -> Peer {
        self.offload.settle(token);
        slot.conn.on_abort(reason);
        self.report(token, &mut slot);
        if !K::FORGETS_CLOSED {
            self.unwatch(token, &slot);
        }
        self.pool.reclaim(&mut slot.conn);
        self.deadlines.disarm(slot.deadline_entry);
        self.tell(&Fact::Closed { token, reason });
        slot.peer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::driver::EventLoop;
    use crate::http::{Request, Response};
    use crate::kernel::sim::{Schedule, Sim};
    use crate::service::{Gone, Outcome, Reply, Work};

    struct AskAgain(OwnedRequest);

    impl Work for AskAgain {
        fn run(self: Box<Self>, _: &Gone<'_>) -> Outcome {
            Outcome::Again(self.0)
        }
    }

    type Noted = Arc<Mutex<Vec<&'static str>>>;

    /// Notes the reads of a loop.
    struct Reads(Noted);

    impl Observer for Reads {
        fn observe(&mut self, fact: &Fact<'_>) {
            if let Fact::Called {
                call: Call::Read { .. },
                ..
            } = fact
            {
                self.0.lock().unwrap().push("read");
            }
        }
    }

    /// A file looked at for it counts as looked at in this turn, whose reads must be over.
    #[test]
    fn a_service_is_asked_again_when_the_turn_has_read_all() {
        let noted = Noted::default();
        let calls = Arc::clone(&noted);
        let mut is_first = true;
        let service = move |request: &Request<'_>, _: &Tick| {
            calls.lock().unwrap().push("call");
            match std::mem::take(&mut is_first) {
                true => Reply::Later(Box::new(AskAgain(request.detached()))),
                false => Reply::Now(Response::text("hi")),
            }
        };
        let sim = Sim::<true>::new(Schedule::friendly());
        let (one, other) = (sim.connect(1_000), sim.connect(1_000));
        let settings = Settings::default().observed_by(Reads(Arc::clone(&noted)));
        let (listeners, offload) = (vec![sim.listen()], Offload::inline());
        let mut own = EventLoop::new(sim.clone(), listeners, service, settings, offload).unwrap();
        own.turn().unwrap();
        for client in [&one, &other] {
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            own.turn().unwrap();
        }
        drop(own);
        assert_eq!(
            *noted.lock().unwrap(),
            ["read", "call", "read", "call", "call"]
        );
        for client in [one, other] {
            assert!(client.receive(1_000).ends_with(b"hi"));
        }
    }
}
