//! A folder, entry by entry: what its listings would show, in their order, and nothing else.
//!
//! *Floor 3.* Knows names and what they lead to; does not know archives.
//!
//! The idea: **by path, each time anew.** Every file and directory is opened beneath the root as a
//! request for it would be (`opening/open.rs`), so that nothing can be swapped in on the way, and
//! nothing is open in between: a directory while its names are read, a file while it is sent. What
//! is kept of the directories on the way are names, within one bound for all of them: those of
//! ancestors are forgotten first, and read once more when it is their turn again (`selection.rs`).
//!
//! Links are what they lead to, as everywhere. One to a directory is followed unless it leads back
//! to a directory on the way, and within what it leads to there is no second one: a tree of links has
//! no end, or a very late one.
//!
//! *References:* openat2(2), getdents64(2), PATH_MAX in limits.h(0p).

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;

use crate::http::Status;
use crate::http::target::PATH_BYTES_MAX;
use crate::service::listing::directory::Directory;
use crate::service::listing::names::Names;
use crate::service::listing::order::SortKey;
use crate::service::listing::query::PageStart;
use crate::service::listing::selection::{NamesRoom, Selection};
use crate::service::listing::{ListingOptions, SORTED_BYTES_MAX};
use crate::service::opening::link_target;
use crate::service::opening::open::{Refusal, Root, Wait};
use crate::service::protected::ProtectedPaths;

/// What may be seen on the way.
pub(in crate::service) struct Scope {
    pub(in crate::service) root: Arc<Root>,
    /// Whether names with a leading dot are.
    pub(in crate::service) hidden: bool,
    /// A directory of which nothing is: a drop box. Relative to the root, without slashes around it.
    pub(in crate::service) sealed: Option<Vec<u8>>,
    /// What needs a password: it is left out where the folder needs none.
    pub(in crate::service) protected: ProtectedPaths,
}

/// What comes next.
pub(super) enum WalkStep {
    /// The directory at [`Walk::path`].
    Directory(Stat),
    /// The file there, open.
    File(OwnedFd, Stat),
    /// What is there is not to be had.
    LeftOut(&'static str),
    /// Nothing yet.
    Onward,
    End,
}

/// Something is missing that others have: descriptors, memory.
#[derive(Debug)]
pub(super) struct Exhausted;

pub(super) struct Walk {
    scope: Scope,
    /// Relative to the root; of a directory, with a slash at its end.
    path: Vec<u8>,
    /// How much of it is the folder that all is about.
    folder_len: usize,
    levels: Vec<Level>,
    /// The topmost level's names, while they are read.
    reading: Option<Selection>,
    /// How much of all names is kept.
    names_bytes_max: usize,
    begun: bool,
}

/// A directory on the way.
struct Level {
    path_len: usize,
    identity: (u64, u64),
    is_link: bool,
    names: Names,
    /// The name that comes next.
    next: usize,
    /// Where names begin that are not kept.
    after: Option<SortKey>,
    has_more: bool,
}

impl Level {
    /// Forgets names that are to be read again.
    fn forget(&mut self) {
        if self.next < self.names.len() {
            self.has_more = true;
        }
        self.mark();
        self.names = Names::default();
        self.next = 0;
    }

    /// Remembers where it stands.
    fn mark(&mut self) {
        let last = self.next.checked_sub(1);
        if let Some(last) = last.and_then(|last| self.names.entry(last)) {
            self.after = Some(last.key());
        }
    }
}

impl Walk {
    /// Of the directory at `folder`: relative to the root, with a slash at its end unless it is the root.
    pub(super) fn new(scope: Scope, folder: &[u8]) -> Self {
        Self {
            scope,
            path: folder.to_vec(),
            folder_len: folder.len(),
            levels: Vec::new(),
            reading: None,
            names_bytes_max: SORTED_BYTES_MAX,
            begun: false,
        }
    }

    /// Where the last step was, below the folder.
    pub(super) fn path(&self) -> &[u8] {
        self.path.get(self.folder_len..).unwrap_or_default()
    }

    /// Whether a directory is open.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn step(&mut self) -> Result<WalkStep, Exhausted> {
        if !self.begun {
            self.begun = true;
            return self.enter(false);
        }
        if self.reading.is_some() {
            return Ok(self.read());
        }
        let Some(level) = self.levels.last_mut() else {
            return Ok(WalkStep::End);
        };
        self.path.truncate(level.path_len);
        let Some(entry) = level.names.entry(level.next) else {
            if !level.has_more {
                self.levels.pop();
                return Ok(WalkStep::Onward);
            }
            level.mark();
            return self.read_on();
        };
        level.next += 1;
        let (is_directory, is_link) = (entry.is_directory, entry.is_link);
        self.path.extend_from_slice(entry.name.to_bytes());
        match is_directory {
            true => {
                self.path.push(b'/');
                self.enter(is_link)
            }
            false => self.open(),
        }
    }

