//! Which paths need a password: `--auth-for`.
//!
//! *Floor 3.* Pure: knows decoded paths below the root; does not know what is there.
//!
//! The rule: **what a pattern matches, and everything beneath it.** A path is asked about as it is
//! looked up, decoded and without dot segments, so that all its spellings are one. Where more names
//! than one lead to a file, each of them counts: `page.html.gz` is `page.html`, and a directory is
//! the index files that may stand for it. Letters match in either case, because on some file systems
//! they name the same file.
//!
//! What is public never shows what is not: listings and archives leave out what needs a password,
//! unless the whole directory does.

use std::borrow::Cow;
use std::str::FromStr;

use glob::{MatchOptions, Pattern};
use unicode_normalization::UnicodeNormalization;

/// One pattern of `--auth-for`, name by name.
///
/// A path is gone through once, with the set of places in the pattern that its names may have come
/// to: a `**` tried at each of a thousand slashes, for each directory above, would take seconds
/// (PITFALL: `a_long_path_is_judged_at_once`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProtectedGlob {
    names: Vec<NamePattern>,
    /// Whether it was said of what is beneath (`a/**`, `a/*`), which means `a`, too: its listing
    /// would otherwise be an empty page.
    beneath: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum NamePattern {
    /// `**`: any number of names.
    Any,
    One(CaselessPattern),
}

/// A pattern as it was written, and [folded](fold): what one of them matches is matched.
#[derive(Clone, PartialEq, Eq, Debug)]
struct CaselessPattern {
    written: Pattern,
    folded: Pattern,
}

impl CaselessPattern {
    fn new(name: &str) -> Result<Self, glob::PatternError> {
        Ok(Self {
            written: Pattern::new(name)?,
            folded: Pattern::new(&fold(name))?,
        })
    }

    fn matches(&self, subject: &str, folded: &str) -> bool {
        let options = MatchOptions {
            case_sensitive: false,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        self.written.matches_with(subject, options) || self.folded.matches_with(folded, options)
    }
}

/// A name without its case, and each letter with its accents as one character: what file systems that
/// do not tell cases apart take for the same. (Through the upper case, so that sharp s is two s.)
fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return name.into(); // patterns are matched without regard to these letters' case
    }
    let upper = name.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfc().collect()
}

/// Places in a pattern, a bit for each: how many of its names have been matched.
type PatternPlaces = u64;

/// As many as a set has room for, and one for the end.
const NAMES_MAX: usize = PatternPlaces::BITS as usize - 1;

impl ProtectedGlob {
    /// Where a path begins.
    fn first(&self) -> PatternPlaces {
        self.skip(1)
    }

    const fn end(&self) -> PatternPlaces {
        1 << self.names.len()
    }

    /// With the places behind each `**`, which may stand for no name at all.
    fn skip(&self, mut places: PatternPlaces) -> PatternPlaces {
        for (at, name) in self.names.iter().enumerate() {
            if matches!(name, NamePattern::Any) && places & (1 << at) != 0 {
                places |= 1 << (at + 1);
            }
        }
        places
    }

    /// The places after one more name.
    fn step(&self, places: PatternPlaces, subject: &str) -> PatternPlaces {
        let mut after = 0;
        let folded = fold(subject);
        for (at, name) in self.names.iter().enumerate() {
            if places & (1 << at) == 0 {
                continue;
            }
            match name {
                NamePattern::Any => after |= 1 << at,
                NamePattern::One(pattern) if pattern.matches(subject, &folded) => {
                    after |= 1 << (at + 1);
                }
                NamePattern::One(_) => {}
            }
        }
        self.skip(after)
    }

    /// Whether a path matches, or one above it, or what it is an encoding of.
    fn covers(&self, path: &str) -> bool {
        let (above, mut name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut places = self.first();
        for name in above.split('/').filter(|name| !name.is_empty()) {
            places = self.step(places, name);
            if places & self.end() != 0 {
                return true;
            }
        }
        loop {
            if self.step(places, name) & self.end() != 0 {
                return true;
            }
            let mut suffixes = [".gz", ".br", ".zst"].iter();
            match suffixes.find_map(|suffix| name.strip_suffix(suffix)) {
                Some(plain) => name = plain,
                None => return false,
            }
        }
    }

    /// Whether something right in this directory may match.
    fn may_match_in(&self, directory: &str) -> bool {
        let names = directory.split('/').filter(|name| !name.is_empty());
        let places = names.fold(self.first(), |places, name| self.step(places, name));
        let last = self.end() >> 1;
        !self.beneath && places & last != 0
    }
}

impl FromStr for ProtectedGlob {
    /// One sentence of advice.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let anywhere = !text.contains('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        check(text)?;
        let above = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*"));
        let name = |name: &str| match name {
            "**" => Ok(NamePattern::Any),
            name => CaselessPattern::new(name).map(NamePattern::One),
        };
        let names = above.unwrap_or(text).split('/').map(name);
        let names = anywhere
            .then_some(Ok(NamePattern::Any))
            .into_iter()
            .chain(names);
        let names: Result<Vec<_>, _> = names.collect();
        let names = names.map_err(|error| {
            format!("not a pattern ({error}): give one as 'private' or '*.pdf'")
        })?;
        if names.len() > NAMES_MAX {
            return Err(format!("a pattern has at most {NAMES_MAX} names"));
        }
        Ok(Self {
            names,
            beneath: above.is_some(),
        })
    }
}

