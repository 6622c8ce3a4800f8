//! What a connection borrows while it owes something.
//!
//! *Floor 1.* An idle keep-alive connection has none of this: the loop lends a set before bytes
//! come in and takes it back when nothing is owed, so 10,000 idle clients cost no buffers.

use std::collections::VecDeque;
use std::time::Instant;

use super::outbox::Outbox;
use super::{CloseReason, Finished};
use crate::http::framing::{BodyLength, ChunkDecoder, Chunked};
use crate::http::scan::HeadScan;
use crate::http::{Head, LastSection, ProtocolError, Response, Tick};

/// Capacity of the vectors that is kept from one use to the next.
const KEPT_CAPACITY_MAX: usize = 32 * 1024;

/// How much of a line that is no request line is worth logging.
pub(super) const LOGGED_LINE_MAX: usize = 256;

/// Everything a connection needs between a first byte and a last acknowledgement.
#[derive(Default)]
pub struct Buffers {
    pub(super) inbox: Inbox,
    pub(super) scan: HeadScan,
    /// Length of a head just taken from the inbox and not yet accepted.
    pub(super) refusable: usize,
    pub(super) head: Head,
    /// The header section read last, by whichever connection had these buffers.
    pub(super) last_section: LastSection,
    pub(super) body: BodyReader,
    pub(super) outbox: Outbox,
    /// An answer that waits until its request's content has been drained.
    pub(super) held: Option<Response>,
    /// Why the connection will close once the outbox is empty.
    pub(super) ending: Option<CloseReason>,
    pub(super) writes: WriteProgress,
    pub(super) answers: Answers,
}

impl Buffers {
    /// Makes the set as good as new, keeping what capacity is worth keeping. Every request pays
    /// for this, so what the next head sets anyway is left: `head`, `body`. So is `last_section`, on
    /// purpose.
    pub(super) fn reset(&mut self) {
        debug_assert!(self.answers.queue.is_empty(), "answers not reported");
        self.inbox.clear();
        if self.inbox.bytes.capacity() > KEPT_CAPACITY_MAX {
            self.inbox.bytes = Vec::new();
        }
        self.scan = HeadScan::default();
        self.refusable = 0;
        self.outbox.discard();
        self.outbox.shrink(KEPT_CAPACITY_MAX);
        self.held = None;
        self.ending = None;
        self.writes = WriteProgress::default();
        self.answers.current = None;
    }
}

/// Bytes taken from the kernel and not yet understood.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Inbox {
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes behind the unread ones, moving those to the front if that makes room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() {
            self.clear();
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Marks `n` bytes as understood. They stay where they are until the next
    /// [`Inbox::push`], because a request may still be borrowed from them.
    pub(super) fn take(&mut self, n: usize) {
        debug_assert!(n <= self.len(), "more taken than there was");
        self.taken += n;
    }

    /// The `n` bytes taken last.
    pub(super) fn taken_last(&self, n: usize) -> &[u8] {
        &self.bytes[self.taken - n..self.taken]
    }

    /// The first line of a head that was refused: either still unread, or taken but not answered.
    pub(super) fn line_of_refused(&self, taken: usize) -> &[u8] {
        let mut whole = if taken > 0 {
            self.taken_last(taken)
        } else {
            self.unread()
        };
        // Empty lines may come before a request line (RFC 9112 §2.2).
        while let Some(behind) = whole.strip_prefix(b"\r\n") {
            whole = behind;
        }
        let is_end = |b: &u8| matches!(b, b'\r' | b'\n');
        let line = whole.split(is_end).next().unwrap_or_default();
        &line[..line.len().min(LOGGED_LINE_MAX)]
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }
}

/// Follows a request's content through the inbox.
#[derive(Clone, Copy, Default)]
pub(super) struct BodyReader {
    left: Left,
    /// Content taken so far.
    pub(super) total: u64,
    /// How much of it there may be (413).
    pub(super) bytes_max: u64,
    /// Of it, content that was discarded.
    pub(super) drained: u64,
    /// Content that came since the mark of the body time-out.
    pub(super) window: u64,
    /// Whether the sink asked us to stop offering.
    pub(super) blocked: bool,
    /// Whether the client waits for `100 Continue` before it sends.
    pub(super) awaits_continue: bool,
}

#[derive(Clone, Copy, Default)]
enum Left {
    #[default]
    Nothing,
    Bytes(u64),
    Chunks(ChunkDecoder),
}

/// What stands at the front of the inbox while content is received.
pub(super) enum NextContent {
    NeedBytes,
    Data(usize),
    End,
}

impl BodyReader {
    pub(super) fn new(length: BodyLength, extra_bytes_max: usize, awaits_continue: bool) -> Self {
        let left = match length {
            BodyLength::None | BodyLength::Exactly(0) => Left::Nothing,
            BodyLength::Exactly(n) => Left::Bytes(n),
            BodyLength::Chunked => Left::Chunks(ChunkDecoder::new(extra_bytes_max)),
        };
        let awaits_continue = awaits_continue && !matches!(left, Left::Nothing);
        Self {
            left,
            awaits_continue,
            ..Self::default()
        }
    }

