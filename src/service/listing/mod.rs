//! A directory without an index, as a page, as JSON or as plain lines.
//!
//! *Floor 3.* Knows getdents64(2) and stat(2); does not know how the directory was found, nor
//! which links may be followed: both are decided by the caller that opened it (see [`ListingOptions`]).
//!
//! Listing is the one answer whose cost the *content* decides, and both of its system calls may
//! wait for a disk. So one job reads it all, and its result comes in three sizes:
//!
//! ```text
//! up to 128 KiB of page      sorted, with sizes and times, one body with a length
//! up to 10,000 names and     the same, but what is kept is the names, packed (`names.rs`): the
//! 768 KiB of them            page is a stream, made while it is sent, 16 KiB at a time
//! beyond                     nothing is kept: a stream of the directory itself, one getdents64
//!                            (8 KiB, at most 341 names) per chunk, in its order
//! ```
//!
//! So a client that does not read costs 0.8 MiB at most, however long names are: ten thousand
//! pages of 6 MB would be the server's end. To keep one page for all clients was rejected: sizes
//! and times have no version that would be cheaper to ask for than the page.
//!
//! Chunks of names are made on the loop's own thread, those of a directory where waiting is allowed,
//! one at a time. The last form leaves out sizes and times: they would cost one stat(2) per name. A
//! thread per big listing was rejected: clients would then decide how many threads there are.
//!
//! Not listed is what would be answered 404: names with a leading dot, FIFOs, sockets, devices, and
//! links that lead nowhere or outside.
//!
//! *References:* getdents64(2), stat(2), openat2(2).

pub(super) mod directory;
pub(super) mod names;
mod pieces;
mod render;
pub(super) mod selection;
pub(super) mod upload_form;

use std::cell::Cell;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Stat;
use rustix::io::Errno;

use super::Job;
use super::pages::error_response;
pub use super::protected::NameFilter;
use super::work::Gone;
use crate::http::negotiate::media_ranges;
use crate::http::validator::Validators;
use crate::http::{Body, HeaderBlock, Request, Response, Status};
use directory::Directory;
use names::Names;
use pieces::Pieces;
use render::Page;
pub(super) use render::{STYLE as PAGE_STYLE, json_string};

/// Up to so many entries a listing is sorted and has sizes and times.
pub const SORTED_ENTRIES_MAX: usize = 10_000;

/// The same in bytes of memory: a name's own and 25 more, so 10,000 names of 50 bytes on average. It
/// is what one client can make us keep, who asks for a listing and does not read it.
pub const SORTED_BYTES_MAX: usize = 768 * 1024;

/// What a request for the symbolic link of this name would open: `None` if it would be refused.
pub type LinkTarget = Box<dyn Fn(&CStr) -> Option<Stat> + Send>;

/// What to list, and how.
#[derive(Default)]
pub struct ListingOptions {
    /// Whether names with a leading dot are listed.
    pub hidden: bool,
    /// Which names are left out besides; none without it.
    pub left_out: Option<NameFilter>,
    /// Whether this is the topmost directory that is served: no way up is shown.
    pub at_root: bool,
    /// Whether it can be had as one download: then the page has a button for that.
    pub archives: bool,
    /// Whether files can be sent to it, each of so many bytes at most: then the page has a form for
    /// them.
    pub takes_uploads: Option<u64>,
    /// In which form.
    pub format: ListingFormat,
    /// How links are resolved; without it none are listed. A link shows what it leads to, and only
    /// if that would be served, so that a listing says nothing about files outside the root.
    pub link_target: Option<LinkTarget>,
}

/// The form of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ListingFormat {
    /// A page for people.
    #[default]
    Html,
    /// One array of objects, for programs.
    Json,
    /// One name per line, directories with a slash behind.
    Plain,
}

