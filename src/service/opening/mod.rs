//! From a path to an open file: what every file goes through, and every sibling.
//!
//! *Floor 3.* Knows policy and patience; does not know which paths are tried, nor why.

pub(crate) mod alike;
pub(crate) mod encodings;
pub(crate) mod load;
pub(crate) mod meta;
pub(crate) mod open;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::FileType;

use crate::http::negotiate::Accepted;
use crate::http::{Status, Tick};
use crate::service::listing::{LinkTarget, ReadmeContent, ReadmeReader};
use crate::service::markdown::readme;
use crate::service::opening::alike::Turn;
use crate::service::opening::encodings::KeptEncodings;
use crate::service::opening::load::{Loaded, load, read_all_of};
use crate::service::opening::meta::{Identity, Links, Medium};
use crate::service::opening::open::{Patience, Refusal, Root, Wait};
use crate::service::options::Symlinks;
use crate::service::policy::Policy;

/// What stands at a path.
pub(crate) enum Opening {
    File(Opened),
    Directory,
    /// FIFO, socket, device: nothing that has a length.
    Other,
}

/// A regular file, open.
pub(crate) struct Opened {
    fd: OwnedFd,
    pub(crate) identity: Identity,
    /// Whether its name was that of a link.
    pub(crate) links: Links,
    medium: Medium,
}

/// What one resolution needs.
pub(crate) struct Resolver<'a> {
    pub(crate) root: &'a Root,
    pub(crate) policy: &'a Policy,
    pub(crate) media: &'a mut Media,
    pub(crate) patience: Patience<'a>,
    /// What others have made of the same path.
    pub(crate) turn: Option<&'a Turn<'a>>,
    /// What was made of files by whatever path.
    pub(crate) encodings: &'a KeptEncodings,
    pub(crate) now: Tick,
    /// What the client says of encoded siblings, if it says anything.
    pub(crate) accepted: Option<Accepted>,
}

impl Resolver<'_> {
    /// Opens `path` if it is a regular file. A directory need not be readable to be there.
    pub(crate) fn open(&mut self, path: &CStr) -> Result<Opening, Refusal> {
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

    pub(crate) fn load(&self, opened: Opened) -> Result<Loaded, Refusal> {
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

/// How a listing finds out what a link in the directory `key` leads to: by opening it as a request
/// would, so that a listing says nothing about what would not be served.
pub(crate) fn link_target(root: &Arc<Root>, key: &[u8]) -> Option<LinkTarget> {
    if root.symlinks() == Symlinks::Deny {
        return None;
    }
    let root = Arc::clone(root);
    let directory = key.strip_prefix(b"/").unwrap_or(key).to_vec();
    Some(Box::new(move |name: &CStr| {
        let path = CString::new([&directory, name.to_bytes()].concat()).ok()?;
        let opened = root.look(&path, Wait::Allowed).ok()?;
        rustix::fs::fstat(opened).ok()
    }))
}

/// How a listing reads the README of the directory `key`: as a request for it would be answered. None
/// is shown where others may send files: whoever sends one would write the page that all see there. Nor
/// what a user's rule calls encoded.
pub(crate) fn readme_reader(
    root: &Arc<Root>,
    policy: &Arc<Policy>,
    key: &[u8],
) -> Option<ReadmeReader> {
    if policy.was_sent(key) {
        return None;
    }
    let (root, policy) = (Arc::clone(root), Arc::clone(policy));
    let directory = key.strip_prefix(b"/").unwrap_or(key).to_vec();
    Some(Box::new(move |name: &CStr| {
        let path = CString::new([&directory, name.to_bytes()].concat()).ok()?;
        if policy.is_encoded(path.to_bytes()) {
            return None;
        }
        let (kind, _) = root.kind(&path, Wait::Allowed).ok()?;
        if kind != FileType::RegularFile {
            return None;
        }
        let fd = root.read(&path, Wait::Allowed).ok()?;
        read_some_of(&fd, readme::SOURCE_BYTES_MAX).ok()
    }))
}

fn read_some_of(fd: &OwnedFd, bytes_max: u64) -> Result<ReadmeContent, Refusal> {
    let identity = Identity::of(fd.as_fd())?;
    if identity.kind != FileType::RegularFile {
        return Err(Refusal::Status(Status::NOT_FOUND));
    }
    match identity.size > bytes_max {
        true => Ok(ReadmeContent::TooLong),
        false => read_all_of(fd, identity.size).map(ReadmeContent::Bytes),
    }
}

/// What kind of file system each device holds: asked once.
#[derive(Default)]
pub(crate) struct Media(Vec<(u64, Medium)>);

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
