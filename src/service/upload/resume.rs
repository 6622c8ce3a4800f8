//! Uploads that go on where they stopped.
//!
//! *Floor 3.* Knows the requests of a resumable upload. What is kept between them is one hidden file
//! in the upload directory, and how long it is: so an upload survives both ends.
//!
//! The protocol is the IETF's (draft-ietf-httpbis-resumable-upload), because browsers and curl need
//! nothing but fields for it and a proxy sees ordinary requests. tus says the same in other words;
//! `X-Update-Range` of others shows the unfinished file under its name.
//!
//! ```text
//!  PUT   /in/a.iso            Upload-Complete: ?0    201  Location: /in/a.iso?upload=T
//!  PATCH /in/a.iso?upload=T   Upload-Offset: 0       (the connection breaks)
//!  HEAD  /in/a.iso?upload=T                          204  Upload-Offset: 7340032
//!  PATCH /in/a.iso?upload=T   Upload-Offset: 7340032, Upload-Complete: ?1    201  Location: /in/a.iso
//! ```
//!
//! The token in the URL is the only key: 64 random bits, as hard to guess as the name is to know.
//! A hash of the whole is not kept between requests, so the answer carries no digest; one that the
//! client sends with the last part (Repr-Digest) is checked by reading the file once. That of a part
//! (Content-Digest) is checked as it comes, and a part that was damaged is taken back.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::UploadContext;
use super::answer::{Kept, Refused};
use super::digest::Expected;
use super::fields::PartFields;
use super::put::{Conditions, DAMAGED, bad_request};
use super::receive::{Buffered, Receiver, split_path};
use super::store::Failure;
use super::store::Unnamed;
use super::store::UploadToken;
use crate::http::{Method, OwnedRequest, Request, Response, Status, Tick};
use crate::service::work::{Gone, Outcome, Work};

/// The token of a request for an upload that was begun.
pub(super) fn token(request: &Request<'_>) -> Option<UploadToken> {
    let mut values = parameters(request).filter_map(|parameter| parameter.strip_prefix("upload="));
    values.next().and_then(UploadToken::parse)
}

fn parameters<'r>(request: &Request<'r>) -> impl Iterator<Item = &'r str> {
    request
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
}

/// Whether the target of a PUT says that its fields should begin an upload: `?upload`. Then it is
/// never taken for a file that is empty, as it would be behind a proxy that passes no unknown fields.
pub(super) fn is_meant(request: &Request<'_>) -> bool {
    parameters(request).any(|parameter| parameter.split('=').next() == Some("upload"))
}

/// Whether a PUT begins an upload whose content comes later (`Upload-Complete: ?0`).
pub(super) fn begins(request: &Request<'_>) -> bool {
    let is_part = |fields: PartFields| fields.complete == Some(false);
    request.method() == Method::Put && PartFields::of(request).is_ok_and(is_part)
}

/// One request of a resumable upload.
pub(super) struct Resume {
    pub(super) context: Arc<UploadContext>,
    pub(super) request: OwnedRequest,
    /// Of the file, below the upload directory.
    pub(super) path: Vec<u8>,
    /// `None` where the upload begins.
    pub(super) token: Option<UploadToken>,
    pub(super) now: Tick,
}

impl Work for Resume {
    fn run(self: Box<Self>, gone: &Gone<'_>) -> Outcome {
        let Self {
            context,
            request,
            path,
            token,
            now,
        } = *self;
        let conditions = Conditions::new(context, request, now);
        let method = conditions.request().method();
        let done = match (token, method) {
            (None, _) => begin(&conditions, &path, gone).map(Outcome::Answer),
            (Some(token), Method::Head) => look(&conditions, token).map(Outcome::Answer),
            (Some(token), Method::Delete) => cancel(&conditions, &path, token).map(Outcome::Answer),
            (Some(token), _) => Rest::begin(&conditions, path, token)
                .map(|rest| Outcome::Receive(Buffered::sink(rest))),
        };
        done.unwrap_or_else(|refused| Outcome::Answer(conditions.answers().refused(&refused)))
    }

    fn writes(&self) -> bool {
        true
    }
}

/// Looks whether the file would be taken, and keeps a place for its content.
fn begin(conditions: &Conditions, path: &[u8], gone: &Gone<'_>) -> Result<Response, Refused> {
    let fields = PartFields::of(&conditions.request()).map_err(bad_request)?;
    conditions.check_first(path, fields.length, gone)?;
    let token = conditions.store().begin_resumable()?;
    let response = offset(Response::new(Status::CREATED), 0);
    let location = format!("{}?upload={token}", conditions.answers().url(path));
    Ok((conditions.answers()).plain(response.field("Location", &location)))
}

/// How far it has come.
fn look(conditions: &Conditions, token: UploadToken) -> Result<Response, Refused> {
    let bytes = conditions.store().resumable_len(token)?;
    let response = offset(Response::new(Status::NO_CONTENT), bytes);
    Ok(conditions.answers().plain(response))
}