impl ListingFormat {
    /// The form that a client asks for by name in `Accept`: the one with the largest weight, of
    /// equals the first, and none that it refuses (RFC 9110 §12.4.2). A page for everybody else.
    pub fn of(request: &Request<'_>) -> Self {
        Self::named_in(request.field_values("Accept"))
    }

    fn named_in<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut best = (0, Self::default());
        for (name, weight) in media_ranges(values) {
            let format = match name.to_ascii_lowercase().as_slice() {
                b"text/html" => Self::Html,
                b"application/json" => Self::Json,
                b"text/plain" => Self::Plain,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }
}

/// [`listing`] as a job, for [`Reply::Later`](super::Reply::Later).
pub fn listing_job(directory: OwnedFd, path: String, options: ListingOptions) -> Job {
    Box::new(move || listing(directory, &path, options))
}

/// The names of a directory, read and in order; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sorted {
    names: Arc<Names>,
    /// Of all that is shown of them.
    digest: [u8; 32],
}

/// What a directory shows, before it is known whether its client has it already.
pub(super) struct Listing {
    fields: &'static [u8],
    body: Body,
    /// Missing where the directory is too long to be read before it is sent.
    etag: Option<Box<str>>,
}

/// The answer that lists `directory`. May block: call it from a [`Job`].
///
/// `directory` must have been opened for reading (not `O_PATH`) and for this call alone, because
/// reading moves its position. `path` is what is shown: decoded, lossily where it is not UTF-8,
/// relative to where the root is mounted, with a slash at both ends. Links are relative, so a
/// prefix in front does not matter.
pub fn listing(directory: OwnedFd, path: &str, options: ListingOptions) -> Response {
    list(directory, path, options, SORTED_ENTRIES_MAX)
}

fn list(directory: OwnedFd, path: &str, options: ListingOptions, sorted_max: usize) -> Response {
    let format = options.format;
    let page = Page::new(path, &options);
    let directory = Directory {
        fd: directory,
        options,
    };
    match gather(&directory, sorted_max, &|| true) {
        Ok(names) => Listing::new(page, names, directory).into_response(),
        Err(error) => refusal(error, format),
    }
}

impl Listing {
    /// Reads `directory` as [`listing`] does; else the answer that it cannot be read. `None` if it
    /// was given up because `gone` said so between two looks.
    ///
    /// With `known` names nothing is read; without, those that were read are left there, unless
    /// they are too many to be kept.
    pub(super) fn read(
        directory: OwnedFd,
        path: &str,
        options: ListingOptions,
        gone: &Gone<'_>,
        known: &mut Option<Sorted>,
    ) -> Option<Result<Self, Response>> {
        let stopped = Cell::new(false);
        let keep_on = || {
            stopped.set(stopped.get() || gone());
            !stopped.get()
        };
        let format = options.format;
        let page = Page::new(path, &options);
        let directory = Directory {
            fd: directory,
            options,
        };
        if known.is_none() {
            match gather(&directory, SORTED_ENTRIES_MAX, &keep_on) {
                Ok(names) => *known = names,
                Err(error) => return Some(Err(refusal(error, format))),
            }
        }
        (!stopped.get()).then(|| Ok(Self::new(page, known.clone(), directory)))
    }

    /// The page of these names, or without any a stream of the directory.
    fn new(page: Page, names: Option<Sorted>, directory: Directory) -> Self {
        let fields = render::fields(&directory.options);
        let (body, etag) = match names {
            Some(Sorted { names, digest }) => {
                let (body, etag) = Pieces::sorted(page, names).into_body(digest);
                (body, Some(etag))
            }
            None => {
                let pieces = Pieces::unsorted(page, directory);
                (Body::Stream(Box::new(pieces)), None)
            }
        };
        Self { fields, body, etag }
    }