    /// Whether content is still to come.
    pub(super) const fn is_pending(&self) -> bool {
        !matches!(self.left, Left::Nothing)
    }

    /// Bytes still to come, if they are known.
    pub(super) const fn known_left(&self) -> Option<u64> {
        match self.left {
            Left::Nothing => Some(0),
            Left::Bytes(n) => Some(n),
            Left::Chunks(_) => None,
        }
    }

    /// Reads framing from the inbox up to the next content.
    pub(super) fn next(&mut self, inbox: &mut Inbox) -> Result<NextContent, ProtocolError> {
        match &mut self.left {
            Left::Nothing => Ok(NextContent::End),
            Left::Bytes(_) if inbox.is_empty() => Ok(NextContent::NeedBytes),
            Left::Bytes(n) => {
                let here = usize::try_from(*n).unwrap_or(usize::MAX).min(inbox.len());
                Ok(NextContent::Data(here))
            }
            Left::Chunks(decoder) => {
                let (framing, found) = decoder.decode(inbox.unread())?;
                inbox.take(framing);
                Ok(match found {
                    Chunked::NeedBytes => NextContent::NeedBytes,
                    Chunked::Data(n) => NextContent::Data(n),
                    Chunked::End => {
                        self.left = Left::Nothing;
                        NextContent::End
                    }
                })
            }
        }
    }

    /// Counts `n` bytes of content as taken.
    pub(super) fn take(&mut self, n: usize) {
        self.total += n as u64;
        match &mut self.left {
            Left::Nothing => debug_assert!(n == 0, "content after its end"),
            Left::Bytes(left) => {
                *left -= n as u64;
                if *left == 0 {
                    self.left = Left::Nothing;
                }
            }
            Left::Chunks(decoder) => decoder.take(n),
        }
    }

    /// Content that the client has announced to send in any case: what counts against the limit
    /// before it is here.
    pub(super) fn announced(&self) -> u64 {
        match &self.left {
            Left::Nothing => self.total,
            Left::Bytes(n) => self.total.saturating_add(*n),
            Left::Chunks(decoder) => self.total.saturating_add(decoder.announced()),
        }
    }
}

/// Whether the reader at the other end takes anything.
#[derive(Clone, Copy, Default)]
pub(super) struct WriteProgress {
    /// Bytes given to the kernel.
    pub(super) sent: u64,
    /// Of these, acknowledged when we last looked; negative while older answers are not.
    last_acknowledged: Option<i128>,
    /// Then all was, and no more has been given since.
    took_all: bool,
    /// When that last grew, or the reader's time began.
    pub(super) since: Option<Instant>,
    /// When to look next.
    pub(super) check: Option<Instant>,
    /// From where its rate is measured: the first look since the present answers began, and what
    /// had been acknowledged then.
    pub(super) mark: Option<(Instant, i128)>,
}

impl WriteProgress {
    /// Bytes acknowledged so far. Signed: the kernel may still hold answers from before these
    /// buffers were lent.
    pub(super) fn acknowledged(&self, unacknowledged: usize) -> i128 {
        i128::from(self.sent) - unacknowledged as i128
    }

    /// The first bytes of a batch are about to be encoded: the reader's time begins.
    ///
    /// PITFALL: what it owes from before is not known without a look, and a look at every answer
    /// would cost a system call each. So it is not taken to be nothing: the kernel may hold
    /// megabytes (`answers_from_before_do_not_make_a_reader_slow`).
    pub(super) fn begin(&mut self, now: &Tick) {
        self.since = Some(now.instant);
        self.check = None;
        self.mark = None;
    }

    /// The kernel took `n` bytes.
    ///
    /// PITFALL: that is no progress of the reader's. A send buffer that was full takes more at every
    /// look, because it has grown or was never quite full (`a_socket_that_takes_more_proves_nothing`).
    /// Only one who had taken all that there was gets his time anew.
    pub(super) fn on_sent(&mut self, n: usize, now: &Tick) {
        if self.took_all {
            self.took_all = false;
            self.since = Some(now.instant);
        }
        self.sent += n as u64;
    }

    /// A look at what the kernel holds. Whether more is acknowledged than at the last one, or at
    /// least may be: what was taken before the first look is not known.
    pub(super) fn look(&mut self, now: &Tick, unacknowledged: usize) -> bool {
        let acknowledged = self.acknowledged(unacknowledged);
        self.took_all = unacknowledged == 0;
        self.mark.get_or_insert((now.instant, acknowledged));
        let before = self.last_acknowledged.replace(acknowledged);
        before.is_none_or(|before| acknowledged > before)
    }
}

/// Answers on their way out, for access lines: empty unless those are wanted.
#[derive(Default)]
pub(super) struct Answers {
    /// The request being answered.
    pub(super) current: Option<Finished>,
    /// Answers whose content begins and ends at these positions of all bytes sent; where a stream
    /// ends is not known yet.
    pub(super) queue: VecDeque<(u64, Option<u64>, Finished)>,
}
