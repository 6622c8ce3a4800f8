//! The path of a target as a name beneath a directory, and names as links.
//!
//! *Floor 0.* Knows percent-encoding and dot segments; does not know which files exist. It is the
//! first of two locks: what leaves here names nothing above the root, whatever a client writes. The
//! second is the kernel's (`openat2` with `RESOLVE_BENEATH`), for symlinks and races.
//!
//! The order matters. Segments are divided at the slashes *as written*, then each is decoded, then
//! dot segments are removed: `%2e%2e` is `..` in every client (RFC 3986 §6.2.2.2), so it must be
//! here. Where a client that tidies its URL first and one that does not might disagree, both get
//! the same: an empty segment counts for the `..` after it (`/a//..` is `/a/`, RFC 3986 §5.2.4),
//! and only then is dropped, because a file system has no empty names.
//!
//! Decided here: a `..` above the root is 400. RFC 3986 would stop at the root, and every browser
//! does before it sends; what still arrives on the wire is a probe.
//!
//! *References:* [RFC 3986 §2.1, §5.2.4, §6.2.2](https://www.rfc-editor.org/rfc/rfc3986),
//! path_resolution(7).

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use super::status::Status;

/// The longest name a Linux file system has, in bytes (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// The longest path the kernel takes, in bytes (`PATH_MAX` counts the NUL at its end).
const PATH_BYTES_MAX: usize = 4095;

/// A target's path, decoded: what to look for beneath the root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PathOnDisk {
    /// Names with one slash between them: no slash first or last, no `.` or `..`, no empty name, no
    /// NUL. Empty for the root itself. Bytes, since a name need not be UTF-8.
    pub relative: Vec<u8>,
    /// Whether only a directory will do: the path ended in a slash or a dot segment.
    pub directory: bool,
}

/// Why a path names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetError {
    /// It does not start with a slash.
    NotAPath,
    /// `%` without two hexadecimal digits after it (RFC 3986 §2.1).
    BadEscape,
    /// A NUL, which no name holds and C would take for the end.
    Nul,
    /// More `..` than segments before them.
    AboveRoot,
    /// `%2F`: a slash *within* a name, and no name on Linux has one. Taken for a separator it would
    /// make two URLs of one file, and hide a path from whoever filters by prefix before us.
    EncodedSlash,
    /// A name longer than any file system has.
    NameTooLong,
    /// Longer than any path the kernel takes.
    PathTooLong,
}

impl TargetError {
    /// The answer it deserves: the client's mistake, never a 500.
    pub const fn status(self) -> Status {
        match self {
            Self::NotAPath | Self::BadEscape | Self::Nul | Self::AboveRoot => Status::BAD_REQUEST,
            Self::EncodedSlash | Self::NameTooLong => Status::NOT_FOUND,
            Self::PathTooLong => Status::URI_TOO_LONG,
        }
    }
}

/// Decodes a path into a buffer of its own; see [`decode_into`].
///
/// # Errors
/// [`TargetError`] if it names nothing that can exist beneath the root.
pub fn decode(path: &str) -> Result<PathOnDisk, TargetError> {
    let mut relative = Vec::new();
    let directory = decode_into(path, &mut relative)?;
    Ok(PathOnDisk {
        relative,
        directory,
    })
}

/// Decodes a path (without its query) into `out`, which is emptied first, and says whether only a
/// directory will do. `out` then is [`PathOnDisk::relative`]; after an error it means nothing.
///
/// Called once per request with the same buffer: a path that is already as it should be is looked
/// at once and copied once.
///
/// # Errors
/// [`TargetError`] if it names nothing that can exist beneath the root.
pub fn decode_into(path: &str, out: &mut Vec<u8>) -> Result<bool, TargetError> {
    out.clear();
    let path = path.as_bytes();
    let Some((b'/', rest)) = path.split_first() else {
        return Err(TargetError::NotAPath);
    };
    let directory = if is_plain(path) {
        out.extend_from_slice(rest);
        rest.is_empty() || rest.ends_with(b"/")
    } else {
        resolve(rest, out)?
    };
    if out.ends_with(b"/") {
        out.pop();
    }
    check_lengths(out)?;
    Ok(directory)
}

