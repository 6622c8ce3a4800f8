//! What becomes of content: one file, or the files of a form.
//!
//! *Floor 3.* Runs where waiting is allowed; does not know which thread that is.
//!
//! A [`Buffered`] sink takes what has come until its buffer is full. Then the driver calls
//! [`Sink::flush`] elsewhere, and only there anything is looked at, hashed or written: one buffer
//! per upload, whatever its size, and nothing is shared that would need a lock.

use std::ffi::{CStr, CString};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::UploadContext;
use super::answer::{Kept, Refused, UploadAnswers};
use super::digest::Expected;
use super::failure::Failure;
use super::multipart::{BadForm, Multipart, Piece};
use super::name;
use super::store::{Destination, Store, Unnamed};
use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{OwnedRequest, Request, Response, Status, Tick, Wake};
use crate::service::opening::meta::{Identity, Links, format_etag};
use crate::service::options::{EtagMode, OnConflict};
use crate::service::work::{Gone, Outcome, Work};
use crate::service::{Flow, Reply, Sink};

/// What an upload holds in memory.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where content goes, on a thread that may wait.
pub(super) trait Receiver: Send + 'static {
    /// The most content it takes.
    fn bytes_max(&self) -> u64;

    /// More of the content.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Response>;

    /// That was all of it.
    fn finish(self) -> Response;
}

/// A receiver and what has come for it.
pub(super) struct Buffered<R> {
    buffer: Vec<u8>,
    receiver: R,
}

impl<R: Receiver> Buffered<R> {
    pub(super) fn sink(receiver: R) -> Box<dyn Sink> {
        let buffer = Vec::new();
        Box::new(Self { buffer, receiver })
    }
}

impl<R: Receiver> Sink for Buffered<R> {
    fn bytes_max(&self) -> Option<u64> {
        Some(self.receiver.bytes_max())
    }

    fn write(&mut self, chunk: &[u8], _: &Wake) -> Result<Flow, Response> {
        let taken = chunk.len().min(BUFFER_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&chunk[..taken]);
        Ok(match taken {
            0 => Flow::Full,
            taken => Flow::Taken(taken),
        })
    }

    fn flush(&mut self) -> Result<(), Response> {
        self.receiver.take(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Reply {
        Reply::Later(Box::new(Finish(*self)))
    }
}

/// The last of the content, and the answer.
struct Finish<R>(Buffered<R>);

impl<R: Receiver> Work for Finish<R> {
    fn run(mut self: Box<Self>, _: &Gone<'_>) -> Outcome {
        Outcome::Answer(match self.0.flush() {
            Ok(()) => self.0.receiver.finish(),
            Err(response) => response,
        })
    }

    fn writes(&self) -> bool {
        true
    }
}

/// A file that is being received.
struct Incoming {
    file: Unnamed,
    hash: Sha256,
}

impl Incoming {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.file.write(bytes)
    }
}

/// What a PUT is held to: the conditions of the request, and the policy.
#[derive(Clone)]
pub(super) struct Conditions {
    context: Arc<UploadContext>,
    request: OwnedRequest,
    now: Tick,
    on_conflict: OnConflict,
}

impl Conditions {
    pub(super) fn new(context: Arc<UploadContext>, request: OwnedRequest, now: Tick) -> Self {
        let on_conflict = context.policy_for_put(&request.borrow());
        Self {
            context,
            request,
            now,
            on_conflict,
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
            EtagMode::Stat => settled_tag(file.as_fd()),
        }
    }

    /// Whether the file may be created or replaced, before any of it is here; where, and how long
    /// it is said to be.
    pub(super) fn check_first(&self, path: &[u8], length: &str) -> Result<Destination, Refused> {
        let (folder, name) = split_path(path);
        let name = CString::new(name).map_err(|_| Failure::NotAFile)?;
        let place = self.store().find(folder)?;
        match place.directory() {
            Some(directory) => self.check(directory, &name)?,
            None => self.check_new()?,
        }
        // What is announced is refused before it is sent, for clients that wait to be told.
        let announced = self.request().field(length).and_then(number);
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
        // By its stamps: what GET says with --etag content is not known without reading the file.
        let is_said = self.context.etag == EtagMode::Stat && there.is_settled(now);
        let etag = is_said.then(|| there.etag("identity"));
        let validators = Validators {
            etag: etag.as_deref(),
            modified: there.modified(now),
        };
        if validator::evaluate(&request, &validators, now) != Evaluation::Proceed {
            return Err(failed_precondition());
        }
        match self.on_conflict {
            OnConflict::Refuse => Err(Refused::by(Failure::Exists)),
            OnConflict::Rename | OnConflict::Replace => Ok(()),
        }
    }

