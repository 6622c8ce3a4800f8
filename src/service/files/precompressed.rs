//! `file.br`, `file.zst` and `file.gz`: encoded siblings of a file, and when one is sent.
//!
//! *Floor 3.* Knows names and times of siblings; what the client accepts is
//! `http/fields/negotiate.rs`, what the bytes say of themselves is `precompressed/evidence.rs`.
//!
//! The rules: a sibling is an answer to a request for the plain file only, with the plain file's
//! type and rules, an entity tag of its own (RFC 9110 §8.8.3.3), ranges of the encoded bytes. One
//! that is older than its file, or says that it is of another one, is left alone: the
//! file was edited, and the sibling not made anew. A file that a user's rule calls encoded has none.
//!
//! What is sent has been looked at in the same turn, be it the file or a sibling. That a sibling
//! has appeared is noticed within [`BELIEVED`]: until then the plain file is no less right.
//!
//! *References:* RFC 9110 §8.4, §12.5.3, §12.5.5, §13.1.5, §14.2.

mod evidence;

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant, SystemTime};

use crate::http::head::Known;
use crate::http::negotiate::{Accepted, Coding};
use crate::http::range::{self, Ranges};
use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{Method, Request, Tick};
use crate::service::files::compressed::{Compressed, wanted};
use crate::service::files::variant::{About, Variant, only_range};
use crate::service::files::version::Version;
use crate::service::opening::encodings::TriedCodings;
use crate::service::opening::load::Loaded;
use crate::service::opening::meta::Identity;
use crate::service::opening::open::{Refusal, Root};
use crate::service::opening::{Opening, Resolver};

/// How long the absence of siblings is believed.
const BELIEVED: Duration = Duration::from_secs(1);

const CODINGS: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

/// The siblings of one file: most have none.
pub(super) struct Siblings {
    all: Vec<Sibling>,
    /// Whether others may turn up on the disk.
    may_turn_up: bool,
    /// When an encoding may be made that was not.
    due: Option<SystemTime>,
    /// Which encodings were tried; all where none is to be made.
    tried: TriedCodings,
    /// The moment of the last look for others.
    looked: Instant,
}

struct Sibling {
    coding: Coding,
    usage: Usage,
}

enum Usage {
    Used(Version, Variant),
    /// It was made of the file, so it is as true as that.
    Made(Variant),
    /// It exists, but is not sent; and whether the next change certainly shows.
    Unused(Identity, bool),
}

/// Which of the siblings answers a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chosen(usize);

/// What a request gets of a file and its siblings.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct SiblingChoice {
    /// `None`: the file itself.
    pub(super) sibling: Option<Chosen>,
    /// Whether the client would rather have an encoding that was not tried: nobody had come who takes
    /// it.
    pub(super) lacks: bool,
}

/// What a look for siblings found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Looked {
    Same,
    Changed,
    /// A link leads to where looking may wait.
    WouldBlock,
}

/// Siblings that were found, before it is known what stands in their fields.
pub(super) struct Found {
    all: Vec<(Coding, Candidate)>,
    /// Whether others may turn up on the disk.
    may_turn_up: bool,
    due: Option<SystemTime>,
    tried: TriedCodings,
}

enum Candidate {
    Used(Version, Loaded),
    Made(Loaded),
    Unused(Identity, bool),
}

impl Found {
    /// Looks for the siblings of the file at `path`; without any, one may be made.
    pub(super) fn look_or_make(
        resolver: &mut Resolver<'_>,
        path: &CStr,
        plain: &Loaded,
        content_type: &str,
    ) -> Result<Self, Refusal> {
        let policy = resolver.policy;
        let mut found = Self {
            all: Vec::new(),
            may_turn_up: policy.may_have_siblings(path.to_bytes()),
            due: None,
            tried: TriedCodings::GzipAndBrotli,
        };
        if found.may_turn_up {
            found.look(resolver, path, &plain.identity)?;
        }
        if !found.is_any() {
            found.make(resolver, path, plain, content_type)?;
        }
        Ok(found)
    }

    /// Of what was made of a file none can turn up.
    pub(super) fn made(
        resolver: &Resolver<'_>,
        path: &CStr,
        plain: &Loaded,
        content_type: &str,
    ) -> Result<Self, Refusal> {
        let mut found = Self {
            all: Vec::new(),
            may_turn_up: false,
            due: None,
            tried: TriedCodings::GzipAndBrotli,
        };
        found.make(resolver, path, plain, content_type)?;
        Ok(found)
    }

