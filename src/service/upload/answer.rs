//! What the sender of an upload is told.
//!
//! *Floor 3.* Words, JSON or a redirect, by what the client asked for; does not know how anything
//! is stored.
//!
//! A program that puts a file reads a status and fields; a page asks for JSON and gets a result
//! per file; a plain form is led back to the listing (303), or shown what was not taken.
//!
//! *References:* RFC 9110 §9.3.3, §9.3.4 (POST, PUT), §15.4.4 (303).

use std::borrow::Cow;
use std::fmt::Write;

use super::UploadContext;
use super::digest;
use super::name::NAME_BYTES_MAX;
use super::receive::split_path;
use super::store::Failure;
use crate::http::negotiate::accepts_html;
use crate::http::target::encode_segment;
use crate::http::{Body, Request, Response, Status};
use crate::service::listing::{ListingFormat, json_string};
use crate::service::pages::{self, escape_html};

/// A file that is there now.
pub(super) struct Kept {
    pub(super) name: Vec<u8>,
    pub(super) bytes: u64,
    /// Not known of a file that came in parts.
    pub(super) digest: Option<[u8; 32]>,
    pub(super) replaced: bool,
    pub(super) etag: Option<Box<str>>,
}

/// A file that was not taken.
pub(super) struct Refused {
    status: Status,
    why: String,
    name: Vec<u8>,
    /// A field of the answer that says what would be taken, or when.
    field: Option<(&'static str, String)>,
}

impl Refused {
    pub(super) fn because(status: Status, why: &str) -> Self {
        let (why, name) = (why.to_owned(), Vec::new());
        Self {
            status,
            why,
            name,
            field: None,
        }
    }

    pub(super) fn by(failure: Failure) -> Self {
        let (status, why) = Self::words(failure);
        let refused = Self::because(status, why);
        match failure {
            Failure::InUse | Failure::Busy => refused.with("Retry-After", "1"),
            Failure::OtherOffset(offset) => refused.at(offset),
            _ => refused,
        }
    }

    const fn words(failure: Failure) -> (Status, &'static str) {
        match failure {
            Failure::Exists => (
                Status::CONFLICT,
                "There is a file of this name already: choose another name (a program may send If-Match).",
            ),
            Failure::NotAFile => (
                Status::CONFLICT,
                "A name on the way is a file or a link, or the last one is a folder.",
            ),
            Failure::BadName => (
                Status::BAD_REQUEST,
                "The disk of the server cannot hold this name.",
            ),
            Failure::OtherOffset(_) => (
                Status::CONFLICT,
                "The part does not begin where the last one ended.",
            ),
            Failure::Unknown => (
                Status::NOT_FOUND,
                "This upload is complete, was given up, or has never begun.",
            ),
            Failure::Gone => (
                Status::NOT_FOUND,
                "The folder or the unfinished file was removed meanwhile: send it again.",
            ),
            Failure::RootGone => (
                Status::INTERNAL_SERVER_ERROR,
                "The folder for uploads was removed or replaced: the server has to be started anew.",
            ),
            Failure::InUse => (
                Status::CONFLICT,
                "Another connection still sends this file: try again in a moment.",
            ),
            Failure::TooLong => (
                Status::CONTENT_TOO_LARGE,
                "The file is longer than is taken here.",
            ),
            Failure::QuotaSpent => (
                Status::INSUFFICIENT_STORAGE,
                "The room for all uploads together is used up.",
            ),
            Failure::NoSpace => (
                Status::INSUFFICIENT_STORAGE,
                "The disk of the server is full.",
            ),
            Failure::Forbidden => (Status::FORBIDDEN, "The server may not write there."),
            Failure::Busy => (
                Status::SERVICE_UNAVAILABLE,
                "The server is busy: try again in a moment.",
            ),
            Failure::Broken => (
                Status::INTERNAL_SERVER_ERROR,
                "The disk of the server failed.",
            ),
        }
    }

    /// The same of an upload that goes on from there.
    pub(super) fn at(self, offset: u64) -> Self {
        self.with("Upload-Offset", &offset.to_string())
    }

