//! The miss path: an answer that may wait, made on another thread, and what it loads for the cache.
//!
//! *Floor 3.* Knows how to answer without the loop; does not know on which thread it runs.
//!
//! The idea: a [`Job`](crate::service::Job) owns all it needs, makes the whole answer, and whatever it loaded goes back
//! to the loop that asked through a channel. The loop looks into it only while a job is out, so a
//! hit pays one comparison. A job that is dropped unrun (its connection is gone) fills nothing.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{OwnedRequest, Request, Response, Status, Tick};
use crate::service::Reply;
use crate::service::archive::Packing;
use crate::service::archive::walk::Scope;
use crate::service::files::lookup::{
    Lookup, LookupKey, WouldBlock, is_page, needs_slash, page_key, serve,
};
use crate::service::files::precompressed::accepted;
use crate::service::files::resolve::Named;
use crate::service::files::resource::Resource;
use crate::service::files::variant::Role;
use crate::service::listing::{ContentTypes, Listing, ListingFormat, ListingOptions, ListingQuery};
use crate::service::opening::alike::{Member, Turn};
use crate::service::opening::encodings::KeptEncodings;
use crate::service::opening::open::{Patience, Refusal, Root, Wait};
use crate::service::opening::{Media, Resolver, link_target, readme_reader};
use crate::service::policy::Policy;
use crate::service::work::{Gone, Outcome, Work};

/// One request that could not be answered without waiting.
pub(super) struct MissJob {
    pub(super) request: OwnedRequest,
    /// With `refused`, its [`LookupKey`].
    pub(super) path: Vec<u8>,
    pub(super) refused: Option<Status>,
    /// When it was asked. The clock is not read again, which errs on the safe side: a file that
    /// changed since counts as not settled.
    pub(super) now: Tick,
    pub(super) context: MissContext,
}

/// What a miss job answers with, instead of a loop.
pub(super) struct MissContext {
    pub(super) root: Arc<Root>,
    pub(super) policy: Arc<Policy>,
    pub(super) encodings: Arc<KeptEncodings>,
    pub(super) fill: CacheFill,
    /// Its place among the requests for the same path.
    pub(super) member: Member,
    /// Short at first: what takes long says so.
    pub(super) wait: Wait,
}

/// One run of a miss job.
struct Attempt<'a> {
    root: &'a Arc<Root>,
    policy: &'a Arc<Policy>,
    encodings: &'a KeptEncodings,
    fill: &'a mut CacheFill,
    patience: Patience<'a>,
    turn: Turn<'a>,
}

impl MissJob {
    pub(super) fn into_reply(self) -> Reply {
        Reply::Later(Box::new(self))
    }
}

impl Work for MissJob {
    fn key(&self) -> Option<u64> {
        Some(self.context.member.key())
    }

    fn run(mut self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        let policy = Arc::clone(&self.context.policy);
        let request = self.request.borrow();
        let wait = self.context.wait;
        let patience = Patience { wait, gone };
        let context = &mut self.context;
        let Some(turn) = context.member.turn(gone) else {
            return Outcome::Abandoned;
        };
        let mut lookup = Attempt {
            root: &context.root,
            policy: &context.policy,
            encodings: &context.encodings,
            fill: &mut context.fill,
            patience,
            turn,
        };
        let (path, refused) = (self.path.as_slice(), self.refused);
        let key = LookupKey { path, refused };
        let served = serve(&mut lookup, &policy, key, &request, &self.now);
        drop(lookup);
        match served {
            Ok(response) => Outcome::Answer(response),
            Err(WouldBlock) if gone() => Outcome::Abandoned,
            Err(WouldBlock) if wait == Wait::Briefly => {
                self.context.wait = Wait::Allowed;
                Outcome::Long(self)
            }
            // A name that is being renamed faster than it can be resolved.
            Err(WouldBlock) => {
                Outcome::Answer(policy.error_page(Status::SERVICE_UNAVAILABLE, &request, b""))
            }
        }
    }
}

