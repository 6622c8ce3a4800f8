//! Who may come in: users, each with a password or a hash of one.
//!
//! *Floor 3.* Knows the file of users and how a password is compared; does not know requests.
//!
//! A hash is Argon2 with its parameters, as a PHC string: `$argon2id$v=19$m=19456,t=2,p=1$…`. It is
//! made to be dear, 19 MiB and some 20 ms, so that a thief of the file has to guess
//! slowly. A password that was typed as an option has no such file to be stolen: it is compared as
//! a fingerprint, which is cheap.
//!
//! *References:* RFC 9106 (Argon2); OWASP Password Storage Cheat Sheet; the PHC string format.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier, Version};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::service::auth::credentials::{Credentials, FingerprintKey, random};

/// The dearest hash that is taken: others would let one try cost the server seconds.
const HASH_KIB_MAX: u32 = 64 * 1024;
const HASH_PASSES_MAX: u32 = 10;
const HASH_LANES_MAX: u32 = 16;

/// The users of a server.
#[derive(Clone, Default)]
pub struct Users {
    typed: Vec<(String, Zeroizing<String>)>,
    hashed: Vec<(String, PasswordHash)>,
}

/// How many there are, and nothing else: it is part of what may be printed.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.typed.len() + self.hashed.len())
    }
}

impl Users {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.typed.is_empty() && self.hashed.is_empty()
    }

    /// Adds `USER:PASSWORD`.
    ///
    /// # Errors
    /// One sentence of advice, without the word itself.
    pub fn add(&mut self, word: &str) -> Result<(), String> {
        let (user, password) = word.split_once(':').ok_or("give it as USER:PASSWORD")?;
        self.check_name(user)?;
        if password.is_empty() {
            return Err("the password behind the colon is empty".into());
        }
        // RFC 7617 §2: neither holds any.
        if password.chars().any(char::is_control) {
            return Err("a password holds no control characters".into());
        }
        self.typed
            .push((user.into(), Zeroizing::new(password.into())));
        Ok(())
    }

    /// Adds those of a file: lines of `user:hash`, empty ones, and comments behind `#`.
    ///
    /// # Errors
    /// One sentence with the number of the line and what is wrong with it, without its text.
    pub fn add_file(&mut self, text: &str) -> Result<(), String> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !(line.is_empty() || line.starts_with('#')) {
                let wrong = |why| format!("line {}: {why}", at + 1);
                self.add_line(line).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        let (user, hash) = line.split_once(':').ok_or("give it as user:hash")?;
        self.check_name(user)?;
        let hash = PasswordHash::new(hash.trim()).ok().filter(is_argon2);
        let hash = hash.ok_or("no Argon2 hash: httpoll --hash-password makes one")?;
        let number = |name: &str| hash.params.get_decimal(name).unwrap_or(u32::MAX);
        let (kib, passes, lanes) = (number("m"), number("t"), number("p"));
        if kib > HASH_KIB_MAX || passes > HASH_PASSES_MAX || lanes > HASH_LANES_MAX {
            return Err(format!(
                "a hash that costs too much for each try: at most m={HASH_KIB_MAX}, \
                 t={HASH_PASSES_MAX}, p={HASH_LANES_MAX}"
            ));
        }
        // Parameters that no hash can have are found out now and not by the first client.
        match Argon2::default().verify_password(b"", &hash) {
            Ok(()) => return Err("a hash of an empty password".into()),
            Err(argon2::password_hash::Error::PasswordInvalid) => {}
            Err(error) => return Err(format!("this hash cannot be checked: {error}")),
        }
        self.hashed.push((user.into(), hash));
        Ok(())
    }

    fn check_name(&self, user: &str) -> Result<(), String> {
        if user.is_empty() {
            return Err("the user in front of the colon is empty".into());
        }
        if user.chars().any(char::is_control) {
            return Err("a user's name holds no control characters".into());
        }
        let names = self.typed.iter().map(|(name, _)| name);
        let mut names = names.chain(self.hashed.iter().map(|(name, _)| name));
        match names.any(|name| name == user) {
            true => Err("this user was named before".into()),
            false => Ok(()),
        }
    }

    /// Whether some can be judged by a hash only, which takes its time.
    pub(super) fn has_hashes(&self) -> bool {
        !self.hashed.is_empty()
    }

    /// Whether the credentials are those of a user whose password was typed. It takes as long for
    /// any.
    pub(super) fn is_typed(&self, given: &Credentials, key: &FingerprintKey) -> bool {
        let print = key.of_pair(given.user(), given.password());
        let same = |(user, password): &(String, Zeroizing<String>)| {
            print.ct_eq(&key.of_pair(user.as_bytes(), password.as_bytes()))
        };
        let any = self.typed.iter().map(same);
        any.fold(Choice::from(0), |any, same| any | same).into()
    }

    /// The same for a user whose hash is known. For a name that no user has it takes as long, so that
    /// no clock tells who is a user.
    pub(super) fn is_hashed(&self, given: &Credentials, memory: &mut HashMemory) -> bool {
        let of_user = |(user, _): &&(String, PasswordHash)| user.as_bytes() == given.user();
        let known = self.hashed.iter().find(of_user);
        let dearest = || self.hashed.iter().max_by_key(|(_, hash)| cost(hash));
        let Some((_, hash)) = known.or_else(dearest) else {
            return false;
        };
        let is_right = memory.verify(given.password(), hash).unwrap_or(false);
        is_right && known.is_some()
    }
}

/// What hashes are computed in, kept from one to the next: 19 MiB as a rule, as large as the dearest
/// has wanted.
///
/// PITFALL: a thread's own would be given back to that thread's part of the heap, and stay there, in
/// each thread that has ever computed one (`hashes_leave_no_memory_behind`).
#[derive(Default)]
pub(super) struct HashMemory(Vec<Block>);

