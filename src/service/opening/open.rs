//! Opening a name beneath the root, so that nothing outside of it is ever opened.
//!
//! *Floor 3.* Knows openat2(2) and links; does not know HTTP beyond the status a failure earns.
//!
//! The idea: the kernel checks each step of the resolution while it opens (`RESOLVE_BENEATH`).
//! Comparing strings or realpath(3) first and opening later can be raced: a process that swaps a
//! directory for a link between the two reads any file. Here there is no "later".
//!
//! `RESOLVE_CACHED` makes the first attempt on the loop's thread one that never waits for a disk:
//! it succeeds from the dentry cache or fails with EAGAIN, and then a job tries again without it.
//!
//! Where openat2 is missing (before 5.6) or forbidden (EPERM under some seccomp filters), the walk
//! below does the same by hand: one component at a time, each opened with `O_NOFOLLOW`, links read
//! and resolved on a stack of open directories, so `..` pops the stack and cannot leave it. It also
//! does what the kernel refuses: an absolute link that begins with the root's own path goes on at
//! the root's descriptor, and so stays beneath it whatever that path leads to by then.
//!
//! *References:* openat2(2), open(2) `O_PATH`, path_resolution(7), symlink(7).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::http::Status;
use crate::service::opening::meta::{Identity, Links, Medium};
use crate::service::options::Symlinks;
use crate::service::work::Gone;

/// Whether the caller's thread may wait for a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// No: it carries other connections.
    Never,
    /// Yes, but others wait for theirs: directories are not listed, large files not hashed.
    Briefly,
    /// Yes: it is there for what takes long.
    Allowed,
}

/// How long the caller may wait, and whether its client still does.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'g> {
    pub(crate) wait: Wait,
    /// Long work ends when its client is gone.
    pub(crate) gone: &'g Gone<'g>,
}

impl Patience<'_> {
    /// A loop's: none.
    pub(crate) const NONE: Self = Self {
        wait: Wait::Never,
        gone: &|| false,
    };
}

/// Why there is no descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It may take a while: try again where waiting is allowed.
    WouldBlock,
    /// This is the answer.
    Status(Status),
}

impl From<Errno> for Refusal {
    /// What a client can provoke is 404, 403 or 503; 500 is left for a disk that fails.
    fn from(errno: Errno) -> Self {
        let status = match errno {
            Errno::AGAIN => return Self::WouldBlock,
            Errno::ACCESS | Errno::PERM => Status::FORBIDDEN,
            // Out of descriptors or memory: not the client's fault, and it passes.
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => {
                Status::SERVICE_UNAVAILABLE
            }
            Errno::IO => Status::INTERNAL_SERVER_ERROR,
            // ENOENT and ENOTDIR; ELOOP and EXDEV (a link that is refused: what is outside does
            // not exist); ENAMETOOLONG, EINVAL and EILSEQ (a name this file system cannot hold);
            // ENXIO and ENODEV (a socket, a device without a driver).
            _ => Status::NOT_FOUND,
        };
        Self::Status(status)
    }
}

/// The directory below which everything lies, opened once.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    /// The same without a link in it.
    real_path: Option<PathBuf>,
    identity: Identity,
    symlinks: Symlinks,
    kernel: Support,
    /// Whether any call on its file system may wait for another process or machine.
    remote: bool,
}

/// What this kernel, as it is filtered, can do for us. Found out once, at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Support {
    /// openat2 with RESOLVE_CACHED (5.12).
    Cached,
    /// openat2 (5.6).
    Beneath,
    /// Neither: the walk.
    Missing,
}