    /// The next names of the topmost directory.
    fn read(&mut self) -> WalkStep {
        let goes_on = self.reading.as_mut().map(Selection::read);
        if let Some(Ok(true)) = goes_on {
            return WalkStep::Onward;
        }
        if let (Some(selection), Some(level)) = (self.reading.take(), self.levels.last_mut()) {
            let part = selection.into_part();
            (level.names, level.has_more) = (part.names, part.has_more);
            level.next = 0;
        }
        match goes_on {
            // It was removed meanwhile, with all that was in it.
            Some(Err(Errno::NOENT)) | None | Some(Ok(_)) => WalkStep::Onward,
            Some(Err(_)) => WalkStep::LeftOut("it could not be read to its end"),
        }
    }

    fn enter(&mut self, is_link: bool) -> Result<WalkStep, Exhausted> {
        let plain = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        if self.scope.sealed.as_deref() == Some(plain) {
            return Ok(WalkStep::LeftOut("it is a drop box"));
        }
        let (fd, stat) = match self.directory() {
            Ok(opened) => opened,
            Err(refusal) => return left_out(refusal),
        };
        let identity = (stat.st_dev, stat.st_ino);
        if self.levels.iter().any(|level| level.identity == identity) {
            return Ok(WalkStep::Onward);
        }
        if is_link && self.levels.iter().any(|level| level.is_link) {
            return Ok(WalkStep::LeftOut(
                "it is a link within what a link leads to",
            ));
        }
        self.levels.push(Level {
            path_len: self.path.len(),
            identity,
            is_link,
            names: Names::default(),
            next: 0,
            after: None,
            has_more: false,
        });
        self.select(fd);
        Ok(WalkStep::Directory(stat))
    }

    /// A further part of the topmost directory.
    fn read_on(&mut self) -> Result<WalkStep, Exhausted> {
        match self.directory() {
            Ok((fd, _)) => {
                self.select(fd);
                Ok(WalkStep::Onward)
            }
            Err(refusal) => {
                self.levels.pop();
                left_out(refusal)
            }
        }
    }

    fn directory(&self) -> Result<(OwnedFd, Stat), Refusal> {
        let fd = self.scope.root.directory(&self.c_path()?, Wait::Allowed)?;
        let stat = fstat(&fd)?;
        Ok((fd, stat))
    }

    /// Begins to read the topmost directory, with room for its names.
    fn select(&mut self, fd: OwnedFd) {
        let used = |levels: &[Level]| {
            levels
                .iter()
                .map(|level| level.names.bytes())
                .sum::<usize>()
        };
        let Some((topmost, above)) = self.levels.split_last_mut() else {
            return;
        };
        topmost.names = Names::default();
        topmost.next = 0;
        if used(above) > self.names_bytes_max / 2 {
            above.iter_mut().for_each(Level::forget);
        }
        let options = ListingOptions {
            hidden: self.scope.hidden,
            left_out: self.scope.protected.left_out_of(&self.path),
            link_target: link_target(&self.scope.root, &self.path),
            ..ListingOptions::default()
        };
        let room = NamesRoom {
            rows: usize::MAX,
            bytes: self.names_bytes_max.saturating_sub(used(above)),
        };
        let directory = Directory { fd, options };
        let start = topmost.after.clone();
        let start = start.map_or(PageStart::First, PageStart::After);
        self.reading = Some(Selection::new(directory, start, room));
    }

    fn open(&self) -> Result<WalkStep, Exhausted> {
        match self.file() {
            Ok(Some((fd, stat))) => Ok(WalkStep::File(fd, stat)),
            Ok(None) => Ok(WalkStep::Onward),
            Err(refusal) => left_out(refusal),
        }
    }

    /// `None` if it is no file any more.
    fn file(&self) -> Result<Option<(OwnedFd, Stat)>, Refusal> {
        let path = self.c_path()?;
        let (kind, _) = self.scope.root.kind(&path, Wait::Allowed)?;
        if kind != FileType::RegularFile {
            return Ok(None);
        }
        let fd = self.scope.root.read(&path, Wait::Allowed)?;
        let stat = fstat(&fd)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then_some((fd, stat)))
    }

    fn c_path(&self) -> Result<CString, Refusal> {
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        let path = if path.is_empty() { b"." } else { path };
        if path.len() > PATH_BYTES_MAX {
            return Err(Refusal::Status(Status::URI_TOO_LONG));
        }
        CString::new(path).map_err(|_| Refusal::Status(Status::NOT_FOUND))
    }
}