fn cancel(conditions: &Conditions, path: &[u8], token: UploadToken) -> Result<Response, Refused> {
    open(conditions, path, token)?.discard();
    Ok((conditions.answers()).plain(Response::new(Status::NO_CONTENT)))
}

fn open(conditions: &Conditions, path: &[u8], token: UploadToken) -> Result<Unnamed, Refused> {
    let (folder, _) = split_path(path);
    Ok(conditions.store().resume(folder, token)?)
}

/// A part that does not begin where the last one ended would leave a hole, or write over it.
fn check_offset(said: Option<u64>, here: u64) -> Result<(), Refused> {
    let said = said.ok_or_else(|| bad_request("Say by Upload-Offset where the part begins."))?;
    match said == here {
        true => Ok(()),
        false => Err(Failure::OtherOffset(here).into()),
    }
}

/// The rest of a file, or a part of it.
struct Rest {
    conditions: Conditions,
    path: Vec<u8>,
    token: UploadToken,
    file: Unnamed,
    fields: PartFields,
    /// Of this part, and its hash if one is expected.
    expected: Expected,
    hash: Option<Sha256>,
    /// Where it began.
    from: u64,
    /// Of all that the file will hold.
    expected_whole: Expected,
}

impl Rest {
    fn begin(conditions: &Conditions, path: Vec<u8>, token: UploadToken) -> Result<Self, Refused> {
        let request = conditions.request();
        let fields = PartFields::of(&request).map_err(bad_request)?;
        let expected = Expected::of(&request, &["content-digest"]).map_err(bad_request)?;
        let expected_whole = Expected::of(&request, &["repr-digest"]).map_err(bad_request)?;
        let mut file = open(conditions, &path, token)?;
        let from = file.bytes();
        check_offset(fields.offset, from)?;
        file.receive(token)?;
        file.let_follow(path.clone());
        Ok(Self {
            conditions: conditions.clone(),
            path,
            token,
            file,
            fields,
            hash: (!expected.is_empty()).then(Sha256::new),
            expected,
            from,
            expected_whole,
        })
    }

    /// A part that is not what its digest says is taken back: what came before is good.
    fn check_part(&mut self) -> Result<(), Refused> {
        let digest = self.hash.take().map(|hash| hash.finalize().into());
        match digest.is_none_or(|digest| self.expected.is(&digest)) {
            true => Ok(()),
            false => {
                self.file.cut(self.from)?;
                Err(bad_request(DAMAGED).at(self.from))
            }
        }
    }

    fn keep(mut self) -> Result<Response, Refused> {
        self.check_part()?;
        if self.fields.complete != Some(true) {
            let response = offset(Response::new(Status::NO_CONTENT), self.file.bytes());
            let location = format!(
                "{}?upload={}",
                self.conditions.answers().url(&self.path),
                self.token
            );
            let response = response.field("Location", &location);
            return Ok(self.conditions.answers().plain(response));
        }
        let expected = &self.expected_whole;
        if !expected.is_empty() && !expected.is(&whole_digest(self.file.fd()?)?) {
            // What is there cannot be mended by more of it.
            self.file.discard();
            return Err(bad_request(DAMAGED));
        }
        let bytes = self.file.bytes();
        if self.fields.length.is_some_and(|length| length != bytes) {
            return Err(Failure::OtherOffset(bytes).into());
        }
        let (folder, name) = split_path(&self.path);
        let conditions = &self.conditions;
        let check = |directory: BorrowedFd<'_>, name: &CStr| conditions.check(directory, name);
        let on_conflict = conditions.on_conflict();
        let named = self.file.publish::<Refused>(name, on_conflict, check)?;
        let kept = Kept {
            name: named.name,
            bytes,
            digest: None,
            replaced: named.replaced,
            etag: conditions.etag(&named.file, None),
        };
        Ok(conditions.answers().kept(folder, &kept))
    }
}

impl Receiver for Rest {
    fn bytes_max(&self) -> u64 {
        let max = self.conditions.store().file_bytes_max();
        // Less than is here, perhaps, if the server was started again with another limit.
        max.saturating_sub(self.file.bytes())
    }

    fn can_be_followed(&self) -> bool {
        self.file.can_be_followed()
    }

    fn outlives_its_connection(&self) -> bool {
        true
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Response> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        let written = self.file.write(bytes);
        written.map_err(|failure| self.conditions.answers().refused(&failure.into()))
    }

    fn finish(self) -> Response {
        let conditions = self.conditions.clone();
        match self.keep() {
            Ok(response) => response,
            Err(refused) => conditions.answers().refused(&refused),
        }
    }
}

fn offset(response: Response, bytes: u64) -> Response {
    response
        .field("Upload-Offset", &bytes.to_string())
        .field("Upload-Complete", "?0")
}

/// Of all that the file holds.
fn whole_digest(file: &OwnedFd) -> Result<[u8; 32], Failure> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match rustix::io::pread(file, &mut buffer[..], at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
