//! Work that may wait: what a service hands to its driver instead of an answer.
//!
//! *Floor 3.* Knows that work can be short or long, alike or given up; does not know on which
//! thread it is done, nor in which order.
//!
//! *Read next:* `files/miss.rs`, the file service's; `driver/offload/mod.rs`, who does it.

use crate::http::Response;

/// A piece of work that ends in an answer. Any closure that makes one is a short piece.
pub trait Work: Send {
    /// Does it. Work that takes long looks at `gone` between its pieces, and stops when it must.
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome;

    /// Work with the same key is never done twice at the same time: the second begins when the
    /// first has ended, and may find in its service what that has made.
    fn key(&self) -> Option<u64> {
        None
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
    /// It takes long (a big directory, a hash of gigabytes): this is to be done instead, where
    /// nothing short waits behind it.
    Long(Job),
    /// It was given up, as `gone` asked.
    Abandoned,
}

impl<F: FnOnce() -> Response + Send> Work for F {
    fn run(self: Box<Self>, _: &Gone<'_>) -> Outcome {
        Outcome::Answer(self())
    }
}

/// Does a job to its end, on this thread: `None` if it was given up.
pub fn finish(mut job: Job, gone: &Gone<'_>) -> Option<Response> {
    loop {
        match job.run(gone) {
            Outcome::Answer(response) => return Some(response),
            Outcome::Long(rest) => job = rest,
            Outcome::Abandoned => return None,
        }
    }
}
