//! Uploads: `--upload`. PUT and POST put files below a directory, whole or not at all.
//!
//! *Floor 3.* Stands in front of the file service; knows which requests are uploads and who may
//! send one. Nothing here runs on a loop but the look at the request: what follows is a job, and
//! what is received is written by jobs.
//!
//! ```text
//!  PUT /inbox/a.txt ─▶ names, sender ─▶ job: Whole::begin ─▶ 100 Continue ─▶ Buffered ⇄ flush ─▶ publish
//!  POST /inbox/     ─▶ names, sender ─▶ job: Form::begin  ─▶      …       ─▶ Buffered ⇄ flush ─▶ publish, for each file
//! ```
//!
//! Nothing that was sent can act in the name of this server: files below the directory are served
//! with `Content-Security-Policy: sandbox`, so a page among them has an origin of its own and
//! cannot read or send anything here as if it were the listing. A page of another site cannot
//! send files either: browsers say where a form comes from (Sec-Fetch-Site, Origin).
//!
//! *References:* RFC 9110 §9.3.3, §9.3.4, §14.5; Fetch Metadata Request Headers.

mod answer;
mod digest;
mod drop_box;
mod fields;
mod form;
mod name;
mod put;
mod receive;
mod resume;
mod store;

use std::io;
use std::sync::Arc;

use crate::http::target::{self, TargetError};
use crate::http::{Body, Method, OwnedRequest, Request, Response, Status, Tick};
use crate::service::options::{EtagMode, FilesConfig, OnConflict, UploadConfig};
use crate::service::pages;
use crate::service::routing::Decoration;
use crate::service::work::{Gone, Outcome, Work};
use crate::service::{Reply, Service};
use answer::{Refused, UploadAnswers};
use fields::PartFields;
use form::Form;
use name::BadName;
use put::Whole;
use receive::Buffered;
use resume::Resume;
use store::{Store, UploadToken};
pub use store::{UploadTallies, UploadTally};

/// What all loops and all uploads share.
struct UploadContext {
    store: Arc<Store>,
    /// Where the file service is mounted.
    prefix: String,
    /// The upload directory, below that.
    below: Vec<u8>,
    only: bool,
    on_conflict: Option<OnConflict>,
    hidden: bool,
    etag: EtagMode,
    decoration: Decoration,
}

impl UploadContext {
    /// What a PUT does with a name that is taken: one that says what it replaces may, and means no
    /// other name (RFC 9110 §13.1.1), but not in a drop box: `If-Match: *` would take away what
    /// others have sent. Where nothing is set, one may prefer a number to a refusal, as a form does
    /// (RFC 7240).
    fn policy_for_put(&self, request: &Request<'_>) -> OnConflict {
        match self.on_conflict {
            None | Some(OnConflict::Rename) if request.field("if-match").is_some() => {
                match self.only {
                    true => OnConflict::Refuse,
                    false => OnConflict::Replace,
                }
            }
            None if prefers_rename(request) => OnConflict::Rename,
            policy => policy.unwrap_or(OnConflict::Refuse),
        }
    }
}

/// Takes uploads, and hands everything else to the service behind it.
pub struct Uploads<S> {
    context: Arc<UploadContext>,
    service: S,
}

/// The directory of uploads, opened: to make the [`Uploads`] of each loop.
#[derive(Clone)]
pub struct UploadDirectory(Arc<UploadContext>);

impl UploadDirectory {
    /// Opens the directory that `files` says takes uploads, and removes what a crash has left there
    /// of unfinished ones.
    ///
    /// # Errors
    /// If it is none, or files cannot be created in it.
    pub fn open(files: &FilesConfig, config: &UploadConfig) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let directory = files.root.join(&config.directory);
        Ok(Self(Arc::new(UploadContext {
            store: Store::open(&directory, config)?,
            prefix: files.prefix.clone(),
            below: config.directory.as_os_str().as_bytes().to_vec(),
            only: config.only,
            on_conflict: config.on_conflict,
            hidden: files.hidden,
            etag: files.etag,
            decoration: Decoration::new(files),
        })))
    }

    /// What becomes of its uploads, for metrics.
    pub fn tallies(&self) -> UploadTallies {
        self.0.store.tallies()
    }

    /// Uploads in front of `service`.
    pub fn in_front_of<S: Service>(&self, service: S) -> Uploads<S> {
        let context = Arc::clone(&self.0);
        Uploads { context, service }
    }
}

/// A path below the upload directory.
struct Target {
    /// Its names, decoded.
    path: Vec<u8>,
    /// Whether it ends with a slash.
    is_directory: bool,
}

