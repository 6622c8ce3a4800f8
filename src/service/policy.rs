//! What was asked for, compiled: fixed fields encoded, impossible options refused early.
//!
//! *Floor 3.* Knows paths, globs and fields; opens nothing. Shared by all loops and their jobs.
//!
//! *References:* RFC 8246 (immutable); RFC 8615
//! (.well-known).

use std::ffi::CStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::fields::{Common, Fields};
use super::mime;
use super::options::{EtagMode, FilesConfig, HeaderRule, PART_PREFIX, PathGlob};
use super::pages;
use super::protected::ProtectedPaths;
use crate::http::target::{encode_segment, redirect_location};
use crate::http::{Request, Response, Status, negotiate};

/// A [`FilesConfig`], ready for use.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) index: Vec<String>,
    pub(super) listing: bool,
    pub(super) archives: bool,
    pub(super) hidden: bool,
    pub(super) precompressed: bool,
    /// How long a file may be of which an encoding is made; 0 for none.
    pub(super) compress_bytes_max: u64,
    pub(super) cache_valid: Option<Duration>,
    pub(super) etag: EtagMode,
    pub(super) prefix: String,
    /// The only name there is, if one file is served.
    pub(super) single: Option<Vec<u8>>,
    /// What it is called where it is saved: at / no URL tells.
    pub(super) disposition: Option<String>,
    pub(super) spa: Option<Vec<u8>>,
    pub(super) not_found: Option<Vec<u8>>,
    pub(super) cors: bool,
    common: Common,
    pub(super) charset: bool,
    pub(super) protected: ProtectedPaths,
    /// With `private, ` first, which is for what needs a password.
    cache_control: String,
    immutable: Vec<PathGlob>,
    mime: Vec<(String, String)>,
    /// The directory whose files strangers have sent, without a slash at either end; the whole root
    /// if it is empty.
    uploads: Option<Vec<u8>>,
    upload_bytes_max: u64,
    /// Whether those may be sent only, and not read.
    is_drop_box: bool,
}

impl Policy {
    /// Checks and compiles a description.
    ///
    /// # Errors
    /// `InvalidInput` with one line that names the option and what is wrong with it.
    pub(super) fn new(config: &FilesConfig, single: Option<Vec<u8>>) -> io::Result<Self> {
        let max_age = config.max_age.map(|secs| format!("max-age={secs}"));
        check_prefix(&config.prefix)?;
        for (extension, value) in &config.mime {
            check_value(&format!("the type of .{extension}"), value)?;
        }
        Ok(Self {
            index: config.index.clone(),
            // One file has no siblings that it could be listed with or replaced by.
            listing: config.listing && single.is_none(),
            archives: config.archives,
            precompressed: config.precompressed && single.is_none(),
            compress_bytes_max: 0,
            spa: config
                .spa
                .as_deref()
                .map(key_of)
                .filter(|_| single.is_none()),
            not_found: config
                .not_found
                .as_deref()
                .map(key_of)
                .filter(|_| single.is_none()),
            hidden: config.hidden || single.is_some(),
            cache_valid: config.cache_valid,
            etag: config.etag,
            prefix: config.prefix.clone(),
            disposition: (single.as_deref()).map(|name| disposition("inline", name)),
            single,
            cors: config.cors,
            common: Common::of_files(config),
            charset: config.charset,
            protected: config.protected.clone(),
            cache_control: format!("private, {}", max_age.as_deref().unwrap_or("no-cache")),
            immutable: config.immutable.clone(),
            mime: config.mime.clone(),
            uploads: (config.uploads.as_ref()).map(|uploads| {
                let directory = uploads.directory.components().as_path();
                directory.as_os_str().as_bytes().to_vec()
            }),
            is_drop_box: (config.uploads.as_ref()).is_some_and(|uploads| uploads.only),
            upload_bytes_max: (config.uploads.as_ref()).map_or(0, |uploads| uploads.file_bytes_max),
        })
    }

    /// Whether a file, or what is in a directory, may have been sent by a stranger: then what is in it
    /// must not act in the name of this server. `path` may have a slash first, and last.
    pub(super) fn was_sent(&self, path: &[u8]) -> bool {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        self.uploads
            .as_ref()
            .is_some_and(|directory| directory.is_empty() || below(directory, path).is_some())
    }

    /// Whether more than the file itself may be sent to who takes encodings.
    pub(super) const fn negotiates(&self) -> bool {
        self.precompressed || self.compress_bytes_max > 0
    }

