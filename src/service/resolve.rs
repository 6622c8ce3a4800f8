//! From a path to what it names: a file with its siblings, a directory, nothing.
//!
//! *Floor 3.* Knows index files and the meaning of a slash at the end; does not know the cache.
//! The same steps are taken on a loop's thread, where the first call that would wait ends them,
//! and by a job, which may wait.
//!
//! *Read next:* `cache.rs`, where a resource is kept; `files.rs`, who asks.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FileType;

use super::alike::Turn;
use super::load::{Loaded, load};
use super::meta::{Identity, Links, Medium};
use super::mime;
use super::open::{Patience, Refusal, Root};
use super::policy::Policy;
use super::precompressed::{Chosen, Found, Looked, Siblings};
use super::variant::{About, Role, Variant};
use super::version::Version;
use crate::http::negotiate::Coding;
use crate::http::{Request, Response, Status, Tick};

/// What a path names.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, and only when nothing was cached"
)]
pub(super) enum Named {
    File(Resource),
    /// A directory without an index, open for listing.
    Listing(OwnedFd),
    /// A directory that was asked for without its slash.
    NeedsSlash,
}

/// A file that can be served, and how to find out whether it is still the same.
pub(super) struct Resource {
    version: Version,
    /// Whether it was the same before and after it was read.
    pub(super) whole: bool,
    /// Index names that would be preferred to this one if they existed.
    preferred: Box<[CString]>,
    plain: Variant,
    /// `None` until somebody asks who could be sent one.
    siblings: Option<Siblings>,
}

impl Resource {
    /// The variant that answers a request, and what for.
    pub(super) fn select(&self, role: Role, request: &Request<'_>) -> Selected {
        let siblings = self.siblings.as_ref();
        let sibling = siblings.and_then(|all| all.choose(request, self.plain.len()));
        Selected { role, sibling }
    }

    /// The answer from the selected variant.
    pub(super) fn answer(
        &self,
        selected: Selected,
        request: &Request<'_>,
        now: SystemTime,
        policy: &Policy,
    ) -> Response {
        let siblings = self.siblings.as_ref();
        let sibling = selected
            .sibling
            .and_then(|chosen| siblings?.variant(chosen));
        let variant = sibling.unwrap_or(&self.plain);
        let response = variant.answer(selected.role, request, now, policy);
        // The one answer about a file that is an error page and has none of the file's fields.
        if response.status == Status::RANGE_NOT_SATISFIABLE {
            return policy.decorate(response, self.version.path().to_bytes());
        }
        response
    }

    /// Whether it may answer: see [`Version::is_believed`].
    pub(super) fn is_believed(&mut self, root: &Root, now: &Tick, valid: Option<Duration>) -> bool {
        // Where that cannot be said without waiting, a job finds out.
        let is_file = |path: &CString| !matches!(root.beside(path), Ok(None));
        self.version.is_trusted(now, valid)
            || (self.version.look(root, now) && !self.preferred.iter().any(is_file))
    }

    /// Whether looking may wait for another machine.
    pub(super) const fn remote(&self) -> bool {
        self.version.remote()
    }

    /// The moment of the last look at the file.
    pub(super) const fn looked(&self) -> Instant {
        self.version.looked()
    }

    /// Whether the chosen sibling may answer.
    pub(super) fn sibling_is_believed(
        &mut self,
        chosen: Chosen,
        root: &Root,
        now: &Tick,
        valid: Option<Duration>,
    ) -> bool {
        let siblings = self.siblings.as_mut();
        siblings.is_some_and(|siblings| siblings.is_believed(chosen, root, now, valid))
    }

    /// Looks whether there are other siblings than were found; `None` if nobody has ever looked.
    pub(super) fn look_for_siblings(
        &mut self,
        root: &Root,
        now: &Tick,
        valid: Option<Duration>,
    ) -> Option<Looked> {
        let siblings = self.siblings.as_mut()?;
        Some(siblings.look(root, self.version.path(), now, valid))
    }

    fn variants(&self) -> impl Iterator<Item = &Variant> {
        let siblings = self.siblings.iter().flat_map(Siblings::variants);
        std::iter::once(&self.plain).chain(siblings)
    }

