//! What is served: a request in, an answer out.
//!
//! *Floor 3.* Knows files and HTTP's semantics; does not know sockets, readiness or which of the
//! six backends carries it. Each loop owns a service of its own, so a service needs no locks.

mod archive;
mod auth;
mod calendar;
mod fields;
mod files;
mod inline;
pub mod listing;
mod markdown;
mod mime;
mod opening;
mod options;
pub mod pages;
mod policy;
mod protected;
mod reload;
mod routing;
mod upload;
mod work;

pub use auth::{BasicAuth, Passwords, Users, hash_password};
pub use files::Files;
pub use files::tally::{CacheTallies, CacheTally};
pub use opening::load::{Slow, close_with};
pub use options::{
    EtagMode, FieldLine, FilesConfig, HeaderRule, OnConflict, PathGlob, Symlinks, UploadConfig,
};
pub use protected::{ProtectedGlob, ProtectedPaths};
pub use reload::{Change, LiveReload, ReloadedPages, TreeWatcher};
pub use routing::{Decoration, Hello, HostName, Hosts, Router, hello};
pub use upload::{UploadDirectory, UploadTallies, UploadTally, Uploads};
pub use work::{Flush, Gone, Job, Outcome, Work, finish, run_to_end};

use crate::http::{Request, Response, Tick, Wake};

/// Answers requests. One per loop: its cache is its own.
pub trait Service: Send + 'static {
    /// Answers one request, or says how the answer will be made.
    ///
    /// Called on the loop's own thread: what may wait (a disk, a lookup, a computation of more
    /// than a millisecond) belongs into [`Reply::Later`].
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply;

    /// Closes the descriptors that it keeps only to be faster; whether there were any. Called when
    /// one is missing elsewhere.
    fn release_descriptors(&mut self) -> bool {
        false
    }
}

impl<F> Service for F
where
    F: FnMut(&Request<'_>, &Tick) -> Reply + Send + 'static,
{
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        self(request, now)
    }
}

impl Service for Box<dyn Service> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        (**self).call(request, now)
    }

    fn release_descriptors(&mut self) -> bool {
        (**self).release_descriptors()
    }
}

/// How a request is answered.
pub enum Reply {
    /// At once. A request body that is not wanted is drained if it is small; otherwise the
    /// connection closes behind the answer.
    Now(Response),
    /// By work that may wait: the driver decides on which thread it runs.
    Later(Job),
    /// After the request's body has been received.
    Receive(Box<dyn Sink>),
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::Now(response)
    }
}

/// What services count, for metrics.
#[derive(Clone, Default, Debug)]
pub struct Tallies {
    /// Those of [`Files::cache_tallies`].
    pub caches: CacheTallies,
    /// Those of [`UploadDirectory::tallies`].
    pub uploads: UploadTallies,
}

/// How much of a chunk a sink took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// So many bytes; the rest is offered again.
    Taken(usize),
    /// None now, until the sink wakes us. Meanwhile the client is read from only until the inbox of
    /// its connection is full.
    Busy,
    /// So many bytes, and none before [`Sink::flush`] has been called, where waiting is allowed. Until
    /// then the client is read from only until the inbox of its connection is full, which is how a
    /// slow disk becomes backpressure for the client.
    Full(usize),
}

/// A request body's destination.
pub trait Sink: Send {
    /// The most content it takes, where that is not the limit of all requests (`--max-body`).
    /// More is answered 413, and so is a `Content-Length` that announces more.
    fn bytes_max(&self) -> Option<u64> {
        None
    }

    /// Offers content. It has been de-chunked, and its total is within the limit.
    ///
    /// # Errors
    /// A final answer that ends the upload early; the rest of the body is not read.
    fn write(&mut self, chunk: &[u8], wake: &Wake) -> Result<Flow, Response>;

    /// Does what it said by [`Flow::Full`]; may wait for a disk.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    fn flush(&mut self) -> Result<(), Response> {
        Ok(())
    }

    /// The body is complete.
    fn finish(self: Box<Self>) -> Reply;
}
