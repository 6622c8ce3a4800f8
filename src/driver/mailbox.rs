//! What other threads have to say to a loop.
//!
//! *Floor 4.* A list behind a mutex, and the kernel's notifier: the notifier ends the wait, the
//! list says why. It is notified once per emptying, so a thousand messages cost one write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::conn::Fetched;
use crate::driver::exchange::JobResult;
use crate::http::Notify;
use crate::readiness::Token;

/// One message.
pub(crate) enum Message {
    /// A sink or a stream has something again.
    Wake(Token),
    /// A job is done.
    Answer(Token, JobResult),
    /// The next piece of an answer is here.
    Fetched(Token, Fetched),
    /// Stop accepting after so long, finish what is in flight.
    Shutdown(Duration),
    /// Say that you turn.
    Ask,
    /// Stop now.
    Abort,
    /// Another loop that shares a listener has no room for the clients that wait there.
    Accept,
}

/// The loops that may share listeners: told of clients that one of them has no room for.
#[derive(Clone, Default)]
pub struct OtherLoops(Arc<Mutex<Vec<Arc<Mailbox>>>>);

impl OtherLoops {
    /// One more loop.
    pub(crate) fn join(&self, mailbox: &Arc<Mailbox>) {
        self.all().push(Arc::clone(mailbox));
    }

    /// Lets the other loops look at their listeners.
    ///
    /// PITFALL: of those that wait with `EPOLLEXCLUSIVE` the kernel wakes one for each client. If
    /// that one is full, no other loop learns of the client
    /// (`a_full_loop_leaves_newcomers_to_one_that_has_room`).
    pub(crate) fn pass_on(&self, own: &Arc<Mailbox>) {
        for other in self.all().iter().filter(|other| !Arc::ptr_eq(other, own)) {
            other.post(Message::Accept);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Mailbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The list of one loop.
pub(crate) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    /// How often the loop answered [`Message::Ask`].
    answers: AtomicU64,
    notifier: Arc<dyn Notify>,
}

impl Mailbox {
    pub(crate) fn new(notifier: Arc<dyn Notify>) -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::default(),
            answers: AtomicU64::new(0),
            notifier,
        })
    }

    /// Leaves a message. May be called from any thread.
    pub(crate) fn post(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(message);
        if messages.len() == 1 {
            self.notifier.notify(0);
        }
    }

    /// The loop turns, as it was asked to say.
    pub(crate) fn answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Takes all messages.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notify for Mailbox {
    fn notify(&self, token: u64) {
        self.post(Message::Wake(Token(token)));
    }
}

/// Stops a loop from another thread.
#[derive(Clone)]
pub struct Handle(Arc<Mailbox>);

impl Handle {
    /// The loop that reads this mailbox.
    pub(crate) const fn to(mailbox: Arc<Mailbox>) -> Self {
        Self(mailbox)
    }

    /// Stop accepting, finish what is in flight, end.
    pub fn shutdown(&self) {
        self.shutdown_after(Duration::ZERO);
    }

    /// The same, but first accept for `drain` more: a client that was on its way before new
    /// connections were steered elsewhere still arrives here.
    pub fn shutdown_after(&self, drain: Duration) {
        self.0.post(Message::Shutdown(drain));
    }

    /// Asks the loop to say that it turns: [`Handle::answers`] then counts one more.
    pub fn ask(&self) {
        self.0.post(Message::Ask);
    }

    /// How often the loop answered [`Handle::ask`].
    pub fn answers(&self) -> u64 {
        self.0.answers()
    }

    /// End now.
    pub fn abort(&self) {
        self.0.post(Message::Abort);
    }
}
