//! What an answer carries: bytes at hand, a stretch of a file, parts of both, or a stream.
//!
//! *Floor 0.* Knows lengths and where bytes come from; does not know sockets, and never reads a
//! file itself: a [`Source`] is handed down to the floor that owns the descriptor and sendfile(2).

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// The bytes of one representation, as an open file has them.
///
/// A source never changes its promise: [`Source::len`] is what `fstat` said when it was opened.
/// If the file is shorter by the time it is read, `read_at` returns 0 early and the connection
/// closes, because the length already sent cannot be taken back.
pub trait Source: Send + Sync {
    /// Length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Whether the source had no bytes when it was opened.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at `offset` without moving any cursor (pread(2)); 0 means the end.
    ///
    /// # Errors
    /// What pread(2) reports.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The descriptor sendfile(2) may use, if there is one.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Whether `len` bytes at `offset` are likely to be in memory, so that reading them now would
    /// not wait for a disk. Where nothing is known, `false`.
    fn is_resident(&self, offset: u64, len: usize) -> bool {
        let _ = (offset, len);
        true
    }

    /// Whether [`Source::is_resident`] can become true by reading: then bytes are read ahead into
    /// the page cache. Elsewhere (a file system of another process or machine, one without
    /// `RWF_NOWAIT`) no more is read than is handed over.
    fn can_tell(&self) -> bool {
        true
    }
}

/// One stretch of a [`Body::Parts`]: framing bytes or a range of a source.
pub enum Part {
    /// Bytes made for this answer: a multipart boundary and its fields.
    Bytes(Vec<u8>),
    /// `len` bytes of `source` from `offset`.
    Range {
        /// Where the bytes are.
        source: Arc<dyn Source>,
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
    },
}

impl Part {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range { len, .. } => *len,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The content of an answer.
#[derive(Default)]
pub enum Body {
    /// No content: `Content-Length: 0` unless the status forbids even that.
    #[default]
    Empty,
    /// Bytes compiled into the program.
    Static(&'static [u8]),
    /// Bytes made for this answer.
    Owned(Vec<u8>),
    /// Bytes shared with a cache: sending them copies at most once, small ones behind the head.
    Shared(Arc<[u8]>),
    /// `len` bytes of `source` from `offset`, sent by sendfile(2) where it has a descriptor.
    Range {
        /// Where the bytes are.
        source: Arc<dyn Source>,
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// multipart/byteranges: bytes and ranges in turn, nothing built in memory.
    Parts(Vec<Part>),
    /// Made while it is sent: huge listings, archives, server-sent events. Sent chunked, or
    /// delimited by the close for an HTTP/1.0 client (RFC 9112 §6.3 rule 8).
    Stream(Box<dyn Chunks>),
}

impl Body {
    /// Length in bytes; `None` for a stream, which does not know it.
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Static(bytes) => Some(bytes.len() as u64),
            Self::Owned(bytes) => Some(bytes.len() as u64),
            Self::Shared(bytes) => Some(bytes.len() as u64),
            Self::Range { len, .. } => Some(*len),
            Self::Parts(parts) => Some(parts.iter().map(Part::len).sum()),
            Self::Stream(_) => None,
        }
    }

    /// Whether there is certainly nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            Some(len) => write!(f, "Body({len} bytes)"),
            None => write!(f, "Body(stream)"),
        }
    }
}

/// A producer of content whose length is not known beforehand. Dropping it cancels it.
pub trait Chunks: Send {
    /// The next piece. A producer that must wait returns [`Chunk::Pending`] and keeps a clone of
    /// `wake`, to be used once when there is more.
    fn next_chunk(&mut self, wake: &Wake) -> Chunk;

    /// Whether making a piece may wait for a disk. A loop then has it made on another thread, one
    /// piece at a time.
    fn may_wait(&self) -> bool {
        false
    }
}

/// What a producer has now.
pub enum Chunk {
    /// Some content; an empty one is skipped (an empty chunk would end the body on the wire).
    Bytes(Vec<u8>),
    /// Nothing yet: the producer will [`Wake::wake`].
    Pending,
    /// The content is complete.
    End,
    /// The content cannot be completed: the connection closes without the last chunk, so that the
    /// client sees a truncated body and not a short one.
    Failed,
}

/// Who is to be told when work elsewhere has something for a connection.
pub trait Notify: Send + Sync {
    /// May be called from any thread, any number of times.
    fn notify(&self, token: u64);
}

/// The way back from another thread to one connection of one event loop.
///
/// Cheap to clone and harmless when late: the token carries a generation, so a wake for a
/// connection that is gone has no effect.
#[derive(Clone)]
pub struct Wake {
    notify: Arc<dyn Notify>,
    token: u64,
}

impl Wake {
    /// A handle that reports `token` to `notify`.
    pub fn new(notify: Arc<dyn Notify>, token: u64) -> Self {
        Self { notify, token }
    }

    /// A handle that does nothing, for drivers that may simply ask again, and for tests.
    pub fn noop() -> Self {
        struct NoNotify;
        impl Notify for NoNotify {
            fn notify(&self, _: u64) {}
        }
        Self::new(Arc::new(NoNotify), 0)
    }

    /// Asks the loop to look at the connection again.
    pub fn wake(&self) {
        self.notify.notify(self.token);
    }
}
