//! What the file service is asked to do: every choice a user can make, with its default.
//!
//! *Floor 3.* Plain data; nothing is opened here. What has a syntax, a field or a pattern, is parsed
//! where it enters ([`FromStr`]), and is well formed from then on; `Files::open` validates the rest,
//! before the first request.
//!
//! *References:* RFC 9110 §5.1, §5.5 (what a field may hold).

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use glob::{MatchOptions, Pattern};

use crate::http::response::is_framing_field;
use crate::service::protected::ProtectedPaths;

/// How symbolic links beneath the root are treated, by the kernel, at the moment of opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Symlinks {
    /// Followed as long as every step stays beneath the root. An absolute link does if it begins
    /// with the root's own path, as it was given or without links.
    #[default]
    Inside,
    /// Followed wherever they lead. A user who can write below the root can then publish any file
    /// this process may read.
    Follow,
    /// Never followed: a path with a link in it is 404.
    Deny,
}

/// What an entity tag is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EtagMode {
    /// Inode, size, mtime and ctime to the nanosecond: free, but different on every replica.
    #[default]
    Stat,
    /// SHA-256 of the bytes: the same on every replica; a file is read whole when it is first
    /// asked for and whenever it has changed.
    Content,
}

/// One field: `Name: value`. Its value cannot end its line, and its name is none of those that
/// the server decides on: framing, validators, and what a status must say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldLine {
    name: String,
    value: String,
}

impl FieldLine {
    /// Its name, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, without white space around it.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for FieldLine {
    /// One sentence of advice.
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        const OURS: [&str; 7] = [
            "accept-ranges",
            "allow",
            "content-range",
            "etag",
            "last-modified",
            "location",
            "www-authenticate",
        ];
        let (name, value) = line
            .split_once(':')
            .ok_or("give a field as 'Name: value'")?;
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err("a field's name is letters, digits and -, right before the colon".into());
        }
        if is_framing_field(name) || OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            return Err(format!("{name} is written by the server itself"));
        }
        let value = value.trim_matches([' ', '\t']);
        // RFC 9110 §5.5: no CR, LF or NUL, or it would begin another line.
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err("a field's value holds no control characters".into());
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }
}

/// tchar of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A field added to answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderRule {
    /// The field.
    pub field: FieldLine,
    /// Which paths it is for; `None`: all.
    pub glob: Option<PathGlob>,
}

/// A pattern for paths, with `*`, `?`, `[a-z]` and `**`. One without a slash is matched against the
/// last segment, one with a slash against the whole path below the root, without its leading slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathGlob {
    pattern: Pattern,
    whole: bool,
}

impl PathGlob {
    /// Whether `path`, without its leading slash, is one of those that are meant.
    pub fn matches(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or_default();
        let subject = if self.whole { path } else { last };
        let options = MatchOptions {
            require_literal_separator: true,
            ..MatchOptions::new()
        };
        self.pattern.matches_with(subject, options)
    }
}

impl FromStr for PathGlob {
    /// One sentence of advice.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("give a pattern: '*.js', 'assets/**'".into());
        }
        let whole = text.contains('/');
        let pattern = Pattern::new(text.strip_prefix('/').unwrap_or(text))
            .map_err(|error| format!("not a pattern ({error}): give one as '*.js', 'assets/**'"))?;
        Ok(Self { pattern, whole })
    }
}

/// What the names of unfinished uploads begin with: not to be seen, hidden names shown or not.
pub(super) const PART_PREFIX: &[u8] = b".httpoll-part-";

/// What becomes of an upload whose name is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnConflict {
    /// It is not taken: 409.
    Refuse,
    /// It gets another name: `image (1).jpg`.
    Rename,
    /// It takes the place of what is there.
    Replace,
}

/// What is taken, and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadConfig {
    /// The directory below the served one that takes files; empty for all of it.
    pub directory: PathBuf,
    /// Whether files may only be sent and not read: a drop box.
    pub only: bool,
    /// By default the files of forms are renamed, and a PUT is refused.
    pub on_conflict: Option<OnConflict>,
    /// Bytes of one file (413).
    pub file_bytes_max: u64,
    /// Bytes of all uploads since the start (507).
    pub quota_bytes: Option<u64>,
    /// Bytes of the file system that stay free (507).
    pub reserve_bytes: u64,
    /// How many are received at once (503). Each holds up to three descriptors, and all together no
    /// more than a quarter of what the process may open (RLIMIT_NOFILE), whatever is said here.
    pub at_once_max: usize,
    /// Whether a file can be read while it comes, as `URL?follow`.
    pub follow: bool,
    /// Whether a file is on the disk before its name is told (fsync(2)).
    pub durable: bool,
}

impl Default for UploadConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            only: false,
            on_conflict: None,
            file_bytes_max: u64::MAX,
            quota_bytes: None,
            reserve_bytes: 64 * 1024 * 1024,
            at_once_max: usize::MAX,
            follow: false,
            durable: false,
        }
    }
}

