//! What the server can reach: Landlock.
//!
//! Everything is forbidden that Landlock has a word for, then the few paths are let through again
//! that the configuration needs: beneath the root, files may be read and directories listed. No
//! path may be executed, written or made. TCP sockets may be neither bound nor connected (the
//! listeners are bound already, and accepting needs no right), signals reach no other process, and
//! abstract Unix sockets cannot be talked to.
//!
//! The rules are older or younger than the kernel, so the request is made for the newest one known
//! here and the kernel takes what it has: files since 5.13, TCP since 6.7, signals since 6.12.
//!
//! *References:* landlock(7).

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::Confined;
use crate::config::{FilesConfig, ListenAddr, Symlinks};
use crate::kernel::StartError;

/// The newest Landlock whose rights were read and decided about. A later one is asked for when
/// it is known what that would forbid.
const KNOWN: ABI = ABI::V6;

/// The paths that a configuration needs once it runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// Beneath these, files are read and directories listed.
    read: Vec<PathBuf>,
    /// In these directories a name is removed at the end: that of a Unix socket.
    remove: Vec<PathBuf>,
    /// Beneath these, files and directories are made, and may take the place of others.
    write: Vec<PathBuf>,
    /// In these directories a log is opened again: beneath them, files are made and written.
    append: Vec<PathBuf>,
    /// What is served, where the process can read more than that, and why it can.
    widened: Option<(&'static str, &'static str)>,
}

impl Needs {
    /// The needs of a server at `listen` that serves `files`.
    ///
    /// # Errors
    /// If the current directory, to which a relative path leads, is gone.
    pub fn of(listen: &[ListenAddr], files: Option<&FilesConfig>) -> io::Result<Self> {
        let mut needs = files.map_or_else(|| Ok(Self::default()), Self::of_files)?;
        for address in listen {
            if let ListenAddr::Unix(path) = address {
                needs.remove.push(parent(&std::path::absolute(path)?));
            }
        }
        Ok(needs)
    }

    /// A rule is a rule about an inode. So what may be replaced while it is served is reached
    /// through the directory in which that happens.
    fn of_files(files: &FilesConfig) -> io::Result<Self> {
        let root = std::path::absolute(&files.root)?;
        // What cannot be resolved cannot be opened either, and is reported where it is tried.
        let actual = root.canonicalize().unwrap_or_else(|_| root.clone());
        let (read, widened) = if files.symlinks == Symlinks::Follow {
            let why = (
                "DIR is served and what links in it lead to",
                "they may lead anywhere",
            );
            (vec!["/".into()], Some(why))
        } else if files.single_file {
            let why = ("Only the file is served", "it may be replaced there");
            (vec![parent(&root), parent(&actual)], Some(why))
        } else if files.follow_root {
            let why = (
                "Only what the link leads to is served",
                "it may be switched there",
            );
            (vec![parent(&root), parent(&actual)], Some(why))
        } else {
            (vec![root], None)
        };
        let mut needs = Self {
            read,
            widened,
            ..Self::default()
        };
        needs.read.dedup();
        if let Some(uploads) = &files.uploads {
            needs
                .write
                .push(std::path::absolute(files.root.join(&uploads.directory))?);
        }
        Ok(needs)
    }

    /// One line for the start-up text if the sandbox is wider than what is served. What is served
    /// does not change by it.
    pub fn widened(&self) -> Option<String> {
        let (served, why) = self.widened?;
        let paths: Vec<_> = self
            .read
            .iter()
            .map(|path| path.to_string_lossy())
            .collect();
        let paths = paths.join(" and ");
        Some(format!(
            "{served}; the process can read all of {paths} ({why})."
        ))
    }

    /// The same, with a log in a file that is opened again after it was moved. A link to it may have
    /// been switched until then.
    ///
    /// # Errors
    /// If the current directory is gone.
    pub fn with_log(mut self, file: &Path) -> io::Result<Self> {
        let file = std::path::absolute(file)?;
        let actual = file.canonicalize().unwrap_or_else(|_| file.clone());
        // What is no file, such as /dev/null, is not moved.
        if actual.is_file() {
            self.append = vec![parent(&file), parent(&actual)];
            self.append.dedup();
        }
        Ok(self)
    }

    pub(super) fn appends_lines(&self) -> bool {
        !self.append.is_empty()
    }

    pub(super) fn removes_names(&self) -> bool {
        !self.remove.is_empty()
    }

