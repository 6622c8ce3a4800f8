//! A directory of any length, in order, a bounded part at a time.
//!
//! *Floor 3.* Knows entries and how many of them there is room for; does not know what is done with
//! them.
//!
//! The idea: sorting needs all names, but not all at once. Of those that come behind a given place
//! the first are kept, as many as there is room for; a further part is selected by reading the
//! directory again. With room for half of its names it is read some four times, and nothing needs to
//! stay open in between. What comes before a place is the same in the other direction.
//!
//! The order may want a stat(2) for each name, whatever is kept of it. What changes while it is read
//! may stand in two parts then, or in none.

use std::ffi::CString;

use rustix::io::Errno;

use super::SORTED_BYTES_MAX;
use super::directory::{BATCH_BYTES, Directory};
use super::names::{Names, Totals};
use super::order::{Order, SortKey, SortPlace};
use super::query::PageStart;
use crate::service::markdown::readme::ReadmeName;

/// How much of a directory may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::service) struct NamesRoom {
    pub(in crate::service) rows: usize,
    /// Of memory. Rather fewer rows than more than this.
    pub(in crate::service) bytes: usize,
}

/// The next part of a directory, while it is read.
pub(in crate::service) struct Selection {
    directory: Directory,
    order: Order,
    start: PageStart,
    /// What there is no room for begins behind this.
    until: Option<SortKey>,
    names: Names,
    batch: Names,
    room: NamesRoom,
    totals: Totals,
    past: usize,
    readme: ReadmeName,
}

/// What was selected.
pub(in crate::service) struct SelectedPart {
    pub(in crate::service) names: Names,
    /// Whether there is more in the direction in which it was looked for.
    pub(in crate::service) has_more: bool,
    /// Of the whole directory; with sizes if they count for the order.
    pub(super) totals: Totals,
    /// How many entries stand on the other side of the place where it starts.
    pub(super) past: usize,
    /// The file of the whole directory that is its README.
    pub(super) readme: Option<CString>,
    pub(super) directory: Directory,
}

impl Selection {
    /// Of what comes from `start` on, in the order that the directory is asked for.
    pub(in crate::service) fn new(directory: Directory, start: PageStart, room: NamesRoom) -> Self {
        let order = directory.options.query.order;
        Self {
            directory,
            order: match start {
                PageStart::Before(_) => order.backwards(),
                PageStart::First | PageStart::After(_) => order,
            },
            start,
            until: None,
            names: Names::default(),
            batch: Names::default(),
            room,
            totals: Totals::default(),
            past: 0,
            readme: ReadmeName::default(),
        }
    }

    /// One getdents64(2), and a look at each link that it names, or at each name if the order wants
    /// that; `false` at the end.
    pub(in crate::service) fn read(&mut self) -> Result<bool, Errno> {
        self.batch.clear();
        let goes_on = self.directory.read(&mut self.batch)?;
        // A batch more than what is kept, and no more than a caller without a bound would want.
        self.names
            .make_room(self.room.bytes.min(SORTED_BYTES_MAX) + BATCH_BYTES);
        let (order, directory) = (self.order, &self.directory);
        for index in 0..self.batch.len() {
            let found = self.batch.name(index);
            let entry = found.and_then(|(name, kind)| match order.needs_meta() {
                true => directory.whole_entry(name, kind),
                false => directory.short_entry(name, kind),
            });
            let Some(entry) = entry else { continue };
            self.totals.add(&entry);
            if !entry.is_directory {
                self.readme.consider(entry.name);
            }
            let place = entry.place(order);
            let is_behind = |key: &SortKey| order.compare(place, key.place()).is_gt();
            let is_past = (self.start.key()).is_some_and(|start| !is_behind(start));
            if is_past {
                self.past += 1;
            } else if !self.until.as_ref().is_some_and(is_behind) {
                self.names.push_entry(&entry);
            }
        }
        if self.names.bytes() > self.room.bytes {
            self.keep(self.names.len().div_ceil(2).min(self.room.rows));
        } else if self.names.len() / 2 > self.room.rows {
            self.keep(self.room.rows);
        }
        Ok(goes_on)
    }