    /// The directory that may not be read from, without a slash at either end.
    pub(super) fn drop_box(&self) -> Option<&[u8]> {
        self.uploads.as_deref().filter(|_| self.is_drop_box)
    }

    /// What the directory `key` is called where it is saved: the last name of its path, else of the
    /// prefix, else that of the root, unless that is hidden or none.
    pub(super) fn folder_name<'n>(&'n self, key: &'n [u8], root: &'n Path) -> &'n [u8] {
        let last = |path: &'n [u8]| {
            let path = path.strip_suffix(b"/").unwrap_or(path);
            let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
            Some(name).filter(|name| !name.is_empty())
        };
        let own = || root.file_name().map(OsStrExt::as_bytes);
        (last(key).or_else(|| last(self.prefix.as_bytes())))
            .or_else(|| own().filter(|name| !self.hides(name)))
            .unwrap_or(b"files")
    }

    /// How long a file may be that is sent to a directory, if any can be.
    pub(super) fn takes_uploads(&self, directory: &[u8]) -> Option<u64> {
        self.was_sent(directory).then_some(self.upload_bytes_max)
    }

    /// The target's path below the prefix, if it is written so that it certainly is; else its key
    /// decides, see [`Self::key_below_prefix`].
    #[inline]
    pub(super) fn below_prefix<'c>(&self, path: &'c [u8]) -> Option<&'c [u8]> {
        if self.prefix.is_empty() {
            return Some(path);
        }
        let rest = below(self.prefix.as_bytes(), path)?;
        // A dot segment may lead out again.
        let plain = !rest.windows(2).any(|pair| matches!(pair, b"/." | b"//"));
        (plain && !rest.contains(&b'%')).then_some(rest)
    }

    /// The key of a file, from the key of the whole path: decoded and without dot segments, so that
    /// all spellings of a path are below the prefix or none is (RFC 3986 §6.2.2). `None`: it is not
    /// below it.
    pub(super) fn key_below_prefix<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        below(self.prefix.as_bytes(), key)
    }

    /// Whether a path has a name that starts with a dot and is not to be seen. What is hidden
    /// is 404 like what does not exist, so that nothing can be learned.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        key.split(|&b| b == b'/')
            .any(|name| is_hidden_name(name, self.hidden))
    }

    /// Whether a missing path is one that a single-page application shows itself.
    ///
    /// Only what a browser asks for to show a page: it names HTML in Accept, does not say by
    /// Sec-Fetch-Mode that it is loading something else, and the last segment has no dot. A
    /// missing script answered with a page is an hour of searching.
    pub(super) fn is_navigation(&self, key: &[u8], request: &Request<'_>) -> bool {
        let last = key.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let navigates = |mode: &[u8]| mode == b"navigate";
        !last.contains(&b'.')
            && request.field("sec-fetch-mode").is_none_or(navigates)
            && negotiate::accepts_html(request.field_values("accept"))
    }

    /// The type of the file at `path`: a user's Content-Type rule, else by its name, else `None`.
    pub(super) fn content_type(&self, path: &[u8]) -> Option<String> {
        match self.rule(path, HeaderRule::is_content_type) {
            Some(rule) => Some(rule.field.value().to_owned()),
            None => mime::type_of_name(path, &self.mime, self.charset),
        }
    }

    /// Whether the file at `path` is encoded already, as a user's Content-Encoding rule says: another
    /// coding instead of it, or besides, would be sent under that name, too.
    pub(super) fn is_encoded(&self, path: &[u8]) -> bool {
        let says_so = |rule: &HeaderRule| rule.is("content-encoding");
        self.rule(path, says_so).is_some()
    }

    /// Whether no encoding of the file at `path` is to be made, as a user's Cache-Control rule says to
    /// all on the way, which we take for ourselves (RFC 9111 §5.2.2.6).
    pub(super) fn forbids_transforms(&self, path: &[u8]) -> bool {
        let says_so = |rule: &HeaderRule| {
            let mut directives = rule.field.value().split(',').map(str::trim);
            rule.is("cache-control")
                && directives.any(|word| word.eq_ignore_ascii_case("no-transform"))
        };
        self.rule(path, says_so).is_some()
    }

    /// The one of the user's rules for `path` that is wanted; the last, if there are several.
    fn rule(&self, path: &[u8], wanted: impl Fn(&HeaderRule) -> bool) -> Option<&HeaderRule> {
        let rules = self.common.rules_for(Some(path));
        rules.into_iter().rfind(|rule| wanted(rule))
    }

    /// How long the file at `path` may be kept. `immutable` needs no `public`: without
    /// credentials any cache may store it (RFC 9111 §3).
    pub(super) fn cache_control(&self, path: &[u8]) -> &str {
        let text = String::from_utf8_lossy(path);
        let whole = match self.immutable.iter().any(|glob| glob.matches(&text)) {
            true => "private, max-age=31536000, immutable",
            false => &self.cache_control,
        };
        match self.protected.covers(path) {
            true => whole,
            false => whole.trim_start_matches("private, "),
        }
    }

    /// Whether files beside this one may be encodings of it. Not in a directory that takes uploads: who
    /// may put `a.js.gz` there would say what `a.js` is, without the right to replace it.
    pub(super) fn may_have_siblings(&self, path: &[u8]) -> bool {
        self.precompressed && !self.is_encoded(path) && !self.was_sent(path)
    }

    /// Whether what is sent instead of a file needs no password that the file does not need.
    pub(super) fn may_stand_for(&self, sibling: &CStr, plain: &CStr) -> bool {
        let needs_it = |path: &CStr| self.protected.covers(path.to_bytes());
        !needs_it(sibling) || needs_it(plain)
    }

    /// Begins the fields of an answer about `path`, a path without its leading slash.
    pub(super) fn fields(&self, path: &[u8]) -> Fields<'_> {
        self.common.fields(Some(path))
    }

    /// See [`Common::put`].
    pub(super) fn put_common(&self, fields: &mut Fields<'_>) {
        self.common.put(fields);
    }

    /// The page of an error about `key`, with a way back.
    pub(super) fn error_page(&self, status: Status, request: &Request<'_>, key: &[u8]) -> Response {
        let start = || self.start().filter(|_| key != b"/");
        self.decorate(pages::error_page_with(status, request, start), key)
    }

    /// Where one can go on from an error: the topmost directory, which answers for certain where
    /// directories are listed.
    pub(super) fn start(&self) -> Option<String> {
        (self.listing).then(|| redirect_location(self.prefix.as_bytes(), None))
    }

    /// Adds what stands on every answer to one that was made elsewhere: an error, a redirect, a
    /// listing.
    pub(super) fn decorate(&self, response: Response, key: &[u8]) -> Response {
        let path = key.strip_prefix(b"/").unwrap_or(key);
        self.common.decorate(response, Some(path))
    }
}

