//! The answer to a GET or HEAD of a path, looked up on a loop or by a job.
//!
//! *Floor 3.* Knows what stands in for a file that is missing; does not know where answers come from.

use crate::http::{Request, Response, Status, Tick, target};
use crate::service::files::variant::Role;
use crate::service::markdown::{asks_for_page, is_markdown};
use crate::service::opening::open::Refusal;
use crate::service::pages;
use crate::service::policy::Policy;

/// Not without waiting.
#[derive(Debug)]
pub(super) struct WouldBlock;

/// Who can say what a key leads to: a loop, with its cache, or a job, which may wait.
pub(super) trait Lookup {
    fn answer(
        &mut self,
        key: &[u8],
        role: Role,
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal>;
}

/// A path, decoded and beneath the root.
#[derive(Clone, Copy)]
pub(super) struct LookupKey<'a> {
    pub(super) path: &'a [u8],
    /// What is wrong with a path that can lead to nothing (`/a%2Fb`, a segment of 300 bytes). It is
    /// kept as it was written then, and never looked up. It is missing like any other: an
    /// application may have such a route, and a site its own page for what is not there.
    pub(super) refused: Option<Status>,
}

/// Whether a Markdown file is asked for as a page. Nothing that stands in for another is.
pub(super) fn is_page(policy: &Policy, key: &[u8], role: Role, request: &Request<'_>) -> bool {
    role == Role::Itself
        && asks_for_page(request)
        && is_markdown(policy.single.as_deref().unwrap_or(key))
}

/// What a page is kept as: no path has such a byte in it.
pub(super) fn page_key(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// The answer to a GET or HEAD of a key: what it leads to, or what stands in for it.
pub(super) fn serve(
    lookup: &mut impl Lookup,
    policy: &Policy,
    key: LookupKey<'_>,
    request: &Request<'_>,
    now: &Tick,
) -> Result<Response, WouldBlock> {
    let LookupKey { path: key, refused } = key;
    let found = match refused {
        Some(status) => Err(Refusal::Status(status)),
        None if policy.hides(key) => Err(Refusal::Status(Status::NOT_FOUND)),
        None => lookup.answer(key, Role::Itself, request, now),
    };
    let status = match found {
        Ok(response) => return Ok(response),
        Err(Refusal::WouldBlock) => return Err(WouldBlock),
        Err(Refusal::Status(status)) => status,
    };
    if status == Status::NOT_FOUND {
        let spa = policy
            .spa
            .as_ref()
            .filter(|_| policy.is_navigation(key, request));
        let stand_ins = [
            (spa, Role::Application),
            (policy.not_found.as_ref(), Role::NotFound),
        ];
        for (file, role) in stand_ins {
            let Some(file) = file else { continue };
            match lookup.answer(file, role, request, now) {
                Ok(response) => return Ok(response),
                Err(Refusal::WouldBlock) => return Err(WouldBlock),
                Err(Refusal::Status(_)) => {}
            }
        }
    }
    Ok(policy.error_page(status, request, key))
}

/// The redirect to a directory's name with its slash. Not for stand-ins, which must be files.
pub(super) fn needs_slash(
    policy: &Policy,
    key: &[u8],
    role: Role,
    request: &Request<'_>,
) -> Result<Response, Refusal> {
    if role != Role::Itself {
        return Err(Refusal::Status(Status::NOT_FOUND));
    }
    let whole = [policy.prefix.as_bytes(), key].concat();
    Ok(policy.decorate(redirect(&whole, request), key))
}

/// 301 rather than 308, which keeps the method: only GET and HEAD come here, and Java's
/// HttpURLConnection, urllib before Python 3.11 and lynx do not follow a 308.
pub(super) fn redirect(directory: &[u8], request: &Request<'_>) -> Response {
    let location = target::redirect_location(directory, request.query());
    pages::redirect(Status::MOVED_PERMANENTLY, &location)
}