/// A file's name as one segment of a link, everything but unreserved characters encoded: it stays
/// one segment, is no scheme (`a:b`), and needs no escaping in HTML.
pub fn encode_segment(name: &[u8]) -> String {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encode(name, UNRESERVED).to_string()
}

/// The `Location` for a directory asked without its slash: `/a/b?c` becomes `./b/?c`.
///
/// A relative reference from the last segment, so it stays right behind a prefix or a proxy, and
/// never can name another host: repeating the path would make `//evil/` of `//evil`, which is a
/// host (RFC 3986 §4.2). `./` goes first always, since `a:b/` would be a scheme. `path` and `query`
/// are as the client wrote them; what may not stand in a URI is encoded, the rest kept.
pub fn redirect_location(path: &str, query: Option<&str>) -> String {
    // What RFC 3986 §3.3 does not allow in a path; `%` stays, it is an escape already.
    const PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b'\\')
        .add(b']')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    const QUERY: &AsciiSet = &PATH.remove(b'?');

    let last = path.rsplit('/').next().unwrap_or_default();
    let mut location = String::from("./");
    if !last.is_empty() {
        location.extend(utf8_percent_encode(last, PATH));
        location.push('/');
    }
    if let Some(query) = query {
        location.push('?');
        location.extend(utf8_percent_encode(query, QUERY));
    }
    location
}

/// Whether there is nothing to decode, to remove or to refuse. Segments that merely start with a
/// dot are left to the slow way.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    path.iter().all(|&b| {
        let odd = b == b'%' || b == 0 || (previous == b'/' && matches!(b, b'/' | b'.'));
        previous = b;
        !odd
    })
}

/// Decodes segment by segment; `out` is a stack, each segment kept with the slash before it.
fn resolve(path: &[u8], out: &mut Vec<u8>) -> Result<bool, TargetError> {
    let mut directory = false;
    for segment in path.split(|&b| b == b'/') {
        let start = out.len();
        out.push(b'/');
        push_decoded(segment, out)?;
        let name = &out[start + 1..];
        directory = matches!(name, b"" | b"." | b"..");
        match name {
            b"." => out.truncate(start),
            b".." => {
                out.truncate(start);
                let parent = memchr::memrchr(b'/', out).ok_or(TargetError::AboveRoot)?;
                out.truncate(parent);
            }
            _ => {}
        }
    }
    // Empty names have counted for the `..` after them; now they go.
    out.dedup_by(|b, before| *b == b'/' && *before == b'/');
    if out.starts_with(b"/") {
        out.remove(0);
    }
    Ok(directory)
}

fn push_decoded(segment: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
    let mut bytes = segment.iter();
    while let Some(&b) = bytes.next() {
        let b = match b {
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            b => b,
        };
        match b {
            0 => return Err(TargetError::Nul),
            b'/' => return Err(TargetError::EncodedSlash),
            b => out.push(b),
        }
    }
    Ok(())
}

fn hex(digit: Option<&u8>) -> Result<u8, TargetError> {
    match digit {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'a'..=b'f') => Ok(b - b'a' + 10),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(TargetError::BadEscape),
    }
}

/// The kernel would say ENAMETOOLONG; saying it here keeps one answer for all file systems.
fn check_lengths(relative: &[u8]) -> Result<(), TargetError> {
    if relative.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    if relative.len() > PATH_BYTES_MAX {
        return Err(TargetError::PathTooLong);
    }
    let mut names = relative.split(|&b| b == b'/');
    if names.any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(TargetError::NameTooLong);
    }
    Ok(())
}
