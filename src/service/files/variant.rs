//! One file under one coding, with everything about it that can be encoded beforehand, and the
//! answer that a request gets from it.
//!
//! *Floor 3.* Knows HTTP's file semantics; does not know how the file was found, and makes no
//! system call: a cached answer is two reference counts.
//!
//! The order is that of RFC 9110 §13.2.2: conditions first (304, 412), then If-Range, then Range,
//! and only for GET (§14.2: for HEAD a Range field is ignored).
//!
//! *References:* RFC 9110 §8.8, §13, §14, §15.3.7, §15.4.5, §15.5.13, §15.5.17.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use crate::http::head::Known;
use crate::http::negotiate::Coding;
use crate::http::range::{self, Ranges};
use crate::http::validator::{self, Evaluation, Validators};
use crate::http::{Body, HeaderBlock, Method, Part, Request, Response, Status};
use crate::service::fields::{Fields, lines, names, vary};
use crate::service::mime;
use crate::service::opening::load::{Content, Loaded, MemorySource, SMALL_BYTES_MAX};
use crate::service::opening::meta::format_etag;
use crate::service::options::HeaderRule;
use crate::service::pages;
use crate::service::policy::Policy;

/// For what a file is being sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// It was asked for.
    Itself,
    /// A navigation found nothing, so the application's page stands in: 200, like any file.
    Application,
    /// It is the page of a 404. Neither conditions nor ranges apply to it (RFC 9110 §13.2.1).
    NotFound,
}

/// A representation, ready to be sent.
pub(super) struct Variant {
    content: Content,
    etag: Box<str>,
    /// Whether the tag stands for these bytes only, so that something may match it.
    matchable: bool,
    modified: Option<SystemTime>,
    /// The fields of a 200, Content-Type first.
    fields: Arc<[u8]>,
    /// Whether there are encoded siblings.
    negotiated: bool,
    /// The length of the first line.
    type_line_len: usize,
    /// The fields of a 304 or 412.
    brief: Arc<[u8]>,
}

/// Whatever a variant is made from besides its bytes.
pub(super) struct About<'a> {
    /// The plain file's path below the root: it decides type and rules for all codings.
    pub(super) path: &'a [u8],
    /// Of the plain file, by the policy.
    pub(super) content_type: &'a str,
    /// The Content-Security-Policy of a page that was made of it. Such a page has no date: what makes
    /// it may be another one tomorrow.
    pub(super) page_policy: Option<&'a str>,
    pub(super) coding: Coding,
    /// Whether there are encoded siblings.
    pub(super) negotiated: bool,
    pub(super) now: SystemTime,
}

impl Variant {
    pub(super) fn new(loaded: Loaded, about: &About<'_>, policy: &Policy) -> Self {
        let identity = &loaded.identity;
        let settled = loaded.whole && identity.is_settled(about.now);
        let (etag, matchable) = match (&loaded.digest, &loaded.content) {
            // Of bytes in memory the hash is always true; of a file still to be read, if it rests.
            (Some(digest), Content::Small(_)) => (format_etag(digest, false), true),
            (Some(digest), Content::Large(_)) if settled => (format_etag(digest, false), true),
            (None, _) if settled => (identity.etag(about.coding.name()), true),
            // These stamps may soon stand for other bytes, and a cache behind us compares weak
            // tags, too (RFC 9110 §13.1.2): so there is no other answer with this one.
            _ => (format_etag(&entropy().to_le_bytes(), true), false),
        };
        let modified = (identity.modified(about.now)).filter(|_| about.page_policy.is_none());
        let is_due = settled && identity.date_due().is_some_and(|due| due <= about.now);
        let fields = full_fields(about, policy, &etag, modified.filter(|_| is_due));
        let type_line_len = lines(&fields).next().map_or(0, <[u8]>::len);
        Self {
            negotiated: about.negotiated,
            type_line_len,
            fields: fields.into(),
            brief: brief_fields(about, policy, &etag).into(),
            content: loaded.content,
            etag,
            matchable,
            modified,
        }
    }

    /// The entity tag, if anything may match it.
    pub(super) fn tag(&self) -> Option<&str> {
        self.matchable.then_some(&*self.etag)
    }

    /// Bytes of content.
    pub(super) fn len(&self) -> u64 {
        self.content.len()
    }

    /// Bytes of memory it holds.
    pub(super) fn cost(&self) -> usize {
        let content = match &self.content {
            Content::Small(bytes) => bytes.len(),
            Content::Large(_) => 64,
        };
        content + self.fields.len() + self.brief.len() + self.etag.len() + 64
    }

