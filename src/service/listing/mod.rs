//! A directory without an index, as a page, as JSON or as plain lines.
//!
//! *Floor 3.* Knows getdents64(2) and stat(2); does not know how the directory was found, nor
//! which links may be followed: both are decided by the caller that opened it (see [`ListingOptions`]).
//!
//! Listing is the one answer whose cost the *content* decides, and both of its system calls may
//! wait for a disk. So one job selects what is shown (`selection.rs`): the first names in the order
//! that is asked for, as many as may be kept. What a client can make us keep by not reading is bounded
//! by that, and a directory may have any length:
//!
//! ```text
//! up to 128 KiB of page      one body with a length
//! up to 5,000 names          what is kept is the names, packed (`names.rs`): the page is a
//!                            stream, made while it is sent, 16 KiB at a time
//! beyond, for people         pages of 5,000, each selected behind (or before) where its
//!                            neighbour ends: no client has anything kept between two of them
//! beyond, for programs       up to 10,000 names as above; then the stream goes on with the next
//!                            names in order, selected by reading the directory again
//! ```
//!
//! So a client that does not read costs 0.8 MiB at most, however long names are, and 1.1 MiB where a
//! README stands beneath: at most 128 KiB, and as much again in the last piece. Ten thousand
//! pages of 6 MB would be the server's end. To keep one page for all clients was rejected: sizes
//! and times have no version that would be cheaper to ask for than the page.
//!
//! Chunks of names are made on the loop's own thread, those that need the directory where waiting is
//! allowed, a few reads of it at a time. A thread per big listing was rejected: clients would then
//! decide how many threads there are. An order by size or time costs a stat(2) for each name, in such
//! jobs as well, and once more for each part of a stream: beyond 100,000 names programs are refused.
//!
//! Not listed is what would be answered 404: names with a leading dot, FIFOs, sockets, devices, and
//! links that lead nowhere or outside.
//!
//! *References:* getdents64(2), stat(2), openat2(2).

pub(super) mod directory;
mod filter;
mod media;
pub(super) mod names;
pub(super) mod order;
mod pieces;
pub(super) mod query;
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
use super::markdown::readme::FolderReadme;
pub use super::markdown::readme::ReadmeContent;
use super::pages::error_response;
pub use super::protected::NameFilter;
use super::work::Gone;
use crate::http::negotiate::media_ranges;
use crate::http::validator::Validators;
use crate::http::{Body, HeaderBlock, Request, Response, Status};
use directory::Directory;
use names::{Entry, Names, Totals};
use pieces::{Pieces, Remainder};
pub use query::ListingQuery;
use query::PageStart;
use render::{Extent, Page};
pub(super) use render::{STYLE, json_string, policies_without_uploads};
use selection::{NamesRoom, SelectedPart, Selection};

/// So many entries a page has at most.
pub const PAGE_ENTRIES_MAX: usize = 5_000;

/// Up to so many entries a listing for programs is selected before it is sent.
pub const SORTED_ENTRIES_MAX: usize = 10_000;

/// The same in bytes of memory: a name's own and 25 more, so 10,000 names of 50 bytes on average. It
/// is what one client can make us keep, who asks for a listing and does not read it.
pub const SORTED_BYTES_MAX: usize = 768 * 1024;

/// So many times as many a directory may have that is listed for programs by size or time. Each part
/// of it is a look at every file, so that the time would grow with the square of the entries.
const LOOKED_AT_FACTOR: usize = 10;

/// What a request for the symbolic link of this name would open: `None` if it would be refused.
pub type LinkTarget = Box<dyn Fn(&CStr) -> Option<Stat> + Send>;

/// What stands in the README of this name, by opening it as a request would: `None` if that would be
/// refused.
pub type ReadmeReader = Box<dyn Fn(&CStr) -> Option<ReadmeContent> + Send>;

/// The Content-Type that the file of this name would be sent with, if the name alone says it.
pub type ContentTypes = Arc<dyn Fn(&CStr) -> Option<String> + Send + Sync>;

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
    /// Which of it, in which order.
    pub query: ListingQuery,
    /// How links are resolved; without it none are listed. A link shows what it leads to, and only
    /// if that would be served, so that a listing says nothing about files outside the root.
    pub link_target: Option<LinkTarget>,
    /// How the README of the directory is read, which a page shows beneath it; without it none is.
    pub readme: Option<ReadmeReader>,
    /// Which files a page shows in place, as pictures, videos or sound: none without it.
    pub content_types: Option<ContentTypes>,
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

