//! The README of a folder, beneath its listing.
//!
//! *Floor 3.* Knows names and text; does not know directories.
//!
//! What of it is kept for a client that does not read is bounded: a longer file has a button instead
//! that leads to its page. It is shared by those who are sent the same names.
//!
//! A listing reads the file each time, and renders it only if no other one has just done that with the
//! same bytes: to compare them costs a thousandth of it, and needs no stamps to be fresh.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::target::encode_segment;
use crate::service::inline::Inline;
use crate::service::markdown::render::{Rendered, render};
use crate::service::markdown::slots::SLOTS;
use crate::service::pages::escape_html;

/// A longer one is not shown.
pub(in crate::service) const SOURCE_BYTES_MAX: u64 = 64 * 1024;

/// Nor what becomes longer than this.
const HTML_BYTES_MAX: usize = 128 * 1024;

/// What a listing is given of a README.
pub enum ReadmeContent {
    /// All of it.
    Bytes(Arc<[u8]>),
    /// More than is shown.
    TooLong,
}

/// Ready to stand in a page; cheap to clone.
#[derive(Clone)]
pub(in crate::service) struct FolderReadme(Arc<str>);

impl FolderReadme {
    pub(in crate::service) fn new(name: &CStr, content: &ReadmeContent) -> Self {
        match content {
            ReadmeContent::Bytes(bytes) => RENDERED.get_or(name, bytes, || {
                let _slot = SLOTS.take();
                let made = render(&String::from_utf8_lossy(bytes), HTML_BYTES_MAX);
                Self::around(name, made)
            }),
            ReadmeContent::TooLong => Self::around(name, None),
        }
    }

    fn around(name: &CStr, made: Option<Rendered>) -> Self {
        let shown = name.to_string_lossy();
        let (shown, action) = (escape_html(&shown), encode_segment(name.to_bytes()));
        let inside = match made {
            Some(made) => made.html,
            None => "<p>It is too long to be shown here.</p>\n".into(),
        };
        let section = format!(
            "<section class=\"readme\" aria-label=\"{shown}\">\n\
             <div><bdi>{shown}</bdi><form action={action}><button name=\"view\">View</button></form>\
             </div>\n<article class=\"md\">\n{inside}</article>\n</section>\n"
        );
        Self(section.into())
    }

    pub(in crate::service) fn html(&self) -> &str {
        &self.0
    }
}

/// What was rendered last.
static RENDERED: RecentReadmes = RecentReadmes::new(8);

/// Some of them, the one that was wanted last first: [`SOURCE_BYTES_MAX`] and [`HTML_BYTES_MAX`] each.
struct RecentReadmes {
    count_max: usize,
    recent: Mutex<VecDeque<RecentReadme>>,
}

struct RecentReadme {
    name: CString,
    source: Arc<[u8]>,
    made: FolderReadme,
}

impl RecentReadmes {
    const fn new(count_max: usize) -> Self {
        Self {
            count_max,
            recent: Mutex::new(VecDeque::new()),
        }
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<RecentReadme>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this name and these bytes, made if it is not there.
    fn get_or(
        &self,
        name: &CStr,
        source: &Arc<[u8]>,
        make: impl FnOnce() -> FolderReadme,
    ) -> FolderReadme {
        if let Some(known) = self.known(name, source) {
            return known;
        }
        // Not under the lock: it takes long, and those who want another one need not wait.
        let made = make();
        let mut recent = self.recent();
        recent.truncate(self.count_max - 1);
        recent.push_front(RecentReadme {
            name: name.to_owned(),
            source: Arc::clone(source),
            made: made.clone(),
        });
        made
    }

    fn known(&self, name: &CStr, source: &Arc<[u8]>) -> Option<FolderReadme> {
        let mut recent = self.recent();
        let is_it = |one: &RecentReadme| *one.name == *name && one.source == *source;
        let at = recent.iter().position(is_it)?;
        let one = recent.remove(at)?;
        let made = one.made.clone();
        recent.push_front(one);
        Some(made)
    }
}

/// The name that is the README's, of those of a directory.
#[derive(Default)]
pub(in crate::service) struct ReadmeName(Option<(usize, CString)>);

impl ReadmeName {
    /// Looks at one more name of a file.
    pub(in crate::service) fn consider(&mut self, name: &CStr) {
        let bytes = name.to_bytes();
        let same = |wanted: &&[u8]| bytes.eq_ignore_ascii_case(wanted);
        if !bytes
            .first()
            .is_some_and(|first| matches!(first, b'R' | b'r'))
        {
            return;
        }
        let Some(place) = NAMES.iter().position(same) else {
            return;
        };
        let rank = 2 * place + usize::from(bytes != NAMES[place]);
        let is_better =
            |(known, other): &(usize, CString)| (rank, bytes) < (*known, other.as_bytes());
        if self.0.as_ref().is_none_or(is_better) {
            self.0 = Some((rank, name.to_owned()));
        }
    }

    pub(in crate::service) fn found(self) -> Option<CString> {
        self.0.map(|(_, name)| name)
    }
}

const NAMES: [&[u8]; 2] = [b"README.md", b"README.markdown"];

/// Stands behind the style of the listing, whose colours it uses.
pub(in crate::service) static STYLE: Inline = Inline::new(include_str!("markdown.css"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_names_one_is_the_readmes() {
        let check = |names: &[&CStr], expected: Option<&CStr>| {
            for turned in [false, true] {
                let mut best = ReadmeName::default();
                let mut names = names.to_vec();
                if turned {
                    names.reverse();
                }
                names.iter().for_each(|name| best.consider(name));
                assert_eq!(best.found().as_deref(), expected, "{names:?}");
            }
        };
        check(&[], None);
        check(
            &[c"README", c"README.txt", c"xREADME.md", c"README.md.gz"],
            None,
        );
        check(
            &[c"readme.md", c"README.md", c"ReadMe.md"],
            Some(c"README.md"),
        );
        check(&[c"readme.md", c"Readme.md"], Some(c"Readme.md"));
        check(&[c"README.markdown", c"readme.md"], Some(c"readme.md"));
        check(
            &[c"readme.markdown", c"README.markdown"],
            Some(c"README.markdown"),
        );
    }

    #[test]
    fn the_same_bytes_are_rendered_once() {
        let recent = RecentReadmes::new(2);
        let asked = |name: &CStr, text: &str| {
            let mut is_made = false;
            let source = Arc::from(text.as_bytes());
            let readme = recent.get_or(name, &source, || {
                is_made = true;
                FolderReadme(format!("{name:?} {text}").into())
            });
            assert_eq!(readme.html(), format!("{name:?} {text}"));
            is_made
        };
        assert!(asked(c"a", "1") && !asked(c"a", "1"));
        assert!(asked(c"a", "2") && asked(c"b", "2"));
        // Two are kept, of which the one that was wanted last stays.
        assert!(!asked(c"a", "2") && asked(c"a", "3"));
        assert!(!asked(c"a", "2") && asked(c"b", "2"));
    }

    #[test]
    fn a_long_one_has_a_button_instead() {
        let long = "x ".repeat(HTML_BYTES_MAX / 2).into_bytes();
        for content in [ReadmeContent::TooLong, ReadmeContent::Bytes(long.into())] {
            let readme = FolderReadme::new(c"README.md", &content);
            assert!(readme.html().contains("too long"));
            assert!(readme.html().contains("<form action=README.md>"));
        }
        let text = ReadmeContent::Bytes(b"# Hi"[..].into());
        assert!(
            FolderReadme::new(c"a", &text)
                .html()
                .contains("<h1 id=\"md-hi\">Hi</h1>")
        );
    }
}
