//! A directory of any length, in order, a bounded part at a time.
//!
//! *Floor 3.* Knows names and how many of them there is room for; does not know what is done with
//! them.
//!
//! The idea: sorting needs all names, but not all at once. Of those that come behind a given place
//! the first are kept, as many as there is room for; a further part is selected by reading the
//! directory again. With room for half of its names it is read some four times, and nothing needs to
//! stay open in between.

use std::ffi::{CStr, CString};

use rustix::io::Errno;

use super::directory::Directory;
use super::names::{Entry, Names, in_order};

/// Where an entry stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::service) struct SortKey {
    is_directory: bool,
    name: CString,
}

impl SortKey {
    pub(in crate::service) fn of(entry: &Entry<'_>) -> Self {
        Self {
            is_directory: entry.is_directory,
            name: entry.name.to_owned(),
        }
    }

    fn key(&self) -> (bool, &CStr) {
        (self.is_directory, &self.name)
    }
}

/// The next part of a directory, while it is read.
pub(in crate::service) struct Selection {
    directory: Directory,
    /// What is not wanted any more ends here.
    after: Option<SortKey>,
    /// What there is no room for begins behind this.
    until: Option<SortKey>,
    names: Names,
    batch: Names,
    bytes_max: usize,
}

impl Selection {
    /// Of what comes behind `after`, at most so many bytes of names.
    pub(in crate::service) fn new(
        directory: Directory,
        after: Option<SortKey>,
        bytes_max: usize,
    ) -> Self {
        Self {
            directory,
            after,
            until: None,
            names: Names::default(),
            batch: Names::default(),
            bytes_max,
        }
    }

    /// One getdents64(2), and a look at each link that it names; `false` at the end.
    pub(in crate::service) fn read(&mut self) -> Result<bool, Errno> {
        self.batch.clear();
        let goes_on = self.directory.read(&mut self.batch)?;
        for index in 0..self.batch.len() {
            let found = self.batch.name(index);
            let entry = found.and_then(|(name, kind)| self.directory.short_entry(name, kind));
            let Some(entry) = entry else { continue };
            let key = (entry.is_directory, entry.name);
            let is_past =
                (self.after.as_ref()).is_some_and(|after| in_order(key, after.key()).is_le());
            let is_beyond =
                (self.until.as_ref()).is_some_and(|until| in_order(key, until.key()).is_gt());
            if !(is_past || is_beyond) {
                self.names.push_entry(&entry);
            }
        }
        if self.names.bytes() > self.bytes_max {
            self.drop_half();
        }
        Ok(goes_on)
    }

    fn drop_half(&mut self) {
        self.names.sort();
        self.names.truncate(self.names.len().div_ceil(2));
        let last = self.names.len().checked_sub(1);
        let last = last.and_then(|last| self.names.entry(last));
        self.until = last.as_ref().map(SortKey::of);
    }

    /// The names in order, and whether there are more behind them.
    pub(in crate::service) fn into_names(mut self) -> (Names, bool) {
        self.names.sort();
        // They may be kept for long: without room for more.
        self.names.truncate(self.names.len());
        (self.names, self.until.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{Mode, OFlags, open};

    use super::super::ListingOptions;
    use super::*;

    fn part(path: &std::path::Path, after: Option<SortKey>, bytes_max: usize) -> (Names, bool) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).unwrap();
        let options = ListingOptions::default();
        let mut selection = Selection::new(Directory { fd, options }, after, bytes_max);
        while selection.read().unwrap() {
            assert!(selection.names.bytes() <= bytes_max);
        }
        selection.into_names()
    }

    #[test]
    fn parts_are_together_what_one_is_alone() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..2_000 {
            fs::write(root.path().join(format!("File{n}")), "").unwrap();
        }
        for n in 0..300 {
            fs::create_dir(root.path().join(format!("sub{n}"))).unwrap();
        }
        let texts = |names: &Names| -> Vec<CString> {
            let entries = (0..names.len()).filter_map(|index| names.entry(index));
            entries.map(|entry| entry.name.to_owned()).collect()
        };
        let (all, more) = part(root.path(), None, usize::MAX);
        assert!(!more && all.len() == 2_300);
        let all = texts(&all);
        assert_eq!(all[299], c"sub299".to_owned());
        assert_eq!(all[300], c"File0".to_owned());
        for bytes_max in [11_000, 20_000, 60_000] {
            let (mut seen, mut after, mut parts) = (Vec::new(), None, 0);
            loop {
                let (names, more) = part(root.path(), after, bytes_max);
                seen.extend(texts(&names));
                parts += 1;
                if !more {
                    break;
                }
                let last = names.entry(names.len() - 1).unwrap();
                after = Some(SortKey::of(&last));
            }
            assert_eq!(seen, all, "{bytes_max}");
            assert!(parts > 1 && parts < 25, "{bytes_max}: {parts}");
        }
    }
}