    fn make(
        &mut self,
        resolver: &Resolver<'_>,
        path: &CStr,
        plain: &Loaded,
        content_type: &str,
    ) -> Result<(), Refusal> {
        match resolver.compressed(path, plain, content_type)? {
            Compressed::Not => {}
            Compressed::Later(due) => self.due = Some(due),
            Compressed::Tried(encodings) => {
                self.tried = encodings.tried;
                let made = encodings.made.into_iter();
                self.all
                    .extend(made.map(|(coding, loaded)| (coding, Candidate::Made(loaded))));
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        resolver: &mut Resolver<'_>,
        path: &CStr,
        plain: &Identity,
    ) -> Result<(), Refusal> {
        for coding in CODINGS {
            let sibling = sibling_path(path, coding);
            let opened = match resolver.open(&sibling) {
                Ok(Opening::File(opened)) => opened,
                Ok(_) | Err(Refusal::Status(_)) => continue,
                Err(Refusal::WouldBlock) => return Err(Refusal::WouldBlock),
            };
            let unused = |identity: Identity| {
                Candidate::Unused(identity, identity.is_settled(resolver.now.wall))
            };
            let may_be_sent = resolver.policy.may_stand_for(&sibling, path);
            let candidate = if may_be_sent && may_be_made_from(&opened.identity, plain) {
                let links = opened.links;
                let loaded = resolver.load(opened)?;
                if evidence::fits(coding, &loaded.content, plain.size, resolver.patience.wait)? {
                    let version = Version::new(&sibling, &loaded, links, &resolver.now);
                    Candidate::Used(version, loaded)
                } else {
                    unused(loaded.identity)
                }
            } else {
                unused(opened.identity)
            };
            self.all.push((coding, candidate));
        }
        Ok(())
    }

    pub(super) fn is_any(&self) -> bool {
        let is_sent = |candidate: &Candidate| !matches!(candidate, Candidate::Unused(..));
        self.all.iter().any(|(_, candidate)| is_sent(candidate))
    }

    /// `plain` is what the plain file is said to be.
    pub(super) fn ready(self, resolver: &Resolver<'_>, plain: &About<'_>) -> Siblings {
        let ready = |(coding, candidate)| {
            let about = About {
                coding,
                negotiated: true,
                ..*plain
            };
            let variant = |loaded| Variant::new(loaded, &about, resolver.policy);
            let usage = match candidate {
                Candidate::Used(version, loaded) => Usage::Used(version, variant(loaded)),
                Candidate::Made(loaded) => Usage::Made(variant(loaded)),
                Candidate::Unused(identity, settled) => Usage::Unused(identity, settled),
            };
            Sibling { coding, usage }
        };
        Siblings {
            all: self.all.into_iter().map(ready).collect(),
            may_turn_up: self.may_turn_up,
            due: self.due,
            tried: self.tried,
            looked: resolver.now.instant,
        }
    }
}

/// Whether a sibling is no older than the file. brotli(1) gives it the file's time cut to seconds,
/// so the same second without a fraction counts as made from it.
fn may_be_made_from(sibling: &Identity, plain: &Identity) -> bool {
    let cut = sibling.mtime.nanos == 0 && sibling.mtime.secs == plain.mtime.secs;
    sibling.mtime >= plain.mtime || cut
}

impl Siblings {
    /// What is sent to the client, of a plain file of `len` bytes.
    pub(super) fn choose(&self, request: &Request<'_>, len: u64) -> SiblingChoice {
        if self.all.is_empty() && self.tried == TriedCodings::GzipAndBrotli {
            return SiblingChoice::default();
        }
        let Some(accepted) = accepted(request) else {
            return SiblingChoice::default();
        };
        SiblingChoice {
            sibling: self.best(request, len, &accepted),
            lacks: self.tried < wanted(&accepted),
        }
    }

    /// The variant the client likes best, unless that is the plain file.
    ///
    /// With a Range it is the plain file. A part of the encoded bytes is legal, but clients that
    /// resume a download count the bytes that they have decoded, and join what does not belong
    /// together. One that knows what it has part of says so, with If-Range (RFC 9110 §13.1.5) or
    /// If-Match; and a copy that is up to date is so with a Range, too, which is looked at last
    /// (§13.2.2).
    fn best(&self, request: &Request<'_>, len: u64, accepted: &Accepted) -> Option<Chosen> {
        if asks_for_a_part(request, len) {
            let named = self.named_by_if_range(request, accepted);
            return named.or_else(|| {
                let negotiated = self.negotiated(accepted);
                negotiated.filter(|chosen| self.is_named_by_conditions(request, *chosen))
            });
        }
        self.negotiated(accepted)
    }

    fn negotiated(&self, accepted: &Accepted) -> Option<Chosen> {
        let mut available = [Coding::Identity; CODINGS.len()];
        for (place, (_, sibling)) in available.iter_mut().zip(self.used()) {
            *place = sibling.coding;
        }
        let choice = accepted.choose(&available);
        let mut used = self.used();
        (used.find(|(_, sibling)| sibling.coding == choice.coding)).map(|(at, _)| at)
    }

    fn named_by_if_range(&self, request: &Request<'_>, accepted: &Accepted) -> Option<Chosen> {
        if !request.has(Known::IF_RANGE) {
            return None;
        }
        let is_named = |variant: &Variant| {
            // Only a tag tells a coding from another: without a date of its own none matches.
            let validators = Validators {
                etag: variant.tag(),
                modified: None,
            };
            validator::if_range_holds(request, &validators, SystemTime::UNIX_EPOCH)
        };
        let mut used = self.used();
        let named = used.find(|(_, sibling)| {
            accepted.allows(sibling.coding) && sibling.variant().is_some_and(is_named)
        });
        named.map(|(at, _)| at)
    }

    /// Whether If-Match, or If-None-Match, has the tag of this sibling.
    fn is_named_by_conditions(&self, request: &Request<'_>, chosen: Chosen) -> bool {
        let Some(etag) = self.variant(chosen).and_then(Variant::tag) else {
            return false;
        };
        let validators = Validators {
            etag: Some(etag),
            modified: None,
        };
        match validator::evaluate(request, &validators, SystemTime::UNIX_EPOCH) {
            Evaluation::NotModified => true,
            Evaluation::Proceed => {
                let mut expected = request.field_values("if-match");
                expected.next().is_some_and(|one| one.trim_ascii() != b"*")
            }
            Evaluation::Failed => false,
        }
    }

    fn used(&self) -> impl Iterator<Item = (Chosen, &Sibling)> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, sibling)| sibling.variant().is_some())
            .map(|(at, sibling)| (Chosen(at), sibling))
    }

    pub(super) fn variant(&self, chosen: Chosen) -> Option<&Variant> {
        self.all.get(chosen.0)?.variant()
    }

    /// Whether it may answer: see [`Version::is_believed`].
    pub(super) fn is_believed(
        &mut self,
        chosen: Chosen,
        root: &Root,
        now: &Tick,
        valid: Option<Duration>,
    ) -> bool {
        match self.all.get_mut(chosen.0).map(|sibling| &mut sibling.usage) {
            Some(Usage::Used(version, _)) => version.is_believed(root, now, valid),
            Some(Usage::Made(_)) => true,
            _ => false,
        }
    }

    /// Looks whether there are others than were found, unless that was done lately.
    pub(super) fn look(
        &mut self,
        root: &Root,
        path: &CStr,
        now: &Tick,
        valid: Option<Duration>,
    ) -> Looked {
        let age = now.instant.saturating_duration_since(self.looked);
        if age < valid.unwrap_or_default().max(BELIEVED) {
            return Looked::Same;
        }
        // Also if it cannot be said: one request is enough to find out.
        self.looked = now.instant;
        if self.due.is_some_and(|due| due <= now.wall) {
            return Looked::Changed;
        }
        if !self.may_turn_up {
            return Looked::Same;
        }
        for coding in CODINGS {
            let on_disk = |sibling: &&Sibling| !matches!(sibling.usage, Usage::Made(_));
            let mut known = self.all.iter().filter(on_disk);
            let known = known.find(|sibling| sibling.coding == coding);
            let same = match root.beside(&sibling_path(path, coding)) {
                Ok(there) => match (known.map(|sibling| &sibling.usage), there) {
                    (None, None) => true,
                    (Some(Usage::Used(version, _)), Some(there)) => version.is_of(&there),
                    (Some(Usage::Unused(identity, settled)), Some(there)) => {
                        *settled && *identity == there
                    }
                    _ => false,
                },
                Err(Refusal::WouldBlock) => return Looked::WouldBlock,
                Err(Refusal::Status(_)) => known.is_none(),
            };
            if !same {
                return Looked::Changed;
            }
        }
        Looked::Same
    }

    pub(super) fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.all.iter().filter_map(Sibling::variant)
    }
}

impl Sibling {
    const fn variant(&self) -> Option<&Variant> {
        match &self.usage {
            Usage::Used(_, variant) | Usage::Made(variant) => Some(variant),
            Usage::Unused(..) => None,
        }
    }
}

/// What the request says of codings, if it says anything.
pub(super) fn accepted(request: &Request<'_>) -> Option<Accepted> {
    let is_said = request.has(Known::ACCEPT_ENCODING);
    is_said.then(|| Accepted::parse(request.field_values("accept-encoding")))
}

/// Whether a Range field will be applied to a file of `len` bytes. For HEAD it is ignored, and so
/// is one that cannot be understood (RFC 9110 §14.2).
fn asks_for_a_part(request: &Request<'_>, len: u64) -> bool {
    request.method() == Method::Get
        && only_range(request).is_some_and(|field| range::evaluate(field, len) != Ranges::Whole)
}

fn sibling_path(path: &CStr, coding: Coding) -> CString {
    let mut bytes = path.to_bytes().to_vec();
    bytes.extend_from_slice(coding.suffix().as_bytes());
    CString::new(bytes).unwrap_or_default()
}