impl Root {
    /// Opens a directory. Needs no permission to read it, only to search it.
    pub(crate) fn open(path: &Path, symlinks: Symlinks) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())?;
        Ok(Self {
            // By name and not by descriptor: O_PATH asks for no permission (open(2)), but looking
            // for anything in a directory does, and who may not will only ever answer 403.
            identity: Identity::at(fd.as_fd(), c".", Links::Followed)?,
            kernel: Support::probe(fd.as_fd()),
            remote: Medium::of(fd.as_fd()) == Medium::Remote,
            fd,
            path: path.to_owned(),
            real_path: std::fs::canonicalize(path).ok(),
            symlinks,
        })
    }

    /// The same, as if the kernel had no openat2(2): for tests and benches of the fallback.
    pub(crate) fn without_openat2(mut self) -> Self {
        self.kernel = Support::Missing;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn symlinks(&self) -> Symlinks {
        self.symlinks
    }

    /// The root's path once more, if it now leads elsewhere; a path that leads nowhere for a
    /// moment leaves the root as it was.
    pub(crate) fn reopened(&self) -> Option<Self> {
        let fresh = Self::open(&self.path, self.symlinks).ok()?;
        Some(Self {
            kernel: self.kernel,
            ..fresh
        })
    }

    /// Whether the root's path still leads to this directory: one statx(2).
    pub(crate) fn is_current(&self) -> bool {
        let there = rustix::fs::statx(
            CWD,
            &self.path,
            rustix::fs::AtFlags::NO_AUTOMOUNT,
            rustix::fs::StatxFlags::INO,
        );
        let same =
            |there: Identity| (there.dev, there.ino) == (self.identity.dev, self.identity.ino);
        there.is_err() || there.is_ok_and(|stat| same(stat.into()))
    }

    /// What a name leads to now; see [`Identity::at`] for what this may be used for.
    pub(crate) fn identity_at(&self, path: &CStr) -> rustix::io::Result<Identity> {
        Identity::at(self.fd.as_fd(), path, Links::Followed)
    }

    /// The same of a name that was no link: one put in its place since is seen, not followed.
    pub(crate) fn own_identity_at(&self, path: &CStr) -> rustix::io::Result<Identity> {
        Identity::at(self.fd.as_fd(), path, Links::Seen)
    }

    /// The regular file that a name leads to by the policy, without waiting for what a link leads
    /// to; for names beside one that has just been looked at.
    pub(crate) fn beside(&self, path: &CStr) -> Result<Option<Identity>, Refusal> {
        let Ok(own) = self.own_identity_at(path) else {
            return Ok(None);
        };
        let there = match own.kind {
            FileType::Symlink => match self.look(path, Wait::Never) {
                Ok(looked) => Identity::known(looked.as_fd())?,
                Err(Refusal::WouldBlock) => return Err(Refusal::WouldBlock),
                Err(Refusal::Status(_)) => return Ok(None),
            },
            _ => own,
        };
        Ok(Some(there).filter(|there| there.kind == FileType::RegularFile))
    }

    /// What kind of thing a name leads to, by the policy, found out without opening it; and
    /// whether the name is that of a link.
    ///
    /// PITFALL: opening a FIFO to see what it is lets a writer in that waits for its reader, and
    /// closing it again ends that writer with SIGPIPE; a device may do anything when it is opened.
    /// Test: `a_fifo_keeps_its_writer_waiting`.
    pub(crate) fn kind(&self, path: &CStr, wait: Wait) -> Result<(FileType, Links), Refusal> {
        let own = self.resolve(path, LOOK | OFlags::NOFOLLOW, wait)?;
        match Identity::known(own.as_fd())?.kind {
            FileType::Symlink => {
                let looked = self.look(path, wait)?;
                Ok((Identity::known(looked.as_fd())?.kind, Links::Followed))
            }
            kind => Ok((kind, Links::Seen)),
        }
    }

    /// Opens a file or directory for reading, once [`Self::kind`] has told that it is one. What
    /// has taken its place since is not waited for (`O_NONBLOCK`), and no terminal becomes ours
    /// (`O_NOCTTY`).
    pub(crate) fn read(&self, path: &CStr, wait: Wait) -> Result<OwnedFd, Refusal> {
        self.resolve(path, READ, wait)
    }

    /// Opens a directory for listing.
    pub(crate) fn directory(&self, path: &CStr, wait: Wait) -> Result<OwnedFd, Refusal> {
        self.resolve(path, READ | OFlags::DIRECTORY, wait)
    }

    /// Opens a name only to look at it: works without permission to read.
    pub(crate) fn look(&self, path: &CStr, wait: Wait) -> Result<OwnedFd, Refusal> {
        self.resolve(path, LOOK, wait)
    }

    fn resolve(&self, path: &CStr, flags: OFlags, wait: Wait) -> Result<OwnedFd, Refusal> {
        // PITFALL: a cached name is not enough. FUSE and NFS ask their server when a file is opened
        // (`at_the_bound_requests_are_refused`), so that nothing of theirs is opened here, and
        // nothing of a file system that is mounted below the root: it may be one of them.
        let cached = match (wait, self.kernel) {
            (Wait::Briefly | Wait::Allowed, _) => ResolveFlags::empty(),
            (Wait::Never, Support::Cached) if !self.remote => {
                ResolveFlags::CACHED.union(ResolveFlags::NO_XDEV)
            }
            (Wait::Never, _) => return Err(Refusal::WouldBlock),
        };
        for _ in 0..RACES_MAX {
            let opened = match (self.kernel, self.symlinks) {
                (Support::Missing, Symlinks::Follow) => {
                    openat(&self.fd, path, flags, Mode::empty())
                }
                (Support::Missing, _) => self.walk(path, flags, wait),
                (_, symlinks) => {
                    let resolve = resolve_flags(symlinks) | cached;
                    openat2(&self.fd, path, flags, Mode::empty(), resolve)
                }
            };
            match opened {
                // Without RESOLVE_CACHED this is a rename that raced with a `..` in a link.
                Err(Errno::AGAIN) if wait != Wait::Never => {}
                Err(Errno::INTR | Errno::STALE) => {}
                // A link leads out, or is absolute, which is the same for the kernel only.
                Err(Errno::XDEV) if self.symlinks == Symlinks::Inside => {
                    return Ok(self.walk(path, flags, wait)?);
                }
                Err(Errno::XDEV) if wait == Wait::Never => return Err(Refusal::WouldBlock),
                other => return other.map_err(Refusal::from),
            }
        }
        match wait {
            Wait::Never => Err(Refusal::WouldBlock),
            // Something is always being renamed on this machine, anywhere. By hand, only what
            // changes on the way itself can be in the way.
            Wait::Briefly | Wait::Allowed => Ok(self.walk(path, flags, wait)?),
        }
    }

    /// `RESOLVE_BENEATH` by hand.
    ///
    /// PITFALL: `last` must be opened again by name for reading, because an `O_PATH` descriptor
    /// cannot be read. `O_NOFOLLOW` there makes a swap for a link fail; a swap for another file is
    /// still a file of the same, already opened, directory. Test: `a_swap_race_leaks_not_one_byte`.
    fn walk(&self, path: &CStr, flags: OFlags, wait: Wait) -> rustix::io::Result<OwnedFd> {
        let mut stack: Vec<OwnedFd> = Vec::new();
        let mut todo = Vec::new();
        push_names(&mut todo, path.to_bytes())?;
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.to_bytes() {
                b"" | b"." => continue,
                b".." => {
                    stack.pop().ok_or(Errno::XDEV)?;
                    continue;
                }
                _ => {}
            }
            let dir = stack.last().map_or(self.fd.as_fd(), AsFd::as_fd);
            let step = open_name(dir, &name, STEP, wait)?;
            match Identity::known(step.as_fd())?.kind {
                FileType::Directory => stack.push(step),
                // Only a look does not follow the last link, and this is it.
                FileType::Symlink if todo.is_empty() && flags.contains(OFlags::NOFOLLOW) => {
                    return Ok(step);
                }
                FileType::Symlink => {
                    links += 1;
                    if self.symlinks == Symlinks::Deny || links > LINKS_MAX {
                        return Err(Errno::LOOP);
                    }
                    let target = readlinkat(&step, c"", Vec::new())?;
                    if target.to_bytes().starts_with(b"/") {
                        stack.clear();
                    }
                    push_names(&mut todo, self.beneath(target.to_bytes())?)?;
                }
                _ if !todo.is_empty() => return Err(Errno::NOTDIR),
                _ => return open_name(dir, &name, flags | OFlags::NOFOLLOW, wait),
            }
        }
        let dir = stack.last().map_or(self.fd.as_fd(), AsFd::as_fd);
        open_name(dir, c".", flags | OFlags::NOFOLLOW, wait)
    }

    /// Where a link's target goes on beneath the root, if it is absolute; a relative one as it is.
    fn beneath<'t>(&self, target: &'t [u8]) -> rustix::io::Result<&'t [u8]> {
        if !target.starts_with(b"/") {
            return Ok(target);
        }
        let roots = [Some(&self.path), self.real_path.as_ref()];
        let below = |root: &PathBuf| below(target, root);
        roots
            .into_iter()
            .flatten()
            .find_map(below)
            .ok_or(Errno::XDEV)
    }
}

