//! Names that a client may give to a file.
//!
//! *Floor 3.* Pure; knows what a name may be, not whether it is taken.
//!
//! Stricter than what this file system would hold: a folder that is shared is copied to others,
//! and a name that Windows reads otherwise (`CON`, `a.`) or that a shell prints as a new line is a
//! trap there. Nothing is mended in silence: a name that is refused says why, so that what is on
//! the disk is what the client named.
//!
//! *References:* path_resolution(7); Win32 "Naming Files, Paths, and Namespaces".

use std::fmt;

use crate::service::options::PART_PREFIX;

/// What a name of a directory may hold: NAME_MAX of most file systems.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// How deep below the upload directory a file may lie.
const DEPTH_MAX: usize = 32;

/// Why a name is refused, as it is said to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadName {
    Empty,
    Dots,
    Slash,
    Backslash,
    Hidden,
    Control,
    TooLong,
    TrailingDot,
    Device,
    TooDeep,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "The file has no name: put one behind the last slash of the URL.",
            Self::Dots => "A name cannot be . or ..",
            Self::Slash => "A name cannot hold a slash.",
            Self::Backslash => "A name cannot hold a backslash: on Windows it separates folders.",
            Self::Hidden => "Names that begin with a dot are not taken here.",
            Self::Control => "A name cannot hold control characters.",
            Self::TooLong => "A name can have at most 255 bytes.",
            Self::TrailingDot => "A name cannot end with a dot or a space.",
            Self::Device => "This name means a device on Windows.",
            Self::TooDeep => "Folders can be at most 32 deep.",
        })
    }
}

/// Checks one name of a path.
pub(super) fn check(name: &[u8], hidden: bool) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if matches!(name, b"." | b"..") || name.contains(&b'/') {
        return Err(BadName::Dots);
    }
    if name.contains(&b'\\') {
        return Err(BadName::Backslash);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(BadName::TooLong);
    }
    if has_control(name) {
        return Err(BadName::Control);
    }
    if name.starts_with(b".") && (!hidden || name.starts_with(PART_PREFIX)) {
        return Err(BadName::Hidden);
    }
    if name.ends_with(b".") || name.ends_with(b" ") {
        return Err(BadName::TrailingDot);
    }
    match is_device(name) {
        true => Err(BadName::Device),
        false => Ok(()),
    }
}

/// Checks a relative path, name by name.
pub(super) fn check_path(path: &[u8], hidden: bool) -> Result<(), BadName> {
    let names = || path.split(|byte| *byte == b'/');
    if names().count() > DEPTH_MAX {
        return Err(BadName::TooDeep);
    }
    names().try_for_each(|name| check(name, hidden))
}

/// The last name of what a form calls a file: some browsers send the whole path on the client's
/// machine, with its separators (RFC 7578 §4.2).
pub(super) fn last(file_name: &[u8]) -> &[u8] {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let from = file_name
        .iter()
        .rposition(is_separator)
        .map_or(0, |at| at + 1);
    &file_name[from..]
}

/// `image.jpg`, `image (1).jpg`, `image (2).jpg`: what a file is called whose name is taken.
pub(super) fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    if number == 0 {
        return name.to_vec();
    }
    let suffix = format!(" ({number})");
    // `.tar.gz` stays together, and a leading dot begins no extension.
    let is_double = |at: &usize| name[..*at].ends_with(b".tar");
    let dot = name
        .iter()
        .rposition(|byte| *byte == b'.')
        .filter(|at| *at > 0);
    let dot = dot.map(|at| if is_double(&at) && at > 4 { at - 4 } else { at });
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    // A name of full length gives up the end of its stem, at a character's begin.
    let mut keep = stem
        .len()
        .min(NAME_BYTES_MAX.saturating_sub(suffix.len() + extension.len()));
    while keep < stem.len() && keep > 0 && stem[keep] & 0xc0 == 0x80 {
        keep -= 1;
    }
    [&stem[..keep], suffix.as_bytes(), extension].concat()
}

/// C0 and C1 controls, DEL, and what turns the direction of writing around: behind U+202E, `gpj.exe` is
/// shown as `exe.jpg`.
fn has_control(name: &[u8]) -> bool {
    let is_one = |c: char| c.is_control() || matches!(c, '\u{202d}' | '\u{202e}');
    String::from_utf8_lossy(name).chars().any(is_one)
}