    /// What a condition is held against. It has no date: that of a directory says nothing of the
    /// sizes and times in it.
    pub(super) fn validators(&self) -> Validators<'_> {
        Validators {
            etag: self.etag.as_deref(),
            modified: None,
        }
    }

    pub(super) fn into_response(self) -> Response {
        let response = Response {
            fields: HeaderBlock::Static(self.fields),
            ..Response::new(Status::OK)
        };
        tagged(response, self.etag.as_deref()).body(self.body)
    }

    /// The answer to a client that has it already: the fields that a cache must update (RFC 9110
    /// §15.4.5).
    pub(super) fn unchanged(&self) -> Response {
        let response = Response {
            fields: HeaderBlock::Static(b"Cache-Control: no-cache\r\nVary: Accept\r\n"),
            ..Response::new(Status::NOT_MODIFIED)
        };
        tagged(response, self.etag.as_deref())
    }
}

fn tagged(response: Response, etag: Option<&str>) -> Response {
    match etag {
        Some(etag) => response.field("ETag", etag),
        None => response,
    }
}

/// All entries, sorted; `None` if they are too many or too long, and then nothing of them is kept.
///
/// A look at a file may cost a wait, one at `keep_on` a system call: it is asked at every 64th.
fn gather(
    directory: &Directory,
    sorted_max: usize,
    keep_on: &dyn Fn() -> bool,
) -> Result<Option<Sorted>, Errno> {
    let mut names = Names::default();
    while keep_on() && directory.read(&mut names)? {
        if names.len() > sorted_max || names.bytes() > SORTED_BYTES_MAX {
            directory.rewind()?;
            return Ok(None);
        }
    }
    let (mut looked, mut goes_on) = (0_u32, true);
    names.complete(|name, kind| {
        goes_on &= !looked.is_multiple_of(64) || keep_on();
        looked += 1;
        let entry = goes_on.then(|| directory.whole_entry(name, kind));
        entry.flatten()
    });
    names.sort();
    let digest = names.digest();
    let names = Arc::new(names);
    Ok(Some(Sorted { names, digest }))
}