    pub(super) fn writes_files(&self) -> bool {
        !self.write.is_empty()
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Restricts the calling thread. With `required`, a kernel that knows no Landlock is an error.
pub(super) fn restrict(needs: &Needs, required: bool) -> Result<Confined, StartError> {
    let unsupported = |error: &RulesetError| {
        StartError::new(
            format!("--sandbox strict needs Landlock, and this kernel refuses it ({error})"),
            "use --sandbox auto, or a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock",
        )
    };
    let rules = match rules(required) {
        Ok(rules) => rules,
        Err(error) if required => return Err(unsupported(&error)),
        // A container's filter answers EPERM: the same as a kernel without it.
        Err(_) => return Ok(Confined::Unsupported),
    };
    let rules = allow(rules, &needs.read, AccessFs::ReadFile | AccessFs::ReadDir)?;
    let rules = allow(rules, &needs.remove, AccessFs::RemoveFile.into())?;
    let rules = allow(rules, &needs.write, writing())?;
    let appending = AccessFs::WriteFile | AccessFs::MakeReg;
    let rules = allow(rules, &needs.append, appending)?;
    match rules.restrict_self() {
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => Ok(Confined::Yes),
        Err(error) if required => Err(unsupported(&error)),
        _ => Ok(Confined::Unsupported),
    }
}

/// What an upload does: a file is made, gets a name, and takes the place of another; directories on
/// its way are made, and removed if it fails.
fn writing() -> BitFlags<AccessFs> {
    let files = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let directories = AccessFs::MakeDir | AccessFs::RemoveDir;
    files | directories | AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Refer
}

/// Everything forbidden.
fn rules(required: bool) -> Result<RulesetCreated, RulesetError> {
    let files = if required {
        CompatLevel::HardRequirement
    } else {
        CompatLevel::BestEffort
    };
    Ruleset::default()
        .set_compatibility(files)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()
}

fn allow(
    mut rules: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, StartError> {
    for path in paths {
        let failed = |error: &dyn std::fmt::Display| {
            StartError::new(
                format!("cannot confine the server to {}: {error}", path.display()),
                "try --sandbox off, which leaves everything readable",
            )
        };
        let opened = PathFd::new(path).map_err(|error| failed(&error))?;
        let rule = PathBeneath::new(opened, access);
        rules = rules.add_rule(rule).map_err(|error| failed(&error))?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(configure: impl FnOnce(&mut FilesConfig)) -> FilesConfig {
        let mut config = FilesConfig {
            root: "/srv/www".into(),
            ..FilesConfig::default()
        };
        configure(&mut config);
        config
    }

    #[test]
    fn a_configuration_needs_what_it_names() {
        let check = |files: Option<FilesConfig>, read: &[&str], line: Option<&str>| {
            let needs = Needs::of(&[], files.as_ref()).unwrap();
            assert_eq!(
                needs.read,
                read.iter().map(PathBuf::from).collect::<Vec<_>>()
            );
            assert_eq!(needs.widened().as_deref(), line);
            assert!(!needs.removes_names());
        };
        check(None, &[], None);
        check(Some(files(|_| {})), &["/srv/www"], None);
        check(
            Some(files(|files| files.symlinks = Symlinks::Deny)),
            &["/srv/www"],
            None,
        );
        check(
            Some(files(|files| files.symlinks = Symlinks::Follow)),
            &["/"],
            Some(
                "DIR is served and what links in it lead to; the process can read all of / (they may lead anywhere).",
            ),
        );
        check(
            Some(files(|files| files.follow_root = true)),
            &["/srv"],
            Some(
                "Only what the link leads to is served; the process can read all of /srv (it may be switched there).",
            ),
        );
        check(
            Some(files(|files| files.single_file = true)),
            &["/srv"],
            Some(
                "Only the file is served; the process can read all of /srv (it may be replaced there).",
            ),
        );
    }

    #[test]
    fn a_link_to_the_root_is_followed_before_it_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("releases/1");
        std::fs::create_dir_all(&real).unwrap();
        let link = dir.path().join("current");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let config = files(|files| {
            files.root = link;
            files.follow_root = true;
        });
        let needs = Needs::of(&[], Some(&config)).unwrap();
        let dir = dir.path().canonicalize().unwrap();
        assert_eq!(needs.read, [dir.clone(), dir.join("releases")]);
    }

    #[test]
    fn a_log_is_opened_again_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("logs")).unwrap();
        std::fs::write(dir.join("logs/a"), "").unwrap();
        std::os::unix::fs::symlink(dir.join("logs/a"), dir.join("link")).unwrap();
        let check = |file: &Path, expected: &[PathBuf]| {
            let needs = Needs::default().with_log(file).unwrap();
            assert_eq!(needs.append, expected, "{file:?}");
        };
        check(&dir.join("logs/a"), &[dir.join("logs")]);
        check(&dir.join("link"), &[dir.clone(), dir.join("logs")]);
        check(Path::new("/dev/null"), &[]);
    }

    #[test]
    fn a_unix_socket_is_removed_in_the_end() {
        let listen = [ListenAddr::Unix("/run/web/http.sock".into())];
        let needs = Needs::of(&listen, None).unwrap();
        assert_eq!(needs.remove, [PathBuf::from("/run/web")]);
        assert!(needs.removes_names());
    }
}
