//! `file.br`, `file.zst` and `file.gz`: encoded siblings of a file, and who gets them.
//!
//! *Floor 3.* Knows names and times of siblings; the client's wishes are `http/negotiate.rs`.
//!
//! The rules: a sibling is an answer to a request for the plain file only, with the plain file's
//! type and rules, an entity tag of its own (RFC 9110 §8.8.3.3), ranges of the encoded bytes. One
//! that is older than its file is left alone: somebody edited the file and forgot. Which siblings
//! exist is believed for [`BELIEVED`]; the plain file never is.
//!
//! *References:* RFC 9110 §8.4, §12.5.3, §12.5.5.
//!
//! *Read next:* `resolve.rs`.

use std::ffi::{CStr, CString};
use std::time::Duration;

use rustix::fs::FileType;

use super::load::Loaded;
use super::meta::Identity;
use super::open::{Refusal, Root};
use super::resolve::{Place, Resolver};
use super::variant::{About, Variant};
use crate::http::Request;
use crate::http::negotiate::{self, Coding};

/// How long the absence, presence and version of siblings is believed.
pub(super) const BELIEVED: Duration = Duration::from_secs(1);

const CODINGS: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

/// The siblings of one file: most have none.
pub(super) struct Siblings(Vec<Sibling>);

struct Sibling {
    coding: Coding,
    identity: Identity,
    /// `None`: it exists but is not used.
    variant: Option<Variant>,
}

/// Siblings that were found, before it is known what stands in their fields.
pub(super) struct Found(Vec<(Coding, Identity, Option<Loaded>)>);

impl Found {
    /// Looks for the siblings of the file at `path`.
    pub(super) fn look(
        resolver: &mut Resolver<'_>,
        path: &CStr,
        plain: &Identity,
    ) -> Result<Self, Refusal> {
        let mut found = Vec::new();
        for coding in CODINGS {
            let Some(path) = sibling_path(path, coding) else {
                continue;
            };
            let opened = match resolver.open(&path) {
                Ok(Place::File(opened)) => opened,
                Ok(_) | Err(Refusal::Status(_)) => continue,
                Err(Refusal::WouldBlock) => return Err(Refusal::WouldBlock),
            };
            let identity = opened.identity;
            // An empty file is no valid encoding of anything, not even of an empty one.
            let usable = identity.mtime >= plain.mtime && identity.size > 0;
            let loaded = usable.then(|| resolver.load(opened)).transpose()?;
            found.push((coding, identity, loaded));
        }
        Ok(Self(found))
    }

    pub(super) fn is_any(&self) -> bool {
        self.0.iter().any(|(_, _, loaded)| loaded.is_some())
    }

    /// `plain` is what the plain file is said to be.
    pub(super) fn ready(self, resolver: &Resolver<'_>, plain: &About<'_>) -> Siblings {
        let ready = self
            .0
            .into_iter()
            .map(|(coding, identity, loaded)| Sibling {
                coding,
                identity,
                variant: loaded.map(|loaded| {
                    let about = About {
                        coding,
                        negotiated: true,
                        ..*plain
                    };
                    Variant::new(loaded, &about, resolver.policy)
                }),
            });
        Siblings(ready.collect())
    }
}

impl Siblings {
    /// The variant the client likes best, unless that is the plain file.
    pub(super) fn choose(&self, request: &Request<'_>) -> Option<&Variant> {
        if self.0.is_empty() {
            return None;
        }
        let mut available = [Coding::Identity; CODINGS.len()];
        let usable = self.0.iter().filter(|sibling| sibling.variant.is_some());
        for (place, sibling) in available.iter_mut().zip(usable) {
            *place = sibling.coding;
        }
        let choice = negotiate::choose(request.field_values("accept-encoding"), &available);
        let chosen = self
            .0
            .iter()
            .find(|sibling| sibling.coding == choice.coding);
        chosen.and_then(|sibling| sibling.variant.as_ref())
    }

    /// Whether a look at the names finds what was found before.
    pub(super) fn are_current(&self, root: &Root, path: &CStr) -> bool {
        CODINGS.into_iter().all(|coding| {
            let known = self.0.iter().find(|sibling| sibling.coding == coding);
            let known = known.map(|sibling| sibling.identity);
            let there = sibling_path(path, coding).and_then(|path| root.identity_at(&path).ok());
            there.filter(|identity| identity.kind == FileType::RegularFile) == known
        })
    }

    pub(super) fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.0.iter().filter_map(|sibling| sibling.variant.as_ref())
    }
}

fn sibling_path(path: &CStr, coding: Coding) -> Option<CString> {
    let mut bytes = path.to_bytes().to_vec();
    bytes.extend_from_slice(coding.suffix().as_bytes());
    CString::new(bytes).ok()
}