/// A directory that cannot be read after all: it was removed meanwhile, or the disk fails.
fn refusal(error: Errno, format: ListingFormat) -> Response {
    let status = match error {
        Errno::NOENT => Status::NOT_FOUND,
        Errno::ACCESS | Errno::PERM => Status::FORBIDDEN,
        _ => Status::INTERNAL_SERVER_ERROR,
    };
    error_response(status, format == ListingFormat::Html, || None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mknodat, open, statat};

    use super::directory::BATCH_BYTES;
    use super::pieces::PIECE_BYTES;
    use super::*;
    use crate::http::{Chunk, Wake};

    fn opened(path: &Path) -> OwnedFd {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).unwrap()
    }

    fn bytes(response: Response) -> Vec<u8> {
        assert_eq!(response.status, Status::OK);
        match response.body {
            Body::Owned(bytes) => bytes,
            Body::Stream(mut chunks) => {
                let mut all = Vec::new();
                loop {
                    match chunks.next_chunk(&Wake::noop()) {
                        Chunk::Bytes(bytes) => all.extend(bytes),
                        Chunk::End => return all,
                        Chunk::Pending | Chunk::Failed => panic!("a listing ended early"),
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn text(response: Response) -> String {
        String::from_utf8(bytes(response)).unwrap()
    }

    fn plain() -> ListingOptions {
        ListingOptions {
            format: ListingFormat::Plain,
            ..ListingOptions::default()
        }
    }

    #[test]
    fn directories_come_first_and_numbers_count() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "img10.jpg",
            "img9.jpg",
            "IMG1.jpg",
            "notes",
            "b",
            "A",
            "img009.txt",
        ] {
            fs::write(root.path().join(file), "x").unwrap();
        }
        for directory in ["zoo", "Album"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        assert_eq!(
            text(listing(opened(root.path()), "/", plain())),
            "Album/\nzoo/\nA\nb\nIMG1.jpg\nimg9.jpg\nimg009.txt\nimg10.jpg\nnotes\n"
        );
    }

    #[test]
    fn what_would_be_404_is_not_listed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("seen"), "x").unwrap();
        fs::write(at(".hidden"), "x").unwrap();
        let fifo = (FileType::Fifo, Mode::from_raw_mode(0o600));
        mknodat(CWD, at("fifo"), fifo.0, fifo.1, 0).unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink("seen", at("link")).unwrap();
        symlink("sub", at("link-to-directory")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("fifo", at("link-to-fifo")).unwrap();

        assert_eq!(
            text(listing(opened(root.path()), "/", plain())),
            "sub/\nseen\n"
        );
        let hidden = ListingOptions {
            hidden: true,
            ..plain()
        };
        assert_eq!(
            text(listing(opened(root.path()), "/", hidden)),
            "sub/\n.hidden\nseen\n"
        );
        for sorted_max in [SORTED_ENTRIES_MAX, 1] {
            let base = opened(root.path());
            let resolve = move |name: &CStr| statat(&base, name, AtFlags::empty()).ok();
            let options = ListingOptions {
                link_target: Some(Box::new(resolve)),
                ..plain()
            };
            let listed = text(list(opened(root.path()), "/", options, sorted_max));
            let mut lines: Vec<&str> = listed.lines().collect();
            lines.sort_unstable();
            assert_eq!(
                lines,
                ["link", "link-to-directory/", "seen", "sub/"],
                "{sorted_max}"
            );
        }
    }

    #[test]
    fn a_name_is_text_and_never_markup() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            &b"<img src=x onerror=alert(1)>&\"'"[..],
            b"caf\xe9",
            b"a:b",
            b"x\x1b[2J\ny",
        ] {
            fs::write(root.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        }
        let page = text(listing(
            opened(root.path()),
            "/<b>/",
            ListingOptions::default(),
        ));
        assert!(!page.contains("<img") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<title>Index of /&lt;b&gt;/</title>"));
        assert!(page.contains("<bdi>&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;</bdi>"));
        assert!(page.contains("<a href=\"caf%E9\"><bdi>caf\u{fffd}</bdi></a>"));
        assert!(page.contains("<a href=\"a%3Ab\">"));
        assert!(page.contains("<a href=\"x%1B%5B2J%0Ay\"><bdi>x\u{fffd}[2J\u{fffd}y</bdi></a>"));

        let json = ListingOptions {
            format: ListingFormat::Json,
            ..ListingOptions::default()
        };
        let json = text(listing(opened(root.path()), "/", json));
        assert!(
            json.contains(r#""name":"<img src=x onerror=alert(1)>&\"'","href":"#),
            "{json}"
        );
        assert!(
            json.contains(r#""name":"x\u001b[2J\u000ay","href":"x%1B%5B2J%0Ay""#),
            "{json}"
        );
    }

    #[test]
    fn a_big_directory_is_a_stream_with_every_name_once() {
        let root = tempfile::tempdir().unwrap();
        let mut expected: Vec<String> = (0..1_000).map(|n| format!("file-{n:04}")).collect();
        for name in &expected {
            fs::write(root.path().join(name), "").unwrap();
        }
        // At the limit still sorted, beyond it not: the names are the same.
        let sorted = list(opened(root.path()), "/", plain(), 1_000);
        assert!(matches!(sorted.body, Body::Owned(_)));
        assert!(text(sorted).lines().eq(expected.iter()));
        let streamed = list(opened(root.path()), "/", plain(), 999);
        assert!(matches!(streamed.body, Body::Stream(_)));
        let streamed = text(streamed);
        let mut lines: Vec<&str> = streamed.lines().collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);

        let page = text(list(
            opened(root.path()),
            "/",
            ListingOptions::default(),
            10,
        ));
        assert_eq!(page.matches("<tr><td>").count(), 1_000);
        assert!(page.ends_with("</html>\n") && !page.contains("<time"));
        let json = ListingOptions {
            format: ListingFormat::Json,
            ..ListingOptions::default()
        };
        let json = text(list(opened(root.path()), "/", json, 10));
        assert_eq!(json.matches("},\n{").count(), 999);
        assert!(json.starts_with("[\n{") && json.ends_with("}\n]\n"));
    }

    #[test]
    fn a_chunk_is_bounded_by_one_batch() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..1_000 {
            fs::write(root.path().join(format!("{n}")), "").unwrap();
        }
        let Body::Stream(mut chunks) = list(opened(root.path()), "/", plain(), 1).body else {
            panic!("not a stream");
        };
        // 24 bytes is the smallest record getdents64 makes.
        let mut batches = 0;
        while let Chunk::Bytes(bytes) = chunks.next_chunk(&Wake::noop()) {
            batches += 1;
            assert!(bytes.split(|&b| b == b'\n').count() <= BATCH_BYTES / 24 + 1);
        }
        assert!(batches >= 3, "{batches}");
    }

    /// What is kept for a client that does not read: names, and never a page of them.
    #[test]
    fn what_is_not_read_is_not_made() {
        let root = tempfile::tempdir().unwrap();
        let make = |numbers: std::ops::Range<u32>| {
            for n in numbers {
                fs::write(root.path().join(format!("{n:0>200}")), "").unwrap();
            }
        };
        let streamed = || {
            let page = listing(opened(root.path()), "/", ListingOptions::default());
            let Body::Stream(mut chunks) = page.body else {
                panic!("{:?} at once", page.body);
            };
            let mut text = String::new();
            while let Chunk::Bytes(bytes) = chunks.next_chunk(&Wake::noop()) {
                assert!(bytes.len() < 2 * PIECE_BYTES, "{} bytes", bytes.len());
                text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
            assert!(text.ends_with("</html>\n"));
            text
        };
        make(0..600);
        let page = streamed();
        let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("<tr><td>")).collect();
        assert!(rows.len() == 600 && rows.is_sorted());
        assert!(page.contains("600 files, 0 B") && rows[0].contains("<time"));
        // Too long to keep the names, too: the same names in any order.
        make(600..3_600);
        let page = streamed();
        assert_eq!(page.matches("<tr><td>").count(), 3_600);
        assert!(!page.contains("<time"));
    }

    #[test]
    fn a_directory_removed_meanwhile_is_404() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("gone");
        fs::create_dir(&path).unwrap();
        let directory = opened(&path);
        fs::remove_dir(&path).unwrap();
        let response = listing(directory, "/gone/", plain());
        assert_eq!(response.status, Status::NOT_FOUND);
    }

    #[test]
    fn the_form_is_the_first_that_is_named() {
        let check = |accept: &str, expected: ListingFormat| {
            let got = ListingFormat::named_in([accept.as_bytes()].into_iter());
            assert_eq!(got, expected, "{accept}");
        };
        check("*/*", ListingFormat::Html);
        check(
            "text/html,application/xhtml+xml,*/*;q=0.8",
            ListingFormat::Html,
        );
        check("application/json", ListingFormat::Json);
        check("Application/JSON; q=0.9, */*", ListingFormat::Json);
        check("text/plain", ListingFormat::Plain);
        // RFC 9110 §12.4.2: weights are compared, 0 refuses, of equals the first counts.
        check("text/html;q=0, application/json", ListingFormat::Json);
        check("text/html;q=0.5, text/plain", ListingFormat::Plain);
        check(
            "text/plain;q=0.5, application/json;q=0.9",
            ListingFormat::Json,
        );
        check("application/json, text/plain", ListingFormat::Json);
        check(
            "text/plain;q=0.3, application/json;q=0.3",
            ListingFormat::Plain,
        );
        check("application/json;q=0", ListingFormat::Html);
        check(
            "application/json;q=x, text/plain;q=0.1",
            ListingFormat::Plain,
        );
        check("a/b;c=\"x, text/plain\"", ListingFormat::Html);
        check("", ListingFormat::Html);
    }
}