/// Whether nothing of this name is to be seen; with `hidden`, only uploads that are not complete.
pub(super) fn is_hidden_name(name: &[u8], hidden: bool) -> bool {
    match hidden {
        true => name.starts_with(PART_PREFIX),
        false => name.starts_with(b".") && name != b".well-known",
    }
}

/// What follows `prefix` in `path`: nothing, or something that begins with a slash.
fn below<'p>(prefix: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(prefix)?;
    // PITFALL: with `/app` as prefix, `/apple` is not below it.
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

/// Shown in place (`inline`) or not, and saved under its name (RFC 6266 §4). The plain parameter comes first, for the
/// clients that read no other; what a quoted string cannot hold for all of them stands as `_` there
/// (RFC 6266, Appendix D), and exactly in the extended one (RFC 8187 §3.2).
pub(super) fn disposition(kind: &str, name: &[u8]) -> String {
    let exact = String::from_utf8_lossy(name);
    let plain = exact.replace(|c: char| c.is_control() || "\"\\%".contains(c), "_");
    let simple = format!("{kind}; filename=\"{plain}\"");
    match plain.is_ascii() && plain == exact {
        true => simple,
        false => format!(
            "{simple}; filename*=UTF-8''{}",
            encode_segment(exact.as_bytes())
        ),
    }
}

/// The cache key of a file given relative to the root.
fn key_of(file: &str) -> Vec<u8> {
    format!("/{}", file.trim_matches('/')).into_bytes()
}

fn check_prefix(prefix: &str) -> io::Result<()> {
    let plain = |b: u8| b.is_ascii_graphic() && !b"%?#\\".contains(&b);
    if prefix.is_empty() {
        return Ok(());
    }
    let odd_name = |name| matches!(name, "" | "." | "..");
    if !prefix.starts_with('/')
        || prefix[1..].split('/').any(odd_name)
        || !prefix.bytes().all(plain)
    {
        return Err(invalid(format!(
            "the prefix {prefix:?} is not like /this or /this/one"
        )));
    }
    Ok(())
}

/// RFC 9110 §5.5: no control characters, or it would begin another line.
fn check_value(what: &str, value: &str) -> io::Result<()> {
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(invalid(format!(
            "the value of {what} holds a control character"
        )));
    }
    Ok(())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
