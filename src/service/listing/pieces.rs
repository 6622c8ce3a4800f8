//! A listing while it is sent: made a piece at a time, from packed names, and from the directory where
//! those are not all.
//!
//! *Floor 3.* Knows how much is made at once; does not know who takes it, nor when.

use std::sync::Arc;

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::directory::Directory;
use super::names::Names;
use super::query::PageStart;
use super::render::Page;
use super::selection::{NamesRoom, Selection};
use crate::http::{Body, Chunk, Chunks, Wake};
use crate::service::opening::meta::format_etag;

/// How much is made at a time: what waits for a slow client is its names and a few of these. A row
/// more, and what one page has around its rows, may come on top.
pub(super) const PIECE_BYTES: usize = 16 * 1024;

/// Up to so many bytes a listing is made whole, and leaves with its length and in one write: some
/// 400 rows of HTML.
const WHOLE_BYTES_MAX: usize = 128 * 1024;

/// How often a directory is read (8 KiB each time) before others have their turn.
const READS_AT_ONCE: usize = 8;

pub(super) struct Pieces {
    page: Page,
    /// Shared with other clients of the same listing.
    names: Arc<Names>,
    /// The name that comes next.
    next: usize,
    rest: Remainder,
    begun: bool,
    ended: bool,
}

/// What comes behind the names.
pub(super) enum Remainder {
    Nothing,
    /// Further names of this directory, as many at a time as there is room for.
    Further(Directory, NamesRoom),
    /// Nothing, but what is known of the names is still to be found out.
    Last(Directory),
    /// They are being selected.
    Selecting(Box<Selection>, NamesRoom),
}

impl Pieces {
    pub(super) fn new(page: Page, names: Arc<Names>, rest: Remainder) -> Self {
        Self {
            page,
            names,
            next: 0,
            rest,
            begun: false,
            ended: false,
        }
    }

    /// All of it if that is little, else a stream of it; with its entity tag, which is strong: a
    /// hash of all that is sent (RFC 9110 §8.8.1) or, where that is not made yet, of what it
    /// depends on: how the page looks, from its beginning and its end, and the names' `digest`.
    ///
    /// There is no rest.
    pub(super) fn into_body(mut self, digest: [u8; 32]) -> (Body, Box<str>) {
        let mut whole = Vec::new();
        // Only a directory can fail, and its names are here already.
        while let Ok(Some(piece)) = self.piece() {
            whole.extend_from_slice(&piece);
            if whole.len() > WHOLE_BYTES_MAX {
                whole.extend_from_slice(&digest);
                self.page.tail(&mut whole);
                let etag = etag_of(&whole);
                let again = Self::new(self.page, self.names, self.rest);
                return (Body::Stream(Box::new(again)), etag);
            }
        }
        let etag = etag_of(&whole);
        (Body::Owned(whole), etag)
    }

    /// The next piece, which may be empty; `None` at the end.
    fn piece(&mut self) -> Result<Option<Vec<u8>>, Errno> {
        if self.ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if !self.begun {
            self.begun = true;
            self.page.head(&mut out);
        }
        while self.next < self.names.len() && out.len() < PIECE_BYTES {
            self.row(&mut out);
        }
        if self.next == self.names.len() {
            self.go_on()?;
        }
        if self.ended {
            self.page.tail(&mut out);
        }
        Ok(Some(out))
    }

    fn row(&mut self, out: &mut Vec<u8>) {
        let mut entry = self.names.entry(self.next);
        self.next += 1;
        if let (Remainder::Further(directory, _) | Remainder::Last(directory), Some(short)) =
            (&self.rest, entry)
            && self.page.shows_meta()
            && short.meta.is_none()
        {
            entry = directory.complete(short);
        }
        if let Some(entry) = entry {
            self.page.row(&entry, out);
        }
    }

    /// Behind the last name: a bounded step towards those that follow it.
    fn go_on(&mut self) -> Result<(), Errno> {
        match std::mem::replace(&mut self.rest, Remainder::Nothing) {
            Remainder::Nothing | Remainder::Last(_) => self.ended = true,
            Remainder::Further(directory, room) => {
                let order = directory.options.query.order;
                let last = self.names.len().checked_sub(1);
                let last = last.and_then(|last| self.names.entry(last));
                let last = last.map(|last| last.place(order).to_key());
                directory.rewind()?;
                // They are not needed any more while others are gathered.
                (self.names, self.next) = (Arc::default(), 0);
                let start = last.map_or(PageStart::First, PageStart::After);
                let selection = Box::new(Selection::new(directory, start, room));
                self.rest = Remainder::Selecting(selection, room);
            }
            Remainder::Selecting(mut selection, room) => {
                for _ in 0..READS_AT_ONCE {
                    if !selection.read()? {
                        let part = selection.into_part();
                        (self.names, self.next) = (Arc::new(part.names), 0);
                        self.rest = match part.has_more && self.names.len() > 0 {
                            true => Remainder::Further(part.directory, room),
                            false => Remainder::Last(part.directory),
                        };
                        return Ok(());
                    }
                }
                self.rest = Remainder::Selecting(selection, room);
            }
        }
        Ok(())
    }
}

fn etag_of(bytes: &[u8]) -> Box<str> {
    format_etag(&Sha256::digest(bytes), false)
}

impl Chunks for Pieces {
    fn next_chunk(&mut self, _: &Wake) -> Chunk {
        match self.piece() {
            Ok(Some(piece)) => Chunk::Bytes(piece),
            Ok(None) => Chunk::End,
            // Cut off, so that the client does not take it for the whole.
            Err(_) => Chunk::Failed,
        }
    }

    /// PITFALL: getdents64(2) may wait for a disk, and so may each symbolic link that is resolved
    /// (`a_chunk_is_bounded`).
    fn may_wait(&self) -> bool {
        !matches!(self.rest, Remainder::Nothing)
    }
}