/// What of a directory is shown first, read and in order; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sorted {
    names: Arc<Names>,
    /// Of all that is shown of them.
    digest: [u8; 32],
    totals: Totals,
    past: usize,
    has_more: bool,
    /// What it was selected for.
    query: ListingQuery,
    format: ListingFormat,
    /// What stands beneath them.
    readme: Option<FolderReadme>,
}

/// What a directory shows, before it is known whether its client has it already.
pub(super) struct Listing {
    fields: Vec<u8>,
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

fn list(directory: OwnedFd, path: &str, options: ListingOptions, rows_max: usize) -> Response {
    let directory = Directory {
        fd: directory,
        options,
    };
    match gather(directory, rows_max, &|| true) {
        Ok((sorted, directory)) => Listing::new(path, sorted, directory).into_response(),
        Err(refusal) => refusal,
    }
}

impl Listing {
    /// Reads `directory` as [`listing`] does; else the answer that it cannot be read. `None` if it
    /// was given up because `gone` said so between two looks.
    ///
    /// With names that are `known` nothing is read; without, those that were read are left there.
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
        let mut directory = Directory {
            fd: directory,
            options,
        };
        let sorted = match known.take() {
            Some(known) => known,
            None => match gather(directory, SORTED_ENTRIES_MAX, &keep_on) {
                Ok((sorted, read)) => {
                    directory = read;
                    sorted
                }
                Err(refusal) => return Some(Err(refusal)),
            },
        };
        *known = Some(sorted.clone());
        (!stopped.get()).then(|| Ok(Self::new(path, sorted, directory)))
    }

