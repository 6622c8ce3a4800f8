//! Who the server is: from root to a user without rights.
//!
//! Names are looked up in `/etc/passwd` and `/etc/group` by reading them: getpwnam(3) may load
//! libraries and talk to other machines, and in a static binary it reads the same two files.
//! Users from elsewhere (LDAP) are named by number.
//!
//! *References:* credentials(7), setgroups(2), setresuid(2), passwd(5), group(5).

use std::fs;
use std::io;
use std::str::FromStr;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid, set_thread_uid};

use crate::kernel::StartError;

/// The identity to become: a user's number and a group's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Looks up `NAME` or `NAME:GROUP`, either of which may be a number.
    ///
    /// # Errors
    /// A name that is not there, and root itself.
    pub fn find(words: &str) -> Result<Self, StartError> {
        let read = |path: &str| {
            fs::read_to_string(path).map_err(|error| {
                StartError::new(
                    format!("--user {words}: cannot read {path}: {error}"),
                    "name user and group by number, as in --user 65534:65534",
                )
            })
        };
        // Numbers alone need no files: a container made from scratch has none.
        match numbers(words) {
            Some(user) => user.checked(words),
            None => Self::lookup(words, &read("/etc/passwd")?, &read("/etc/group")?),
        }
    }

    fn lookup(words: &str, passwd: &str, group: &str) -> Result<Self, StartError> {
        let missing = |what: &str, name: &str| {
            let message = format!("--user {words}: there is no {what} {name}");
            StartError::new(message, "see /etc/passwd and /etc/group for who is")
        };
        let (name, group_name) = match words.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (words, None),
        };
        let entry = entry(passwd, name, 2);
        let uid = entry.and_then(|entry| number(entry, 2));
        let uid = uid.or_else(|| name.parse().ok());
        let uid = uid.ok_or_else(|| missing("user", name))?;
        let gid = match group_name {
            None => {
                let own = entry.and_then(|entry| number(entry, 3));
                own.ok_or_else(|| missing("user", name))?
            }
            Some(name) => {
                let found = self::entry(group, name, 2).and_then(|entry| number(entry, 2));
                let found = found.or_else(|| name.parse().ok());
                found.ok_or_else(|| missing("group", name))?
            }
        };
        Self { uid, gid }.checked(words)
    }

    fn checked(self, words: &str) -> Result<Self, StartError> {
        if self.uid == 0 || self.gid == 0 {
            return Err(StartError::new(
                format!("--user {words} is root, whose rights are to be dropped"),
                "name another one, as in --user www-data",
            ));
        }
        Ok(self)
    }

    /// Becomes that user: the supplementary groups go first, the user last, because each step
    /// needs rights that the next one gives up.
    ///
    /// PITFALL: acts on the calling thread only, see the module above.
    ///
    /// # Errors
    /// If we are not root, or a step failed; then the process must not go on.
    pub fn become_it(self) -> Result<(), StartError> {
        if !geteuid().is_root() {
            return Err(StartError::new(
                "--user needs root, whose rights it drops",
                "leave it out: there is nothing to drop",
            ));
        }
        self.drop_rights().map_err(|error| {
            StartError::new(
                format!("--user: cannot become {}:{}: {error}", self.uid, self.gid),
                "CAP_SETUID and CAP_SETGID are needed for that",
            )
        })
    }

    fn drop_rights(self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        // A step that succeeded without doing anything would be the worst that can happen here.
        if set_thread_uid(Uid::ROOT).is_ok() || geteuid() != uid {
            return Err(io::Error::other("the rights of root are still there"));
        }
        Ok(())
    }
}

/// `UID:GID`, both as numbers.
fn numbers(words: &str) -> Option<User> {
    let (uid, gid) = words.split_once(':')?;
    Some(User {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// The line of `name` in a file of colon-separated fields, or the one whose field `at` is that
/// number.
fn entry<'a>(file: &'a str, name: &str, at: usize) -> Option<&'a str> {
    let field = |line: &'a str, at: usize| line.split(':').nth(at);
    let by_name = file.lines().find(|line| field(line, 0) == Some(name));
    by_name.or_else(|| {
        name.parse::<u32>().ok()?;
        file.lines().find(|line| field(line, at) == Some(name))
    })
}

fn number<T: FromStr>(line: &str, at: usize) -> Option<T> {
    line.split(':').nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
                          odd:x:nobody:33::/:\n";
    const GROUP: &str = "root:x:0:\nwww-data:x:33:\nssl-cert:x:109:www-data\n";

    #[test]
    fn a_user_is_found_by_name_or_number() {
        let check = |words: &str, expected: Result<(u32, u32), &str>| {
            let found = User::lookup(words, PASSWD, GROUP);
            match (found, expected) {
                (Ok(user), Ok((uid, gid))) => assert_eq!(user, User { uid, gid }, "{words}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{words}: {error}");
                }
                other => panic!("{words}: {other:?}"),
            }
        };
        check("www-data", Ok((33, 33)));
        check("www-data:ssl-cert", Ok((33, 109)));
        check("33", Ok((33, 33)));
        check("33:109", Ok((33, 109)));
        check("1234:ssl-cert", Ok((1234, 109)));
        check("1234", Err("there is no user 1234"));
        check("www", Err("there is no user www;"));
        check("odd", Err("there is no user odd"));
        check("www-data:nobody", Err("there is no group nobody"));
        check("root", Err("is root"));
        check("www-data:root", Err("is root"));
        check("", Err("there is no user"));
    }

    #[test]
    fn numbers_need_no_files() {
        let user = User::find("65534:65533").unwrap();
        assert_eq!((user.uid, user.gid), (65534, 65533));
        assert!(User::find("0:0").is_err());
    }
}
