//! The names of a directory, packed.
//!
//! *Floor 3.* Knows what is told of a name and in which order; does not know where names come from
//! nor how they look.
//!
//! A big listing is kept as this while a client takes its time to read it, so each byte counts: two
//! allocations for all names, where one for each would cost three times as much, and no copy of a
//! name to sort by.

use std::cmp::Ordering;
use std::ffi::CStr;
use std::mem::size_of;

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

/// One line of a listing.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct Entry<'a> {
    pub(in crate::service) name: &'a CStr,
    pub(in crate::service) is_directory: bool,
    pub(in crate::service) is_link: bool,
    pub(super) meta: Option<Meta>,
}

/// What costs a stat(2) to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::service) struct Meta {
    /// Bytes, of a file.
    pub(super) size: u64,
    /// Seconds since 1970, before it too.
    pub(super) modified: i64,
}

/// Directories, files, and the bytes of those.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Totals {
    pub(super) directories: usize,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// Names, and what is known of each.
#[derive(Clone, Default)]
pub(in crate::service) struct Names {
    /// All names, each with its NUL.
    text: Vec<u8>,
    rows: Vec<Row>,
}

/// One name; 24 bytes.
#[derive(Clone, Copy)]
struct Row {
    meta: Meta,
    /// Where the name begins.
    at: u32,
    /// As getdents64 gives it; once completed, a directory or a file.
    kind: FileType,
    is_link: bool,
    has_meta: bool,
}

impl Names {
    /// Adds a name with the type that most file systems know for nothing.
    pub(super) fn push(&mut self, name: &CStr, kind: FileType) {
        // Far beyond what is ever gathered.
        let Ok(at) = u32::try_from(self.text.len()) else {
            return;
        };
        self.text.extend_from_slice(name.to_bytes_with_nul());
        self.rows.push(Row {
            meta: Meta {
                size: 0,
                modified: 0,
            },
            at,
            kind,
            is_link: false,
            has_meta: false,
        });
    }

    /// Adds an entry, complete.
    pub(super) fn push_entry(&mut self, entry: &Entry<'_>) {
        self.push(entry.name, kind_of(entry));
        if let Some(row) = self.rows.last_mut() {
            row.is_link = entry.is_link;
            row.has_meta = entry.meta.is_some();
            row.meta = entry.meta.unwrap_or(row.meta);
        }
    }

    /// Keeps the first `len` entries, and no room for more.
    pub(super) fn truncate(&mut self, len: usize) {
        let mut kept = Self::default();
        let text = self.rows.iter().take(len);
        kept.text = Vec::with_capacity(
            text.map(|row| name_at(&self.text, row).count_bytes() + 1)
                .sum(),
        );
        kept.rows = Vec::with_capacity(len);
        for entry in (0..len).filter_map(|index| self.entry(index)) {
            kept.push_entry(&entry);
        }
        *self = kept;
    }

    pub(in crate::service) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of memory that they need.
    pub(in crate::service) fn bytes(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<Row>()
    }

    /// Forgets all names, but not where they were kept.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.rows.clear();
    }

    /// The name at `index`, with its type if nothing else is known of it.
    pub(super) fn name(&self, index: usize) -> Option<(&CStr, FileType)> {
        let row = self.rows.get(index)?;
        Some((name_at(&self.text, row), row.kind))
    }

    /// The entry at `index`, once completed.
    pub(in crate::service) fn entry(&self, index: usize) -> Option<Entry<'_>> {
        self.rows.get(index).map(|row| entry(&self.text, row))
    }

    /// Puts in what `look` finds out about each name; without it a name is not listed.
    pub(super) fn complete(
        &mut self,
        mut look: impl for<'a> FnMut(&'a CStr, FileType) -> Option<Entry<'a>>,
    ) {
        let text = &self.text;
        self.rows.retain_mut(|row| {
            let Some(found) = look(name_at(text, row), row.kind) else {
                return false;
            };
            row.kind = kind_of(&found);
            row.is_link = found.is_link;
            row.has_meta = found.meta.is_some();
            row.meta = found.meta.unwrap_or(row.meta);
            true
        });
        self.text.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    /// Directories first, then by name as people count.
    pub(super) fn sort(&mut self) {
        let text = &self.text;
        self.rows.sort_unstable_by(|a, b| {
            let (a, b) = (entry(text, a), entry(text, b));
            in_order((a.is_directory, a.name), (b.is_directory, b.name))
        });
    }

    /// A hash of all that any form of a listing shows of them, in their order.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for row in &self.rows {
            let entry = entry(&self.text, row);
            hash.update(entry.name.to_bytes_with_nul());
            hash.update([entry.is_directory, entry.is_link, row.has_meta].map(u8::from));
            if let Some(Meta { size, modified }) = entry.meta {
                let size = if entry.is_directory { 0 } else { size };
                hash.update(size.to_le_bytes());
                hash.update(modified.to_le_bytes());
            }
        }
        hash.finalize().into()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for row in &self.rows {
            if row.kind == FileType::Directory {
                totals.directories += 1;
            } else {
                totals.files += 1;
                totals.bytes = totals.bytes.saturating_add(row.meta.size);
            }
        }
        totals
    }
}

