//! What content goes through on its way to a file, whatever request carries it.
//!
//! *Floor 3.* Runs where waiting is allowed; does not know which thread that is.
//!
//! A [`Buffered`] sink takes what has come until its buffer is full. Then the driver calls
//! [`Sink::flush`] elsewhere, and only there anything is looked at, hashed or written: one buffer
//! per upload, whatever its size, and nothing is shared that would need a lock.
//!
//! Not by splice(2) from the socket to the file: bytes that never are in our memory cannot be hashed,
//! and reading them back costs the copy that was saved. Without the hash it would be worth it: 0.86
//! instead of 1.13 CPU seconds for a GiB on tmpfs, 0.76 instead of 1.69 on ext4, for what receives
//! (medians of three, 256 KiB at a time against a pipe of 1 MiB, loopback, a busy machine).

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::store::{Destination, Failure, Store, Unnamed};
use crate::http::{Response, Wake};
use crate::service::opening::load::write_elsewhere;
use crate::service::work::{Gone, Outcome, Work};
use crate::service::{Flow, Reply, Sink};

/// What an upload holds in memory.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where content goes, on a thread that may wait.
pub(super) trait Receiver: Send + 'static {
    /// The most content it takes.
    fn bytes_max(&self) -> u64;

    /// Whether the file may be read while it comes.
    fn can_be_followed(&self) -> bool;

    /// Whether what has come is to be gone on with, where the rest does not come.
    fn outlives_its_connection(&self) -> bool;

    /// More of the content.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Response>;

    /// That was all of it.
    fn finish(self) -> Response;
}

/// A receiver and what has come for it. `None` once that is elsewhere.
pub(super) struct Buffered<R: Receiver>(Option<Received<R>>);

impl<R: Receiver> Buffered<R> {
    pub(super) fn sink(receiver: R) -> Box<dyn Sink> {
        let buffer = Vec::new();
        Box::new(Self(Some(Received { buffer, receiver })))
    }
}

/// PITFALL: on a loop, where nothing waits for a disk; and what has come is not lost with its connection
/// (`what_has_come_is_kept_however_little_it_is`).
impl<R: Receiver> Drop for Buffered<R> {
    fn drop(&mut self) {
        let left = |content: &mut Received<R>| {
            !content.buffer.is_empty() && content.receiver.outlives_its_connection()
        };
        if let Some(content) = self.0.take_if(left) {
            write_elsewhere(Unflushed(content));
        }
    }
}

impl<R: Receiver> Sink for Buffered<R> {
    fn bytes_max(&self) -> Option<u64> {
        let content = self.0.as_ref()?;
        Some(content.receiver.bytes_max())
    }

    fn write(&mut self, chunk: &[u8], _: &Wake) -> Result<Flow, Response> {
        let Some(content) = &mut self.0 else {
            return Ok(Flow::Taken(chunk.len()));
        };
        let taken = chunk.len().min(BUFFER_BYTES - content.buffer.len());
        content.buffer.extend_from_slice(&chunk[..taken]);
        Ok(match taken {
            0 => Flow::Full(0),
            // Who reads it meanwhile gets what there is, and not only whole buffers; nor is anybody told
            // who begins to read when nothing comes.
            taken if content.receiver.can_be_followed() => Flow::Full(taken),
            taken => Flow::Taken(taken),
        })
    }

    fn flush(&mut self) -> Result<(), Response> {
        self.0.as_mut().map_or(Ok(()), Received::flush)
    }

    fn finish(self: Box<Self>) -> Reply {
        Reply::Later(Box::new(Finish(*self)))
    }
}

/// What has come, and where it goes.
struct Received<R> {
    buffer: Vec<u8>,
    receiver: R,
}

impl<R: Receiver> Received<R> {
    fn flush(&mut self) -> Result<(), Response> {
        let mut bytes = std::mem::take(&mut self.buffer);
        // Whatever becomes of it, it is not there to be taken twice.
        self.receiver.take(&bytes)?;
        bytes.clear();
        self.buffer = bytes;
        Ok(())
    }
}

/// Is flushed where it is dropped.
struct Unflushed<R: Receiver>(Received<R>);

impl<R: Receiver> Drop for Unflushed<R> {
    fn drop(&mut self) {
        // Nobody is there to be told.
        let _ = self.0.flush();
    }
}

/// The last of the content, and the answer. Not run, because its client is gone, it is dropped as the
/// sink is.
struct Finish<R: Receiver>(Buffered<R>);

impl<R: Receiver> Work for Finish<R> {
    fn run(mut self: Box<Self>, _: &Gone<'_>) -> Outcome {
        let Some(mut content) = self.0.0.take() else {
            return Outcome::Abandoned;
        };
        Outcome::Answer(match content.flush() {
            Ok(()) => content.receiver.finish(),
            Err(response) => response,
        })
    }

    fn writes(&self) -> bool {
        true
    }
}

/// A file that is being received, and the hash of what has come.
pub(super) struct Incoming {
    pub(super) file: Unnamed,
    hash: Sha256,
}

impl Incoming {
    pub(super) fn begin(store: &Arc<Store>, place: Destination) -> Result<Self, Failure> {
        Ok(Self {
            file: store.begin(place)?,
            hash: Sha256::new(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.file.write(bytes)
    }

    /// The file, and the digest of all of it.
    pub(super) fn end(self) -> (Unnamed, [u8; 32]) {
        (self.file, self.hash.finalize().into())
    }
}

pub(super) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// The folder and the name in it.
pub(super) fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}
