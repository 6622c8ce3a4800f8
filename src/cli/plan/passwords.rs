//! What of the options is about passwords: who has one, and what needs one.
//!
//! Nothing that is said here holds a word of a password, or a line of a file with hashes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use httpoll::service::{FilesConfig, Passwords, ProtectedPaths, Users};

use crate::cli::options::PasswordOptions;
use crate::cli::{Exit, startup};

/// Passwords are asked for.
#[derive(Debug)]
pub(crate) struct PasswordPlan {
    pub(crate) passwords: Passwords,
    /// Whether some of what is served needs none.
    pub(crate) partly: bool,
    /// What is said at the start.
    pub(crate) note: Option<String>,
}

impl PasswordOptions {
    /// What needs a password; to be known before anything is made of the files.
    pub(super) fn protected(&self, files: &FilesConfig) -> Result<ProtectedPaths, String> {
        if self.auth.is_empty() && self.auth_file.is_none() {
            return match self.auth_for.is_empty() {
                true => Ok(ProtectedPaths::None),
                false => Err("--auth-for needs users: --auth USER:PASSWORD or --auth-file".into()),
            };
        }
        if self.auth_for.is_empty() {
            return Ok(ProtectedPaths::All);
        }
        if files.single_file {
            return Err("--auth-for has nothing to choose from: one file is served".into());
        }
        let paths = ProtectedPaths::Some(self.auth_for.clone());
        if files
            .spa
            .as_deref()
            .is_some_and(|page| paths.covers_page(page))
        {
            return Err(
                "the page of --spa answers everywhere, so --auth-for cannot name it: leave \
                 --auth-for out, and all needs the password"
                    .into(),
            );
        }
        Ok(paths)
    }

    /// The users, read. `files` says what needs a password by now.
    pub(super) fn plan(self, files: &FilesConfig) -> Result<Option<PasswordPlan>, Exit> {
        if files.protected == ProtectedPaths::None {
            return Ok(None);
        }
        let (mut users, mut note) = (Users::default(), None);
        for word in &self.auth {
            let wrong = |advice| Exit::Usage(format!("--auth: {advice}"));
            users.add(&word.0).map_err(wrong)?;
        }
        if let Some(path) = &self.auth_file {
            note = add_file(&mut users, path, files).map_err(Exit::Start)?;
        }
        if users.is_empty() {
            return Err(Exit::Start("nobody is in the file of --auth-file".into()));
        }
        let passwords = Passwords::new(users, files);
        let passwords =
            passwords.map_err(|error| Exit::Start(format!("no random key: {error}")))?;
        Ok(Some(PasswordPlan {
            passwords,
            partly: files.protected != ProtectedPaths::All,
            note,
        }))
    }
}

/// Reads a file of users; what is to be said of it.
fn add_file(users: &mut Users, path: &Path, files: &FilesConfig) -> Result<Option<String>, String> {
    let shown = startup::printable(path);
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| {
        format!("--auth-file {shown}: {error}; name a file with lines of user:hash (httpoll --hash-password makes a hash)")
    })?;
    if would_be_served(path, files) {
        return Err(format!(
            "--auth-file {shown} lies in what is served, hashes and all: move it elsewhere"
        ));
    }
    let wrong = |advice| format!("--auth-file {shown}, {advice}");
    users.add_file(&text).map_err(wrong)?;
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
    Ok((mode & 0o004 != 0).then(|| {
        format!("Others on this machine can read {shown}: chmod o-r keeps the hashes from them.")
    }))
}

fn would_be_served(path: &Path, files: &FilesConfig) -> bool {
    let (Ok(path), Ok(root)) = (path.canonicalize(), files.root.canonicalize()) else {
        return false;
    };
    let Ok(below) = path.strip_prefix(&root) else {
        return false;
    };
    let names = below
        .components()
        .map(|name| name.as_os_str().to_string_lossy());
    let mut names = names.filter(|name| name.starts_with('.') && name != ".well-known");
    files.hidden || names.next().is_none()
}