fn name_at<'a>(text: &'a [u8], row: &Row) -> &'a CStr {
    let name = text.get(row.at as usize..).unwrap_or_default();
    CStr::from_bytes_until_nul(name).unwrap_or_default()
}

fn entry<'a>(text: &'a [u8], row: &Row) -> Entry<'a> {
    Entry {
        name: name_at(text, row),
        is_directory: row.kind == FileType::Directory,
        is_link: row.is_link,
        meta: row.has_meta.then_some(row.meta),
    }
}

const fn kind_of(entry: &Entry<'_>) -> FileType {
    if entry.is_directory {
        FileType::Directory
    } else {
        FileType::RegularFile
    }
}

/// The order of a listing, by whether it is a directory and by name.
pub(super) fn in_order(a: (bool, &CStr), b: (bool, &CStr)) -> Ordering {
    (b.0.cmp(&a.0)).then_with(|| by_name(a.1, b.1))
}

/// No two names of a directory are equal, but many begin alike: what both have is looked at once,
/// and not as characters.
fn by_name(a: &CStr, b: &CStr) -> Ordering {
    let (a, b) = (a.to_bytes(), b.to_bytes());
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let begins_within = |name: &[u8], at: usize| name.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    let mut at = same;
    // Back to where a character begins in both, then to where a number does.
    while at > 0 && (begins_within(a, at) || begins_within(b, at)) {
        at -= 1;
    }
    while at > 0 && a[at - 1].is_ascii_digit() {
        at -= 1;
    }
    let shown = |name| String::from_utf8_lossy(name);
    let (shown_a, shown_b) = (shown(&a[at..]), shown(&b[at..]));
    (natural(&shown_a).cmp(natural(&shown_b))).then_with(|| a.cmp(b))
}

/// What sorts `img9` before `img10` and `a` beside `A`: lower case, and each run of digits led by
/// its length, so that comparing characters compares numbers.
fn natural(name: &str) -> impl Iterator<Item = char> {
    let mut rest = name;
    let (mut length, mut digits, mut letters) = (None, "".chars(), None);
    std::iter::from_fn(move || {
        let begun = length.take().or_else(|| digits.next());
        if let Some(c) = begun.or_else(|| letters.as_mut().and_then(Iterator::next)) {
            return Some(c);
        }
        let first = rest.chars().next()?;
        if !first.is_ascii_digit() {
            rest = &rest[first.len_utf8()..];
            let mut lower = first.to_lowercase();
            let c = lower.next();
            letters = Some(lower);
            return c;
        }
        let end = rest.bytes().position(|b| !b.is_ascii_digit());
        let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        let number = number.trim_start_matches('0');
        digits = number.chars();
        // A name has at most 255 bytes, which fit into one character.
        length = Some(char::from(u8::try_from(number.len()).unwrap_or(u8::MAX)));
        // In front of it, so that numbers stay where digits are among other characters.
        Some('0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_people_count() {
        let check = |smaller: &str, larger: &str| {
            assert!(natural(smaller).lt(natural(larger)), "{smaller} < {larger}");
        };
        check("a2", "a10");
        check("a2b", "a2c");
        check("1.9", "1.10");
        check("apple", "Banana");
        check("9", "a");
        check("a", "a0");
        check("a0", "a1");
        check("x99999999999999999999998", "x99999999999999999999999");
        check("É1", "é2");
        assert!(natural("B07").eq(natural("b7")));
    }

    /// The shortcut past what two names have in common changes nothing, not even in the middle of
    /// characters, of numbers and of what is no text.
    #[test]
    fn names_that_begin_alike_are_compared_like_others() {
        let pieces: [&[u8]; 9] = [
            b"a",
            b"A",
            b"0",
            b"07",
            b"12",
            b"\xc3",
            b"\xa9",
            b"\xe2\x82",
            b"-",
        ];
        let mut names = vec![Vec::new()];
        for _ in 0..3 {
            let longer = |name: &Vec<u8>| pieces.map(|piece| [name, piece].concat());
            names = names.iter().flat_map(longer).collect();
        }
        let plainly = |a: &[u8], b: &[u8]| {
            let (shown_a, shown_b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
            (natural(&shown_a).cmp(natural(&shown_b))).then_with(|| a.cmp(b))
        };
        let texts: Vec<_> = (names.into_iter())
            .map(|name| std::ffi::CString::new(name).unwrap())
            .collect();
        for a in texts.iter().step_by(17) {
            for b in &texts {
                let expected = plainly(a.to_bytes(), b.to_bytes());
                assert_eq!(by_name(a, b), expected, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_name_costs_itself_and_a_few_bytes() {
        let mut names = Names::default();
        for n in 0..1_000 {
            let name = std::ffi::CString::new(format!("{n:020}")).unwrap();
            names.push(&name, FileType::RegularFile);
        }
        assert_eq!(names.bytes(), 1_000 * (21 + 24));
        names.complete(|name, _| {
            Some(Entry {
                name,
                is_directory: false,
                is_link: false,
                meta: None,
            })
        });
        let kept = names.text.capacity() + names.rows.capacity() * size_of::<Row>();
        assert_eq!(kept, names.bytes());
    }
}