    /// The same with a field.
    pub(super) fn with(self, name: &'static str, value: &str) -> Self {
        let field = Some((name, value.to_owned()));
        Self { field, ..self }
    }

    pub(super) const fn name(&self) -> &Vec<u8> {
        &self.name
    }

    /// The same of a file that was called so: as much of that as a name can hold.
    pub(super) fn named(mut self, name: &[u8]) -> Self {
        self.name = name[..name.len().min(NAME_BYTES_MAX)].to_vec();
        self
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::by(failure)
    }
}

/// How one request is answered.
pub(super) struct UploadAnswers<'a> {
    context: &'a UploadContext,
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Plain,
}

impl<'a> UploadAnswers<'a> {
    pub(super) fn of(context: &'a UploadContext, request: &Request<'_>) -> Self {
        let html = accepts_html(request.field_values("Accept"));
        let format = match ListingFormat::of(request) {
            ListingFormat::Json => Format::Json,
            ListingFormat::Html if html => Format::Html,
            ListingFormat::Html | ListingFormat::Plain => Format::Plain,
        };
        Self { context, format }
    }

    /// The answer to a file that was taken into this folder.
    pub(super) fn kept(&self, folder: &[u8], kept: &Kept) -> Response {
        let location = self.context.url(folder, &kept.name);
        let status = match (kept.replaced, self.format) {
            (false, _) => Status::CREATED,
            (true, Format::Json) => Status::OK,
            (true, Format::Html | Format::Plain) => Status::NO_CONTENT,
        };
        let response = match (status, self.format) {
            (Status::NO_CONTENT, _) => self.context.decoration.apply(Response::new(status)),
            (_, Format::Json) => self.text(status, format!("{}\n", self.json(folder, &Ok(kept)))),
            (_, Format::Html | Format::Plain) => self.text(status, format!("Created {location}\n")),
        };
        let response = response.field("Location", &location);
        let response = match &kept.digest {
            Some(digest) => response.field("Repr-Digest", &digest::field_value(digest)),
            None => response,
        };
        match &kept.etag {
            Some(etag) => response.field("ETag", etag),
            None => response,
        }
    }

    /// An answer that is all fields.
    pub(super) fn plain(&self, response: Response) -> Response {
        let response = response.field("Cache-Control", "no-store");
        self.context.decoration.apply(response)
    }

    /// The URL of a file below the upload directory.
    pub(super) fn url(&self, path: &[u8]) -> String {
        let (folder, name) = split_path(path);
        self.context.url(folder, name)
    }

    /// The answer to an upload that was not taken.
    pub(super) fn refused(&self, refused: &Refused) -> Response {
        match &refused.field {
            Some((name, value)) => self.refusal(refused).field(name, value),
            None => self.refusal(refused),
        }
    }

    fn refusal(&self, refused: &Refused) -> Response {
        let status = refused.status;
        let body = match self.format {
            Format::Html => {
                return self.page(status, &format!("<p>{}</p>", escape_html(&refused.why)));
            }
            Format::Json => format!("{}\n", self.json(b"", &Err(refused))),
            Format::Plain => format!("{status}: {}\n", refused.why),
        };
        self.text(status, body)
    }

    /// The answer to a form: as to the first of its files that was not taken, if there is one.
    pub(super) fn all(&self, folder: &[u8], results: &[Result<Kept, Refused>]) -> Response {
        let response = self.about_all(folder, results);
        let first = results.iter().find_map(|result| result.as_ref().err());
        match first.and_then(|refused| refused.field.as_ref()) {
            Some((name, value)) => response.field(name, value),
            None => response,
        }
    }

