//! From a path to an open file: what every file goes through, and every sibling.
//!
//! *Floor 3.* Knows policy and patience; does not know which paths are tried, nor why.
//!
//! *Read next:* `resolve.rs`, which tries them.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::FileType;

use super::alike::Turn;
use super::load::{Loaded, load};
use super::meta::{Identity, Links, Medium};
use super::open::{Patience, Refusal, Root};
use super::policy::Policy;
use crate::http::Tick;

/// What stands at a path.
pub(super) enum Opening {
    File(Opened),
    Directory,
    /// FIFO, socket, device: nothing that has a length.
    Other,
}

/// A regular file, open.
pub(super) struct Opened {
    fd: OwnedFd,
    pub(super) identity: Identity,
    /// Whether its name was that of a link.
    pub(super) links: Links,
    medium: Medium,
}

/// The means of one resolution.
pub(super) struct Resolver<'a> {
    pub(super) root: &'a Root,
    pub(super) policy: &'a Policy,
    pub(super) media: &'a mut Media,
    pub(super) patience: Patience<'a>,
    /// What others have made of the same path.
    pub(super) turn: Option<&'a Turn<'a>>,
    pub(super) now: Tick,
    /// Whether whoever asks could be sent an encoded sibling.
    pub(super) takes_encodings: bool,
}

impl Resolver<'_> {
    /// Opens `path` if it is a regular file. A directory need not be readable to be there.
    pub(super) fn open(&mut self, path: &CStr) -> Result<Opening, Refusal> {
        let links = match self.root.kind(path, self.patience.wait)? {
            (FileType::RegularFile, links) => links,
            (FileType::Directory, _) => return Ok(Opening::Directory),
            _ => return Ok(Opening::Other),
        };
        let fd = self.root.read(path, self.patience.wait)?;
        let identity = Identity::of(fd.as_fd())?;
        // What was looked at may have been replaced before it was opened.
        Ok(match identity.kind {
            FileType::RegularFile => Opening::File(Opened {
                medium: self.media.of(&fd, identity.dev),
                fd,
                identity,
                links,
            }),
            _ => Opening::Other,
        })
    }

    pub(super) fn load(&self, opened: Opened) -> Result<Loaded, Refusal> {
        if let Some(loaded) = self.turn.and_then(|turn| turn.loaded(&opened.identity)) {
            return Ok(loaded);
        }
        let loaded = load(
            opened.fd,
            opened.identity,
            opened.medium,
            self.policy.etag,
            self.patience,
        )?;
        if let Some(turn) = self.turn.filter(|_| loaded.whole) {
            turn.keep_loaded(&loaded);
        }
        Ok(loaded)
    }
}

/// What kind of file system each device holds: asked once.
#[derive(Default)]
pub(super) struct Media(Vec<(u64, Medium)>);

impl Media {
    fn of(&mut self, fd: &OwnedFd, dev: u64) -> Medium {
        if let Some(&(_, known)) = self.0.iter().find(|(known, _)| *known == dev) {
            return known;
        }
        let medium = Medium::of_file(fd.as_fd());
        // Bounded, should something mount and unmount below the root all day.
        if self.0.len() == 64 {
            self.0.clear();
        }
        self.0.push((dev, medium));
        medium
    }
}