impl HashMemory {
    /// Whether `hash` is one of `password`. `None` if it is none at all.
    fn verify(&mut self, password: &[u8], hash: &PasswordHash) -> Option<bool> {
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map(Version::try_from).transpose().ok()?;
        let params = Params::try_from(hash).ok()?;
        let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
        if self.0.len() < params.block_count() {
            self.0.resize(params.block_count(), Block::default());
        }
        let argon = Argon2::new(algorithm, version.unwrap_or_default(), params);
        let mut made = Zeroizing::new(vec![0; expected.len()]);
        (argon.hash_password_into_with_memory(password, salt, &mut made, &mut self.0[..])).ok()?;
        Some(made.ct_eq(expected.as_bytes()).into())
    }
}

fn is_argon2(hash: &PasswordHash) -> bool {
    hash.algorithm.as_str().starts_with("argon2") && hash.salt.is_some() && hash.hash.is_some()
}

fn cost(hash: &PasswordHash) -> u64 {
    let number = |name: &str| u64::from(hash.params.get_decimal(name).unwrap_or(0));
    number("m") * number("t")
}

/// The hash of a password, as it stands in a file of users: Argon2id, 19 MiB, two passes.
///
/// # Errors
/// One sentence.
pub fn hash_password(password: &str) -> Result<String, String> {
    if password.is_empty() {
        return Err("the password is empty".into());
    }
    if password.chars().any(char::is_control) {
        return Err("a password holds no control characters".into());
    }
    let mut salt = [0; 16];
    random(&mut salt).map_err(|error| format!("no random salt: {error}"))?;
    let hash: Result<PasswordHash, _> =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| format!("no hash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `secret`, as cheap as a hash can be.
    const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$";

    fn cheap() -> String {
        use argon2::{Algorithm, Params, Version};
        let params = Params::new(8, 1, 1, None).unwrap();
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash: PasswordHash = argon
            .hash_password_with_salt(b"secret", b"somesalt")
            .unwrap();
        let text = hash.to_string();
        assert!(text.starts_with(CHEAP), "{text}");
        text
    }

    fn given(user: &str, password: &str) -> Credentials {
        use base64::Engine;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {token}\r\n\r\n");
        let request = crate::http::Request::parse(head.as_bytes()).unwrap();
        let token = crate::service::auth::credentials::BasicToken::of(&request).unwrap();
        token.decode().unwrap()
    }

    #[test]
    fn a_file_is_users_and_hashes() {
        let mut users = Users::default();
        let file = format!("# who\n\n alice:{}\r\nbob: {}\n", cheap(), cheap());
        users.add_file(&file).unwrap();
        assert!(users.has_hashes() && !users.is_empty());
        assert_eq!(format!("{users:?}"), "Users(2)");
        let check = |user: &str, password: &str, expected: bool| {
            assert_eq!(
                users.is_hashed(&given(user, password), &mut HashMemory::default()),
                expected,
                "{user} {password}"
            );
        };
        check("alice", "secret", true);
        check("bob", "secret", true);
        check("bob", "Secret", false);
        check("bob", "", false);
        check("carol", "secret", false);
        check("", "secret", false);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_by_line_and_without_its_text() {
        let check = |text: String, advice: &str| {
            let error = Users::default().add_file(&text).unwrap_err();
            assert!(error.contains(advice), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        };
        let hash = cheap();
        check("alice".into(), "line 1: give it as user:hash");
        check("\n# x\nalice:hunter2".into(), "line 3: no Argon2 hash");
        check("a:$2y$05$hunter2".into(), "httpoll --hash-password");
        check(
            "a:$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ".into(),
            "no Argon2 hash",
        );
        check(
            format!(":{hash}"),
            "line 1: the user in front of the colon is empty",
        );
        check(
            format!("a:{hash}\na:{hash}"),
            "line 2: this user was named before",
        );
        check(
            format!("a:{}", hash.replace("m=8", "m=1048576")),
            "costs too much",
        );
        check(
            format!("a:{}", hash.replace("t=1", "t=99")),
            "costs too much",
        );
        check(
            format!("a:{}", hash.replace("m=8", "m=1")),
            "cannot be checked",
        );
    }

    #[test]
    fn typed_users_are_compared_at_once() {
        let mut users = Users::default();
        users.add("alice:a:b").unwrap();
        users.add("bob:c").unwrap();
        let key = FingerprintKey::random().unwrap();
        let check = |user: &str, password: &str, expected: bool| {
            assert_eq!(
                users.is_typed(&given(user, password), &key),
                expected,
                "{user} {password}"
            );
        };
        check("alice", "a:b", true);
        check("alice", "a", false);
        check("bob", "c", true);
        check("bob", "a:b", false);
        check("", "", false);
        assert!(!users.has_hashes());
        for wrong in ["alice:x", "carol", ":x", "carol:", "a\u{7}:b", "a:b\u{7}"] {
            assert!(users.add(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_hash_is_what_the_recommendations_say() {
        let hash = hash_password("secret").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(
            hash,
            hash_password("secret").unwrap(),
            "each has a salt of its own"
        );
        let mut users = Users::default();
        users.add_file(&format!("a:{hash}")).unwrap();
        let mut memory = HashMemory::default();
        assert!(users.is_hashed(&given("a", "secret"), &mut memory));
        assert!(!users.is_hashed(&given("a", "Secret"), &mut memory));
        assert!(users.is_hashed(&given("a", "secret"), &mut memory));
        assert!(hash_password("").is_err() && hash_password("a\nb").is_err());
    }
}