    /// The same where nothing is yet.
    fn check_new(&self) -> Result<(), Refused> {
        match self.request.borrow().field("if-match") {
            Some(_) => Err(failed_precondition()),
            None => Ok(()),
        }
    }
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
}

impl Whole {
    /// Looks whether the file would be taken, and begins it.
    pub(super) fn begin(
        context: Arc<UploadContext>,
        request: OwnedRequest,
        path: Vec<u8>,
        now: Tick,
    ) -> Result<Self, Response> {
        let conditions = Conditions::new(context, request, now);
        let begun = Self::begin_file(&conditions, &path);
        let (incoming, expected) =
            begun.map_err(|refused| conditions.answers().refused(&refused))?;
        Ok(Self {
            conditions,
            incoming,
            path,
            expected,
        })
    }

    fn begin_file(conditions: &Conditions, path: &[u8]) -> Result<(Incoming, Expected), Refused> {
        let bad = |why| Refused::because(Status::BAD_REQUEST, why);
        let expected = Expected::of(&conditions.request()).map_err(bad)?;
        let place = conditions.check_first(path, "content-length")?;
        let file = conditions.store().begin(place)?;
        let hash = Sha256::new();
        Ok((Incoming { file, hash }, expected))
    }

    fn keep(self) -> Result<Kept, Refused> {
        let Self {
            conditions,
            incoming: Incoming { file, hash },
            path,
            expected,
        } = self;
        let digest: [u8; 32] = hash.finalize().into();
        if !expected.is(&digest) {
            let why = "The content is not what its digest says: it was damaged on the way.";
            return Err(Refused::because(Status::BAD_REQUEST, why));
        }
        let bytes = file.bytes();
        let (folder, name) = split_path(&path);
        let check = |directory: BorrowedFd<'_>, name: &CStr| conditions.check(directory, name);
        let published = file.publish::<Refused>(name, conditions.on_conflict, check)?;
        let etag = conditions.etag(&published.file, Some(&digest));
        Ok(Kept {
            path: join_path(folder, &published.name),
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

    fn take(&mut self, bytes: &[u8]) -> Result<(), Response> {
        let written = self.incoming.write(bytes);
        written.map_err(|failure| self.conditions.answers().refused(&failure.into()))
    }

    fn finish(self) -> Response {
        let context = Arc::clone(&self.conditions.context);
        let answers = UploadAnswers::of(&context, &self.conditions.request.borrow());
        match self.keep() {
            Ok(kept) => answers.kept(&kept),
            Err(refused) => answers.refused(&refused),
        }
    }
}

/// The entity tag that GET will give this file, once no other write can have the same stamps.
fn settled_tag(file: BorrowedFd<'_>) -> Option<Box<str>> {
    let before = Identity::of(file).ok()?;
    if before.ctime.nanos == 0 {
        return None;
    }
    let a_tick = rustix::thread::Timespec {
        tv_sec: 0,
        tv_nsec: 21_000_000,
    };
    let _ = rustix::thread::nanosleep(&a_tick);
    let after = Identity::of(file).ok()?;
    (before == after).then(|| after.etag("identity"))
}

/// The content of a POST: a form with files.
pub(super) struct Form {
    context: Arc<UploadContext>,
    request: OwnedRequest,
    /// Where its files go, below the upload directory.
    folder: Vec<u8>,
    multipart: Multipart,
    part: FormPart,
    results: Vec<Result<Kept, Refused>>,
}

/// The part of the form that is being received.
enum FormPart {
    /// None, or one that is no file.
    Ignored,
    File {
        name: Vec<u8>,
        incoming: Incoming,
    },
    /// A file that is not taken, for this reason; its content is skipped.
    Refused(Refused),
}

/// Files of one form.
const FILES_MAX: usize = 10_000;

impl Form {
    pub(super) fn begin(
        context: Arc<UploadContext>,
        request: OwnedRequest,
        folder: Vec<u8>,
    ) -> Result<Self, Response> {
        let answers = UploadAnswers::of(&context, &request.borrow());
        let content_type = request.borrow().field("content-type").map(<[u8]>::to_vec);
        let multipart =
            Multipart::new(&content_type.unwrap_or_default()).map_err(|BadForm(why)| {
                answers.refused(&Refused::because(Status::UNSUPPORTED_MEDIA_TYPE, why))
            })?;
        // For each file again: what is there may change while they come.
        if let Err(failure) = context.store.find(&folder) {
            return Err(answers.refused(&Refused::by(failure)));
        }
        Ok(Self {
            context,
            request,
            folder,
            multipart,
            part: FormPart::Ignored,
            results: Vec::new(),
        })
    }

    fn begin_part(&mut self, file_name: Option<Vec<u8>>) -> FormPart {
        let Some(sent) = file_name else {
            return FormPart::Ignored;
        };
        // A form without a chosen file sends one with an empty name.
        if sent.is_empty() {
            return FormPart::Ignored;
        }
        let name = name::last(&sent).to_vec();
        let begun = name::check(&name, self.context.hidden)
            .map_err(|bad| Refused::because(Status::BAD_REQUEST, &bad.to_string()))
            .and_then(|()| {
                let place = self.context.store.find(&self.folder)?;
                Ok(self.context.store.begin(place)?)
            });
        match begun {
            Ok(file) => {
                let hash = Sha256::new();
                let incoming = Incoming { file, hash };
                FormPart::File { name, incoming }
            }
            Err(refused) => FormPart::Refused(refused.named(&sent)),
        }
    }

    fn end_part(&mut self) {
        let result = match mem::replace(&mut self.part, FormPart::Ignored) {
            FormPart::Ignored => return,
            FormPart::Refused(refused) => Err(refused),
            FormPart::File { name, incoming } => self.publish(&name, incoming),
        };
        self.results.push(result);
    }

    fn publish(&mut self, name: &[u8], incoming: Incoming) -> Result<Kept, Refused> {
        let Incoming { file, hash } = incoming;
        let bytes = file.bytes();
        let on_conflict = self.context.on_conflict.unwrap_or(OnConflict::Rename);
        let named = file
            .publish::<Failure>(name, on_conflict, |_, _| Ok(()))
            .map_err(|failure| Refused::by(failure).named(name))?;
        Ok(Kept {
            path: join_path(&self.folder, &named.name),
            bytes,
            digest: Some(hash.finalize().into()),
            replaced: named.replaced,
            etag: None,
        })
    }

    /// The form cannot be read on: what was complete before stays.
    fn malformed(&mut self, why: &str) -> Response {
        let refused = Refused::because(Status::BAD_REQUEST, why);
        self.results.push(Err(refused));
        UploadAnswers::of(&self.context, &self.request.borrow()).all(&self.folder, &self.results)
    }
}

impl Receiver for Form {
    fn bytes_max(&self) -> u64 {
        // Each file has its own limit; what all may take is the quota's and the disk's matter.
        u64::MAX
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Response> {
        loop {
            let next = self.multipart.next(bytes);
            let (used, piece) = match next {
                Ok(next) => next,
                Err(BadForm(why)) => return Err(self.malformed(why)),
            };
            match piece {
                Piece::NeedBytes | Piece::End => return Ok(()),
                Piece::Part(head) if self.results.len() < FILES_MAX => {
                    self.part = self.begin_part(head.file_name);
                }
                Piece::Part(_) => {
                    return Err(self.malformed("A form can hold at most 10000 files."));
                }
                Piece::Content(content) => {
                    if let FormPart::File { name, incoming } = &mut self.part
                        && let Err(failure) = incoming.write(content)
                    {
                        self.part = FormPart::Refused(Refused::by(failure).named(name));
                    }
                }
                Piece::PartEnd => self.end_part(),
            }
            bytes = &bytes[used..];
        }
    }

    fn finish(mut self) -> Response {
        if !self.multipart.is_complete() {
            return self.malformed("The form ends before its last boundary.");
        }
        UploadAnswers::of(&self.context, &self.request.borrow()).all(&self.folder, &self.results)
    }
}

pub(super) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

pub(super) fn join_path(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        [] => name.to_vec(),
        folder => [folder, name].join(&b"/"[..]),
    }
}

/// The folder and the name in it.
pub(super) fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}
