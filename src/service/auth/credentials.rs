//! What a request says of who it comes from: the field Authorization, by the scheme Basic.
//!
//! *Floor 3.* Pure: knows the field's syntax; does not know who is who.
//!
//! Passwords stay where they came in: what is kept of credentials is a SHA-256 under a random key.
//! Who could read the memory learns nothing from it, and who measures how long comparing takes does
//! not know what was compared.
//!
//! *References:* RFC 7617 (Basic); RFC 9110 §11.4, §11.6.2.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::http::Request;
use crate::service::auth::tries::ClientKey;

/// The longest user and password that are looked at, together.
const BYTES_MAX: usize = 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User and password as they were sent.
#[derive(Clone, Copy)]
pub(super) struct BasicToken<'c>(&'c [u8]);

impl<'c> BasicToken<'c> {
    /// What stands behind `Basic `. `None` for another scheme, and for a field that is there twice:
    /// which of them is meant?
    pub(super) fn of(request: &Request<'c>) -> Option<Self> {
        let mut values = request.field_values("authorization");
        let value = values.next().filter(|_| values.next().is_none())?;
        let (scheme, token) = value.split_at_checked("Basic".len())?;
        let is_basic = scheme.eq_ignore_ascii_case(b"Basic") && token.starts_with(b" ");
        is_basic.then(|| Self(token.trim_ascii()))
    }

    /// User and password, at the first colon (RFC 7617 §2). `None` if there are none.
    pub(super) fn decode(self) -> Option<Credentials> {
        if self.0.len() > BYTES_MAX / 3 * 4 {
            return None;
        }
        let bytes = Zeroizing::new(BASE64.decode(self.0).ok()?);
        let colon = memchr::memchr(b':', &bytes)?;
        Some(Credentials { bytes, colon })
    }
}

/// A user and a password; both gone from memory when dropped.
pub(super) struct Credentials {
    bytes: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    pub(super) fn user(&self) -> &[u8] {
        &self.bytes[..self.colon]
    }

    pub(super) fn password(&self) -> &[u8] {
        &self.bytes[self.colon + 1..]
    }
}

/// What stands for credentials where they are remembered.
pub(super) type Fingerprint = [u8; 32];

/// Makes [`Fingerprint`]s that no other process can make.
pub(super) struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    pub(super) fn random() -> Result<Self, Errno> {
        let mut key = [0; 32];
        random(&mut key)?;
        Ok(Self(key))
    }

    /// Of credentials as this client has sent them: another client has to prove them anew, or it
    /// could try passwords at any speed against those that are remembered.
    pub(super) fn of_token(&self, client: ClientKey, token: BasicToken<'_>) -> Fingerprint {
        let hash = Sha256::new_with_prefix(self.0).chain_update(client.as_bytes());
        hash.chain_update(token.0).finalize().into()
    }

    /// Of a user and a password, from any client.
    pub(super) fn of_pair(&self, user: &[u8], password: &[u8]) -> Fingerprint {
        let hash = Sha256::new_with_prefix(self.0).chain_update(b"pair");
        let hash = hash.chain_update(user).chain_update(b":");
        hash.chain_update(password).finalize().into()
    }
}

/// Fills `bytes` with what cannot be foreseen (getrandom(2)).
pub(super) fn random(mut bytes: &mut [u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(n) => bytes = bytes.get_mut(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_user_and_one_password() {
        let check = |fields: &str, expected: Option<(&str, &str)>| {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            let request = Request::parse(head.as_bytes()).unwrap();
            let got = BasicToken::of(&request).and_then(BasicToken::decode);
            let got = got.as_ref().map(|got| (got.user(), got.password()));
            let expected = expected.map(|(user, word)| (user.as_bytes(), word.as_bytes()));
            assert_eq!(got, expected, "{fields}");
        };
        check(
            "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            Some(("Aladdin", "open sesame")),
        );
        check(
            "authorization: bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            Some(("Aladdin", "open sesame")),
        );
        // RFC 7617 §2.1: UTF-8; §2: the first colon divides.
        check(
            "Authorization: Basic dGVzdDoxMjPCow==",
            Some(("test", "123£")),
        );
        check("Authorization: Basic YTpiOmM=", Some(("a", "b:c")));
        check("Authorization: Basic Og==", Some(("", "")));
        for wrong in [
            "X: y",
            "Authorization: Basic",
            "Authorization: Basic ",
            "Authorization: BasicYTpi",
            "Authorization: Basic YWI=", // no colon
            "Authorization: Basic YT:i",
            "Authorization: Bearer YTpi",
            "Authorization: Basic YTpi, Basic YTpi",
            "Authorization: Basic YTpi\r\nAuthorization: Basic YTpi",
        ] {
            check(wrong, None);
        }
        let long = BASE64.encode("a:".to_owned() + &"x".repeat(BYTES_MAX));
        check(&format!("Authorization: Basic {long}"), None);
    }

    #[test]
    fn fingerprints_differ_by_key_client_and_credentials() {
        let (one, other) = (
            FingerprintKey::random().unwrap(),
            FingerprintKey::random().unwrap(),
        );
        let client = |ip: &str| ClientKey::of(Some(ip.parse().unwrap()));
        let (a, b) = (client("192.0.2.1"), client("192.0.2.2"));
        let print = one.of_token(a, BasicToken(b"YTpi"));
        assert_eq!(print, one.of_token(a, BasicToken(b"YTpi")));
        assert_ne!(print, one.of_token(b, BasicToken(b"YTpi")));
        assert_ne!(print, one.of_token(a, BasicToken(b"YTpj")));
        assert_ne!(print, other.of_token(a, BasicToken(b"YTpi")));
        assert_ne!(one.of_pair(b"a", b"b"), one.of_pair(b"a", b"c"));
    }
}
