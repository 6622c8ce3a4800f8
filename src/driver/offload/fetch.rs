//! Pieces of answers, read where waiting is allowed.
//!
//! *Floor 4.* Knows how much is read at once; runs on a thread of `mod.rs`.
//!
//! *References:* pread(2), preadv2(2) `RWF_NOWAIT`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::conn::{CloseReason, Fetch, Fetched};
use crate::http::{Source, Wake};

/// How much of a file is handed over at a time: what a client that stops reading makes us keep.
const PIECE_BYTES: usize = 128 * 1024;

/// How much more is brought into the page cache, where that can be seen and used by sendfile(2): as
/// much as it is asked to move at once.
const AHEAD_BYTES: usize = 1024 * 1024;

/// Reads or makes a piece; `wake` is for a stream that has none yet. A panic in foreign code costs its answer, not the server.
pub(crate) fn fetch(what: Fetch, wake: &Wake) -> Fetched {
    match what {
        Fetch::Bytes {
            source,
            offset,
            len,
        } => {
            let read = catch_unwind(AssertUnwindSafe(|| bytes(&*source, offset, len)));
            match read {
                Ok(Ok(bytes)) if !bytes.is_empty() => Fetched::Bytes(bytes),
                _ => Fetched::Failed(CloseReason::SourceEnded),
            }
        }
        Fetch::Chunk(mut chunks) => {
            let made = catch_unwind(AssertUnwindSafe(|| {
                let chunk = chunks.next_chunk(wake);
                (chunks, chunk)
            }));
            made.map_or(Fetched::Failed(CloseReason::Panicked), |(chunks, chunk)| {
                Fetched::Chunk(chunks, chunk)
            })
        }
    }
}

fn bytes(source: &dyn Source, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(len).unwrap_or(usize::MAX);
    let mut piece = vec![0; wanted.min(PIECE_BYTES)];
    let taken = loop {
        match source.read_at(&mut piece, offset) {
            // FUSE servers may say so of a read that a signal to this process has met.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    piece.truncate(taken);
    if source.can_tell() {
        read_ahead(source, offset + taken as u64, wanted - taken);
    }
    Ok(piece)
}

/// The bytes are thrown away: what counts is that they were read.
fn read_ahead(source: &dyn Source, offset: u64, len: usize) {
    let mut buffer = vec![0; len.min(AHEAD_BYTES)];
    // What cannot be read now will be missed when it is its turn.
    let _ = source.read_at(&mut buffer, offset);
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    /// Says so often that a signal came in between.
    struct Interrupted(AtomicU32);

    impl Source for Interrupted {
        fn len(&self) -> u64 {
            3
        }
        fn read_at(&self, into: &mut [u8], _: u64) -> io::Result<usize> {
            if self.0.load(Relaxed) > 0 {
                self.0.fetch_sub(1, Relaxed);
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(b"abc"
                .iter()
                .zip(into)
                .map(|(byte, at)| *at = *byte)
                .count())
        }
        fn as_fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }

    #[test]
    fn a_signal_ends_no_answer() {
        let what = Fetch::Bytes {
            source: Arc::new(Interrupted(AtomicU32::new(2))),
            offset: 0,
            len: 3,
        };
        assert!(matches!(fetch(what, &Wake::noop()), Fetched::Bytes(bytes) if bytes == b"abc"));
    }
}
