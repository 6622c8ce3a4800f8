//! What other threads have to say to a loop.
//!
//! *Floor 4.* A list behind a mutex and a knock on the door: the kernel's notifier ends the wait,
//! the list says why. The knock is made once per emptying, so a thousand messages cost one write.

use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Notify, Response};
use crate::readiness::Token;

/// One message.
pub(super) enum Message {
    /// A sink or a stream has something again.
    Wake(Token),
    /// A job is done; `None` if it panicked.
    Answer(Token, Option<Box<Response>>),
    /// The next stretch of a file is in memory; `false` if it cannot be read.
    Warm(Token, bool),
    /// Stop accepting, finish what is in flight.
    Shutdown,
    /// Stop now.
    Abort,
}

/// The list of one loop.
pub(super) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    door: Arc<dyn Notify>,
}

impl Mailbox {
    pub(super) fn new(door: Arc<dyn Notify>) -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::default(),
            door,
        })
    }

    /// Leaves a message. May be called from any thread.
    pub(super) fn post(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(message);
        if messages.len() == 1 {
            self.door.notify(0);
        }
    }

    /// Takes all messages.
    pub(super) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notify for Mailbox {
    fn notify(&self, token: u64) {
        self.post(Message::Wake(Token(token)));
    }
}