    /// Descriptors it holds.
    pub(super) const fn descriptors(&self) -> usize {
        matches!(self.content, Content::Large(_)) as usize
    }

    /// The answer to a GET or HEAD.
    pub(super) fn answer(
        &self,
        role: Role,
        request: &Request<'_>,
        now: SystemTime,
        policy: &Policy,
    ) -> Response {
        if role == Role::NotFound {
            return self.respond(Status::NOT_FOUND, self.page_fields(), self.whole());
        }
        let validators = Validators {
            etag: self.tag(),
            modified: self.modified,
        };
        let brief = || HeaderBlock::Shared(Arc::clone(&self.brief));
        let response = match validator::evaluate(request, &validators, now) {
            Evaluation::NotModified => self.respond(Status::NOT_MODIFIED, brief(), Body::Empty),
            Evaluation::Failed => self.respond(Status::PRECONDITION_FAILED, brief(), Body::Empty),
            Evaluation::Proceed => self.content_answer(&validators, request, now, policy),
        };
        match role {
            // Another Accept would have got a 404 (RFC 9110 §12.5.5).
            Role::Application => vary(response, "Accept, Sec-Fetch-Mode"),
            _ => response,
        }
    }

    fn content_answer(
        &self,
        v: &Validators<'_>,
        request: &Request<'_>,
        now: SystemTime,
        policy: &Policy,
    ) -> Response {
        // A date that several codings may share is no strong validator (RFC 9110 §8.8.1).
        let v = Validators {
            modified: v.modified.filter(|_| !self.negotiated),
            ..*v
        };
        let ranges = match only_range(request) {
            Some(field)
                if request.method() == Method::Get
                    && validator::if_range_holds(request, &v, now) =>
            {
                range::evaluate(field, self.content.len())
            }
            _ => Ranges::Whole,
        };
        match ranges {
            Ranges::Whole => self.ok(),
            Ranges::One { offset, len } => self.one_range(offset, len),
            Ranges::Many(ranges) => self.many_ranges(&ranges),
            Ranges::Unsatisfiable => {
                let status = Status::RANGE_NOT_SATISFIABLE;
                pages::error_page_with(status, request, || policy.start()).field(
                    "Content-Range",
                    &range::content_range_unsatisfied(self.content.len()),
                )
            }
        }
    }

    fn ok(&self) -> Response {
        self.respond(
            Status::OK,
            HeaderBlock::Shared(Arc::clone(&self.fields)),
            self.whole(),
        )
    }

    /// 206 with one stretch. All fields of the 200 are sent, also for If-Range, where RFC 9110
    /// §15.3.7 would like fewer: media players read the type from whichever answer comes first.
    fn one_range(&self, offset: u64, len: u64) -> Response {
        let value = range::content_range(offset, len, self.content.len());
        let fields = HeaderBlock::Shared(Arc::clone(&self.fields));
        self.respond(
            Status::PARTIAL_CONTENT,
            fields,
            self.stretch(offset, len).into(),
        )
        .field("Content-Range", &value)
    }

    /// 206 as multipart/byteranges, of a small file too: there the framing is longer than what it
    /// saves, but a client that asked for parts reads them without looking for a 200. No byte is
    /// sent twice, so the parts are never more than the file, and their framing is bounded.
    fn many_ranges(&self, ranges: &[(u64, u64)]) -> Response {
        let boundary = range::boundary(entropy());
        let total = self.content.len();
        let mut parts = Vec::with_capacity(ranges.len() * 2 + 1);
        for &(offset, len) in ranges {
            let head = range::part_head(&boundary, self.content_type(), offset, len, total);
            parts.push(Part::Bytes(head));
            parts.push(self.stretch(offset, len));
        }
        parts.push(Part::Bytes(range::part_tail(&boundary)));
        let mut fields =
            format!("Content-Type: multipart/byteranges; boundary={boundary}\r\n").into_bytes();
        fields.extend_from_slice(&self.fields[self.type_line_len..]);
        self.respond(
            Status::PARTIAL_CONTENT,
            HeaderBlock::Owned(fields),
            Body::Parts(parts),
        )
    }

    fn respond(&self, status: Status, fields: HeaderBlock, body: Body) -> Response {
        Response {
            fields,
            body,
            ..Response::new(status)
        }
    }

    fn whole(&self) -> Body {
        match &self.content {
            Content::Small(bytes) => Body::Shared(Arc::clone(bytes)),
            Content::Large(source) => {
                let len = self.content.len();
                Body::Range {
                    source: Arc::clone(source) as _,
                    offset: 0,
                    len,
                }
            }
        }
    }