/// What could match nothing would protect nothing, and nobody would notice.
fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("give a pattern: 'private', '*.pdf', 'members/**'".into());
    }
    if text.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(
            "no path has a name that is empty, '.' or '..': give it from the directory that is \
             served, as 'private' or 'a/private'"
                .into(),
        );
    }
    if text.contains('{') && text.contains(',') || text.starts_with('!') {
        return Err(
            "'{a,b}' and '!a' mean nothing here: give --auth-for once for each; in a name, \
             '?' stands for any character"
                .into(),
        );
    }
    Ok(())
}

/// Whether a name is not shown.
pub type NameFilter = Box<dyn Fn(&[u8]) -> bool + Send>;

/// What needs a password.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ProtectedPaths {
    /// Nothing.
    #[default]
    None,
    /// Everything.
    All,
    /// What matches, and everything beneath it.
    Some(Vec<ProtectedGlob>),
}

impl ProtectedPaths {
    /// Whether a path needs it: decoded, below the root, without a slash at either end.
    pub(super) fn covers(&self, path: &[u8]) -> bool {
        let globs = match self {
            Self::None => return false,
            Self::All => return true,
            Self::Some(globs) => globs,
        };
        let text = String::from_utf8_lossy(path);
        globs.iter().any(|glob| glob.covers(&text))
    }

    /// Whether a page needs it that may answer under other names, too.
    pub fn covers_page(&self, page: &str) -> bool {
        self.covers(page.trim_start_matches('/').as_bytes())
    }

    /// Whether a directory needs it: itself, or as what one of the index files shows.
    pub(super) fn covers_directory(&self, path: &[u8], index: &[String]) -> bool {
        let shows = |name: &String| {
            let path = [path, b"/", name.as_bytes()].concat();
            self.covers(path.strip_prefix(b"/").unwrap_or(&path))
        };
        self.covers(path) || matches!(self, Self::Some(_)) && index.iter().any(shows)
    }

    /// Whether a new name in this directory may need it: what is sent by a form says its names later.
    pub(super) fn may_cover_in(&self, directory: &[u8]) -> bool {
        let text = String::from_utf8_lossy(directory);
        match self {
            Self::Some(globs) => globs.iter().any(|glob| glob.may_match_in(&text)),
            _ => self.covers(directory),
        }
    }