impl Attempt<'_> {
    /// A listing, unless the client has it already (RFC 9110 §13.1.1, §13.1.2).
    fn list(
        &self,
        directory: OwnedFd,
        key: &[u8],
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal> {
        let response = match self.listing(directory, key, request)? {
            Err(refusal) => refusal,
            Ok(listing) => match validator::evaluate(request, &listing.validators(), now.wall) {
                Evaluation::Proceed => listing.into_response(),
                Evaluation::NotModified => listing.unchanged(),
                Evaluation::Failed => {
                    let status = Status::PRECONDITION_FAILED;
                    return Ok(self.policy.error_page(status, request, key));
                }
            },
        };
        Ok(self.policy.decorate(response, key))
    }

    /// All of a directory that is listed as one download: nothing of it is read for the head.
    fn archive(
        &self,
        packing: Packing,
        key: &[u8],
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal> {
        if !self.policy.archives {
            return Err(Refusal::Status(Status::NOT_FOUND));
        }
        let name = self.policy.folder_name(key, self.root.path());
        let scope = Scope {
            root: Arc::clone(self.root),
            hidden: self.policy.hidden,
            sealed: self.policy.drop_box().map(<[u8]>::to_vec),
            protected: self.policy.protected.clone(),
        };
        let folder = key.strip_prefix(b"/").unwrap_or(key);
        let response = match validator::evaluate(request, &Validators::default(), now.wall) {
            Evaluation::Proceed => packing.of(scope, folder, name, now),
            Evaluation::NotModified => {
                Response::new(Status::NOT_MODIFIED).field("Cache-Control", "no-store")
            }
            Evaluation::Failed => {
                let status = Status::PRECONDITION_FAILED;
                return Ok(self.policy.error_page(status, request, key));
            }
        };
        Ok(self.policy.decorate(response, key))
    }

    /// Of the files in the directory at `key`, which ends with a slash.
    fn content_types(&self, key: &[u8]) -> ContentTypes {
        let (policy, directory) = (Arc::clone(self.policy), key.to_vec());
        Arc::new(move |name| policy.content_type(&[&directory, name.to_bytes()].concat()))
    }

    fn listing(
        &self,
        directory: OwnedFd,
        key: &[u8],
        request: &Request<'_>,
    ) -> Result<Result<Listing, Response>, Refusal> {
        let options = ListingOptions {
            hidden: self.policy.hidden,
            left_out: self
                .policy
                .protected
                .left_out_of(key.strip_prefix(b"/").unwrap_or(key)),
            at_root: key == b"/",
            archives: self.policy.archives,
            takes_uploads: self.policy.takes_uploads(key),
            format: ListingFormat::of(request),
            query: ListingQuery::of(request.query()),
            link_target: link_target(self.root, key),
            readme: readme_reader(self.root, self.policy, key),
            content_types: Some(self.content_types(key)),
        };
        let path = String::from_utf8_lossy(key);
        let known = self.turn.listing();
        let mut names = known.filter(|known| known.is_for(&options));
        let is_known = names.is_some();
        let gone = self.patience.gone;
        let listing = Listing::read(directory, &path, options, gone, &mut names);
        if let Some(names) = names.filter(|_| listing.is_some() && !is_known) {
            self.turn.keep_listing(names);
        }
        listing.ok_or(Refusal::WouldBlock)
    }
}

impl Lookup for Attempt<'_> {
    fn answer(
        &mut self,
        key: &[u8],
        role: Role,
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal> {
        let mut resolver = Resolver {
            root: self.root,
            policy: self.policy,
            media: &mut Media::default(),
            patience: self.patience,
            turn: Some(&self.turn),
            encodings: self.encodings,
            // No turn has this number, so the loop looks at what comes home before it believes it.
            now: Tick {
                turn: u64::MAX,
                ..*now
            },
            accepted: accepted(request),
        };
        let is_page = is_page(self.policy, key, role, request);
        let named = match is_page {
            true => resolver.resolve_page(key)?,
            false => resolver.resolve(key)?,
        };
        if matches!(named, Named::Listing(_))
            && role == Role::Itself
            && let Some(packing) = Packing::asked(request.query())
        {
            return self.archive(packing, key, request, now);
        }
        match named {
            Named::File(resource) => {
                let selected = resource.select(role, request);
                let response = resource.answer(selected, request, now.wall, self.policy);
                let found = FoundElsewhere {
                    key: match is_page {
                        true => page_key(key).into(),
                        false => key.into(),
                    },
                    resource,
                };
                self.fill.found.push(found);
                Ok(response)
            }
            Named::NeedsSlash => needs_slash(self.policy, key, role, request),
            Named::Listing(_) if self.patience.wait != Wait::Allowed => Err(Refusal::WouldBlock),
            Named::Listing(directory) if role == Role::Itself => {
                self.list(directory, key, request, now)
            }
            Named::Listing(_) => Err(Refusal::Status(Status::NOT_FOUND)),
        }
    }
}

/// Something a miss job loaded.
pub(super) struct FoundElsewhere {
    pub(super) key: Box<[u8]>,
    pub(super) resource: Resource,
}

/// What miss jobs have loaded for the cache of one loop.
pub(super) struct CacheFills {
    out: usize,
    sender: Sender<Vec<FoundElsewhere>>,
    receiver: Receiver<Vec<FoundElsewhere>>,
}

impl CacheFills {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel();
        Self {
            out: 0,
            sender,
            receiver,
        }
    }

    pub(super) fn expect_one(&mut self) -> CacheFill {
        self.out += 1;
        CacheFill {
            home: self.sender.clone(),
            found: Vec::new(),
        }
    }

    /// Whether anything is still to come.
    pub(super) const fn is_idle(&self) -> bool {
        self.out == 0
    }

    /// What has been loaded since.
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

/// What one miss job loads for the cache: dropping it hands it over.
pub(super) struct CacheFill {
    home: Sender<Vec<FoundElsewhere>>,
    found: Vec<FoundElsewhere>,
}

impl Drop for CacheFill {
    fn drop(&mut self) {
        // A loop that has ended needs nothing any more.
        let _ = self.home.send(mem::take(&mut self.found));
    }
}
