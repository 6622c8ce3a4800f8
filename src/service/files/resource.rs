//! A file that can be served, with its siblings, for as long as it is believed.
//!
//! *Floor 3.* Knows how to find out whether it is still the same; does not know how it was found.

use std::ffi::CString;
use std::time::{Duration, Instant, SystemTime};

use crate::http::{Request, Response, Status, Tick};
use crate::service::files::precompressed::{Chosen, Looked, SiblingChoice, Siblings};
use crate::service::files::variant::{Role, Variant};
use crate::service::files::version::Version;
use crate::service::opening::open::Root;
use crate::service::policy::Policy;

/// A file that can be served, and how to find out whether it is still the same.
pub(super) struct Resource {
    pub(super) version: Version,
    /// Whether it was the same before and after it was read.
    pub(super) whole: bool,
    /// Index names that would be preferred to this one if they existed.
    pub(super) preferred: Box<[CString]>,
    pub(super) plain: Variant,
    /// `None` until a client asks that could be sent one.
    pub(super) siblings: Option<Siblings>,
}

impl Resource {
    /// The variant that answers a request, and what for.
    #[inline]
    pub(super) fn select(&self, role: Role, request: &Request<'_>) -> Selected {
        let siblings = self.siblings.as_ref();
        let choice = siblings.map(|all| all.choose(request, self.plain.len()));
        Selected {
            role,
            choice: choice.unwrap_or_default(),
        }
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
        let sibling = (selected.choice.sibling).and_then(|chosen| siblings?.variant(chosen));
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

    /// Looks whether there are other siblings than were found; `None` if they were never looked for.
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
    pub(super) choice: SiblingChoice,
}
