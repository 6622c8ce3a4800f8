//! What is still to be sent: encoded bytes, and behind them at most one body that stays where it
//! is.
//!
//! *Floor 1.* Small bodies are copied behind their heads, so that an answer, and a pipelined batch
//! of them, is one write. A larger body at hand is a second slice of the same write; a file is a
//! head with "more follows" and then sendfile(2); a stream is pulled a chunk at a time.
//!
//! Bytes handed out by [`Outbox::next_transmit`] neither move nor grow until some are reported
//! sent, so a driver may keep them referenced meanwhile.

use std::io::IoSlice;
use std::sync::Arc;

use super::CloseReason;
use super::fetch::{Fetch, Fetched};
use crate::http::{Body, Chunk, Chunks, Part, Source, Wake};

/// What may be handed to the kernel next.
pub enum Transmit<'c> {
    /// Bytes, in up to two pieces; with `more`, a file follows at once.
    Bytes {
        /// The pieces; the second may be empty.
        slices: [IoSlice<'c>; 2],
        /// Whether to hold the last segment back for what follows (MSG_MORE, send(2)).
        more: bool,
    },
    /// A stretch of a file.
    File {
        /// Where the bytes are.
        source: &'c dyn Source,
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Nothing, but a look before the close: would it destroy what is still under way?
    /// [`on_last_look`](super::Connection::on_last_look) is to be told.
    LastLook,
    /// Nothing but the end: close the sending half (shutdown(2)).
    Shutdown,
}

/// How much of a stream is kept encoded ahead of the socket.
const STREAM_AHEAD_BYTES: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` is sent.
    sent: usize,
    tail: Tail,
    /// Content of the present stream so far.
    streamed: u64,
}

/// A body too large to copy.
#[derive(Default)]
enum Tail {
    #[default]
    None,
    Slice(Slice, usize),
    File(Stretch),
    Parts(std::vec::IntoIter<Part>, Option<Stretch>),
    Stream {
        /// `None` while its next piece is made elsewhere.
        chunks: Option<Box<dyn Chunks>>,
        chunked: bool,
        pending: bool,
        /// A wake came while its next piece was made elsewhere: it may be about what came since.
        woken: bool,
    },
}

enum Slice {
    Static(&'static [u8]),
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Slice {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

struct Stretch {
    source: Arc<dyn Source>,
    offset: u64,
    left: u64,
    /// Its next bytes are being read elsewhere.
    fetching: bool,
}

impl Outbox {
    /// Where heads and small bodies are written.
    pub(super) const fn encode(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Exchanges the memory that is encoded into for another, unless something is in it. Whether it did.
    pub(super) fn exchange(&mut self, memory: &mut Vec<u8>) -> bool {
        debug_assert!(memory.is_empty(), "it would be sent");
        let is_free = self.bytes.is_empty();
        if is_free {
            std::mem::swap(&mut self.bytes, memory);
        }
        is_free
    }

    /// Encoded bytes that are not sent yet.
    pub(super) fn pending_bytes(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether a body is still behind the bytes.
    pub(super) const fn has_tail(&self) -> bool {
        !matches!(self.tail, Tail::None)
    }

    /// Whether there is nothing more to send.
    pub(super) fn is_empty(&self) -> bool {
        self.pending_bytes() == 0 && !self.has_tail()
    }

    /// Whether the body behind the bytes has nothing now, and its producer will say when there is more.
    const fn is_tail_pending(&self) -> bool {
        matches!(self.tail, Tail::Stream { pending: true, .. }) || self.is_fetching()
    }

    /// Whether a [`Fetch`] has been handed out.
    pub(super) const fn is_fetching(&self) -> bool {
        match &self.tail {
            Tail::File(stretch) | Tail::Parts(_, Some(stretch)) => stretch.fetching,
            Tail::Stream { chunks, .. } => chunks.is_none(),
            _ => false,
        }
    }

    /// The stream has something again.
    pub(super) const fn on_wake(&mut self) {
        if let Tail::Stream {
            chunks,
            pending,
            woken,
            ..
        } = &mut self.tail
        {
            *pending = false;
            *woken = chunks.is_none();
        }
    }

    /// Whether nothing can be sent because the body has nothing now.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending_bytes() == 0 && self.is_tail_pending()
    }

    /// Whether something could be sent if the socket took it.
    pub(super) fn is_sendable(&self) -> bool {
        self.pending_bytes() > 0 || (self.has_tail() && !self.is_tail_pending())
    }

    /// Adds a body behind the encoded bytes: copied if it is at most `inline_max`.
    #[inline]
    pub(super) fn push_body(&mut self, body: Body, inline_max: usize, chunked: bool) {
        debug_assert!(!self.has_tail(), "one body at a time");
        if let Some(small) = at_hand(&body).filter(|bytes| bytes.len() <= inline_max) {
            self.bytes.extend_from_slice(small);
            return;
        }
        self.tail = match body {
            Body::Empty => Tail::None,
            Body::Static(bytes) => Tail::Slice(Slice::Static(bytes), 0),
            Body::Owned(bytes) => Tail::Slice(Slice::Owned(bytes), 0),
            Body::Shared(bytes) => Tail::Slice(Slice::Shared(bytes), 0),
            Body::Range { len: 0, .. } => Tail::None,
            Body::Range {
                source,
                offset,
                len,
            } => Tail::File(Stretch {
                source,
                offset,
                left: len,
                fetching: false,
            }),
            Body::Parts(parts) => Tail::Parts(parts.into_iter(), None),
            Body::Stream(chunks) => {
                // One that failed was never asked for its sum.
                self.streamed = 0;
                Tail::Stream {
                    chunks: Some(chunks),
                    chunked,
                    pending: false,
                    woken: false,
                }
            }
        };
        self.next_part();
    }

    /// Moves on to the next stretch of a multipart body, encoding the framing before it.
    fn next_part(&mut self) {
        let Tail::Parts(parts, current) = &mut self.tail else {
            return;
        };
        while current.is_none() {
            match parts.next() {
                Some(Part::Bytes(bytes)) => self.bytes.extend_from_slice(&bytes),
                Some(Part::Range { len: 0, .. }) => {}
                Some(Part::Range {
                    source,
                    offset,
                    len,
                }) => {
                    *current = Some(Stretch {
                        source,
                        offset,
                        left: len,
                        fetching: false,
                    });
                }
                None => {
                    self.tail = Tail::None;
                    return;
                }
            }
        }
    }

    /// Whether [`Outbox::pull`] would do something.
    pub(super) const fn wants_pull(&self) -> bool {
        matches!(self.tail, Tail::Stream { pending: false, .. })
    }

    /// Content of a stream that has come to its end, counted once.
    pub(super) const fn take_streamed(&mut self) -> u64 {
        std::mem::replace(&mut self.streamed, 0)
    }

    /// Pulls chunks of a stream until enough is encoded, it has nothing now, or it ends. Returns
    /// how the stream ended, if it did.
    pub(super) fn pull(&mut self, wake: &Wake) -> Option<Result<(), CloseReason>> {
        while self.pending_bytes() < STREAM_AHEAD_BYTES {
            let Tail::Stream {
                chunks: Some(chunks),
                pending,
                ..
            } = &mut self.tail
            else {
                return None;
            };
            *pending = false;
            let chunk = chunks.next_chunk(wake);
            let is_pending = matches!(chunk, Chunk::Pending);
            let ended = self.take_chunk(chunk);
            if is_pending || ended.is_some() {
                return ended;
            }
        }
        None
    }

    /// Encodes what a stream had. How it ended, if it did.
    fn take_chunk(&mut self, chunk: Chunk) -> Option<Result<(), CloseReason>> {
        let Tail::Stream {
            chunked,
            pending,
            woken,
            ..
        } = &mut self.tail
        else {
            return None;
        };
        // PITFALL: the wake for more may be here before the word that there was no more
        // (`a_wake_that_overtakes_the_piece_is_not_lost`).
        let is_overtaken = std::mem::take(woken);
        match chunk {
            Chunk::Bytes(bytes) if bytes.is_empty() => {}
            Chunk::Bytes(bytes) => {
                self.streamed += bytes.len() as u64;
                match *chunked {
                    true => encode_chunk(&mut self.bytes, &bytes),
                    false => self.bytes.extend_from_slice(&bytes),
                }
            }
            Chunk::Pending => *pending = !is_overtaken,
            Chunk::End => {
                if *chunked {
                    self.bytes.extend_from_slice(b"0\r\n\r\n");
                }
                self.tail = Tail::None;
                return Some(Ok(()));
            }
            Chunk::Failed => {
                self.tail = Tail::None;
                return Some(Err(CloseReason::StreamFailed));
            }
        }
        None
    }

    /// The stream's next piece, to be made elsewhere, if it may wait and is wanted now.
    pub(super) fn fetch_chunk(&mut self) -> Option<Fetch> {
        let wanted = self.pending_bytes() < STREAM_AHEAD_BYTES;
        let Tail::Stream { chunks, .. } = &mut self.tail else {
            return None;
        };
        let may_wait = chunks.as_ref().is_some_and(|chunks| chunks.may_wait());
        let chunks = chunks.take_if(|_| wanted && may_wait)?;
        Some(Fetch::Chunk(chunks))
    }

    /// The file's next bytes, to be read elsewhere.
    pub(super) fn fetch_bytes(&mut self) -> Option<Fetch> {
        let (Tail::File(stretch) | Tail::Parts(_, Some(stretch))) = &mut self.tail else {
            return None;
        };
        stretch.fetching = true;
        Some(Fetch::Bytes {
            source: Arc::clone(&stretch.source),
            offset: stretch.offset,
            len: stretch.left,
        })
    }

    /// What was fetched is sent as if it had been there. How the body ended, if it did.
    pub(super) fn on_fetched(&mut self, fetched: Fetched) -> Option<Result<(), CloseReason>> {
        match (fetched, &mut self.tail) {
            (Fetched::Chunk(back, chunk), Tail::Stream { chunks, .. }) => {
                *chunks = Some(back);
                return self.take_chunk(chunk);
            }
            (Fetched::Bytes(bytes), Tail::File(stretch) | Tail::Parts(_, Some(stretch))) => {
                stretch.fetching = false;
                self.bytes.extend_from_slice(&bytes);
                self.advance_file(bytes.len());
            }
            (Fetched::Failed(_), Tail::None) => {}
            (Fetched::Failed(reason), _) => return Some(Err(reason)),
            // The answer was cut short meanwhile.
            _ => {}
        }
        None
    }

    /// `n` bytes of the present stretch are given away.
    fn advance_file(&mut self, n: usize) {
        match &mut self.tail {
            Tail::File(stretch) => {
                stretch.advance(n as u64);
                if stretch.left == 0 {
                    self.tail = Tail::None;
                }
            }
            Tail::Parts(_, current @ Some(_)) => {
                if let Some(stretch) = current {
                    stretch.advance(n as u64);
                    if stretch.left == 0 {
                        *current = None;
                        self.next_part();
                    }
                }
            }
            _ => debug_assert!(n == 0, "more sent than there was"),
        }
    }

    /// What may be sent next.
    #[inline]
    pub(super) fn next_transmit(&self) -> Option<Transmit<'_>> {
        let first = &self.bytes[self.sent..];
        let (second, stretch): (&[u8], _) = match &self.tail {
            Tail::Slice(slice, sent) => (&slice.as_bytes()[*sent..], None),
            Tail::File(stretch) | Tail::Parts(_, Some(stretch)) => (b"", Some(stretch)),
            _ => (b"", None),
        };
        let stretch = stretch.filter(|stretch| !stretch.fetching);
        if !first.is_empty() || !second.is_empty() {
            let more = stretch.is_some();
            let (first, second) = if first.is_empty() {
                (second, first)
            } else {
                (first, second)
            };
            return Some(Transmit::Bytes {
                slices: [IoSlice::new(first), IoSlice::new(second)],
                more,
            });
        }
        stretch.map(|s| Transmit::File {
            source: &*s.source,
            offset: s.offset,
            len: s.left,
        })
    }

    /// Counts `n` bytes as sent, in the order in which they were handed out.
    #[inline]
    pub(super) fn on_sent(&mut self, mut n: usize) {
        let of_bytes = n.min(self.pending_bytes());
        self.sent += of_bytes;
        n -= of_bytes;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= self.pending_bytes() {
            // PITFALL: a slow reader of a stream, or of pipelined answers, never lets it come to
            // "all are sent": there is always more behind. Moving no more than was sent costs at
            // most one copy per byte.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        match &mut self.tail {
            Tail::Slice(slice, sent) => {
                *sent += n;
                debug_assert!(*sent <= slice.as_bytes().len(), "more sent than there was");
                if *sent == slice.as_bytes().len() {
                    self.tail = Tail::None;
                }
            }
            _ => self.advance_file(n),
        }
    }

    /// Forgets the body behind the bytes: there will be no more of it.
    pub(super) fn drop_tail(&mut self) {
        self.tail = Tail::None;
    }

    /// Forgets everything that is not sent.
    pub(super) fn discard(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        self.tail = Tail::None;
    }

    /// Capacity kept for the next user.
    pub(super) fn shrink(&mut self, capacity_max: usize) {
        if self.bytes.capacity() > capacity_max {
            self.bytes = Vec::new();
        }
    }
}

impl Stretch {
    fn advance(&mut self, n: u64) {
        debug_assert!(n <= self.left, "more sent than there was");
        self.offset += n;
        self.left -= n.min(self.left);
    }
}

/// A body's bytes, if they are in memory.
fn at_hand(body: &Body) -> Option<&[u8]> {
    match body {
        Body::Empty => Some(b""),
        Body::Static(bytes) => Some(bytes),
        Body::Owned(bytes) => Some(bytes),
        Body::Shared(bytes) => Some(bytes),
        Body::Range { .. } | Body::Parts(_) | Body::Stream(_) => None,
    }
}

/// `chunk-size CRLF chunk-data CRLF` (RFC 9112 §7.1).
fn encode_chunk(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content without end.
    struct Endless;
    impl Chunks for Endless {
        fn next_chunk(&mut self, _: &Wake) -> Chunk {
            Chunk::Bytes(vec![b'x'; 8 * 1024])
        }
    }

    /// Content that may have to be waited for.
    struct Slow;
    impl Chunks for Slow {
        fn next_chunk(&mut self, _: &Wake) -> Chunk {
            Chunk::Pending
        }
        fn may_wait(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_wake_that_overtakes_the_piece_is_not_lost() {
        let mut outbox = Outbox::default();
        outbox.push_body(Body::Stream(Box::new(Slow)), 0, true);
        for woken in [true, false, true] {
            let Some(Fetch::Chunk(chunks)) = outbox.fetch_chunk() else {
                panic!("nothing is fetched");
            };
            if woken {
                outbox.on_wake();
            }
            outbox.on_fetched(Fetched::Chunk(chunks, Chunk::Pending));
            assert_eq!(outbox.wants_pull(), woken);
            assert_eq!(outbox.is_waiting(), !woken);
            outbox.on_wake();
        }
    }

    #[test]
    fn memory_with_something_in_it_is_not_exchanged() {
        let (mut outbox, mut memory) = (Outbox::default(), Vec::with_capacity(100));
        assert!(outbox.exchange(&mut memory));
        assert_eq!(memory.capacity(), 0);
        outbox.push_body(Body::Static(b"answer"), 100, false);
        for sent in [2, 4] {
            assert!(!outbox.exchange(&mut memory));
            assert_eq!((memory.len(), memory.capacity()), (0, 0));
            outbox.on_sent(sent);
        }
        assert!(outbox.exchange(&mut memory));
        assert_eq!((memory.len(), memory.capacity()), (0, 100));
    }

    /// A reader that takes a little at a time, and never all there is.
    #[test]
    fn what_a_slow_reader_has_taken_is_not_kept() {
        for taken in [1_000, 20_000] {
            let mut outbox = Outbox::default();
            outbox.push_body(Body::Stream(Box::new(Endless)), 0, true);
            for _ in 0..1_000 {
                assert!(outbox.pull(&Wake::noop()).is_none());
                outbox.on_sent(taken);
                assert!(outbox.pending_bytes() > 0, "it is never all");
            }
            let kept = outbox.bytes.capacity();
            assert!(kept <= 5 * STREAM_AHEAD_BYTES, "{taken}: {kept} bytes");
        }
    }
}
