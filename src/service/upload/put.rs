//! A PUT: one file, whose name is in the target, and what it is held to.
//!
//! *Floor 3.* Runs where waiting is allowed.
//!
//! *References:* RFC 9110 §9.3.4, §13.1; RFC 9530.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FileType, Mode, OFlags, openat};

use super::UploadContext;
use super::answer::{Kept, Refused, UploadAnswers};
use super::digest::Expected;
use super::fields::PartFields;
use super::receive::{Incoming, Receiver, number, split_path};
use super::store::{Destination, Failure, Store};
use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{OwnedRequest, Request, Response, Status, Tick};
use crate::service::opening::load::digest_of;
use crate::service::opening::meta::{Identity, Links, format_etag};
use crate::service::options::{EtagMode, OnConflict};
use crate::service::work::Gone;

/// What a PUT is held to: the conditions of the request, and the policy.
#[derive(Clone)]
pub(super) struct Conditions {
    context: Arc<UploadContext>,
    request: OwnedRequest,
    now: Tick,
    on_conflict: OnConflict,
    /// What was there when a condition first asked for the tag of its content, and that tag.
    read: OnceLock<Option<(Identity, Box<str>)>>,
}

impl Conditions {
    pub(super) fn new(context: Arc<UploadContext>, request: OwnedRequest, now: Tick) -> Self {
        let on_conflict = context.policy_for_put(&request.borrow());
        Self {
            context,
            request,
            now,
            on_conflict,
            read: OnceLock::new(),
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        self.request.borrow()
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.context.store
    }

    pub(super) const fn on_conflict(&self) -> OnConflict {
        self.on_conflict
    }

    /// The entity tag that GET will give a file of this digest, where that is known already.
    pub(super) fn etag(&self, file: &OwnedFd, digest: Option<&[u8; 32]>) -> Option<Box<str>> {
        match self.context.etag {
            EtagMode::Content => digest.map(|digest| format_etag(digest, false)),
            EtagMode::Stat => {
                let settled = self.store().stamps().settled(file.as_fd())?;
                Some(settled.etag("identity"))
            }
        }
    }

    /// Whether the file may be created or replaced, before any of it is here; where. Of its length
    /// what is announced.
    pub(super) fn check_first(
        &self,
        path: &[u8],
        announced: Option<u64>,
        gone: &Gone<'_>,
    ) -> Result<Destination, Refused> {
        let (folder, name) = split_path(path);
        let name = CString::new(name).map_err(|_| Failure::NotAFile)?;
        let place = self.store().find(folder)?;
        match place.directory() {
            Some(directory) => {
                if self.context.etag == EtagMode::Content && names_a_tag(&self.request.borrow()) {
                    self.read
                        .get_or_init(|| tag_of_content(directory, &name, gone));
                }
                self.check(directory, &name)?;
            }
            None => self.check_new()?,
        }
        // What is announced is refused before it is sent, for clients that wait to be told.
        self.store().expect_room(&place, announced.unwrap_or(0))?;
        Ok(place)
    }

    pub(super) fn answers(&self) -> UploadAnswers<'_> {
        UploadAnswers::of(&self.context, &self.request.borrow())
    }

    /// Whether a file of this name may be created or replaced (RFC 9110 §13.1, then the policy).
    pub(super) fn check(&self, directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Refused> {
        let (request, now) = (self.request.borrow(), self.now.wall);
        let Ok(there) = Identity::at(directory, name, Links::Seen) else {
            return self.check_new();
        };
        // Of a drop box nothing is read, not by conditions either: 412 or not would tell its time.
        let is_told = !self.context.only || self.on_conflict == OnConflict::Replace;
        let etag = match is_told {
            true => self.tag_of(directory, name, &there)?,
            false => None,
        };
        let validators = Validators {
            etag: etag.as_deref(),
            modified: there.modified(now).filter(|_| is_told),
        };
        if validator::evaluate(&request, &validators, now) != Evaluation::Proceed {
            return Err(failed_precondition());
        }
        match self.on_conflict {
            OnConflict::Refuse => Err(Refused::by(Failure::Exists)),
            OnConflict::Rename | OnConflict::Replace => Ok(()),
        }
    }

    /// The entity tag that GET gives of what is `there`, if it gives one that may match.
    ///
    /// By content it costs reading the file, once, and is not asked for unless a condition names a
    /// tag. [`Self::check_first`] has done that, before any content is taken and not while names are
    /// locked; what is another file since then is not what the request expects.
    fn tag_of(
        &self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        there: &Identity,
    ) -> Result<Option<Box<str>>, Refused> {
        if self.context.etag == EtagMode::Stat {
            let is_said = there.is_settled(self.now.wall);
            return Ok(is_said.then(|| there.etag("identity")));
        }
        if !names_a_tag(&self.request.borrow()) {
            return Ok(None);
        }
        let read = self
            .read
            .get_or_init(|| tag_of_content(directory, name, &|| false));
        let same = read.as_ref().filter(|(identity, _)| identity == there);
        let tag = same.map(|(_, tag)| tag.clone());
        tag.map(Some).ok_or_else(failed_precondition)
    }

    /// The same where nothing is yet.
    fn check_new(&self) -> Result<(), Refused> {
        match self.request.borrow().field("if-match") {
            Some(_) => Err(failed_precondition()),
            None => Ok(()),
        }
    }
}

/// Whether a condition says more than whether there is a file (`*`).
fn names_a_tag(request: &Request<'_>) -> bool {
    let fields = ["if-match", "if-none-match"];
    let mut values = fields.iter().filter_map(|name| request.field(name));
    values.any(|value| value.trim_ascii() != b"*")
}

/// A file, and the tag of its content; `None` if it changes meanwhile or cannot be read.
fn tag_of_content(
    directory: BorrowedFd<'_>,
    name: &CStr,
    gone: &Gone<'_>,
) -> Option<(Identity, Box<str>)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(directory, name, flags, Mode::empty()).ok()?;
    let identity = Identity::of(fd.as_fd()).ok()?;
    if identity.kind != FileType::RegularFile {
        return None;
    }
    let digest = digest_of(&fd, identity.size, gone).ok()?;
    let is_whole = Identity::of(fd.as_fd()).ok()? == identity;
    is_whole.then(|| (identity, format_etag(&digest, false)))
}

