//! Work of the file service that may wait: done elsewhere, brought home for the cache.
//!
//! *Floor 3.* Knows how to answer without the loop; does not know on which thread it runs.
//!
//! The idea: a [`Job`](super::Job) owns all it needs, makes the whole answer, and whatever it loaded goes back
//! to the loop that asked through a channel. The loop looks into it only while an errand is out,
//! so a hit pays one comparison. An errand that is dropped unrun (its connection is gone) comes
//! home empty-handed.
//!
//! *Read next:* `listing.rs`, the other thing done here.

use std::ffi::{CStr, CString};
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::Reply;
use super::files::{Lookup, needs_slash, serve};
use super::listing::{LinkTarget, ListingFormat, ListingOptions, listing, listing_unchanged};
use super::open::{Refusal, Root, Wait};
use super::options::Symlinks;
use super::pages;
use super::policy::Policy;
use super::resolve::{Media, Named, Resolver, Resource};
use super::variant::Role;
use crate::http::head::Known;
use crate::http::validator::{self, Validators, Verdict};
use crate::http::{OwnedRequest, Request, Response, Status, Tick};

/// One request that could not be answered without waiting.
pub(super) struct Errand {
    pub(super) request: OwnedRequest,
    pub(super) key: Vec<u8>,
    /// What is wrong with the path, if it can lead to nothing: see [`serve`].
    pub(super) refused: Option<Status>,
    /// When it was asked. The clock is not read again, which errs on the safe side: a file that
    /// changed since counts as not settled.
    pub(super) now: Tick,
    pub(super) means: Means,
}

/// What an errand answers with, instead of a loop.
pub(super) struct Means {
    pub(super) root: Arc<Root>,
    pub(super) policy: Arc<Policy>,
    pub(super) ticket: Ticket,
}

impl Errand {
    pub(super) fn into_reply(self) -> Reply {
        Reply::Later(Box::new(move || self.run()))
    }

    fn run(self) -> Response {
        let Self {
            request,
            key,
            refused,
            now,
            mut means,
        } = self;
        let (request, policy) = (request.borrow(), Arc::clone(&means.policy));
        serve(&mut means, &policy, &key, refused, &request, &now).unwrap_or_else(|_| {
            // A name that is being renamed faster than it can be resolved.
            let busy = pages::error_page(Status::SERVICE_UNAVAILABLE, &request);
            policy.decorate(busy, b"")
        })
    }
}

impl Means {
    /// A listing has no validator, but it exists: `*` is true of it, and every tag is another one
    /// (RFC 9110 §13.1.1, §13.1.2).
    fn list(&self, directory: OwnedFd, key: &[u8], request: &Request<'_>, now: &Tick) -> Response {
        let response = match validator::evaluate(request, &Validators::default(), now.wall) {
            Verdict::Proceed => self.listing(directory, key, request),
            Verdict::NotModified => listing_unchanged(),
            Verdict::Failed => pages::error_page(Status::PRECONDITION_FAILED, request),
        };
        self.policy.decorate(response, key)
    }

    fn listing(&self, directory: OwnedFd, key: &[u8], request: &Request<'_>) -> Response {
        let options = ListingOptions {
            hidden: self.policy.hidden,
            at_root: key == b"/",
            format: ListingFormat::of(request),
            link_target: link_target(&self.root, key),
        };
        listing(directory, &String::from_utf8_lossy(key), options)
    }
}

impl Lookup for Means {
    fn answer(
        &mut self,
        key: &[u8],
        role: Role,
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal> {
        let mut resolver = Resolver {
            root: &self.root,
            policy: &self.policy,
            media: &mut Media::default(),
            wait: Wait::Allowed,
            now: now.wall,
            takes_encodings: request.has(Known::ACCEPT_ENCODING),
        };
        match resolver.resolve(key)? {
            Named::File(resource) => {
                let response = resource.answer(role, request, now.wall, &self.policy);
                let found = FoundElsewhere {
                    key: key.into(),
                    resource,
                    asked: now.instant,
                };
                self.ticket.found.push(found);
                Ok(response)
            }
            Named::NeedsSlash => needs_slash(&self.policy, key, role, request),
            Named::Listing(directory) if role == Role::Itself => {
                Ok(self.list(directory, key, request, now))
            }
            Named::Listing(_) => Err(Refusal::Status(Status::NOT_FOUND)),
        }
    }
}

/// How a listing finds out what a link in the directory `key` leads to: by opening it as a request
/// would, so that a listing says nothing about what would not be served.
fn link_target(root: &Arc<Root>, key: &[u8]) -> Option<LinkTarget> {
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

/// Something an errand loaded.
pub(super) struct FoundElsewhere {
    pub(super) key: Box<[u8]>,
    pub(super) resource: Resource,
    pub(super) asked: Instant,
}

/// What errands bring home to one loop.
pub(super) struct Returns {
    out: usize,
    sender: Sender<Vec<FoundElsewhere>>,
    receiver: Receiver<Vec<FoundElsewhere>>,
}

impl Returns {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel();
        Self {
            out: 0,
            sender,
            receiver,
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.out += 1;
        Ticket {
            home: self.sender.clone(),
            found: Vec::new(),
        }
    }

    /// What has come home since.
    pub(super) fn collect(&mut self) -> Vec<FoundElsewhere> {
        let mut found = Vec::new();
        while self.out > 0 {
            let Ok(brought) = self.receiver.try_recv() else {
                break;
            };
            self.out -= 1;
            found.extend(brought);
        }
        found
    }
}

/// One errand's way home: dropping it is arriving.
pub(super) struct Ticket {
    home: Sender<Vec<FoundElsewhere>>,
    found: Vec<FoundElsewhere>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // A loop that has ended needs nothing any more.
        let _ = self.home.send(mem::take(&mut self.found));
    }
}
