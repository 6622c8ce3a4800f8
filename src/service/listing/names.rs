//! The names of a directory, packed.
//!
//! *Floor 3.* Knows what is told of a name; does not know where names come from nor how they look.
//!
//! A big listing is kept as this while a client takes its time to read it, so each byte counts: two
//! allocations for all names, where one for each would cost three times as much, and no copy of a
//! name to sort by.

use std::ffi::CStr;
use std::mem::size_of;

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::order::{Order, SortBy, SortKey, SortPlace};

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

impl<'a> Entry<'a> {
    /// Where it stands by its name.
    pub(in crate::service) fn key(self) -> SortKey {
        self.place(Order::default()).to_key()
    }

    /// Where it stands. A directory has no size: it comes before an empty file.
    pub(super) fn place(self, order: Order) -> SortPlace<'a> {
        let value = match (order.by, self.meta) {
            (SortBy::Size, Some(meta)) if !self.is_directory => {
                i64::try_from(meta.size).unwrap_or(i64::MAX)
            }
            (SortBy::Size, _) => -1,
            (SortBy::Time, Some(meta)) => meta.modified,
            (SortBy::Time, None) | (SortBy::Name, _) => 0,
        };
        SortPlace {
            is_directory: self.is_directory,
            value,
            name: self.name,
        }
    }
}

/// Directories, files, and the bytes of those.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Totals {
    pub(super) directories: usize,
    pub(super) files: usize,
    /// Of files whose size is known.
    pub(super) bytes: u64,
}

impl Totals {
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        if entry.is_directory {
            self.directories += 1;
            return;
        }
        self.files += 1;
        let size = entry.meta.map_or(0, |meta| meta.size);
        self.bytes = self.bytes.saturating_add(size);
    }

    pub(super) const fn entries(&self) -> usize {
        self.directories + self.files
    }
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
        self.shrink();
    }

    /// Makes room for so many bytes of names at once when they turn out to be many: a buffer that
    /// doubles until it is long enough leaves as much again behind it in the heap.
    pub(super) fn make_room(&mut self, bytes: usize) {
        if self.text.len() > FEW_BYTES && self.text.capacity() < bytes {
            self.text.reserve_exact(bytes - self.text.len());
        }
    }

    /// Keeps no room for more: they may be kept for long.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    pub(super) fn sort(&mut self, order: Order) {
        let text = &self.text;
        self.rows.sort_unstable_by(|a, b| {
            let (a, b) = (entry(text, a), entry(text, b));
            order.compare(a.place(order), b.place(order))
        });
    }

    /// Keeps the first `len` entries of the order, in any order; in place, since a copy would double
    /// what they cost for a moment.
    pub(super) fn select(&mut self, order: Order, len: usize) {
        let Some(last) = len.checked_sub(1).filter(|_| len < self.rows.len()) else {
            return;
        };
        let text = &self.text;
        self.rows.select_nth_unstable_by(last, |a, b| {
            let (a, b) = (entry(text, a), entry(text, b));
            order.compare(a.place(order), b.place(order))
        });
        self.rows.truncate(len);
        // As they stand in the text, each name moves to the end of the one before it.
        self.rows.sort_unstable_by_key(|row| row.at);
        let mut end = 0;
        for row in &mut self.rows {
            let from = row.at as usize;
            let len = name_at(&self.text, row).count_bytes() + 1;
            self.text.copy_within(from..from + len, end);
            // No later than where it stood, so it fits.
            row.at = u32::try_from(end).unwrap_or(row.at);
            end += len;
        }
        self.text.truncate(end);
    }

    pub(super) fn reverse(&mut self) {
        self.rows.reverse();
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
            totals.add(&entry(&self.text, row));
        }
        totals
    }
}

/// Up to so many bytes of names a buffer may double.
const FEW_BYTES: usize = 48 * 1024;

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

#[cfg(test)]
mod tests {
    use super::*;

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
