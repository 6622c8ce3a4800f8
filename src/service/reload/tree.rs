//! What changes beneath the root: inotify, a watch for each directory.
//!
//! *Floor 3.* Knows directories and the names that are served; waits for nothing and starts nothing:
//! whoever owns it waits on its descriptor.
//!
//! A directory that comes is watched before it is listed, so that nothing in it is missed between the
//! two; and its coming is a change by itself. Links are not followed: what they lead to beneath the
//! root is watched where it is.
//!
//! *References:* inotify(7).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::service::options::FilesConfig;
use crate::service::policy::is_hidden_name;

/// Directories that are watched, at most: the kernel has some hundred bytes for each, and so have we.
const WATCHES_MAX: usize = 65_536;

/// What a directory tells of. A file that is written tells when it is closed: one that is held open, as
/// a log, would have pages reload without end.
const TOLD: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW)
    .union(WatchFlags::EXCL_UNLINK);

/// What has to be done about a change, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Style sheets are fetched again.
    Styles,
    /// Pages are.
    Pages,
}

/// Watches a directory and all beneath it, or one file.
#[derive(Debug)]
pub struct TreeWatcher {
    inotify: OwnedFd,
    root: PathBuf,
    /// The only name that counts, if one file is served.
    only: Option<OsString>,
    hidden: bool,
    /// Where each watch is, from the root.
    directories: HashMap<i32, PathBuf>,
    watches_max: usize,
    is_incomplete: bool,
}

impl TreeWatcher {
    /// Watches what `config` serves.
    ///
    /// # Errors
    /// If the kernel gives no inotify instance, or the root cannot be watched at all.
    pub fn open(config: &FilesConfig) -> io::Result<Self> {
        Self::with_max(config, WATCHES_MAX)
    }

    fn with_max(config: &FilesConfig, watches_max: usize) -> io::Result<Self> {
        let root = config.root.canonicalize()?;
        let (root, only) = match config.single_file {
            true => (
                root.parent().unwrap_or(&root).to_owned(),
                root.file_name().map(OsStr::to_owned),
            ),
            false => (root, None),
        };
        let mut watcher = Self {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            root,
            only,
            hidden: config.hidden,
            directories: HashMap::new(),
            watches_max,
            is_incomplete: false,
        };
        // ENOSPC says that there are too many watches: without a first one there is nothing to watch.
        let first = inotify::add_watch(&watcher.inotify, &watcher.root, TOLD)?;
        watcher.directories.insert(first, PathBuf::new());
        watcher.add(PathBuf::new());
        Ok(watcher)
    }

    /// Whether there are directories that are not watched, because there are too many.
    pub const fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// What has changed since it was asked last. Does not wait.
    pub fn take(&mut self) -> Option<Change> {
        let mut change = None;
        for event in self.events() {
            change = change.max(self.look_at(&event));
        }
        change
    }

    fn events(&self) -> Vec<TreeEvent> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => events.push(TreeEvent {
                    watch: event.wd(),
                    what: event.events(),
                    name: event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()),
                }),
                Err(Errno::INTR) => {}
                // EAGAIN: that was all for now.
                Err(_) => return events,
            }
        }
    }

    fn look_at(&mut self, event: &TreeEvent) -> Option<Change> {
        if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
            // Directories may have come without a word.
            self.add(PathBuf::new());
            return Some(Change::Pages);
        }
        if event.what.contains(ReadFlags::IGNORED) {
            self.directories.remove(&event.watch);
            return None;
        }
        let directory = self.directories.get(&event.watch)?;
        let name = event.name.as_deref()?;
        if is_hidden_name(name.as_bytes(), self.hidden)
            || self.only.as_deref().is_some_and(|only| only != name)
        {
            return None;
        }
        let path = directory.join(name);
        if !event.what.contains(ReadFlags::ISDIR) {
            let is_style = Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "css");
            return Some(if is_style {
                Change::Styles
            } else {
                Change::Pages
            });
        }
        if event.what.intersects(ReadFlags::MOVED_FROM) {
            self.forget(&path);
        }
        if event
            .what
            .intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
        {
            self.add(path);
        }
        Some(Change::Pages)
    }

    /// Watches a directory and all beneath it.
    fn add(&mut self, from: PathBuf) {
        if self.only.is_some() {
            return;
        }
        let mut waiting = vec![from];
        while let Some(path) = waiting.pop() {
            let full = self.root.join(&path);
            if self.directories.len() >= self.watches_max {
                self.is_incomplete = true;
                return;
            }
            match inotify::add_watch(&self.inotify, &full, TOLD) {
                Ok(watch) => self.directories.insert(watch, path.clone()),
                Err(Errno::NOSPC | Errno::NOMEM) => {
                    self.is_incomplete = true;
                    return;
                }
                // Gone again, or not for us: then it is not served either.
                Err(_) => continue,
            };
            let Ok(entries) = full.read_dir() else {
                continue;
            };
            let directories = entries.flatten().filter(|entry| {
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                is_directory && !is_hidden_name(entry.file_name().as_bytes(), self.hidden)
            });
            waiting.extend(directories.map(|entry| path.join(entry.file_name())));
        }
    }

    /// A directory was moved away: its watches would go on to tell of it, under a name that it no
    /// longer has.
    fn forget(&mut self, path: &Path) {
        let inotify = &self.inotify;
        self.directories.retain(|watch, known| {
            let is_gone = known.starts_with(path);
            if is_gone {
                // Fails if it was deleted meanwhile.
                let _ = inotify::remove_watch(inotify, *watch);
            }
            !is_gone
        });
    }
}

