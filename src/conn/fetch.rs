//! What is had elsewhere: pieces of an answer that may have to wait for a disk.
//!
//! *Floor 1.* Names what is wanted and takes what came of it; does not know on which thread that
//! happens, nor how much is read at once.
//!
//! The idea: a loop may not wait, and some file systems cannot say whether a read would (FUSE, NFS,
//! overlayfs). So a piece is read where waiting is allowed, and handed over as bytes: one piece per
//! connection at a time, which bounds what a slow client makes us keep.

use std::sync::Arc;

use super::CloseReason;
use crate::http::{Chunk, Chunks, Source};

/// A piece that is wanted.
pub enum Fetch {
    /// Some of the next `len` bytes of a file.
    Bytes {
        /// Where they are.
        source: Arc<dyn Source>,
        /// The first one.
        offset: u64,
        /// How many are still to be sent.
        len: u64,
    },
    /// The next chunk of a stream.
    Chunk(Box<dyn Chunks>),
}

/// What came of it.
pub enum Fetched {
    /// Bytes of the file, at least one.
    Bytes(Vec<u8>),
    /// The stream, and what it had.
    Chunk(Box<dyn Chunks>, Chunk),
    /// Nothing: the answer must end.
    Failed(CloseReason),
}