/// What becomes of a name that cannot be opened. One that is gone meanwhile is not missed.
fn left_out(refusal: Refusal) -> Result<WalkStep, Exhausted> {
    match refusal {
        Refusal::Status(Status::NOT_FOUND) => Ok(WalkStep::Onward),
        Refusal::Status(Status::SERVICE_UNAVAILABLE) => Err(Exhausted),
        Refusal::Status(Status::FORBIDDEN) => Ok(WalkStep::LeftOut("the server may not read it")),
        Refusal::Status(Status::URI_TOO_LONG) => Ok(WalkStep::LeftOut("its path is too long")),
        Refusal::Status(_) => Ok(WalkStep::LeftOut("it could not be read")),
        Refusal::WouldBlock => Ok(WalkStep::LeftOut("it was being renamed")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

    use super::*;
    use crate::service::options::Symlinks;

    fn walk(root: &std::path::Path, symlinks: Symlinks, folder: &str) -> Walk {
        let root = Arc::new(Root::open(root, symlinks).unwrap());
        let (hidden, sealed) = (false, Some(b"box".to_vec()));
        let scope = Scope {
            root,
            hidden,
            sealed,
            protected: ProtectedPaths::None,
        };
        Walk::new(scope, folder.as_bytes())
    }

    /// All steps: paths, and with an exclamation mark what is left out.
    fn steps(mut walk: Walk) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let step = walk.step().unwrap();
            let path = String::from_utf8_lossy(walk.path()).into_owned();
            match step {
                WalkStep::Directory(_) | WalkStep::File(..) => seen.push(path),
                WalkStep::LeftOut(_) => seen.push(format!("!{path}")),
                WalkStep::Onward => {}
                WalkStep::End => return seen,
            }
            let kept: usize = walk.levels.iter().map(|level| level.names.bytes()).sum();
            assert!(kept <= walk.names_bytes_max, "{kept}");
        }
    }

    /// In the order of listings, whether all names are kept or next to none.
    #[test]
    fn a_folder_is_walked_in_the_order_of_its_listings() {
        let root = tempfile::tempdir().unwrap();
        let mut expected = vec![String::new()];
        for a in 1..12 {
            expected.push(format!("a{a}/"));
            for b in 1..12 {
                expected.push(format!("a{a}/b{b}/"));
                fs::create_dir_all(root.path().join(format!("f/a{a}/b{b}"))).unwrap();
                for c in [1, 9, 10, 100] {
                    let file = format!("a{a}/b{b}/c{c}");
                    fs::write(root.path().join("f").join(&file), "").unwrap();
                    expected.push(file);
                }
            }
            fs::write(root.path().join(format!("f/a{a}/b0")), "").unwrap();
            expected.push(format!("a{a}/b0"));
        }
        for bytes_max in [SORTED_BYTES_MAX, 1_500, 500, 200] {
            let mut walk = walk(root.path(), Symlinks::Inside, "f/");
            walk.names_bytes_max = bytes_max;
            assert_eq!(steps(walk), expected, "{bytes_max}");
        }
    }

    #[test]
    fn links_are_what_they_lead_to_and_have_an_end() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in ["d/e", "box", "f"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in ["d/e/x", "box/sent", "f/.hidden"] {
            fs::write(at(file), "").unwrap();
        }
        for (link, target) in [
            ("d/self", "."),
            ("d/up", ".."),
            ("d/e/back", "../../d"),
            ("f/to-d", "../d"),
            ("f/to-x", "../d/e/x"),
            ("f/out", "/etc"),
            ("f/nowhere", "missing"),
            ("d/e/to-f", "../../f"),
            ("d/e/to-g", "../../g"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        fs::create_dir(at("g")).unwrap();
        let check = |symlinks, folder: &str, expected: &[&str]| {
            let seen = steps(walk(root.path(), symlinks, folder));
            assert_eq!(seen, expected, "{symlinks:?} {folder}");
        };
        check(Symlinks::Deny, "f/", &[""]);
        let with_links = [
            "",
            "to-d/",
            "to-d/e/",
            "!to-d/e/to-g/",
            "to-d/e/x",
            "!to-d/up/",
            "to-x",
        ];
        check(Symlinks::Inside, "f/", &with_links);
        let whole = steps(walk(root.path(), Symlinks::Inside, ""));
        assert!(whole.contains(&"!box/".to_owned()), "{whole:?}");
        assert!(whole.len() < 40 && !whole.iter().any(|path| path.contains("sent")));
    }

    /// A directory that is entered by one name after the other may lie deeper than a path can say.
    #[test]
    fn what_no_path_leads_to_is_left_out_and_told() {
        let root = tempfile::tempdir().unwrap();
        let name = CString::new("d".repeat(63)).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directory = openat(CWD, root.path(), flags, Mode::empty()).unwrap();
        for _ in 0..66 {
            mkdirat(&directory, &name, Mode::RWXU).unwrap();
            directory = openat(&directory, &name, flags, Mode::empty()).unwrap();
        }
        let seen = steps(walk(root.path(), Symlinks::Inside, ""));
        let left_out: Vec<_> = seen.iter().filter(|path| path.starts_with('!')).collect();
        assert_eq!((seen.len(), left_out.len()), (66, 1));
        assert_eq!(left_out[0].len(), "!".len() + 65 * 64);
    }

    #[test]
    fn what_is_gone_meanwhile_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::create_dir(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join("x"), "").unwrap();
        }
        let mut walk = walk(root.path(), Symlinks::Inside, "");
        while walk.path() != b"a/x" {
            walk.step().unwrap();
        }
        fs::remove_dir_all(root.path().join("b")).unwrap();
        // It is another thing now: not what stands in this place in the order.
        fs::remove_dir_all(root.path().join("c")).unwrap();
        fs::write(root.path().join("c"), "").unwrap();
        assert_eq!(steps(walk), Vec::<String>::new());
    }
}