    fn about_all(&self, folder: &[u8], results: &[Result<Kept, Refused>]) -> Response {
        let refusals = || results.iter().filter_map(|result| result.as_ref().err());
        let status = refusals().next().map(|refused| refused.status);
        match (self.format, status) {
            (Format::Json, status) => {
                let files: Vec<_> = results
                    .iter()
                    .map(|result| self.json(folder, &result.as_ref()))
                    .collect();
                let body = format!("{{\"files\":[{}]}}\n", files.join(","));
                self.text(status.unwrap_or(Status::CREATED), body)
            }
            (_, None) => {
                let url = match self.context.only {
                    // What was sent cannot be seen there: it is told how much it was.
                    true => format!("{}?sent={}", self.context.url_of_folder(b""), results.len()),
                    false => self.context.url_of_folder(folder),
                };
                let page = pages::redirect(Status::SEE_OTHER, &url);
                self.context.decoration.apply(page)
            }
            (Format::Plain, Some(status)) => {
                let mut body = String::new();
                for result in results {
                    let (name, what) = told(result);
                    // Writing to a String cannot fail.
                    let _ = match &*name {
                        // What is wrong is not with one file.
                        "" => writeln!(body, "{what}"),
                        name => writeln!(body, "{name}: {what}"),
                    };
                }
                self.text(status, body)
            }
            (Format::Html, Some(status)) => {
                let mut list = String::from("<p>Not all was taken:</p>\n");
                for result in results {
                    let (name, what) = told(result);
                    let (name, what) = (escape_html(&name), escape_html(what));
                    let _ = match &*name {
                        "" => writeln!(list, "<p>{what}</p>"),
                        name => writeln!(list, "<p><bdi>{name}</bdi>: {what}</p>"),
                    };
                }
                let back = match self.context.only {
                    true => self.context.url_of_folder(b""),
                    false => self.context.url_of_folder(folder),
                };
                let _ = write!(
                    list,
                    "<p><a href=\"{}\">Back to the folder</a></p>",
                    escape_html(&back)
                );
                self.page(status, &list)
            }
        }
    }

    fn json(&self, folder: &[u8], result: &Result<&Kept, &Refused>) -> String {
        match result {
            Ok(kept) => {
                let digest = kept.digest.map(|digest| {
                    format!(",\"digest\":{}", json_string(&digest::field_value(&digest)))
                });
                format!(
                    "{{\"name\":{},\"url\":{},\"size\":{}{}}}",
                    json_string(&String::from_utf8_lossy(&kept.name)),
                    json_string(&self.context.url(folder, &kept.name)),
                    kept.bytes,
                    digest.unwrap_or_default(),
                )
            }
            Err(refused) => format!(
                "{{\"name\":{},\"status\":{},\"error\":{}}}",
                json_string(&String::from_utf8_lossy(&refused.name)),
                refused.status.code(),
                json_string(&refused.why),
            ),
        }
    }

    fn text(&self, status: Status, body: String) -> Response {
        let kind = match self.format {
            Format::Json => "application/json",
            Format::Html | Format::Plain => "text/plain; charset=utf-8",
        };
        let response = Response::new(status)
            .field("Content-Type", kind)
            .field("Cache-Control", "no-store");
        self.context
            .decoration
            .apply(response.body(Body::Owned(body.into_bytes())))
    }

    fn page(&self, status: Status, inside: &str) -> Response {
        self.context
            .decoration
            .apply(pages::message_page(status, inside))
    }
}

/// What became of a file of a form: what it is called now, or was to be called, and why it is not.
fn told(result: &Result<Kept, Refused>) -> (Cow<'_, str>, &str) {
    match result {
        Ok(kept) => (String::from_utf8_lossy(&kept.name), "Uploaded."),
        Err(refused) => (String::from_utf8_lossy(&refused.name), &refused.why),
    }
}

impl UploadContext {
    fn url(&self, folder: &[u8], name: &[u8]) -> String {
        self.url_of_folder(folder) + &encode_segment(name)
    }

    fn url_of_folder(&self, folder: &[u8]) -> String {
        let mut url = String::from("/");
        let all = [self.prefix.as_bytes(), &self.below, folder];
        for name in all.iter().flat_map(|path| path.split(|byte| *byte == b'/')) {
            if !name.is_empty() {
                url.push_str(&encode_segment(name));
                url.push('/');
            }
        }
        url
    }
}
