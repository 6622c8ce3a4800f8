//! What the kernel tells of a directory: names, and what each of them leads to.
//!
//! *Floor 3.* Knows getdents64(2) and stat(2), both of which may wait for a disk; does not know
//! how much of it is kept, nor who asks.
//!
//! *References:* getdents64(2), stat(2).

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, Stat, seek, statat};
use rustix::io::Errno;

use super::ListingOptions;
use super::names::{Entry, Meta, Names};
use crate::service::options::PART_PREFIX;

/// What one getdents64(2) may fill: at most 341 names of 24 bytes, usually some 250.
pub(super) const BATCH_BYTES: usize = 8 * 1024;

pub(in crate::service) struct Directory {
    pub(in crate::service) fd: OwnedFd,
    pub(in crate::service) options: ListingOptions,
}

impl Directory {
    /// Adds the names of one getdents64(2) that may be listed; `false` at the end.
    pub(super) fn read(&self, names: &mut Names) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::uninit(); BATCH_BYTES];
        let mut raw = RawDir::new(&self.fd, &mut buffer);
        let mut any = false;
        // PITFALL: what the kernel has put into the buffer is lost with it, so it is read empty.
        while let Some(entry) = raw.next() {
            let entry = entry?;
            any = true;
            let (name, kind) = (entry.file_name(), entry.file_type());
            if self.may_list(name, kind) {
                names.push(name, kind);
            }
            if raw.is_buffer_empty() {
                break;
            }
        }
        Ok(any)
    }

    /// Reads from the beginning again.
    pub(super) fn rewind(&self) -> Result<(), Errno> {
        seek(&self.fd, SeekFrom::Start(0)).map(drop)
    }

    fn may_list(&self, whole: &CStr, kind: FileType) -> bool {
        let name = whole.to_bytes();
        // `.well-known` is answered (`policy::is_hidden_name`) and not listed: its clients know its names.
        let hidden = match self.options.hidden {
            true => name.starts_with(PART_PREFIX),
            false => name.starts_with(b"."),
        };
        let special = !matches!(
            kind,
            FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown
        );
        let left_out = || (self.options.left_out.as_ref()).is_some_and(|is| is(name));
        let listable = !(hidden || special || name == b"." || name == b".." || left_out());
        listable && self.options.query.filter.matches(whole)
    }

    /// The entry with size and time.
    pub(super) fn whole_entry<'a>(&self, name: &'a CStr, kind: FileType) -> Option<Entry<'a>> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.entry(name, &stat),
            // Readable but not searchable: the name is all there is.
            Err(Errno::ACCESS) => bare_entry(name, kind),
            Err(_) => None,
        }
    }

    /// The same of an entry whose type is known; without, if they are not to be had.
    pub(super) fn complete<'a>(&self, entry: Entry<'a>) -> Option<Entry<'a>> {
        let kind = match entry.is_directory {
            true => FileType::Directory,
            false => FileType::RegularFile,
        };
        self.whole_entry(entry.name, kind)
    }

    /// The entry without size and time, and without a stat(2) where the file system told the type.
    pub(super) fn short_entry<'a>(&self, name: &'a CStr, kind: FileType) -> Option<Entry<'a>> {
        bare_entry(name, kind).or_else(|| {
            let entry = self.whole_entry(name, kind)?;
            Some(Entry {
                meta: None,
                ..entry
            })
        })
    }

    fn entry<'a>(&self, name: &'a CStr, stat: &Stat) -> Option<Entry<'a>> {
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let target = match &self.options.link_target {
            Some(resolve) if is_link => resolve(name)?,
            _ => *stat,
        };
        let is_directory = match FileType::from_raw_mode(target.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => return None,
        };
        Some(Entry {
            name,
            is_directory,
            is_link,
            meta: Some(Meta {
                size: u64::try_from(target.st_size).unwrap_or(0),
                modified: target.st_mtime,
            }),
        })
    }
}

fn bare_entry(name: &CStr, kind: FileType) -> Option<Entry<'_>> {
    let is_directory = match kind {
        FileType::Directory => true,
        FileType::RegularFile => false,
        _ => return None,
    };
    Some(Entry {
        name,
        is_directory,
        is_link: false,
        meta: None,
    })
}
