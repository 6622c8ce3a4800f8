//! What the file service is asked to do: every choice a user can make, with its default.
//!
//! *Floor 3.* Plain data; nothing is opened or checked here. `Files::open` validates it
//! once, before the first request, and compiles patterns and fixed fields.
//!
//! *Read next:* `policy.rs`, what becomes of it.

use std::path::PathBuf;
use std::time::Duration;

/// How symbolic links beneath the root are treated, by the kernel, at the moment of opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Symlinks {
    /// Followed as long as every step stays beneath the root. An absolute link is refused even
    /// where it points inside: `RESOLVE_BENEATH` (openat2(2)) does not follow it.
    #[default]
    Inside,
    /// Followed wherever they lead. Whoever can write below the root can then publish any file
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

/// A field added to answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderRule {
    /// The field's name. Framing fields and validators are refused.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Which paths it is for: see [`FilesConfig::immutable`] for the language. `None`: all.
    pub glob: Option<String>,
}

/// A file service, described.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilesConfig {
    /// The directory, or the one file if `single_file`.
    pub root: PathBuf,
    /// `root` is a file: it is served at `/` and at `/its-name`, and nothing else is.
    pub single_file: bool,
    /// The file names that stand for a directory, in order of preference.
    pub index: Vec<String>,
    /// Whether a directory without one of them is listed (otherwise 404).
    pub listing: bool,
    /// Whether names that start with a dot are served. `.well-known` always is (RFC 8615).
    pub hidden: bool,
    /// Symbolic links beneath the root.
    pub symlinks: Symlinks,
    /// `root` may itself be a link that is switched while serving; looked at once per turn.
    pub follow_root: bool,
    /// Whether `file.br`, `file.zst` and `file.gz` are sent to clients that accept them.
    pub precompressed: bool,
    /// How long a cached file is trusted. `None`: strictly fresh, checked once per turn.
    pub cache_valid: Option<Duration>,
    /// Memory for cached files in bytes, over all loops.
    pub cache_bytes: usize,
    /// Descriptors kept open for large files, over all loops. Never more than a quarter of
    /// RLIMIT_NOFILE is used.
    pub cache_descriptors: usize,
    /// `Cache-Control: max-age=SECS`. `None`: `no-cache`, so that every use is revalidated.
    pub max_age: Option<u64>,
    /// Files that never change under their name (`max-age=31536000, immutable`): globs with `*`,
    /// `?`, `[a-z]` and `**`. One without a slash is matched against the last segment, one with
    /// a slash against the whole path below the root, without its leading slash.
    pub immutable: Vec<String>,
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
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            root: PathBuf::from("."),
            single_file: false,
            index: vec!["index.html".into()],
            listing: true,
            hidden: false,
            symlinks: Symlinks::default(),
            follow_root: false,
            precompressed: true,
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
        }
    }
}
