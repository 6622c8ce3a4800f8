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
use crate::service::markdown::page;
use crate::service::mime;
use crate::service::opening::load::Loaded;
use crate::service::opening::meta::Links;
use crate::service::opening::open::{Refusal, Wait};
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
        if let Some(path) = self.single(key)? {
            return self.file_or_slash(&path);
        }
        let relative = key.strip_prefix(b"/").unwrap_or(key);
        match relative.strip_suffix(b"/") {
            Some(directory) => self.directory(directory),
            None if relative.is_empty() => self.directory(relative),
            None => self.file_or_slash(&path_of(relative)?),
        }
    }

    /// The only file, if one is served; nothing else is there then.
    fn single(&self, key: &[u8]) -> Result<Option<CString>, Refusal> {
        let Some(name) = &self.policy.single else {
            return Ok(None);
        };
        let asked = key.strip_prefix(b"/").unwrap_or(key);
        if !asked.is_empty() && asked != name.as_slice() {
            return Err(Refusal::Status(Status::NOT_FOUND));
        }
        path_of(name).map(Some)
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
        self.represent(path, loaded, links, missing)
    }

    /// The page of the Markdown file that a key names; the file itself where no page is made of it.
    pub(super) fn resolve_page(&mut self, key: &[u8]) -> Result<Named, Refusal> {
        let path = match self.single(key)? {
            Some(path) => path,
            None => path_of(key)?,
        };
        let opened = match self.open(&path)? {
            Opening::File(opened) => opened,
            Opening::Directory => return Ok(Named::NeedsSlash),
            Opening::Other => return Err(Refusal::Status(Status::NOT_FOUND)),
        };
        let links = opened.links;
        let loaded = self.load(opened)?;
        let Some(page) = self.made_page(&path, &loaded)? else {
            return self.represent(&path, loaded, links, &[]);
        };
        let whole = loaded.whole;
        let version = Version::new(&path, &loaded, links, &self.now);
        // Else it is found out for the first client who takes one.
        let found = match self.policy.negotiates() && self.accepted.is_some() {
            true => Some(Found::made(self, &path, &page, PAGE_TYPE)?),
            false => None,
        };
        let policy = page::policy();
        let about = About {
            path: path.to_bytes(),
            content_type: PAGE_TYPE,
            page_policy: Some(&policy),
            coding: Coding::Identity,
            negotiated: found.as_ref().is_some_and(Found::is_any),
            now: self.now.wall,
        };
        let plain = Variant::new(page, &about, self.policy);
        let siblings = found.map(|found| found.ready(self, &about));
        Ok(Named::File(Resource {
            version,
            whole,
            preferred: [].into(),
            plain,
            siblings,
        }))
    }

    /// What is sent of a Markdown file to who asks for its page, unless others have made it; `None` if
    /// it is too long for that, or encoded, as a user's rule says.
    fn made_page(&self, path: &CStr, loaded: &Loaded) -> Result<Option<Loaded>, Refusal> {
        let path = path.to_bytes();
        if loaded.content.len() > page::SOURCE_BYTES_MAX || self.policy.is_encoded(path) {
            return Ok(None);
        }
        let identity = &loaded.identity;
        let turn = self.turn;
        let turn = turn.filter(|_| loaded.whole && identity.is_settled(self.now.wall));
        if let Some(known) = turn.and_then(|turn| turn.page(identity)) {
            return Ok(known);
        }
        if self.patience.wait != Wait::Allowed && loaded.content.len() > SHORT_BYTES_MAX {
            return Err(Refusal::WouldBlock);
        }
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let page = match loaded.content.read_all(identity)? {
            Some(source) => page::page(name, &source, self.policy.listing),
            // It is another one by now.
            None => None,
        };
        let page = page.map(|page| loaded.encoded_as(page.into()));
        if let Some(turn) = turn {
            turn.keep_page(*identity, page.clone());
        }
        Ok(page)
    }

    fn represent(
        &mut self,
        path: &CStr,
        loaded: Loaded,
        links: Links,
        missing: &[CString],
    ) -> Result<Named, Refusal> {
        let whole = loaded.whole;
        let version = Version::new(path, &loaded, links, &self.now);
        let content_type = self.content_type(path, &loaded)?;
        let found = if self.needs_siblings(&content_type) {
            Some(Found::look_or_make(self, path, &loaded, &content_type)?)
        } else {
            None
        };
        let about = About {
            path: path.to_bytes(),
            content_type: &content_type,
            page_policy: None,
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

    /// By the name; where that says nothing, by the first bytes.
    fn content_type(&self, path: &CStr, loaded: &Loaded) -> Result<String, Refusal> {
        if let Some(known) = self.policy.content_type(path.to_bytes()) {
            return Ok(known);
        }
        let is_text = loaded.content.is_text(self.patience.wait)?;
        Ok(mime::type_of_content(is_text, self.policy.charset).into())
    }

    /// Whether siblings matter to the answer: to what is sent, or to its Vary, which stands on a
    /// compressible type in any case. Looking for three names that are not there takes longer than
    /// opening and reading the one that is.
    fn needs_siblings(&self, content_type: &str) -> bool {
        self.policy.negotiates()
            && (self.accepted.is_some() || !mime::is_compressible(content_type))
    }
}

const PAGE_TYPE: &str = "text/html; charset=utf-8";
/// What takes longer than a few milliseconds is done where nothing short waits behind it.
const SHORT_BYTES_MAX: u64 = 128 * 1024;

/// A path as the kernel takes it: without a slash first, `.` for the root itself.
fn path_of(relative: &[u8]) -> Result<CString, Refusal> {
    let relative = relative.strip_prefix(b"/").unwrap_or(relative);
    let relative = if relative.is_empty() { b"." } else { relative };
    CString::new(relative).map_err(|_| Refusal::Status(Status::NOT_FOUND))
}