    /// Only the first `len`.
    fn keep(&mut self, len: usize) {
        self.names.select(self.order, len);
        let places = (0..self.names.len()).filter_map(|index| self.names.entry(index));
        let places = places.map(|entry| entry.place(self.order));
        let last = places.max_by(|a, b| self.order.compare(*a, *b));
        self.until = last.map(SortPlace::to_key);
    }

    /// What was selected, in order.
    pub(in crate::service) fn into_part(mut self) -> SelectedPart {
        if self.names.len() > self.room.rows {
            self.keep(self.room.rows);
        }
        self.names.sort(self.order);
        if let PageStart::Before(_) = self.start {
            self.names.reverse();
        }
        self.names.shrink();
        SelectedPart {
            names: self.names,
            has_more: self.until.is_some(),
            totals: self.totals,
            past: self.past,
            readme: self.readme.found(),
            directory: self.directory,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags, open};

    use super::super::ListingOptions;
    use super::super::query::ListingQuery;
    use super::*;

    fn part(path: &Path, query: &str, start: PageStart, room: NamesRoom) -> SelectedPart {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).unwrap();
        let options = ListingOptions {
            query: ListingQuery::of(Some(query)),
            ..ListingOptions::default()
        };
        let mut selection = Selection::new(Directory { fd, options }, start, room);
        while selection.read().unwrap() {
            assert!(selection.names.bytes() <= room.bytes);
            assert!(selection.names.len() <= 2 * room.rows.min(10_000) + 1);
        }
        selection.into_part()
    }

    fn texts(names: &Names) -> Vec<CString> {
        let entries = (0..names.len()).filter_map(|index| names.entry(index));
        entries.map(|entry| entry.name.to_owned()).collect()
    }

    /// Forwards and backwards, by what costs a look and what does not, however little room there is.
    #[test]
    fn parts_are_together_what_one_is_alone() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..700 {
            let file = fs::File::create(root.path().join(format!("File{n}"))).unwrap();
            file.set_len(n % 7).unwrap();
        }
        for n in 0..100 {
            fs::create_dir(root.path().join(format!("sub{n}"))).unwrap();
        }
        let wide = NamesRoom {
            rows: usize::MAX,
            bytes: usize::MAX,
        };
        let first = |query| part(root.path(), query, PageStart::First, wide);
        let all = first("");
        assert!(!all.has_more && all.names.len() == 800);
        let names = texts(&all.names);
        assert_eq!(names[99..101], [c"sub99".to_owned(), c"File0".to_owned()]);
        let by_size = texts(&first("sort=size&order=desc&dirs=mixed").names);
        assert_eq!(by_size[0..2], [c"File6".to_owned(), c"File13".to_owned()]);
        assert_eq!(by_size[700], c"sub0".to_owned());

        for query in [
            "",
            "order=desc",
            "sort=size",
            "sort=size&order=desc&dirs=mixed",
        ] {
            let order = ListingQuery::of(Some(query)).order;
            let all = texts(&first(query).names);
            for (rows, bytes) in [(usize::MAX, 8_000), (usize::MAX, 20_000), (60, 60_000)] {
                let room = NamesRoom { rows, bytes };
                let (mut seen, mut start, mut parts) = (Vec::new(), PageStart::First, 0);
                let mut last;
                loop {
                    let part = part(root.path(), query, start, room);
                    assert_eq!(part.past, seen.len());
                    assert_eq!(part.totals.entries(), 800);
                    seen.extend(texts(&part.names));
                    parts += 1;
                    last = part.names.entry(0).unwrap().place(order).to_key();
                    if !part.has_more {
                        break;
                    }
                    let end = part.names.entry(part.names.len() - 1).unwrap();
                    start = PageStart::After(end.place(order).to_key());
                }
                assert_eq!(seen, all, "{query} {room:?}");
                assert!(parts > 1 && parts < 25, "{query} {room:?}: {parts}");
                // And back, from the last part on.
                let mut end = all.iter().position(|name| *name == last.name).unwrap();
                while end > 0 {
                    let part = part(root.path(), query, PageStart::Before(last), room);
                    let begin = end - part.names.len();
                    assert_eq!(texts(&part.names), all[begin..end], "{query} {room:?}");
                    assert_eq!(part.has_more, begin > 0);
                    assert_eq!(part.past, all.len() - end);
                    last = part.names.entry(0).unwrap().place(order).to_key();
                    end = begin;
                }
            }
        }
    }
}
