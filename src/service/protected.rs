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

use std::str::FromStr;

use glob::{MatchOptions, Pattern};

/// One pattern of `--auth-for`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProtectedGlob {
    pattern: Pattern,
    /// Whether it is about whole paths and not about single names.
    whole: bool,
    /// Of `a/**` and `a/*`: `a`, whose listing would otherwise be an empty page.
    directory: Option<Pattern>,
    /// What the directories look like in which something can match; without a slash, any.
    parent: Option<Pattern>,
}

impl ProtectedGlob {
    /// Whether this very path matches, without those above it.
    fn is(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let subject = if self.whole { path } else { name };
        matches(&self.pattern, subject)
            || (self.directory.as_ref()).is_some_and(|pattern| matches(pattern, subject))
    }

    /// Whether something right in this directory may match.
    fn may_match_in(&self, directory: &str) -> bool {
        match &self.parent {
            None => !self.whole || directory.is_empty(),
            Some(parent) => {
                matches(parent, directory)
                    || (parent.as_str().strip_suffix("/**")).is_some_and(|above| {
                        Pattern::new(above).is_ok_and(|above| matches(&above, directory))
                    })
            }
        }
    }
}

fn matches(pattern: &Pattern, subject: &str) -> bool {
    let options = MatchOptions {
        case_sensitive: false,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    pattern.matches_with(subject, options)
}

impl FromStr for ProtectedGlob {
    /// One sentence of advice.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = text.contains('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Err("give a pattern: 'private', '*.pdf', 'members/**'".into());
        }
        let compiled = |text: &str| {
            let wrong =
                |error| format!("not a pattern ({error}): give one as 'private' or '*.pdf'");
            Pattern::new(text).map_err(wrong)
        };
        let above = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*"));
        let parent = text.rsplit_once('/').map(|(parent, _)| parent);
        Ok(Self {
            pattern: compiled(text)?,
            whole,
            directory: above.map(compiled).transpose()?,
            parent: parent.map(compiled).transpose()?,
        })
    }
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
        let any = |path: &str| globs.iter().any(|glob| glob.is(path));
        let is_above = |(at, _): (usize, &str)| any(&text[..at]);
        let coded = [".gz", ".br", ".zst"].iter();
        any(&text)
            || text.match_indices('/').any(is_above)
            || coded
                .filter_map(|suffix| text.strip_suffix(suffix))
                .any(|plain| self.covers(plain.as_bytes()))
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
        for wrong in ["", "/", "a***", "["] {
            assert!(wrong.parse::<ProtectedGlob>().is_err(), "{wrong:?}");
        }
    }
}
