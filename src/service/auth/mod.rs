//! Passwords: `--auth`, `--auth-file`, `--auth-for`.
//!
//! *Floor 3.* Stands in front of all other services; knows who asks and for which path, and nothing
//! of files.
//!
//! ```text
//!  call ── needs none ────────────────────────────────────────────────▶ the service behind
//!       └─ fingerprint ── remembered as right ────────────────────────▶ the service behind, private
//!            │           └ as wrong, or none ──▶ 401
//!            └─ unknown ── too many tries ──▶ 429
//!                        └ job: the hash ──▶ remembered ──▶ asked again, or 401
//! ```
//!
//! The idea: **a password is proved once.** A hash that is dear for a thief is dear for us
//! too, so it is computed elsewhere, one at a time, and a loop remembers the fingerprint of what was
//! right: the next 499 requests of a page cost a SHA-256 of some hundred bytes, and no allocation.
//!
//! A preflight carries no credentials (Fetch, "CORS-preflight request"), so where `--cors` answers
//! them they need none; what they learn is which methods there are. Nothing of the content is asked
//! for, no 100 Continue sent, before a request is known to be allowed.
//!
//! *References:* RFC 7617; RFC 9110 §11, §15.5.2; RFC 6585 §4.

mod credentials;
mod private;
mod tries;
mod users;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use users::HashMemory;
pub use users::{Users, hash_password};

use crate::http::head::Known;
use crate::http::{HeaderBlock, Method, OwnedRequest, Request, Response, Status, Tick, target};
use crate::service::fields::{lines, names};
use crate::service::options::FilesConfig;
use crate::service::protected::ProtectedPaths;
use crate::service::work::{Gone, Outcome, Work};
use crate::service::{Decoration, Reply, Service, pages};
use credentials::{BasicToken, Credentials, Fingerprint, FingerprintKey};
use private::private_reply;
use tries::{ClientKey, INTERVAL, Tries};

/// How many credentials are remembered, right ones and wrong ones each.
const REMEMBERED_MAX: usize = 1024;

/// Hashes have one key, so that a loop computes one at a time: each takes 19 MiB.
const HASHING: u64 = u64::MAX;

/// What all loops know of passwords.
struct AuthContext {
    users: Users,
    paths: ProtectedPaths,
    prefix: String,
    index: Vec<String>,
    /// Whether preflights are answered.
    cors: bool,
    decoration: Decoration,
    key: FingerprintKey,
    tries: Mutex<Tries>,
    known: Mutex<Verdicts>,
    /// Held while a hash is computed: drivers that wait have a thread for each client, and each hash
    /// takes 19 MiB.
    hashing: Mutex<HashMemory>,
}

/// What was found out about credentials, by their fingerprints. When one of the sets is full it
/// begins anew: what was right is proved once more.
#[derive(Default)]
struct Verdicts {
    right: HashSet<Fingerprint, RandomState>,
    wrong: HashSet<Fingerprint, RandomState>,
    /// What is being found out, and for whom: a browser sends many requests at once, and one of them pays.
    pending: HashMap<Fingerprint, ClientKey, RandomState>,
}

impl Verdicts {
    fn of(&self, print: &Fingerprint) -> Option<bool> {
        match self.right.contains(print) {
            true => Some(true),
            false => self.wrong.contains(print).then_some(false),
        }
    }

    fn remember(&mut self, print: Fingerprint, is_right: bool) {
        let set = if is_right {
            &mut self.right
        } else {
            &mut self.wrong
        };
        if set.len() >= REMEMBERED_MAX {
            set.clear();
        }
        set.insert(print);
    }
}

impl AuthContext {
    /// Whether a request has to say who it comes from.
    fn is_needed(&self, request: &Request<'_>, path: &mut Vec<u8>) -> bool {
        if matches!(self.paths, ProtectedPaths::All) {
            return true;
        }
        // What cannot be read cannot be allowed.
        let Ok(is_directory) = target::decode_into(request.path(), path) else {
            return true;
        };
        let prefix = self.prefix.trim_matches('/').as_bytes();
        let below = match path.strip_prefix(prefix) {
            Some([b'/', rest @ ..]) if !prefix.is_empty() => rest,
            Some([]) => b"",
            _ => path.as_slice(),
        };
        let takes_more = || request.method() == Method::Post && self.paths.may_cover_in(below);
        match is_directory {
            true => self.paths.covers_directory(below, &self.index) || takes_more(),
            false => self.paths.covers(below) || takes_more(),
        }
    }

    fn is_preflight(&self, request: &Request<'_>) -> bool {
        self.cors
            && request.method() == Method::Options
            && request.has(Known::ACCESS_CONTROL_REQUEST_METHOD)
            && request.has(Known::ORIGIN)
    }

    /// Whether a hash may be made of this now; then it is pending.
    fn begin_hash(&self, print: Fingerprint, client: ClientKey, now: &Tick) -> bool {
        let mut known = self.known();
        let of_others = known.pending.values().filter(|other| **other != client);
        let may = (self.tries()).may_wait(client, of_others.count(), now.instant);
        if may {
            known.pending.insert(print, client);
        }
        may
    }

    /// RFC 9110 §15.5.2.
    fn challenge(&self, request: &Request<'_>) -> Response {
        let response = pages::error_page(Status::UNAUTHORIZED, request);
        let response = self.decoration.apply(response);
        response.field("WWW-Authenticate", CHALLENGE)
    }

    fn too_many(&self, request: &Request<'_>) -> Response {
        let response = pages::error_page(Status::TOO_MANY_REQUESTS, request);
        let seconds = INTERVAL.as_secs().to_string();
        self.decoration
            .apply(response)
            .field("Retry-After", &seconds)
    }

