//! The file service: a directory, as HTTP sees it.
//!
//! *Floor 3.* Knows requests, the cache and who may wait; the rules live in the files named here.
//!
//! ```text
//!              ┌── hit: one statx per file and turn, nothing allocated ──────────▶ variant.rs
//!  call ── key ┤
//!              └── miss: resolve.rs ─ opening/ ──────────▶ cache.rs ────────────▶ variant.rs
//!                     └── "that would wait" ──▶ Reply::Later: miss.rs does the same elsewhere
//! ```
//!
//! The idea: **strictly fresh, and nearly free.** A turn of a loop reads every socket before it
//! answers any request, so one look at a file, made while answering, comes after every request of
//! that turn was sent. All of them are answered from it, and an edit made before a request was
//! sent is always seen.
//!
//! *References:* RFC 9110 §9.3 (methods), §15.5.6 (Allow), §15.4.2 (301).

mod cache;
mod compressed;
mod lookup;
mod miss;
mod precompressed;
mod resolve;
mod resource;
pub(super) mod tally;
mod variant;
mod version;

use std::borrow::Cow;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::FileType;
use rustix::process::{Resource as Limit, getrlimit};

use crate::http::head::Known;
use crate::http::{Method, Request, Response, Status, Tick, target};
use crate::service::files::cache::{Cache, Cost};
use crate::service::files::lookup::{
    Lookup, LookupKey, WouldBlock, is_page, needs_slash, page_key, redirect, serve,
};
use crate::service::files::miss::{CacheFills, MissContext, MissJob};
use crate::service::files::precompressed::{Looked, accepted};
use crate::service::files::resolve::Named;
use crate::service::files::resource::{Resource, Selected};
use crate::service::files::tally::CacheTallies;
use crate::service::files::variant::Role;
use crate::service::markdown::asks_for_page;
use crate::service::opening::alike::Groups;
use crate::service::opening::encodings::KeptEncodings;
use crate::service::opening::open::{Patience, Refusal, Root, Wait};
use crate::service::opening::{Media, Resolver};
use crate::service::options::{FilesConfig, Symlinks};
use crate::service::policy::Policy;
use crate::service::{Reply, Service};

/// Serves a directory, or one file.
///
/// ```no_run
/// use httpoll::service::{Files, FilesConfig};
/// let config = FilesConfig { root: "www".into(), ..FilesConfig::default() };
/// let files = Files::open(&config, 1)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// `clone` gives another loop a service of its own: the same open root and the same rules, an
/// empty cache.
pub struct Files {
    root: Arc<Root>,
    policy: Arc<Policy>,
    /// What was made of files, for all clones.
    encodings: Arc<KeptEncodings>,
    follow_root: bool,
    cache: Cache,
    media: Media,
    fills: CacheFills,
    groups: Groups,
    /// Where paths are decoded into: lent to each request in turn.
    key: Vec<u8>,
    turn: Option<u64>,
    tidy_at: Option<Instant>,
}

impl Files {
    /// Opens the root and checks every option. `workers` is how many loops share the memory that
    /// the cache may use.
    ///
    /// # Errors
    /// What open(2) says of the root; `InvalidInput` with one line of advice for an option.
    pub fn open(config: &FilesConfig, workers: usize) -> io::Result<Self> {
        let path = std::path::absolute(&config.root)?;
        let (dir, single, symlinks) = match (config.single_file, path.parent(), path.file_name()) {
            (false, _, _) => (path.as_path(), None, config.symlinks),
            // A link that is named as the root is meant as what it leads to.
            (true, Some(dir), Some(name)) => {
                (dir, Some(name.as_bytes().to_vec()), Symlinks::Follow)
            }
            (true, _, _) => return Err(not_a_file(&path)),
        };
        let root = Root::open(dir, symlinks)?;
        if let Some(name) = &single {
            let name = CString::new(name.as_slice())?;
            if root.identity_at(&name)?.kind != FileType::RegularFile {
                return Err(not_a_file(&path));
            }
            if let Err(Refusal::Status(Status::FORBIDDEN)) = root.read(&name, Wait::Allowed) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        let mut policy = Policy::new(config, single)?;
        let kept_bytes = if config.compress {
            config.cache_bytes / 4
        } else {
            0
        };
        let share = share(config, config.cache_bytes - kept_bytes, workers);
        if config.compress {
            // What is made must be kept, or each client would have it made again.
            let bytes_max = compressed::BYTES_MAX.min(share.bytes / 8);
            policy.compress_bytes_max = bytes_max as u64;
        }
        let cache = Cache::new(share, CacheTallies::default());
        let (root, policy) = (root.into(), policy.into());
        let encodings = KeptEncodings::new(kept_bytes).into();
        Ok(Self::with(
            root,
            policy,
            encodings,
            config.follow_root,
            cache,
        ))
    }

    fn with(
        root: Arc<Root>,
        policy: Arc<Policy>,
        encodings: Arc<KeptEncodings>,
        follow_root: bool,
        cache: Cache,
    ) -> Self {
        Self {
            root,
            policy,
            encodings,
            follow_root,
            cache,
            media: Media::default(),
            fills: CacheFills::new(),
            groups: Groups::default(),
            key: Vec::new(),
            turn: None,
            tidy_at: None,
        }
    }

    /// The same service as a kernel without openat2(2) would have it; for tests and benches of the
    /// fallback.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_without_openat2(config: &FilesConfig, workers: usize) -> io::Result<Self> {
        let mut files = Self::open(config, workers)?;
        let root = Root::open(files.root.path(), files.root.symlinks())?;
        files.root = Arc::new(root.without_openat2());
        Ok(files)
    }