    /// Bytes of memory it holds.
    pub(super) fn cost(&self) -> usize {
        let names: usize = self
            .preferred
            .iter()
            .map(|name| name.as_bytes().len() + 32)
            .sum();
        let variants: usize = self.variants().map(Variant::cost).sum();
        size_of::<Self>() + self.version.path().count_bytes() + names + variants
    }

    /// Descriptors it holds.
    pub(super) fn descriptors(&self) -> usize {
        self.variants().map(Variant::descriptors).sum()
    }
}

/// The representation that a request selects (RFC 9110 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Selected {
    role: Role,
    /// `None`: the file itself.
    pub(super) sibling: Option<Chosen>,
}

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
    /// What a key names: a decoded path that starts with a slash, and ends with one if only a
    /// directory will do.
    pub(super) fn resolve(&mut self, key: &[u8]) -> Result<Named, Refusal> {
        if let Some(name) = &self.policy.single {
            let asked = key.strip_prefix(b"/").unwrap_or(key);
            if !asked.is_empty() && asked != name.as_slice() {
                return Err(Refusal::Status(Status::NOT_FOUND));
            }
            return self.file_or_slash(&path_of(name)?);
        }
        let relative = key.strip_prefix(b"/").unwrap_or(key);
        match relative.strip_suffix(b"/") {
            Some(directory) => self.directory(directory),
            None if relative.is_empty() => self.directory(relative),
            None => self.file_or_slash(&path_of(relative)?),
        }
    }

    fn file_or_slash(&mut self, path: &CStr) -> Result<Named, Refusal> {
        match self.open(path)? {
            Opening::File(opened) => self.resource(path, opened, &[]),
            Opening::Directory => Ok(Named::NeedsSlash),
            Opening::Other => Err(Refusal::Status(Status::NOT_FOUND)),
        }
    }

    /// The index of a directory, or the directory itself.
    fn directory(&mut self, relative: &[u8]) -> Result<Named, Refusal> {
        let policy = self.policy;
        let mut missing = Vec::new();
        for index in &policy.index {
            let path = path_of(&[relative, b"/", index.as_bytes()].concat())?;
            match self.open(&path) {
                Ok(Opening::File(opened)) => return self.resource(&path, opened, &missing),
                Ok(_) | Err(Refusal::Status(Status::NOT_FOUND)) => missing.push(path),
                Err(other) => return Err(other),
            }
        }
        if !policy.listing {
            return Err(Refusal::Status(Status::NOT_FOUND));
        }
        Ok(Named::Listing(
            self.root
                .directory(&path_of(relative)?, self.patience.wait)?,
        ))
    }

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

    fn resource(
        &mut self,
        path: &CStr,
        opened: Opened,
        missing: &[CString],
    ) -> Result<Named, Refusal> {
        let links = opened.links;
        let loaded = self.load(opened)?;
        let identity = loaded.identity;
        let whole = loaded.whole;
        let version = Version::new(path, &loaded, links, &self.now);
        let content_type = self.policy.content_type(path.to_bytes());
        let found = if self.needs_siblings(&content_type) {
            Some(Found::look(self, path, &identity)?)
        } else {
            None
        };
        let about = About {
            path: path.to_bytes(),
            content_type: &content_type,
            coding: Coding::Identity,
            negotiated: found.as_ref().is_some_and(Found::is_any),
            now: self.now.wall,
        };
        let plain = Variant::new(loaded, &about, self.policy);
        let siblings = found.map(|found| found.ready(self, &about));
        Ok(Named::File(Resource {
            version,
            whole,
            preferred: missing.into(),
            plain,
            siblings,
        }))
    }

    /// Whether siblings matter to the answer: to what is sent, or to its Vary, which stands on a
    /// compressible type in any case. Looking for three names that are not there takes longer than
    /// opening and reading the one that is.
    fn needs_siblings(&self, content_type: &str) -> bool {
        self.policy.precompressed && (self.takes_encodings || !mime::is_compressible(content_type))
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

/// A path as the kernel takes it: without a slash first, `.` for the root itself.
fn path_of(relative: &[u8]) -> Result<CString, Refusal> {
    let relative = relative.strip_prefix(b"/").unwrap_or(relative);
    let relative = if relative.is_empty() { b"." } else { relative };
    CString::new(relative).map_err(|_| Refusal::Status(Status::NOT_FOUND))
}