    fn known(&self) -> MutexGuard<'_, Verdicts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CHALLENGE: &str = "Basic realm=\"httpoll\", charset=\"UTF-8\"";

/// Who may come in and where to, ready for use: to make the [`BasicAuth`] of each loop.
#[derive(Clone)]
pub struct Passwords(Arc<AuthContext>);

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({:?})", self.0.users)
    }
}

impl Passwords {
    /// These users, for the paths that `files` says need a password.
    ///
    /// # Errors
    /// If the kernel has no randomness to give.
    pub fn new(users: Users, files: &FilesConfig) -> io::Result<Self> {
        Ok(Self(Arc::new(AuthContext {
            users,
            paths: files.protected.clone(),
            prefix: files.prefix.clone(),
            index: files.index.clone(),
            cors: files.cors,
            decoration: Decoration::new(files),
            key: FingerprintKey::random()?,
            tries: Mutex::default(),
            known: Mutex::default(),
            hashing: Mutex::default(),
        })))
    }

    /// They, in front of `service`.
    pub fn in_front_of<S: Service>(&self, service: S) -> BasicAuth<S> {
        BasicAuth {
            context: Arc::clone(&self.0),
            right: HashSet::default(),
            path: Vec::new(),
            service,
        }
    }
}

/// A service that wants to know who asks; see [`Passwords`].
pub struct BasicAuth<S> {
    context: Arc<AuthContext>,
    /// What this loop knows to be right, without asking the others.
    right: HashSet<Fingerprint, RandomState>,
    /// Where paths are decoded into: lent to each request in turn.
    path: Vec<u8>,
    service: S,
}

impl<S: Service> BasicAuth<S> {
    /// Whether the request may pass; else what it gets.
    fn judge(&mut self, request: &Request<'_>, now: &Tick) -> Result<(), Reply> {
        let context = &self.context;
        let Some(token) = BasicToken::of(request) else {
            return Err(context.challenge(request).into());
        };
        let client = ClientKey::of(request.peer);
        let print = context.key.of_token(client, token);
        if self.right.contains(&print) {
            return Ok(());
        }
        let verdict = context.known().of(&print);
        match verdict {
            Some(true) => {
                self.remember(print);
                return Ok(());
            }
            Some(false) => return Err(context.challenge(request).into()),
            None => {}
        }
        let Some(given) = token.decode() else {
            return Err(context.challenge(request).into());
        };
        let is_pending = context.known().pending.contains_key(&print);
        if !is_pending && !context.tries().take(client, now.instant) {
            return Err(context.too_many(request).into());
        }
        if context.users.is_typed(&given, &context.key) {
            context.known().remember(print, true);
            context.tries().give_back(client);
            self.remember(print);
            return Ok(());
        }
        if context.users.has_hashes() {
            // PITFALL: not for what waits for another's: that one may have ended just now, and nobody
            // would take it out again.
            if !is_pending && !context.begin_hash(print, client, now) {
                context.tries().give_back(client);
                return Err(context.too_many(request).into());
            }
            return Err(Reply::Later(Box::new(Verification {
                context: Arc::clone(context),
                request: request.detached(),
                client,
                print,
                given,
                pays: !is_pending,
            })));
        }
        context.known().remember(print, false);
        Err(context.challenge(request).into())
    }

    fn remember(&mut self, print: Fingerprint) {
        if self.right.len() >= REMEMBERED_MAX {
            self.right.clear();
        }
        self.right.insert(print);
    }
}

impl<S: Service> Service for BasicAuth<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        if !self.context.is_needed(request, &mut self.path) {
            return self.service.call(request, now);
        }
        if self.context.is_preflight(request) {
            return match self.service.call(request, now) {
                Reply::Now(response) => Reply::Now(allowing_authorization(response)),
                reply => reply,
            };
        }
        match self.judge(request, now) {
            Ok(()) => private_reply(self.service.call(request, now)),
            Err(reply) => reply,
        }
    }

    fn release_descriptors(&mut self) -> bool {
        self.service.release_descriptors()
    }
}

/// `*` stands for every field but Authorization, which has to be named (Fetch, "CORS-preflight
/// fetch").
fn allowing_authorization(mut response: Response) -> Response {
    const FIELD: &str = "Access-Control-Allow-Headers";
    let mut fields = Vec::new();
    for line in lines(response.fields.as_bytes()) {
        match line.strip_suffix(b"\r\n") {
            Some(start) if names(line, FIELD) => {
                fields.extend_from_slice(start);
                fields.extend_from_slice(b", Authorization\r\n");
            }
            _ => fields.extend_from_slice(line),
        }
    }
    response.fields = HeaderBlock::Owned(fields);
    response
}

/// A password that is compared with a hash.
struct Verification {
    context: Arc<AuthContext>,
    request: OwnedRequest,
    client: ClientKey,
    print: Fingerprint,
    given: Credentials,
    /// Whether a try was taken for it; the others wait for what comes of that one.
    pays: bool,
}

impl Drop for Verification {
    fn drop(&mut self) {
        if self.pays {
            self.context.known().pending.remove(&self.print);
        }
    }
}

impl Work for Verification {
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        let context = &self.context;
        let turn = context.hashing.lock();
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        let verdict = context.known().of(&self.print);
        let is_right = match verdict {
            Some(is_right) => is_right,
            None if gone() => return Outcome::Abandoned,
            None => {
                let is_right = context.users.is_hashed(&self.given, &mut turn);
                context.known().remember(self.print, is_right);
                is_right
            }
        };
        drop(turn);
        if !is_right {
            return Outcome::Answer(context.challenge(&self.request.borrow()));
        }
        if self.pays {
            context.tries().give_back(self.client);
        }
        Outcome::Again(self.request.clone())
    }

    fn key(&self) -> Option<u64> {
        Some(HASHING)
    }
}
