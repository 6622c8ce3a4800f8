//! A POST: the files of a form, each for itself.
//!
//! *Floor 3.* Runs where waiting is allowed. A file that is not taken does not spoil the others: its
//! content is skipped, and the answer says what became of each.
//!
//! *References:* RFC 7578.

use std::mem;
use std::sync::Arc;

use super::UploadContext;
use super::answer::{Kept, Refused, UploadAnswers};
use super::name;
use super::receive::{Incoming, Receiver};
use super::store::Failure;
use crate::http::multipart::{BadForm, Multipart, Piece};
use crate::http::{OwnedRequest, Response, Status};
use crate::service::options::OnConflict;

/// The content of a POST: a form with files.
pub(super) struct Form {
    context: Arc<UploadContext>,
    request: OwnedRequest,
    /// Where its files go, below the upload directory.
    folder: Vec<u8>,
    multipart: Multipart,
    part: FormPart,
    /// Whether a part was a file's, be it that of no file that was chosen.
    has_file_part: bool,
    results: Vec<Result<Kept, Refused>>,
    /// Bytes of paths in them.
    answer_bytes: usize,
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
/// Bytes of paths in the answer to one form: each of its files is named there.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

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
            has_file_part: false,
            results: Vec::new(),
            answer_bytes: 0,
        })
    }

    fn begin_part(&mut self, file_name: Option<Vec<u8>>) -> FormPart {
        let Some(sent) = file_name else {
            return FormPart::Ignored;
        };
        self.has_file_part = true;
        // A form without a chosen file sends one with an empty name.
        if sent.is_empty() {
            return FormPart::Ignored;
        }
        let name = name::last(&sent).to_vec();
        let begun = name::check(&name, self.context.hidden)
            .map_err(|bad| Refused::because(Status::BAD_REQUEST, &bad.to_string()))
            .and_then(|()| {
                let place = self.context.store.find(&self.folder)?;
                Ok(Incoming::begin(&self.context.store, place)?)
            });
        match begun {
            Ok(mut incoming) => {
                let path = match self.folder.as_slice() {
                    b"" => name.clone(),
                    folder => [folder, b"/", &name].concat(),
                };
                incoming.file.let_follow(path);
                FormPart::File { name, incoming }
            }
            Err(refused) => FormPart::Refused(refused.named(&name)),
        }
    }

    fn end_part(&mut self) {
        let result = match mem::replace(&mut self.part, FormPart::Ignored) {
            FormPart::Ignored => return,
            FormPart::Refused(refused) => Err(refused),
            FormPart::File { name, incoming } => self.publish(&name, incoming),
        };
        let name = match &result {
            Ok(kept) => &kept.name,
            Err(refused) => refused.name(),
        };
        self.answer_bytes += self.folder.len() + name.len();
        self.results.push(result);
    }

    fn has_room_for_answer(&self) -> bool {
        self.results.len() < FILES_MAX && self.answer_bytes < ANSWER_BYTES_MAX
    }

    fn publish(&mut self, name: &[u8], incoming: Incoming) -> Result<Kept, Refused> {
        let (file, digest) = incoming.end();
        let bytes = file.bytes();
        let on_conflict = self.context.on_conflict.unwrap_or(OnConflict::Rename);
        let named = file
            .publish::<Failure>(name, on_conflict, |_, _| Ok(()))
            .map_err(|failure| Refused::by(failure).named(name))?;
        Ok(Kept {
            name: named.name,
            bytes,
            digest: Some(digest),
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

    fn can_be_followed(&self) -> bool {
        self.context.store.growing().is_some()
    }

    fn outlives_its_connection(&self) -> bool {
        false
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Response> {
        loop {
            let has_room = self.has_room_for_answer();
            let next = self.multipart.next(bytes);
            let (used, piece) = match next {
                Ok(next) => next,
                Err(BadForm(why)) => return Err(self.malformed(why)),
            };
            match piece {
                Piece::NeedBytes | Piece::End => return Ok(()),
                Piece::Part(head) if has_room => {
                    self.part = self.begin_part(head.file_name);
                }
                Piece::Part(_) => {
                    return Err(
                        self.malformed("Too many files for one form: send the rest in another.")
                    );
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
        // Who typed `curl -F file=a.txt` would take a success for the file's.
        if !self.has_file_part {
            return self.malformed("No part of the form is a file: curl wants -F file=@NAME.");
        }
        UploadAnswers::of(&self.context, &self.request.borrow()).all(&self.folder, &self.results)
    }
}