    fn new(path: &str, sorted: Sorted, directory: Directory) -> Self {
        let mut page = Page::new(path, &directory.options, sorted.extent());
        page.readme.clone_from(&sorted.readme);
        page.look_for_media(&sorted.names);
        let fields = page.fields();
        let goes_on = sorted.has_more && sorted.format != ListingFormat::Html;
        let (body, etag) = if goes_on {
            let rest = Remainder::Further(directory, ROOM);
            let pieces = Pieces::new(page, sorted.names, rest);
            (Body::Stream(Box::new(pieces)) as Body, None)
        } else {
            let pieces = Pieces::new(page, sorted.names, Remainder::Nothing);
            let (body, etag) = pieces.into_body(sorted.digest);
            (body, Some(etag))
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
            fields: HeaderBlock::Owned(self.fields),
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

impl Sorted {
    /// Whether it shows what these ask for.
    pub(super) fn is_for(&self, options: &ListingOptions) -> bool {
        (self.format, &self.query) == (options.format, &options.query)
    }

    /// Which part of a page's directory it is.
    fn extent(&self) -> Extent {
        let (order, len) = (self.query.order, self.names.len());
        let key = |entry: Option<Entry<'_>>| entry.map(|entry| entry.place(order).to_key());
        let (first, last) = (self.names.entry(0), self.names.entry(len.wrapping_sub(1)));
        let is_backward = matches!(self.query.from, PageStart::Before(_));
        let (is_before, is_after) = match is_backward {
            true => (self.has_more, self.past > 0),
            false => (self.past > 0, self.has_more),
        };
        let start = || self.query.from.key().cloned();
        let before = || key(first).or_else(start).map(PageStart::Before);
        let after = || key(last).map_or(PageStart::First, PageStart::After);
        Extent {
            totals: self.totals,
            knows_bytes: order.needs_meta(),
            first: match is_backward {
                true => (self.totals.entries()).saturating_sub(self.past + len),
                false => self.past,
            },
            len,
            before: is_before
                .then(before)
                .flatten()
                .map(|to| self.query.link(&to)),
            after: is_after.then(|| self.query.link(&after())),
        }
    }
}

/// What is kept of a directory for a program.
const ROOM: NamesRoom = NamesRoom {
    rows: SORTED_ENTRIES_MAX,
    bytes: SORTED_BYTES_MAX,
};

/// The entries that are shown first, in order, and the directory itself, so that more can follow.
///
/// A look at a file may cost a wait, one at `keep_on` a system call: it is asked at every 64th, and
/// whenever the kernel was asked for names.
fn gather(
    directory: Directory,
    rows_max: usize,
    keep_on: &dyn Fn() -> bool,
) -> Result<(Sorted, Directory), Response> {
    let (query, format) = (directory.options.query.clone(), directory.options.format);
    let (start, rows) = match format {
        ListingFormat::Html => (query.from.clone(), rows_max.min(PAGE_ENTRIES_MAX)),
        ListingFormat::Json | ListingFormat::Plain => (PageStart::First, rows_max),
    };
    let mut selection = Selection::new(directory, start, NamesRoom { rows, ..ROOM });
    while keep_on() && selection.read().map_err(|error| refusal(error, format))? {}
    let SelectedPart {
        mut names,
        has_more,
        mut totals,
        past,
        readme,
        directory,
    } = selection.into_part();
    let is_in_parts = has_more && format != ListingFormat::Html;
    let max = rows_max.saturating_mul(LOOKED_AT_FACTOR);
    if is_in_parts && query.order.needs_meta() && totals.entries() > max {
        return Err(too_long(max));
    }
    if format != ListingFormat::Plain && !query.order.needs_meta() {
        let (mut looked, mut goes_on) = (0_u32, true);
        names.complete(|name, kind| {
            goes_on &= !looked.is_multiple_of(64) || keep_on();
            looked += 1;
            let entry = goes_on.then(|| directory.whole_entry(name, kind));
            entry.flatten()
        });
    }
    if past == 0 && !has_more {
        totals = names.totals();
    }
    let is_beginning = query.from == PageStart::First && query.filter.is_any();
    let readme = readme.filter(|_| is_beginning && format == ListingFormat::Html && keep_on());
    let readme = readme.and_then(|name| {
        let content = (directory.options.readme.as_ref())?(&name)?;
        Some(FolderReadme::new(&name, &content))
    });
    let sorted = Sorted {
        digest: names.digest(),
        names: Arc::new(names),
        totals,
        past,
        has_more,
        query,
        format,
        readme,
    };
    Ok((sorted, directory))
}

/// More entries than are listed for programs by size or time.
fn too_long(max: usize) -> Response {
    let status = Status::BAD_REQUEST;
    let why = format!(
        "{status}: sort=size and sort=time are for up to {max} entries in this form: ask without, \
         and sort what comes\n"
    );
    error_response(status, false, || None).body(Body::Owned(why.into_bytes()))
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

        let json = text(listing(opened(root.path()), "/", json()));
        assert!(
            json.contains(r#""name":"<img src=x onerror=alert(1)>&\"'","href":"#),
            "{json}"
        );
        assert!(
            json.contains(r#""name":"x\u001b[2J\u000ay","href":"x%1B%5B2J%0Ay""#),
            "{json}"
        );
    }

    fn json() -> ListingOptions {
        ListingOptions {
            format: ListingFormat::Json,
            ..ListingOptions::default()
        }
    }

    #[test]
    fn a_big_directory_is_a_stream_in_the_same_order() {
        let root = tempfile::tempdir().unwrap();
        let expected: Vec<String> = (0..1_000).map(|n| format!("file-{n}")).collect();
        for (n, name) in expected.iter().enumerate() {
            fs::write(root.path().join(name), "x".repeat(n % 3)).unwrap();
        }
        let lines = |rows_max| {
            let whole = list(opened(root.path()), "/", plain(), rows_max);
            assert_eq!(matches!(whole.body, Body::Owned(_)), rows_max >= 1_000);
            let whole = text(whole);
            assert!(whole.lines().eq(expected.iter()), "{rows_max}");
        };
        lines(1_000);
        lines(999);
        lines(10);
        for query in ["", "sort=size&order=desc"] {
            let listed = |rows_max| {
                let mut options = json();
                options.query = ListingQuery::of(Some(query));
                text(list(opened(root.path()), "/", options, rows_max))
            };
            let whole = listed(1_000);
            assert_eq!(whole.matches("},\n{").count(), 999);
            assert_eq!(whole.matches(",\"size\":").count(), 1_000);
            assert!(whole.starts_with("[\n{") && whole.ends_with("}\n]\n"));
            assert_eq!(listed(100), whole, "{query}");
        }
    }

    /// What a program is sent in parts costs a look at every file for each of them.
    #[test]
    fn beyond_ten_times_what_is_kept_no_order_looks_at_files() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..100 {
            fs::write(root.path().join(format!("{n}")), "x").unwrap();
        }
        let check = |format, query: &str, rows_max, expected: Status| {
            let options = ListingOptions {
                format,
                query: ListingQuery::of(Some(query)),
                ..ListingOptions::default()
            };
            let got = list(opened(root.path()), "/", options, rows_max).status;
            assert_eq!(got, expected, "{format:?} {query} {rows_max}");
        };
        for format in [ListingFormat::Json, ListingFormat::Plain] {
            for query in ["sort=size", "sort=time&order=desc"] {
                check(format, query, 9, Status::BAD_REQUEST);
                check(format, query, 10, Status::OK);
            }
            check(format, "order=desc", 9, Status::OK);
            check(format, "sort=size&q=1", 9, Status::OK);
        }
        check(ListingFormat::Html, "sort=size", 9, Status::OK);
    }

    /// Each page links to the one behind it, and that leads back; together they are all there is.
    #[test]
    fn pages_are_together_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..100 {
            fs::write(root.path().join(format!("a&<{n}>")), "x".repeat(n % 7)).unwrap();
        }
        let link = |page: &str, rel: &str| {
            let (_, rest) = page.split_once(&format!("<a rel=\"{rel}\" href=?"))?;
            let (link, _) = rest.split_once('>').unwrap();
            Some(link.replace("&#61;", "=").replace("&amp;", "&"))
        };
        let names = |page: &str| -> Vec<String> {
            let rows = page.split("<tr><td><a href=\"").skip(1);
            rows.map(|row| row.split_once('"').unwrap().0.to_owned())
                .collect()
        };
        let shown = |query: &str, rows_max| {
            let options = ListingOptions {
                query: ListingQuery::of(Some(query)),
                ..ListingOptions::default()
            };
            text(list(opened(root.path()), "/", options, rows_max))
        };
        for query in ["", "sort=size&order=desc", "q=%26%3C1&dirs=mixed"] {
            let all = names(&shown(query, 1_000));
            let (mut seen, mut pages) = (Vec::new(), vec![shown(query, 3)]);
            loop {
                let page = pages.last().unwrap();
                seen.extend(names(page));
                let Some(next) = link(page, "next") else {
                    break;
                };
                assert!(query.split('&').all(|part| next.contains(part)), "{next}");
                pages.push(shown(&next, 3));
            }
            assert_eq!(seen, all, "{query}");
            assert_eq!(pages.len(), all.len().div_ceil(3));
            assert_eq!(link(&pages[0], "prev"), None);
            while let Some(page) = pages.pop() {
                let Some(previous) = link(&page, "prev") else {
                    break;
                };
                let (back, there) = (shown(&previous, 3), pages.last().unwrap());
                assert_eq!(names(&back), names(there), "{previous}");
                assert_eq!(link(&back, "next").is_some(), link(there, "next").is_some());
                let summary = |page: &str| page.split_once("polite\">").unwrap().1[..12].to_owned();
                assert_eq!(summary(&back), summary(there));
            }
        }
        // A place behind all of them, and one that is none.
        let beyond = shown("after=f/z", 3);
        assert!(names(&beyond).is_empty() && link(&beyond, "prev").is_some());
        let first = shown("before=f/A", 3);
        assert!(names(&first).is_empty() && first.contains("rel=\"next\" href=./>"));
    }

    #[test]
    fn a_chunk_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..3_000 {
            fs::write(root.path().join(format!("{n}")), "").unwrap();
        }
        let Body::Stream(mut chunks) = list(opened(root.path()), "/", json(), 100).body else {
            panic!("not a stream");
        };
        assert!(chunks.may_wait(), "names are still to be read");
        while let Chunk::Bytes(bytes) = chunks.next_chunk(&Wake::noop()) {
            assert!(bytes.len() < PIECE_BYTES + 200);
        }
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
        // Too long to keep the names, too: a page of fewer.
        make(600..4_000);
        let page = streamed();
        let rows = page.matches("<tr><td>").count();
        assert!(
            (1_700..3_600).contains(&rows) && page.contains("of 4,000"),
            "{rows}"
        );
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
