//! A listing while it is sent: made a piece at a time, from packed names or from the directory.
//!
//! *Floor 3.* Knows how much is made at once; does not know who takes it, nor when.

use std::sync::Arc;

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::directory::Directory;
use super::names::{Names, Totals};
use super::render::Page;
use crate::http::{Body, Chunk, Chunks, Wake};
use crate::service::opening::meta::format_etag;

/// How much is made at a time: what waits for a slow client is its names and a few of these. A row
/// more, and what one page has around its rows, may come on top.
pub(super) const PIECE_BYTES: usize = 16 * 1024;

/// Up to so many bytes a listing is made whole, and leaves with its length and in one write: some
/// 400 rows of HTML.
const WHOLE_BYTES_MAX: usize = 128 * 1024;

pub(super) struct Pieces {
    page: Page,
    /// Shared with other clients of the same listing, if they are all that there are.
    names: Arc<Names>,
    /// The name that comes next.
    next: usize,
    origin: Origin,
    begun: bool,
    ended: bool,
}

/// Where rows come from.
enum Origin {
    /// From the names alone: they are all, and complete.
    Names(Totals),
    /// One batch of names after the other.
    Directory(Directory),
}

impl Pieces {
    pub(super) fn sorted(page: Page, names: Arc<Names>) -> Self {
        let totals = names.totals();
        Self::new(page, names, Origin::Names(totals))
    }

    pub(super) fn unsorted(page: Page, directory: Directory) -> Self {
        Self::new(page, Arc::default(), Origin::Directory(directory))
    }

    fn new(page: Page, names: Arc<Names>, origin: Origin) -> Self {
        Self {
            page,
            names,
            next: 0,
            origin,
            begun: false,
            ended: false,
        }
    }

    /// All of it if that is little, else a stream of it; with its entity tag, which is strong: a
    /// hash of all that is sent (RFC 9110 §8.8.1) or, where that is not made yet, of what it
    /// depends on: how the page looks, from its beginning and its end, and the names' `digest`.
    pub(super) fn into_body(mut self, digest: [u8; 32]) -> (Body, Box<str>) {
        let mut whole = Vec::new();
        // Only a directory can fail, and its names are here already.
        while let Ok(Some(piece)) = self.piece() {
            whole.extend_from_slice(&piece);
            if whole.len() > WHOLE_BYTES_MAX {
                whole.extend_from_slice(&digest);
                self.page.tail(&mut whole);
                let etag = etag_of(&whole);
                let again = Self::new(self.page, self.names, self.origin);
                return (Body::Stream(Box::new(again)), etag);
            }
        }
        let etag = etag_of(&whole);
        (Body::Owned(whole), etag)
    }

    /// The next piece, from at most one getdents64(2); `None` at the end.
    fn piece(&mut self) -> Result<Option<Vec<u8>>, Errno> {
        if self.ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if !self.begun {
            self.begun = true;
            let totals = match &self.origin {
                Origin::Names(totals) => Some(totals),
                Origin::Directory(_) => None,
            };
            self.page.head(totals, &mut out);
        }
        if let Origin::Directory(directory) = &self.origin
            && self.next == self.names.len()
        {
            // Only this has the names of a batch.
            let names = Arc::make_mut(&mut self.names);
            names.clear();
            self.next = 0;
            self.ended = !directory.read(names)?;
        }
        while self.next < self.names.len() && out.len() < PIECE_BYTES {
            self.row(&mut out);
        }
        if let Origin::Names(_) = self.origin {
            self.ended = self.next == self.names.len();
        }
        if self.ended {
            self.page.tail(&mut out);
        }
        Ok(Some(out))
    }

    fn row(&mut self, out: &mut Vec<u8>) {
        let entry = match &self.origin {
            Origin::Names(_) => self.names.entry(self.next),
            Origin::Directory(directory) => {
                let name = self.names.name(self.next);
                name.and_then(|(name, kind)| directory.short_entry(name, kind))
            }
        };
        self.next += 1;
        if let Some(entry) = entry {
            self.page.row(&entry, out);
        }
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
    /// (`a_huge_listing_full_of_links_stops_nobody`).
    fn may_wait(&self) -> bool {
        matches!(self.origin, Origin::Directory(_))
    }
}