impl Support {
    fn probe(root: BorrowedFd<'_>) -> Self {
        let works = |resolve| {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            match openat2(
                root,
                c".",
                flags,
                Mode::empty(),
                ResolveFlags::BENEATH | resolve,
            ) {
                Ok(_) | Err(Errno::AGAIN) => true,
                Err(_) => false,
            }
        };
        if works(ResolveFlags::CACHED) {
            Self::Cached
        } else if works(ResolveFlags::empty()) {
            Self::Beneath
        } else {
            Self::Missing
        }
    }
}

const fn resolve_flags(symlinks: Symlinks) -> ResolveFlags {
    let inside = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    match symlinks {
        Symlinks::Inside => inside,
        Symlinks::Follow => ResolveFlags::NO_MAGICLINKS,
        Symlinks::Deny => inside.union(ResolveFlags::NO_SYMLINKS),
    }
}

/// One name of a directory. Without waiting only as [`Root::resolve`] does it, where what is
/// mounted there is no refusal.
fn open_name(
    dir: BorrowedFd<'_>,
    name: &CStr,
    flags: OFlags,
    wait: Wait,
) -> rustix::io::Result<OwnedFd> {
    if wait != Wait::Never {
        return openat(dir, name, flags, Mode::empty());
    }
    let resolve = ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
    match openat2(dir, name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => Err(Errno::AGAIN),
        other => other,
    }
}