/// What is said of content that has another digest than it was said to have.
pub(super) const DAMAGED: &str =
    "The content is not what its digest says: it was damaged on the way.";

pub(super) fn bad_request(why: &str) -> Refused {
    Refused::because(Status::BAD_REQUEST, why)
}

fn failed_precondition() -> Refused {
    let why = "The file is not what the request expects.";
    Refused::because(Status::PRECONDITION_FAILED, why)
}

/// The content of a PUT: one file, whose name is in the target.
pub(super) struct Whole {
    conditions: Conditions,
    incoming: Incoming,
    /// Its path below the upload directory, and in it its name.
    path: Vec<u8>,
    expected: Expected,
    /// What the request says besides Content-Length (Upload-Length).
    length: Option<u64>,
}

impl Whole {
    /// Looks whether the file would be taken, and begins it.
    pub(super) fn begin(
        context: Arc<UploadContext>,
        request: OwnedRequest,
        path: Vec<u8>,
        now: Tick,
        gone: &Gone<'_>,
    ) -> Result<Self, Response> {
        let conditions = Conditions::new(context, request, now);
        let begun = Self::begin_file(&conditions, &path, gone);
        let (incoming, expected, length) =
            begun.map_err(|refused| conditions.answers().refused(&refused))?;
        Ok(Self {
            conditions,
            incoming,
            path,
            expected,
            length,
        })
    }

    fn begin_file(
        conditions: &Conditions,
        path: &[u8],
        gone: &Gone<'_>,
    ) -> Result<(Incoming, Expected, Option<u64>), Refused> {
        let (bad, request) = (bad_request, conditions.request());
        let length = PartFields::of(&request).map_err(bad)?.length;
        // Without a Content-Encoding, which is refused, content and representation are the same.
        let fields = ["content-digest", "repr-digest"];
        let expected = Expected::of(&request, &fields).map_err(bad)?;
        let announced = request.field("content-length").and_then(number);
        let place = conditions.check_first(path, announced, gone)?;
        let mut incoming = Incoming::begin(conditions.store(), place)?;
        incoming.file.let_follow(path.to_vec());
        Ok((incoming, expected, length))
    }

    fn keep(self) -> Result<Kept, Refused> {
        let Self {
            conditions,
            incoming,
            path,
            expected,
            length,
        } = self;
        let (file, digest) = incoming.end();
        if !expected.is(&digest) {
            return Err(bad_request(DAMAGED));
        }
        let bytes = file.bytes();
        if length.is_some_and(|length| length != bytes) {
            return Err(bad_request(
                "The file is not as long as Upload-Length says.",
            ));
        }
        let (_, name) = split_path(&path);
        let check = |directory: BorrowedFd<'_>, name: &CStr| conditions.check(directory, name);
        let published = file.publish::<Refused>(name, conditions.on_conflict, check)?;
        let etag = conditions.etag(&published.file, Some(&digest));
        Ok(Kept {
            name: published.name,
            bytes,
            digest: Some(digest),
            replaced: published.replaced,
            etag,
        })
    }
}

impl Receiver for Whole {
    fn bytes_max(&self) -> u64 {
        self.conditions.context.store.file_bytes_max()
    }

    fn can_be_followed(&self) -> bool {
        self.incoming.file.can_be_followed()
    }

    fn outlives_its_connection(&self) -> bool {
        false
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Response> {
        let written = self.incoming.write(bytes);
        written.map_err(|failure| self.conditions.answers().refused(&failure.into()))
    }

    fn finish(self) -> Response {
        let (conditions, path) = (self.conditions.clone(), self.path.clone());
        match self.keep() {
            Ok(kept) => conditions.answers().kept(split_path(&path).0, &kept),
            Err(refused) => conditions.answers().refused(&refused),
        }
    }
}