fn is_device(name: &[u8]) -> bool {
    // What follows a colon is a stream of the file there.
    let ends = |byte: &u8| matches!(byte, b'.' | b':');
    let stem = name.split(ends).next().unwrap_or_default();
    let stem = stem.trim_ascii_end().to_ascii_uppercase();
    match stem.as_slice() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" | b"CONIN$" | b"CONOUT$" => true,
        [b'C', b'O', b'M', n @ ..] | [b'L', b'P', b'T', n @ ..] => {
            // The raised digits of Latin-1 count, too.
            matches!(n, [b'1'..=b'9']) || ["¹", "²", "³"].iter().any(|one| one.as_bytes() == n)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_trap_on_another_system() {
        let long = "a".repeat(255);
        let longer = "a".repeat(256);
        let rows: [(&str, Result<(), BadName>); 36] = [
            ("a", Ok(())),
            ("image (1).jpg", Ok(())),
            ("ümläut €", Ok(())),
            ("a..b", Ok(())),
            ("-rf", Ok(())),
            ("console", Ok(())),
            ("com0", Ok(())),
            ("a:b*c?", Ok(())),
            (&long, Ok(())),
            (&longer, Err(BadName::TooLong)),
            ("", Err(BadName::Empty)),
            (".", Err(BadName::Dots)),
            ("..", Err(BadName::Dots)),
            ("a/b", Err(BadName::Dots)),
            (".bashrc", Err(BadName::Hidden)),
            ("a.", Err(BadName::TrailingDot)),
            ("a ", Err(BadName::TrailingDot)),
            ("a\nb", Err(BadName::Control)),
            ("a\0", Err(BadName::Control)),
            ("a\u{7f}", Err(BadName::Control)),
            ("CON", Err(BadName::Device)),
            ("nul.txt", Err(BadName::Device)),
            ("Com7.tar.gz", Err(BadName::Device)),
            ("lpt1", Err(BadName::Device)),
            ("aux .txt", Err(BadName::Device)),
            ("nul:", Err(BadName::Device)),
            ("con:a.txt", Err(BadName::Device)),
            ("conin$", Err(BadName::Device)),
            ("COM¹.txt", Err(BadName::Device)),
            ("lpt³", Err(BadName::Device)),
            ("com⁴", Ok(())),
            ("com12", Ok(())),
            ("..\\a", Err(BadName::Backslash)),
            ("a\u{9b}31m", Err(BadName::Control)),
            ("a\u{202e}gpj.exe", Err(BadName::Control)),
            ("\u{200f}שלום.txt", Ok(())),
        ];
        for (name, expected) in rows {
            assert_eq!(check(name.as_bytes(), false), expected, "{name:?}");
        }
        assert_eq!(check(b".bashrc", true), Ok(()));
        assert_eq!(check(b".httpoll-part-x", true), Err(BadName::Hidden));
    }

    #[test]
    fn a_path_is_checked_name_by_name() {
        assert_eq!(check_path(b"a/b/c.txt", false), Ok(()));
        assert_eq!(check_path(b"a//c.txt", false), Err(BadName::Empty));
        assert_eq!(check_path(b"a/../c.txt", false), Err(BadName::Dots));
        assert_eq!(check_path(b"a/.git/c", false), Err(BadName::Hidden));
        assert_eq!(check_path(&b"a/".repeat(32), true), Err(BadName::TooDeep));
    }

    #[test]
    fn a_form_may_name_a_whole_path() {
        for (sent, expected) in [
            ("a.txt", "a.txt"),
            ("C:\\dir\\a.txt", "a.txt"),
            ("/x/../a", "a"),
            ("a/", ""),
        ] {
            assert_eq!(last(sent.as_bytes()), expected.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn a_taken_name_gets_a_number_before_its_extension() {
        let check = |name: &str, number, expected: &str| {
            let found = numbered(name.as_bytes(), number);
            assert_eq!(String::from_utf8_lossy(&found), expected);
        };
        check("image.jpg", 0, "image.jpg");
        check("image.jpg", 1, "image (1).jpg");
        check("image", 12, "image (12)");
        check("a.b.c", 1, "a.b (1).c");
        check("a.tar.gz", 1, "a (1).tar.gz");
        check(".profile", 1, ".profile (1)");
        check(".tar.gz", 1, ".tar (1).gz");
        let long = format!("{}.txt", "ü".repeat(125));
        let short = format!("{} (10).txt", "ü".repeat(123));
        check(&long, 10, &short);
        assert!(short.len() <= 255);
    }
}
