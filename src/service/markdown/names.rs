//! What headings are called, so that a link can lead to one.
//!
//! *Floor 3.* Pure: words in, a name out.

use std::collections::HashMap;

use crate::service::markdown::address::PREFIX;

/// The names of headings, and the words of the first.
#[derive(Default)]
pub(super) struct HeadingNames {
    /// With the last number that was put behind each.
    taken: HashMap<String, usize>,
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
        self.free(format!("{PREFIX}{}", name.to_lowercase()))
    }

    /// The name, or if that is taken the first that is not: `a-1` may be the words of another heading.
    fn free(&mut self, wanted: String) -> String {
        let Some(mut last) = self.taken.get(&wanted).copied() else {
            self.taken.insert(wanted.clone(), 0);
            return wanted;
        };
        let name = loop {
            last += 1;
            let name = format!("{wanted}-{last}");
            if !self.taken.contains_key(&name) {
                break name;
            }
        };
        self.taken.insert(wanted, last);
        self.taken.insert(name.clone(), 0);
        name
    }
}

const TITLE_CHARS_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 200;