    /// A part of it. Of a small file the bytes are copied: at most 128 KiB, and no more over all
    /// parts of an answer, since they do not overlap. What was made in memory may be longer, and is
    /// shared.
    fn stretch(&self, offset: u64, len: u64) -> Part {
        match &self.content {
            Content::Small(bytes) if bytes.len() as u64 > SMALL_BYTES_MAX => Part::Range {
                source: Arc::new(MemorySource(Arc::clone(bytes))),
                offset,
                len,
            },
            Content::Small(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let n = usize::try_from(len).unwrap_or(usize::MAX);
                let rest = bytes.get(from..).unwrap_or_default();
                Part::Bytes(rest[..n.min(rest.len())].to_vec())
            }
            Content::Large(source) => Part::Range {
                source: Arc::clone(source) as _,
                offset,
                len,
            },
        }
    }

    fn content_type(&self) -> &str {
        let line = &self.fields[..self.type_line_len];
        let value = line.strip_prefix(b"Content-Type: ").unwrap_or_default();
        std::str::from_utf8(value).unwrap_or_default().trim_end()
    }

    /// Of the page of a 404: what describes the bytes, but nothing that would identify or keep
    /// them under the address that was asked for.
    fn page_fields(&self) -> HeaderBlock {
        let dropped = ["ETag", "Last-Modified", "Accept-Ranges", "Cache-Control"];
        let kept = |line: &&[u8]| !dropped.iter().any(|name| names(line, name));
        let mut fields: Vec<u8> = lines(&self.fields)
            .filter(kept)
            .flatten()
            .copied()
            .collect();
        fields.extend_from_slice(b"Cache-Control: no-store\r\n");
        HeaderBlock::Owned(fields)
    }
}

impl From<Part> for Body {
    fn from(part: Part) -> Self {
        match part {
            Part::Bytes(bytes) => Self::Owned(bytes),
            Part::Range {
                source,
                offset,
                len,
            } => Self::Range {
                source,
                offset,
                len,
            },
        }
    }
}

fn full_fields(
    about: &About<'_>,
    policy: &Policy,
    etag: &str,
    modified: Option<SystemTime>,
) -> Vec<u8> {
    let mut fields = policy.fields(about.path);
    fields.put_always("Content-Type", about.content_type);
    if about.coding != Coding::Identity {
        fields.put_always("Content-Encoding", about.coding.name());
    }
    if let Some(modified) = modified {
        let date = crate::http::date::format(modified);
        fields.put(
            "Last-Modified",
            std::str::from_utf8(&date).unwrap_or_default(),
        );
    }
    fields.put("ETag", etag);
    fields.put("Cache-Control", policy.cache_control(about.path));
    fields.put("Accept-Ranges", "bytes");
    if let Some(disposition) = policy
        .disposition
        .as_ref()
        .filter(|_| about.page_policy.is_none())
    {
        fields.put("Content-Disposition", disposition);
    }
    if let Some(page_policy) = about.page_policy {
        fields.put_always("Content-Security-Policy", page_policy);
    } else if policy.was_sent(about.path) && mime::is_active(about.content_type) {
        fields.put_always("Content-Security-Policy", "sandbox");
    }
    put_vary(&mut fields, about, policy);
    policy.put_common(&mut fields);
    fields.finish(|rule| !rule.is_content_type())
}

/// RFC 9110 §15.4.5: what a cache needs to update what it has, and nothing about the content.
fn brief_fields(about: &About<'_>, policy: &Policy, etag: &str) -> Vec<u8> {
    let mut fields = policy.fields(about.path);
    fields.put("ETag", etag);
    fields.put("Cache-Control", policy.cache_control(about.path));
    put_vary(&mut fields, about, policy);
    policy.put_common(&mut fields);
    fields.finish(HeaderRule::is_repeated_by_304)
}

/// Vary stands on every answer about a file that has encoded siblings, and about one whose type
/// is worth compressing: a sibling may appear after a shared cache has stored the plain file.
fn put_vary(fields: &mut Fields<'_>, about: &About<'_>, policy: &Policy) {
    if about.negotiated || (policy.negotiates() && mime::is_compressible(about.content_type)) {
        fields.put("Vary", "Accept-Encoding");
    }
}

/// The value of a Range field that stands once: it is no list over several lines (RFC 9110
/// §14.2), and one that is there twice may be ignored like any Range.
pub(super) fn only_range<'c>(request: &Request<'c>) -> Option<&'c [u8]> {
    if !request.has(Known::RANGE) {
        return None;
    }
    let mut values = request.field_values("range");
    values.next().filter(|_| values.next().is_none())
}

/// 128 bits that the author of a file cannot foresee: two hashes under fresh random keys.
fn entropy() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    half() << 64 | half()
}
