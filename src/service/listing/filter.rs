//! Which names are wanted: those that hold some text, whatever its case and its accents.
//!
//! *Floor 3.* Knows characters; does not know entries.
//!
//! Both sides are folded: decomposed (NFKD, so that the `fi` of a ligature is found, too), without
//! their marks, in lower case. The script of the page does the same (`fold` in page.js).
//!
//! *References:* [Unicode Standard Annex 15](https://www.unicode.org/reports/tr15/).

use std::borrow::Cow;
use std::ffi::CStr;

use memchr::memmem;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a name must hold; by default nothing in particular.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct NameSearch {
    wanted: String,
    folded: Vec<u8>,
}

impl NameSearch {
    /// White space around it was not meant.
    pub(super) fn new(wanted: &str) -> Self {
        let wanted = wanted.trim();
        Self {
            folded: fold(wanted).into_owned().into_bytes(),
            wanted: wanted.to_owned(),
        }
    }

    /// As it was written.
    pub(super) fn wanted(&self) -> &str {
        &self.wanted
    }

    /// Whether every name will do.
    pub(super) fn is_any(&self) -> bool {
        self.folded.is_empty()
    }

    pub(super) fn matches(&self, name: &CStr) -> bool {
        if self.is_any() {
            return true;
        }
        let name = name.to_string_lossy();
        memmem::find(fold(&name).as_bytes(), &self.folded).is_some()
    }
}

/// Most names are ASCII, and then lower case is all there is to do.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let is_folded = !text.bytes().any(|b| b.is_ascii_uppercase());
        return match is_folded {
            true => Cow::Borrowed(text),
            false => Cow::Owned(text.to_ascii_lowercase()),
        };
    }
    let bare = text.nfkd().filter(|&c| !is_combining_mark(c));
    let lower = bare.flat_map(char::to_lowercase);
    // One letter, whether a word ends with it or not.
    let same = |c| if c == 'ς' { 'σ' } else { c };
    Cow::Owned(lower.map(same).collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    #[test]
    fn case_and_accents_make_no_difference() {
        let check = |wanted: &str, name: &str, expected: bool| {
            let filter = NameSearch::new(wanted);
            let name = CString::new(name).unwrap();
            assert_eq!(filter.matches(&name), expected, "{wanted} {name:?}");
        };
        check("", "anything", true);
        check("  ", "anything", true);
        check("READ", "readme.md", true);
        check("me.", "README.md", true);
        check("readme.md.", "README.md", false);
        check("resume", "Résumé.pdf", true);
        check("résumé", "resume.pdf", true);
        // Composed and decomposed are the same text.
        check("re\u{301}", "R\u{c9}.pdf", true);
        check("istanbul", "İSTANBUL", true);
        check("οδοσ", "ΟΔΟΣ", true);
        check("οδός", "ΟΔΟΣ.txt", true);
        check("fi", "\u{fb01}le", true);
        check("*", "a", false);
        check(".", "a", false);
        check("a b", "a b", true);
        // What folds to nothing filters nothing.
        check("\u{301}", "a", true);
    }

    #[test]
    fn what_is_no_text_is_found_as_it_is_shown() {
        assert!(NameSearch::new("caf\u{fffd}").matches(c"CAF\xe9"));
        assert!(!NameSearch::new("cafe").matches(c"caf\xe9"));
    }
}