impl<S: Service> Uploads<S> {
    /// What a path leads to, if that is within the upload directory.
    fn target(&self, request: &Request<'_>) -> Result<Option<Target>, TargetError> {
        let decoded = target::decode(request.path())?;
        let below = [
            self.context.prefix.trim_matches('/').as_bytes(),
            &self.context.below,
        ];
        let mut path = decoded.relative.as_slice();
        for part in below.into_iter().filter(|part| !part.is_empty()) {
            path = match path.strip_prefix(part) {
                Some([]) => &[],
                Some([b'/', rest @ ..]) => rest,
                _ => return Ok(None),
            };
        }
        Ok(Some(Target {
            path: path.to_vec(),
            is_directory: decoded.directory || path.is_empty(),
        }))
    }

    /// Checks what can be told from the request alone.
    fn check(&self, target: &Target, request: &Request<'_>) -> Result<(), Refused> {
        check_sender(request)?;
        let hidden = self.context.hidden;
        if !target.path.is_empty() {
            name::check_path(&target.path, hidden).map_err(bad_name)?;
        }
        if request.field("content-encoding").is_some() {
            let why = "Send the file as it is, without Content-Encoding.";
            let refused = Refused::because(Status::UNSUPPORTED_MEDIA_TYPE, why);
            // RFC 9110 §12.5.3: so that it is told from a media type.
            return Err(refused.with("Accept-Encoding", "identity"));
        }
        if matches!(request.method(), Method::Put | Method::Patch) && target.is_directory {
            return Err(bad_name(BadName::Empty));
        }
        let bad_field = |why| Refused::because(Status::BAD_REQUEST, why);
        let part = PartFields::of(request).map_err(bad_field)?;
        if request.method() == Method::Put {
            // Its content would end with the connection, which no request can (RFC 1945 §7.2.2).
            if request.minor_version() == 0
                && request.field("content-length").is_none()
                && part.complete != Some(false)
            {
                let why = "Say by Content-Length how long the file is.";
                return Err(Refused::because(Status::LENGTH_REQUIRED, why));
            }
            // RFC 9110 §14.5: a server that ignored it would take the part for the whole.
            if request.field("content-range").is_some() {
                let why = "A part of a file cannot be put.";
                return Err(Refused::because(Status::BAD_REQUEST, why));
            }
            // A proxy has taken the field away: this is not the content of the file.
            if resume::is_meant(request) && part.complete != Some(false) {
                let why = "The field Upload-Complete: ?0 is missing.";
                return Err(Refused::because(Status::UNSUPPORTED_MEDIA_TYPE, why));
            }
        }
        Ok(())
    }

    /// Hands a request that writes to a thread that may wait, or says what is wrong with it.
    fn write(
        &self,
        target: Target,
        token: Option<UploadToken>,
        request: &Request<'_>,
        now: &Tick,
    ) -> Result<Reply, Refused> {
        self.check(&target, request)?;
        let (context, path, now) = (Arc::clone(&self.context), target.path, *now);
        let detached = request.detached();
        if token.is_some() || resume::begins(request) {
            return Ok(Reply::Later(Box::new(Resume {
                context,
                request: detached,
                path,
                token,
                now,
            })));
        }
        Ok(Reply::Later(Box::new(Begin {
            context,
            request: detached,
            path,
            now,
        })))
    }

    /// A file that is just being received, as far as it comes: `?follow`, where it is switched on. Of
    /// an answer to HTTP/1.0 an end that came too early could not be told from a good one.
    fn follow(&self, request: &Request<'_>) -> Option<Response> {
        let growing = self.context.store.growing()?;
        let is_asked = request.query() == Some("follow") && request.minor_version() > 0;
        let target = self.target(request).ok().filter(|_| is_asked)??;
        // Nothing that could act in the name of this server: it is to be kept, not shown.
        let response = Response::new(Status::OK)
            .field("Content-Type", "application/octet-stream")
            .field("Cache-Control", "no-store")
            .body(Body::Stream(growing.follow(&target.path)?));
        Some(self.context.decoration.apply(response))
    }

    /// What is neither GET nor HEAD within the upload directory.
    fn other_method(&self, request: &Request<'_>) -> Option<Response> {
        let response = match request.method() {
            Method::Options if request.field("access-control-request-method").is_none() => {
                Response::new(Status::NO_CONTENT)
            }
            Method::Options | Method::Other => return None,
            _ => pages::error_page(Status::METHOD_NOT_ALLOWED, request),
        };
        let allow = match resume::token(request) {
            Some(_) => ALLOW_UPLOAD,
            None => ALLOW,
        };
        let response = response.field("Allow", allow);
        Some(self.context.decoration.apply(response))
    }
}