/// A file service, described.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilesConfig {
    /// The directory, or the one file if `single_file`.
    pub root: PathBuf,
    /// Whether it also takes files.
    pub uploads: Option<UploadConfig>,
    /// `root` is a file: it is served at `/` and at `/its-name`, and nothing else is.
    pub single_file: bool,
    /// The file names that stand for a directory, in order of preference.
    pub index: Vec<String>,
    /// Whether a directory without one of them is listed (otherwise 404).
    pub listing: bool,
    /// Whether a directory that is listed can be had as one download, too: `?zip`, `?tar.gz`, `?tar`.
    pub archives: bool,
    /// Whether names that start with a dot are served. `.well-known` always is (RFC 8615).
    pub hidden: bool,
    /// Symbolic links beneath the root.
    pub symlinks: Symlinks,
    /// `root` may itself be a link that is switched while serving; looked at once per turn.
    pub follow_root: bool,
    /// Whether `file.br`, `file.zst` and `file.gz` are sent to clients that accept them.
    pub precompressed: bool,
    /// Whether a file of a type that shrinks is compressed (brotli, gzip) for clients that accept
    /// that, where no encoded sibling is.
    pub compress: bool,
    /// How long a cached file is trusted. `None`: strictly fresh, checked once per turn.
    pub cache_valid: Option<Duration>,
    /// Memory for cached files in bytes, over all loops.
    pub cache_bytes: usize,
    /// Descriptors kept open for large files, over all loops. Never more than a quarter of
    /// RLIMIT_NOFILE is used.
    pub cache_descriptors: usize,
    /// `Cache-Control: max-age=SECS`. `None`: `no-cache`, so that every use is revalidated.
    pub max_age: Option<u64>,
    /// Files that never change under their name (`max-age=31536000, immutable`).
    pub immutable: Vec<PathGlob>,
    /// The file, relative to the root, that answers navigations to paths that do not exist.
    pub spa: Option<String>,
    /// The file, relative to the root, that is the page of a 404 if it exists.
    pub not_found: Option<String>,
    /// Fields added to answers; one that the service would send itself replaces it.
    pub headers: Vec<HeaderRule>,
    /// `Access-Control-Allow-Origin: *` on every answer, and preflights answered.
    pub cors: bool,
    /// The fields that give a page SharedArrayBuffer and precise timers (COOP and COEP).
    pub cross_origin_isolated: bool,
    /// Media types by extension, without its dot, before every other rule.
    pub mime: Vec<(String, String)>,
    /// Whether text types say `charset=utf-8`.
    pub charset: bool,
    /// The path below which the root is mounted: empty, or `/like/this` without a slash at its
    /// end.
    pub prefix: String,
    /// `X-Content-Type-Options: nosniff`.
    pub nosniff: bool,
    /// Entity tags.
    pub etag: EtagMode,
    /// What needs a password, which [`Passwords`](crate::service::Passwords) asks for: it is
    /// `private`, and left out of the listings and archives of what needs none.
    pub protected: ProtectedPaths,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            root: PathBuf::from("."),
            uploads: None,
            single_file: false,
            index: vec!["index.html".into()],
            listing: true,
            archives: true,
            hidden: false,
            symlinks: Symlinks::default(),
            follow_root: false,
            precompressed: true,
            compress: false,
            cache_valid: None,
            cache_bytes: 64 * 1024 * 1024,
            cache_descriptors: 1024,
            max_age: None,
            immutable: Vec::new(),
            spa: None,
            not_found: Some("404.html".into()),
            headers: Vec::new(),
            cors: false,
            cross_origin_isolated: false,
            mime: Vec::new(),
            charset: true,
            prefix: String::new(),
            nosniff: true,
            etag: EtagMode::default(),
            protected: ProtectedPaths::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_split_a_response_or_frame_it() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let got = line.parse::<FieldLine>().ok();
            let got = got.as_ref().map(|field| (field.name(), field.value()));
            assert_eq!(got, expected, "{line:?}");
        };
        check("X-A: b", Some(("X-A", "b")));
        check("X-A:b:c", Some(("X-A", "b:c")));
        check("X-Empty:", Some(("X-Empty", "")));
        check("X-Name: caf\u{e9}", Some(("X-Name", "caf\u{e9}")));
        // RFC 9112 §5.1: no white space before the colon; RFC 9110 §5.5: no CR, LF, NUL.
        for line in [
            "X-A",
            ": b",
            "X A: b",
            "X-A : b",
            "X-A: b\r\nX: y",
            "X: a\0b",
            "X: \x7f",
        ] {
            check(line, None);
        }
        for line in [
            "Content-Length: 1",
            "connection: close",
            "Date: now",
            "ETag: 1",
            "Last-Modified: 1",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn patterns_are_of_names_or_of_whole_paths() {
        let check = |glob: &str, path: &str, expected: bool| {
            let glob: PathGlob = glob.parse().unwrap();
            assert_eq!(glob.matches(path), expected, "{glob:?} {path}");
        };
        check("*.js", "a/b.js", true);
        check("*.js", "a.js/b", false);
        check("a/*", "a/b", true);
        check("/a/*", "a/b", true);
        check("a/*", "a/b/c", false);
        check("a/**", "a/b/c", true);
        check("[ab]?", "x/bz", true);
        for wrong in ["", "a***", "[", "a/**b"] {
            assert!(wrong.parse::<PathGlob>().is_err(), "{wrong:?}");
        }
    }
}
