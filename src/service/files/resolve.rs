//! From a path to what it names: a file with its siblings, a directory, nothing.
//!
//! *Floor 3.* Knows index files and the meaning of a slash at the end; does not know the cache.
//! The same steps are taken on a loop's thread, where the first call that would wait ends them,
//! and by a job, which may wait.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use crate::http::Status;
use crate::http::negotiate::Coding;
use crate::service::files::precompressed::Found;
use crate::service::files::resource::Resource;
use crate::service::files::variant::{About, Variant};
use crate::service::files::version::Version;
use crate::service::mime;
use crate::service::opening::open::Refusal;
use crate::service::opening::{Opened, Opening, Resolver};

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

    /// The index of a directory, or the directory itself. One that takes files is always listed:
    /// whoever may send a file could put a page in the place of all others there, and of the button.
    fn directory(&mut self, relative: &[u8]) -> Result<Named, Refusal> {
        let policy = self.policy;
        let mut missing = Vec::new();
        let is_listed = policy.listing && policy.was_sent(relative);
        for index in policy.index.iter().filter(|_| !is_listed) {
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

    fn resource(
        &mut self,
        path: &CStr,
        opened: Opened,
        missing: &[CString],
    ) -> Result<Named, Refusal> {
        let links = opened.links;
        let loaded = self.load(opened)?;
        let whole = loaded.whole;
        let version = Version::new(path, &loaded, links, &self.now);
        let content_type = self.policy.content_type(path.to_bytes());
        let found = if self.needs_siblings(&content_type) {
            Some(Found::look_or_make(self, path, &loaded, &content_type)?)
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
        self.policy.negotiates() && (self.takes_encodings || !mime::is_compressible(content_type))
    }
}

/// A path as the kernel takes it: without a slash first, `.` for the root itself.
fn path_of(relative: &[u8]) -> Result<CString, Refusal> {
    let relative = relative.strip_prefix(b"/").unwrap_or(relative);
    let relative = if relative.is_empty() { b"." } else { relative };
    CString::new(relative).map_err(|_| Refusal::Status(Status::NOT_FOUND))
}