/// What is left of an absolute path below a directory: nothing, or what begins with a slash.
fn below<'t>(target: &'t [u8], directory: &Path) -> Option<&'t [u8]> {
    let mut rest = target;
    for part in directory.components() {
        let name = match part {
            Component::RootDir => continue,
            Component::Normal(name) => name.as_bytes(),
            // Names can be compared, but not where `..` leads.
            _ => return None,
        };
        while let Some(shorter) = rest.strip_prefix(b"/") {
            rest = match shorter {
                [b'.', b'/', ..] => &shorter[1..],
                _ => shorter,
            };
        }
        rest = rest.strip_prefix(name)?;
        if !matches!(rest, [] | [b'/', ..]) {
            return None;
        }
    }
    // The root directory itself is a slash.
    Some(rest)
}

/// Puts a path's names on the stack of names still to do, the first one on top.
fn push_names(todo: &mut Vec<CString>, path: &[u8]) -> rustix::io::Result<()> {
    for name in path.split(|&b| b == b'/').rev() {
        todo.push(CString::new(name).map_err(|_| Errno::INVAL)?);
    }
    Ok(())
}

/// How often a resolution that raced with a rename is tried again.
const RACES_MAX: usize = 16;
/// As the kernel's MAXSYMLINKS (path_resolution(7)).
const LINKS_MAX: usize = 40;
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const STEP: OFlags = LOOK.union(OFlags::NOFOLLOW);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_directory_is_found_by_its_names() {
        let check = |target: &str, root: &str, expected: Option<&str>| {
            let found = below(target.as_bytes(), Path::new(root));
            assert_eq!(found, expected.map(str::as_bytes), "{target} below {root}");
        };
        check("/srv/site/a/b", "/srv/site", Some("/a/b"));
        check("/srv/site/a/", "/srv/site", Some("/a/"));
        check("/srv/site/../x", "/srv/site", Some("/../x")); // and there it is refused
        check("/srv/site", "/srv/site", Some(""));
        check("/srv/site/", "/srv/site/", Some("/"));
        check("//srv/./site//a", "/srv/site", Some("//a"));
        check("/a", "/", Some("/a"));
        check("/srv/sites/a", "/srv/site", None);
        check("/srv", "/srv/site", None);
        check("/srv/site2", "/srv/site", None);
        check("/x/srv/site/a", "/srv/site", None);
        check("/srv/x/../site/a", "/srv/site", None);
        check("/srv/site/a", "/srv/x/../site", None);
    }
}
