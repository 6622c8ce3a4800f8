//! Work that may wait: what a service hands to its driver instead of an answer.
//!
//! *Floor 3.* Knows that work can be short or long, alike or given up; does not know on which
//! thread it is done, nor in which order.

use super::Sink;
use crate::http::{OwnedRequest, Response};

/// A piece of work that ends in an answer. Any closure that makes one is a short piece.
pub trait Work: Send {
    /// Does it. Work that takes long looks at `gone` between its pieces, and stops when it must.
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome;

    /// Work with the same key is never done twice at the same time: the second begins when the
    /// first has ended, and may find in its service what that has made.
    fn key(&self) -> Option<u64> {
        None
    }

    /// Whether it writes to a disk: it is kept apart from what reads, which must not wait for it.
    fn writes(&self) -> bool {
        false
    }
}

/// Whether the client of the answer is gone. May cost a system call.
pub type Gone<'g> = dyn Fn() -> bool + 'g;

/// Work, as it is handed over.
pub type Job = Box<dyn Work>;

/// What came of a piece of work.
pub enum Outcome {
    /// The answer.
    Answer(Response),
    /// The request's content is received first, or received on.
    Receive(Box<dyn Sink>),
    /// It takes long (a big directory, a hash of gigabytes): this is to be done instead, where
    /// nothing short waits behind it.
    Long(Job),
    /// The service is to be asked once more: what its answer depends on is known now.
    Again(OwnedRequest),
    /// It was given up, as `gone` asked.
    Abandoned,
}

impl<F: FnOnce() -> Response + Send> Work for F {
    fn run(self: Box<Self>, _: &Gone<'_>) -> Outcome {
        Outcome::Answer(self())
    }
}

/// Does a job to its end, on this thread: what it came to is not [`Outcome::Long`].
pub fn run_to_end(mut job: Job, gone: &Gone<'_>) -> Outcome {
    loop {
        match job.run(gone) {
            Outcome::Long(rest) => job = rest,
            outcome => return outcome,
        }
    }
}

/// [`run_to_end`] of a job that makes an answer: `None` if it does not, or was given up.
pub fn finish(job: Job, gone: &Gone<'_>) -> Option<Response> {
    match run_to_end(job, gone) {
        Outcome::Answer(response) => Some(response),
        _ => None,
    }
}

/// The work of [`Sink::flush`].
pub struct Flush(pub Box<dyn Sink>);

impl Work for Flush {
    fn run(mut self: Box<Self>, _: &Gone<'_>) -> Outcome {
        match self.0.flush() {
            Ok(()) => Outcome::Receive(self.0),
            Err(response) => Outcome::Answer(response),
        }
    }

    fn writes(&self) -> bool {
        true
    }
}
