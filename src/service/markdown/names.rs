//! What headings are called, so that a link can lead to one.
//!
//! *Floor 3.* Pure: words in, a name out.

use std::collections::HashMap;
use std::fmt::Write;

use crate::service::markdown::address::PREFIX;

/// The names of headings, and the words of the first.
#[derive(Default)]
pub(super) struct HeadingNames {
    /// How often each was wanted.
    wanted: HashMap<String, usize>,
    pub(super) title: Option<String>,
}

impl HeadingNames {
    /// The name of the next heading: its words in lower case, with hyphens between them, as GitHub has it.
    pub(super) fn of(&mut self, words: &str) -> String {
        let words = words.trim();
        if self.title.is_none() && !words.is_empty() {
            self.title = Some(words.chars().take(TITLE_CHARS_MAX).collect());
        }
        let plain = |c: char| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        };
        let name: String = words
            .chars()
            .filter_map(plain)
            .take(NAME_CHARS_MAX)
            .collect();
        let mut name = format!("{PREFIX}{}", name.to_lowercase());
        let times = self.wanted.entry(name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            // Writing to a String cannot fail.
            let _ = write!(name, "-{}", *times - 1);
        }
        name
    }
}

const TITLE_CHARS_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 200;