    /// What the caches of this service and its clones count, to be looked at from any thread.
    pub fn cache_tallies(&self) -> CacheTallies {
        self.cache.tallies().clone()
    }

    /// What this loop's cache holds: bytes and open descriptors.
    pub const fn cached(&self) -> (usize, usize) {
        let cost = self.cache.cost();
        (cost.bytes, cost.descriptors)
    }

    /// What is done once per turn at most.
    fn begin_turn(&mut self, now: &Tick) {
        if self.turn == Some(now.turn) {
            return;
        }
        self.turn = Some(now.turn);
        if self.follow_root
            && !self.root.is_current()
            && let Some(root) = self.root.reopened()
        {
            self.root = Arc::new(root);
            self.cache.clear();
            // Who asked before may still be answered from the other root.
            self.groups = Groups::default();
        }
        if !self.fills.is_idle() {
            self.take_fills();
        }
        if self.tidy_at.is_none_or(|at| at <= now.instant) {
            self.tidy_at = Some(now.instant + TIDY_EVERY);
            self.cache.close_idle(now.instant);
        }
    }

    /// Keeps what miss jobs have loaded.
    fn take_fills(&mut self) {
        let keep_remote = self.policy.cache_valid.is_some();
        for found in self.fills.collect() {
            if keep_remote || !found.resource.remote() {
                self.cache.insert(&found.key, found.resource);
            }
        }
    }

    /// The answer from the cache, if there is one to be believed.
    fn hit(
        &mut self,
        key: &[u8],
        role: Role,
        request: &Request<'_>,
        now: &Tick,
    ) -> Option<Response> {
        let resource = &mut self.cache.get(key)?.resource;
        let selected = resource.select(role, request);
        match believe(resource, selected, (&self.policy, &self.root), request, now) {
            Belief::Current => {
                let response = resource.answer(selected, request, now.wall, &self.policy);
                self.cache.cells().hit();
                Some(response)
            }
            Belief::Stale => {
                self.cache.remove(key);
                None
            }
            Belief::Unknown => None,
        }
    }

    /// Everything but a hit of a path that is written as it is kept.
    fn look_up(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let mut whole = std::mem::take(&mut self.key);
        let policy = Arc::clone(&self.policy);
        let refused = decode_key(request.path(), &mut whole).err();
        if refused.is_some() {
            // Not a key, then: what is left to decide by is the path as it was written.
            whole.clear();
            whole.extend_from_slice(request.path().as_bytes());
        }
        let reply = match (policy.key_below_prefix(&whole), refused) {
            (Some(b""), None) => policy.decorate(redirect(&whole, request), b"").into(),
            (Some(path), _) => {
                let key = LookupKey { path, refused };
                match serve(self, &policy, key, request, now) {
                    Ok(response) => Reply::Now(response),
                    Err(WouldBlock) => self.miss(key, request, now).into_reply(),
                }
            }
            (None, _) => {
                let status = refused.unwrap_or(Status::NOT_FOUND);
                policy.error_page(status, request, b"").into()
            }
        };
        self.key = whole;
        reply
    }

    fn miss(&mut self, key: LookupKey<'_>, request: &Request<'_>, now: &Tick) -> MissJob {
        let member = match is_page(&self.policy, key.path, Role::Itself, request) {
            true => self.groups.join(&page_key(key.path)),
            false => self.groups.join(key.path),
        };
        MissJob {
            request: request.detached(),
            path: key.path.to_vec(),
            refused: key.refused,
            now: *now,
            context: MissContext {
                root: Arc::clone(&self.root),
                policy: Arc::clone(&self.policy),
                encodings: Arc::clone(&self.encodings),
                fill: self.fills.expect_one(),
                member,
                wait: Wait::Briefly,
            },
        }
    }
}

impl Clone for Files {
    fn clone(&self) -> Self {
        let (root, policy) = (Arc::clone(&self.root), Arc::clone(&self.policy));
        let encodings = Arc::clone(&self.encodings);
        let (follow_root, cache) = (self.follow_root, self.cache.another());
        Self::with(root, policy, encodings, follow_root, cache)
    }
}

impl Service for Files {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        self.begin_turn(now);
        if !matches!(request.method(), Method::Get | Method::Head) {
            return other_method(&self.policy, request).into();
        }
        // Keys are decoded paths. One without an escape is its own key, if it is anybody's.
        if !asks_for_page(request)
            && let Some(path) = self.policy.below_prefix(request.path_bytes())
            && memchr::memchr(b'%', path).is_none()
            && let Some(response) = self.hit(path, Role::Itself, request, now)
        {
            return response.into();
        }
        self.look_up(request, now)
    }

    fn release_descriptors(&mut self) -> bool {
        self.cache.close_all()
    }
}