impl AsFd for TreeWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// An event of inotify(7), by its own name.
struct TreeEvent {
    watch: i32,
    what: ReadFlags,
    name: Option<OsString>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn config(root: &Path) -> FilesConfig {
        FilesConfig {
            root: root.to_owned(),
            ..FilesConfig::default()
        }
    }

    /// inotify tells at once, before the call that changes something returns.
    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn changes_are_told_by_what_they_ask_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("deep/er/.git")).unwrap();
        let mut tree = TreeWatcher::open(&config(root)).unwrap();
        let mut check = |what: &dyn Fn() -> io::Result<()>, expected: Option<Change>, about| {
            what().unwrap();
            assert_eq!(tree.take(), expected, "{about}");
        };
        let at = |name: &str| root.join(name);
        let (styles, pages) = (Some(Change::Styles), Some(Change::Pages));
        check(&|| Ok(()), None, "nothing");
        check(&|| fs::write(at("a.css"), "x"), styles, "a style sheet");
        check(&|| fs::write(at("deep/er/a"), "x"), pages, "another file");
        check(&|| fs::write(at("deep/.a.swp"), "x"), None, "a hidden one");
        check(
            &|| fs::write(at("deep/er/.git/a"), "x"),
            None,
            "in a hidden directory",
        );
        let replace =
            || fs::write(at(".new"), "y").and_then(|()| fs::rename(at(".new"), at("a.css")));
        check(&replace, styles, "a rename into place");
        check(
            &|| fs::remove_file(at("deep/er/a")),
            pages,
            "a file deleted",
        );
        check(
            &|| fs::create_dir_all(at("new/in/it")),
            pages,
            "a directory",
        );
        check(
            &|| fs::write(at("new/in/it/a.css"), ""),
            styles,
            "a file in it",
        );
        check(
            &|| fs::rename(at("new/in"), at("moved")),
            pages,
            "a directory renamed",
        );
        check(
            &|| fs::write(at("moved/it/a.css"), ""),
            styles,
            "a file in that",
        );
        let away = tempfile::tempdir().unwrap();
        let gone = away.path().join("it");
        check(
            &|| fs::rename(at("moved"), &gone),
            pages,
            "a directory moved away",
        );
        check(
            &|| fs::write(gone.join("it/a"), ""),
            None,
            "is not ours any more",
        );
        check(
            &|| fs::remove_dir_all(at("deep")),
            pages,
            "a directory deleted",
        );
    }

    #[test]
    fn of_one_file_nothing_beside_it_counts() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("a.html");
        fs::write(&page, "x").unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let config = FilesConfig {
            single_file: true,
            ..config(&page)
        };
        let mut tree = TreeWatcher::open(&config).unwrap();
        fs::write(dir.path().join("b.html"), "x").unwrap();
        fs::write(dir.path().join("sub/a.html"), "x").unwrap();
        assert_eq!(tree.take(), None);
        fs::write(&page, "y").unwrap();
        assert_eq!(tree.take(), Some(Change::Pages));
    }

    #[test]
    fn with_too_many_directories_it_watches_some() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = TreeWatcher::with_max(&config(dir.path()), 2).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        assert_eq!(tree.take(), Some(Change::Pages));
        assert!(!tree.is_incomplete());
        fs::create_dir(dir.path().join("b")).unwrap();
        assert_eq!(tree.take(), Some(Change::Pages));
        assert!(tree.is_incomplete());
        fs::write(dir.path().join("b/x"), "").unwrap();
        assert_eq!(tree.take(), None);
        fs::write(dir.path().join("a/x"), "").unwrap();
        assert_eq!(tree.take(), Some(Change::Pages));
    }
}
