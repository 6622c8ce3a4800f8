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
pub(crate) const PATH_BYTES_MAX: usize = 4095;

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
    /// make two URLs of one file, and hide a path from a proxy that filters by prefix before us.
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

/// The `Location` for a directory asked without its slash: `/a/b` and `c` become `/a/b/?c`.
///
/// Path-absolute, because some clients resolve no other reference. It is made of the path's names,
/// not of what the client wrote: repeating that would make `//evil/` of `//evil`, which is another
/// host (RFC 3986 §4.2); browsers take `/\evil/` for one, too. `path` is decoded, `query` as the
/// client wrote it, but for what may not stand in a URI.
pub fn redirect_location(path: &[u8], query: Option<&str>) -> String {
    // What RFC 3986 §3.3 does not allow in a path. A `%` in a name is no escape.
    const PATH: &AsciiSet = &CONTROLS
        .add(b'%')
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
    const QUERY: &AsciiSet = &PATH.remove(b'?').remove(b'%');

    let mut location = String::from("/");
    for name in path.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
        location.extend(percent_encode(name, PATH));
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
///
/// Every byte is looked at with the one before it, and none ends the search early: without a branch
/// per byte the compiler takes many at a time.
fn is_plain(path: &[u8]) -> bool {
    let pairs = path.iter().zip(path.get(1..).unwrap_or_default());
    !pairs.fold(false, |odd, (&before, &b)| {
        odd | (b == b'%') | (b == 0) | ((before == b'/') & ((b == b'/') | (b == b'.')))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TargetError::{
        AboveRoot, BadEscape, EncodedSlash, NameTooLong, NotAPath, Nul, PathTooLong,
    };
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &[u8], directory: bool) {
        let expected = PathOnDisk {
            relative: expected.to_vec(),
            directory,
        };
        assert_eq!(decode(path), Ok(expected), "{path:?}");
    }

    #[track_caller]
    fn check_refused(path: &str, error: TargetError, status: u16) {
        assert_eq!(decode(path), Err(error), "{path:?}");
        assert_eq!(error.status().code(), status, "{path:?}");
    }

    #[test]
    fn paths_become_names() {
        check("/", b"", true);
        check("/a", b"a", false);
        check("/a/", b"a", true);
        check("/a/b.html", b"a/b.html", false);
        check("/.well-known/x", b".well-known/x", false);
        check("/...", b"...", false);
        check("/.a/..b/c..", b".a/..b/c..", false);
        // RFC 3986 §2.1, §6.2.2.1: either case, and any byte.
        check("/%41%6a%4A", b"AjJ", false);
        check("/a%20b+c", b"a b+c", false);
        check("/%F0%9F%A6%80", "🦀".as_bytes(), false);
        check("/%ff%FE", b"\xff\xfe", false);
        check("/100%25", b"100%", false);
        check("/%2525", b"%25", false); // decoded once
        check("/%252e%252e/a", b"%2e%2e/a", false);
        check("/a%0ab", b"a\nb", false);
        check("/a%3Fb%23c", b"a?b#c", false);
    }

    /// RFC 3986 §5.2.4 and its examples in §5.4, as far as they stay below the root.
    #[test]
    fn dot_segments_are_removed() {
        check("/a/b/c/./../../g", b"a/g", false);
        check("/b/c/.", b"b/c", true);
        check("/b/c/./", b"b/c", true);
        check("/b/c/..", b"b", true);
        check("/b/c/../g", b"b/g", false);
        check("/b/c/../..", b"", true);
        check("/b/c/../../g", b"g", false);
        check("/./g", b"g", false);
        check("/b/c/./g/.", b"b/c/g", true);
        check("/a/..", b"", true);
        // §6.2.2.2: an encoded dot is a dot.
        check("/a/%2e%2E/b", b"b", false);
        check("/a/.%2e/b", b"b", false);
        check("/a/%2e", b"a", true);
    }

    #[test]
    fn empty_names_count_for_dots_and_then_go() {
        check("//", b"", true);
        check("//a", b"a", false);
        check("/a//b///c", b"a/b/c", false);
        check("/a//", b"a", true);
        check("/a//..", b"a", true);
        check("/a//../b", b"a/b", false);
        check("//../a", b"a", false);
    }

    #[test]
    fn what_only_looks_like_an_escape_is_a_name() {
        check("/..\\..\\etc", b"..\\..\\etc", false);
        check("/%5c..%5c", b"\\..\\", false);
        check("/%c0%ae%c0%ae/a", b"\xc0\xae\xc0\xae/a", false); // overlong UTF-8
        check("/%c0%af", b"\xc0\xaf", false);
        check(
            "/\u{2024}\u{2024}/a",
            "\u{2024}\u{2024}/a".as_bytes(),
            false,
        ); // ONE DOT LEADER
        check("/C:/x", b"C:/x", false);
        check("/~root", b"~root", false);
        check("/..;/a", b"..;/a", false);
        check("/.. /a", b".. /a", false);
        check("/..%20/a", b".. /a", false);
    }

    #[test]
    fn nothing_above_the_root() {
        for path in [
            "/..",
            "/../",
            "/../etc/passwd",
            "/%2e%2e",
            "/%2e%2e/etc/passwd",
            "/.%2E/x",
            "/./..",
            "/a/../..",
            "/a/../../a",
            "/a/b/../../../c",
            "/a/%2e%2e/%2e%2e/etc",
        ] {
            check_refused(path, AboveRoot, 400);
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for path in [
            "/%", "/%0", "/%zz", "/%0g", "/%g0", "/a%", "/%%41", "/% 41", "/%2", "/%/41",
            "/%u0041", "/%+1",
        ] {
            check_refused(path, BadEscape, 400);
        }
        for path in ["/%00", "/a%00.html", "/a/%00/..", "/\0"] {
            check_refused(path, Nul, 400);
        }
        for path in [
            "/%2f",
            "/%2F",
            "/a%2fb",
            "/..%2f",
            "/%2e%2e%2fetc",
            "/a%2f..",
        ] {
            check_refused(path, EncodedSlash, 404);
        }
        for path in ["", "*", "a", "a/b", "http://h/", "..", "\\a", "%2fa"] {
            check_refused(path, NotAPath, 400);
        }
    }

    #[test]
    fn lengths_are_those_of_names_not_of_urls() {
        let name = "x".repeat(255);
        let encoded = "%78".repeat(255);
        check(&format!("/{name}"), name.as_bytes(), false);
        check(&format!("/{encoded}/"), name.as_bytes(), true);
        check_refused(&format!("/{name}x"), NameTooLong, 404);
        check_refused(&format!("/{encoded}x"), NameTooLong, 404);
        check_refused(&format!("/a/{name}x/b"), NameTooLong, 404);
        // What `..` removes has no length.
        check(&format!("/{name}x/../a"), b"a", false);
        check(&format!("{}/b", "/a/..".repeat(2000)), b"b", false);

        let longest = format!("/{}", vec![name.as_str(); 16].join("/")); // 16 * 255 + 15
        assert_eq!(decode(&longest).unwrap().relative.len(), PATH_BYTES_MAX);
        let one_more = format!(
            "/{}/{}/ab",
            vec![name.as_str(); 15].join("/"),
            "x".repeat(253)
        );
        assert_eq!(one_more.len() - 1, PATH_BYTES_MAX + 1);
        check_refused(&one_more, PathTooLong, 414);
        check_refused(&"/a".repeat(2049), PathTooLong, 414);
    }

    #[test]
    fn the_callers_buffer_is_reused() {
        let mut out = Vec::with_capacity(64);
        let place = out.as_ptr();
        for path in ["/first/file.txt", "/second%20file", "/a/../b/"] {
            decode_into(path, &mut out).unwrap();
            assert_eq!(out, decode(path).unwrap().relative);
        }
        assert!(decode_into("/%", &mut out).is_err());
        decode_into("/", &mut out).unwrap();
        assert!(out.is_empty());
        assert_eq!(out.as_ptr(), place);
    }

    #[test]
    fn names_become_links() {
        let rows: &[(&[u8], &str)] = &[
            (b"a.html", "a.html"),
            (b"a b", "a%20b"),
            (b"a:b", "a%3Ab"),
            (b"<\"'&>", "%3C%22%27%26%3E"),
            (b"100%", "100%25"),
            (b"?#", "%3F%23"),
            (b"\xff\n", "%FF%0A"),
            (b"-._~", "-._~"),
        ];
        for (name, expected) in rows {
            assert_eq!(encode_segment(name), *expected);
        }
    }

    #[test]
    fn a_directory_is_found_with_its_slash() {
        let rows = [
            ("/a", None, "/a/"),
            ("/a/b", Some("c=d&e"), "/a/b/?c=d&e"),
            ("/a", Some(""), "/a/?"),
            ("/a", Some("u=/x/?y"), "/a/?u=/x/?y"),
            // RFC 3986 §4.2: these would be a host.
            ("//evil", None, "/evil/"),
            ("///evil.example", Some("q"), "/evil.example/?q"),
            ("/\\evil", None, "/%5Cevil/"),
            ("/javascript:x", None, "/javascript:x/"),
            ("/a b", Some("%zz"), "/a%20b/?%zz"),
            ("/100%", None, "/100%25/"),
            // What a URI may not hold is encoded; a field holds no new line.
            (
                "/é\"<>\n",
                Some("é\r\nX: y#"),
                "/%C3%A9%22%3C%3E%0A/?%C3%A9%0D%0AX:%20y%23",
            ),
            // Not asked for these, and still nowhere else.
            ("", None, "/"),
            ("/", None, "/"),
            ("/a//", None, "/a/"),
        ];
        for (path, query, expected) in rows {
            let location = redirect_location(path.as_bytes(), query);
            assert_eq!(location, expected, "{path} {query:?}");
        }
    }

    /// Pieces that matter, so that random paths are not random noise.
    fn path() -> impl Strategy<Value = String> {
        let pieces = vec![
            "/", "/", "/", ".", "..", "a", "b:", "%2e", "%2E", "%61", "%c0%ae", "\\", "é", "//",
            "/../", "/./", "%2f", "%00", "%", "%2", " ",
        ];
        prop::collection::vec(prop::sample::select(pieces), 0..12)
            .prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    /// RFC 3986 §5.2.4 to the letter (its steps A to E on two buffers), after decoding.
    fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
        let (mut input, mut output) = (path.to_vec(), vec![]);
        while !input.is_empty() {
            if input.starts_with(b"/./") {
                input.drain(..2); // B
            } else if input == b"/." {
                input = b"/".to_vec(); // B
            } else if input.starts_with(b"/../") || input == b"/.." {
                input = [b"/", input.get(4..).unwrap_or_default()].concat(); // C
                while output.pop().is_some_and(|b| b != b'/') {}
            } else {
                let end = input[1..]
                    .iter()
                    .position(|&b| b == b'/')
                    .map_or(input.len(), |i| i + 1);
                output.extend(input.drain(..end)); // E
            }
        }
        output
    }

    /// The rules one after the other, each over the whole path.
    fn model(path: &str) -> Option<PathOnDisk> {
        let mut decoded = vec![];
        let mut depth = 0;
        for segment in path.strip_prefix('/')?.split('/') {
            for (i, _) in segment.match_indices('%') {
                u8::from_str_radix(segment.get(i + 1..i + 3)?, 16).ok()?;
            }
            let name: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
            if name.contains(&0) || name.contains(&b'/') {
                return None;
            }
            depth += match &name[..] {
                b".." => -1,
                b"." => 0,
                _ => 1,
            };
            if depth < 0 {
                return None;
            }
            decoded.push(b'/');
            decoded.extend(name);
        }
        let clean = remove_dot_segments(&decoded);
        let names: Vec<&[u8]> = clean
            .split(|&b| b == b'/')
            .filter(|n| !n.is_empty())
            .collect();
        Some(PathOnDisk {
            relative: names.join(&b'/'),
            directory: clean.ends_with(b"/"),
        })
    }

    proptest! {
        #[test]
        fn decoding_agrees_with_the_rfc_step_by_step(path in path()) {
            prop_assert_eq!(decode(&path).ok(), model(&path), "{}", path);
        }

        #[test]
        fn whatever_is_written_stays_beneath_the_root(
            path in prop_oneof![path(), "/[%./a0-9e\\\\]{0,20}", any::<String>()],
        ) {
            let Ok(found) = decode(&path) else { return Ok(()) };
            prop_assert!(!found.relative.contains(&0));
            if found.relative.is_empty() {
                prop_assert!(found.directory);
                return Ok(());
            }
            for name in found.relative.split(|&b| b == b'/') {
                prop_assert!(!matches!(name, b"" | b"." | b".."), "{:?}", found);
            }
        }

        #[test]
        fn a_link_leads_back_to_its_name(
            name in prop::collection::vec(
                any::<u8>().prop_filter("in names", |&b| b != 0 && b != b'/'),
                1..=255,
            ),
        ) {
            prop_assume!(name != b"." && name != b"..");
            let link = encode_segment(&name);
            prop_assert!(link.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let expected = PathOnDisk { relative: name, directory: false };
            prop_assert_eq!(decode(&format!("/{link}")), Ok(expected));
        }

        /// The same directory of the same host (RFC 3986 §4.2).
        #[test]
        fn a_redirect_leads_to_the_same_directory(
            path in path(),
            query in proptest::option::of(".{0,8}"),
        ) {
            let Ok(before) = decode(&path) else { return Ok(()) };
            prop_assume!(!before.directory);
            let location = redirect_location(&before.relative, query.as_deref());
            let harmless = |b: u8| b.is_ascii_graphic() && b != b'\\';
            prop_assert!(location.bytes().all(harmless), "{}", location);
            prop_assert_eq!(location.contains('?'), query.is_some());
            let reference = location.split('?').next().unwrap();
            prop_assert!(!reference.starts_with("//"));
            let expected = PathOnDisk { directory: true, ..before };
            prop_assert_eq!(decode(reference), Ok(expected), "{}", location);
        }
    }
}