impl Lookup for Files {
    fn answer(
        &mut self,
        key: &[u8],
        role: Role,
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Response, Refusal> {
        let is_page = is_page(&self.policy, key, role, request);
        let kept = match is_page {
            true => Cow::Owned(page_key(key)),
            false => Cow::Borrowed(key),
        };
        if let Some(response) = self.hit(&kept, role, request, now) {
            return Ok(response);
        }
        self.cache.cells().miss();
        if is_page {
            return Err(Refusal::WouldBlock);
        }
        let mut resolver = Resolver {
            root: &self.root,
            policy: &self.policy,
            media: &mut self.media,
            patience: Patience::NONE,
            turn: None,
            encodings: &self.encodings,
            now: *now,
            accepted: accepted(request),
        };
        let mut named = resolver.resolve(key);
        // Mostly for want of a descriptor, and then some here are unused.
        let is_busy = matches!(named, Err(Refusal::Status(Status::SERVICE_UNAVAILABLE)));
        if is_busy && self.cache.close_all() {
            named = resolver.resolve(key);
        }
        match named? {
            Named::File(resource) => {
                let selected = resource.select(role, request);
                let response = resource.answer(selected, request, now.wall, &self.policy);
                self.cache.insert(key, resource);
                Ok(response)
            }
            Named::NeedsSlash => needs_slash(&self.policy, key, role, request),
            // Reading a directory waits for the disk, and has no way to say so beforehand.
            Named::Listing(_) => Err(Refusal::WouldBlock),
        }
    }
}

/// What is known of an entry.
enum Belief {
    /// It may answer.
    Current,
    /// It is of the past.
    Stale,
    /// It may answer others, but this request has to find out more.
    Unknown,
}

/// Whether an entry may answer; looks at the file it answers with unless that was done in this turn.
fn believe(
    resource: &mut Resource,
    selected: Selected,
    (policy, root): (&Policy, &Root),
    request: &Request<'_>,
    now: &Tick,
) -> Belief {
    let valid = policy.cache_valid;
    if !resource.is_believed(root, now, valid) {
        return Belief::Stale;
    }
    // Only who could be sent a sibling makes us look for one.
    if !(policy.negotiates() && request.has(Known::ACCEPT_ENCODING)) {
        return Belief::Current;
    }
    match resource.look_for_siblings(root, now, valid) {
        Some(Looked::Same) if selected.choice.lacks => return Belief::Unknown,
        Some(Looked::Same) => {}
        Some(Looked::Changed) => return Belief::Stale,
        Some(Looked::WouldBlock) | None => return Belief::Unknown,
    }
    match selected.choice.sibling {
        Some(sibling) if !resource.sibling_is_believed(sibling, root, now, valid) => Belief::Stale,
        _ => Belief::Current,
    }
}

/// OPTIONS says what there is; the other methods we know are not for files; the rest we do not
/// know (RFC 9110 §15.6.2).
fn other_method(policy: &Policy, request: &Request<'_>) -> Response {
    match request.method() {
        Method::Options => policy.decorate(options(policy, request), b""),
        Method::Other => policy.error_page(Status::NOT_IMPLEMENTED, request, b""),
        _ => (policy.error_page(Status::METHOD_NOT_ALLOWED, request, b"")).field("Allow", ALLOW),
    }
}

/// 204 with Allow, and the permissions a CORS preflight asks for. `*` covers every field but
/// Authorization, which a public file does not need.
fn options(policy: &Policy, request: &Request<'_>) -> Response {
    let response = Response::new(Status::NO_CONTENT).field("Allow", ALLOW);
    let preflight = request.field("access-control-request-method").is_some();
    if !(policy.cors && preflight && request.field("origin").is_some()) {
        return response;
    }
    response
        .field("Access-Control-Allow-Methods", ALLOW)
        .field("Access-Control-Allow-Headers", "*")
        .field("Access-Control-Max-Age", "86400")
}

/// A path as the cache knows it: decoded, with a slash first, and last if only a directory will do.
fn decode_key(path: &str, key: &mut Vec<u8>) -> Result<(), Status> {
    let directory = target::decode_into(path, key).map_err(target::TargetError::status)?;
    let is_root = key.is_empty();
    key.insert(0, b'/');
    if directory && !is_root {
        key.push(b'/');
    }
    Ok(())
}

/// One loop's part of what all may use, `bytes` of memory among it.
fn share(config: &FilesConfig, bytes: usize, workers: usize) -> Cost {
    let workers = workers.max(1);
    let limit = getrlimit(Limit::Nofile).current.unwrap_or(u64::MAX);
    let quarter = usize::try_from(limit / 4).unwrap_or(usize::MAX);
    Cost {
        bytes: bytes / workers,
        descriptors: config.cache_descriptors.min(quarter) / workers,
    }
}

fn not_a_file(path: &Path) -> io::Error {
    let message = format!(
        "{} is neither a directory nor a regular file",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

const ALLOW: &str = "GET, HEAD, OPTIONS";
/// How often unused descriptors are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(10);