    /// What says of each name in a directory whether it is left out of its listing; nothing if all
    /// are shown. The directory has no slash first, and may have one last.
    pub(super) fn left_out_of(&self, directory: &[u8]) -> Option<NameFilter> {
        let plain = directory.strip_suffix(b"/").unwrap_or(directory);
        if !matches!(self, Self::Some(_)) || self.covers(plain) {
            return None;
        }
        let (paths, mut above) = (self.clone(), plain.to_vec());
        if !above.is_empty() {
            above.push(b'/');
        }
        Some(Box::new(move |name| {
            paths.covers(&[above.as_slice(), name].concat())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(globs: &str) -> ProtectedPaths {
        let parse = |glob: &str| glob.parse().unwrap();
        ProtectedPaths::Some(globs.split_whitespace().map(parse).collect())
    }

    #[test]
    fn what_matches_needs_it_and_everything_beneath() {
        let check = |globs: &str, path: &str, expected: bool| {
            assert_eq!(
                paths(globs).covers(path.as_bytes()),
                expected,
                "{globs} {path}"
            );
        };
        for glob in [
            "private",
            "/private",
            "private/",
            "/private/**",
            "private/*",
            "PRIVATE",
        ] {
            check(glob, "private", true);
            check(glob, "private/a", true);
            check(glob, "Private/a/b", true);
            check(glob, "privateer", false);
            check(glob, "private.txt", false);
            check(glob, "", false);
        }
        for (glob, path) in [
            ("ärger", "Ärger/a"),
            ("ÄRGER", "a\u{308}rger"),
            ("a\u{308}rger/**", "ÄRGER"),
            ("stra?e", "straße"),
            ("straße", "STRASSE"),
            ("[α-ω]*", "Σ"),
        ] {
            check(glob, path, true);
        }
        check("private", "a/private/b", true);
        check("/private", "a/private/b", false);
        check("*.pdf", "a/b.pdf", true);
        check("*.pdf", "a/b.pdf/c", true);
        check("*.pdf", "a/b.pdf.gz", true);
        check("*.pdf", "a/b.PDF", true);
        check("*.pdf", "a/b.pdfs", false);
        check("a/**/c", "a/x/y/c/d", true);
        check("a/**/c", "a/c", true);
        check("a/*/c", "a/x/y/c", false);
        check("a/.x", "a/.x", true);
        check("*", "a", true);
        check("*", "", true);
        check("/*", "", true);
        check("/**", "", true);
        check("/**", "a/b", true);
        check("a/*/*", "a/x/y", true);
        check("a/*/*", "a", false);
        check("**/a/b", "x/a/b/c", true);
        check("**/a/b", "a/x/b", false);
        check("*", ".a", true);
        check("**", "a/b", true);
        check("a b", "a b/c", false); // two patterns here
        check("page.html", "page.html.br", true);
        check("page.html", "page.html.zst", true);
        check("page.html", "page.html.gz.br", true);
    }

    #[test]
    fn a_directory_is_what_its_index_shows() {
        let check = |globs: &str, path: &str, expected: bool| {
            let index = ["index.html".to_owned()];
            let got = paths(globs).covers_directory(path.as_bytes(), &index);
            assert_eq!(got, expected, "{globs} {path:?}");
        };
        check("*.html", "", true);
        check("*.html", "docs", true);
        check("/index.html", "", true);
        check("/index.html", "docs", false);
        check("docs/index.html", "docs", true);
        check("*.pdf", "docs", false);
        check("docs/**", "docs", true);
        assert!(ProtectedPaths::All.covers_directory(b"", &[]));
        assert!(!ProtectedPaths::None.covers_directory(b"", &[]));
    }

    #[test]
    fn a_form_may_name_what_needs_it() {
        let check = |globs: &str, directory: &str, expected: bool| {
            let got = paths(globs).may_cover_in(directory.as_bytes());
            assert_eq!(got, expected, "{globs} {directory:?}");
        };
        check("*.pdf", "inbox", true);
        check("/x", "", true);
        check("/x", "inbox", false);
        check("inbox/*.pdf", "inbox", true);
        check("inbox/*.pdf", "", false);
        check("private/**", "inbox", false);
        check("a/**/c", "a", true);
        check("a/**/c", "a/b", true);
        check("**/c", "inbox", true);
        check("**/c", "", true);
    }

    #[test]
    fn listings_leave_it_out_unless_all_of_it_is() {
        let shown = |globs: &str, directory: &str, name: &str| {
            let left_out = paths(globs).left_out_of(directory.as_bytes());
            left_out.is_none_or(|left_out| !left_out(name.as_bytes()))
        };
        assert!(!shown("private", "", "private"));
        assert!(shown("private", "", "public"));
        assert!(!shown("a/private", "a/", "private"));
        assert!(shown("private", "private/", "x"));
        assert!(shown("private/**", "private/", "x"));
        assert!(!shown("*.pdf", "docs/", "a.pdf"));
        assert!(ProtectedPaths::All.left_out_of(b"").is_none());
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let deep = "a/".repeat(99);
        for wrong in [
            "",
            "/",
            "a***",
            "[",
            "./private",
            "private/.",
            "../a",
            "a/../b",
            "a//b",
            "//a",
            "{a,b}",
            "!a",
            &deep,
        ] {
            assert!(wrong.parse::<ProtectedGlob>().is_err(), "{wrong:?}");
        }
        assert!(paths("{a} .well-known/*").covers(b"{a}"));
    }

    /// It is judged on a loop, before any password is: seconds would be everybody's.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "what it takes is the point")]
    fn a_long_path_is_judged_at_once() {
        let path = "x/".repeat(1850) + "q" + &".gz".repeat(80);
        let globs = paths("**/x/**/y **/x/**/x/**/z /a/**/*x*y*z");
        let began = std::time::Instant::now();
        for _ in 0..4 {
            assert!(!globs.covers(path.as_bytes()));
        }
        let took = began.elapsed();
        assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    }
}