impl<S: Service> Service for Uploads<S> {
    fn call(&mut self, request: &Request<'_>, now: &Tick) -> Reply {
        let method = request.method();
        if method == Method::Get && !self.context.only {
            return match self.follow(request) {
                Some(response) => response.into(),
                None => self.service.call(request, now),
            };
        }
        // Only of an upload that was begun: such a query means nothing to anything else.
        let token = match method {
            Method::Head | Method::Patch | Method::Delete => resume::token(request),
            _ => None,
        };
        let writes = matches!(method, Method::Put | Method::Post) || token.is_some();
        if method == Method::Head && !writes && !self.context.only {
            return self.service.call(request, now);
        }
        let answers = UploadAnswers::of(&self.context, request);
        let target = match self.target(request) {
            Ok(Some(target)) => target,
            Ok(None) => return self.service.call(request, now),
            Err(error) if writes => return answers.refused(&bad_target(error)).into(),
            // `OPTIONS *` among them.
            Err(_) => return self.service.call(request, now),
        };
        match method {
            _ if writes => match self.write(target, token, request, now) {
                Ok(reply) => reply,
                Err(refused) => answers.refused(&refused).into(),
            },
            Method::Get | Method::Head if target.path.is_empty() => {
                let page = drop_box::page(self.context.store.file_bytes_max(), request.query());
                self.context.decoration.apply(page).into()
            }
            Method::Get | Method::Head => {
                let why = "Files can be sent here, and not read.";
                let refused = Refused::because(Status::FORBIDDEN, why);
                answers.refused(&refused).into()
            }
            _ => match self.other_method(request) {
                Some(response) => response.into(),
                None => self.service.call(request, now),
            },
        }
    }

    fn release_descriptors(&mut self) -> bool {
        self.service.release_descriptors()
    }
}

fn prefers_rename(request: &Request<'_>) -> bool {
    let mut preferences = request
        .field_values("Prefer")
        .flat_map(|value| value.split(|byte| *byte == b','));
    preferences.any(|said| {
        said.trim_ascii()
            .eq_ignore_ascii_case(b"on-conflict=rename")
    })
}

fn bad_name(bad: BadName) -> Refused {
    Refused::because(Status::BAD_REQUEST, &bad.to_string())
}

/// Why a path cannot be that of a file: for a reader it only leads nowhere.
fn bad_target(error: TargetError) -> Refused {
    match error {
        TargetError::NameTooLong => bad_name(BadName::TooLong),
        TargetError::EncodedSlash => bad_name(BadName::Slash),
        _ => Refused::because(error.status(), "The path of the URL is not valid."),
    }
}

/// The first job of an upload: whether it is taken.
struct Begin {
    context: Arc<UploadContext>,
    request: OwnedRequest,
    path: Vec<u8>,
    now: Tick,
}

impl Work for Begin {
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        let Self {
            context,
            request,
            path,
            now,
        } = *self;
        let begun = match request.borrow().method() {
            Method::Post => Form::begin(context, request, path).map(Buffered::sink),
            _ => Whole::begin(context, request, path, now, gone).map(Buffered::sink),
        };
        match begun {
            Ok(sink) => Outcome::Receive(sink),
            Err(response) => Outcome::Answer(response),
        }
    }

    fn writes(&self) -> bool {
        true
    }
}

/// Refuses what a page of another site makes a browser send: that page could use the network the
/// browser is in, and any form can send files without asking (CORS has no preflight for it).
fn check_sender(request: &Request<'_>) -> Result<(), Refused> {
    let refused = || {
        Refused::because(
            Status::FORBIDDEN,
            "A page of another site cannot send files here. (If it is this site, behind a proxy: that \
             must hand on the Host field as it came, with its port.)",
        )
    };
    if let Some(site) = request.field("sec-fetch-site") {
        return match site.trim_ascii() {
            b"same-origin" | b"none" => Ok(()),
            _ => Err(refused()),
        };
    }
    // An older browser: the host of Origin must be that of the request.
    match request.field("origin") {
        None => Ok(()),
        Some(origin) => {
            let host = origin
                .split(|byte| *byte == b'/')
                .nth(2)
                .unwrap_or_default();
            let same = host.eq_ignore_ascii_case(request.host().as_bytes());
            if same { Ok(()) } else { Err(refused()) }
        }
    }
}

const ALLOW: &str = "GET, HEAD, OPTIONS, POST, PUT";

/// Of an upload that was begun.
const ALLOW_UPLOAD: &str = "DELETE, HEAD, OPTIONS, PATCH";
