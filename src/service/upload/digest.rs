//! Digests of content: what a client says it sends, and what lies on the disk.
//!
//! *Floor 3.* Pure. sha-256 only: what else a client sends beside it is left alone, as a recipient
//! may (RFC 9530 §2).
//!
//! *References:* RFC 9530 (Content-Digest, Repr-Digest), RFC 8941 §3.2, §3.3.5 (dictionaries, byte
//! sequences).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::Request;

/// The digests that the content must have.
#[derive(Default)]
pub(super) struct Expected(Vec<[u8; 32]>);

impl Expected {
    /// Those in these fields of a request; why they cannot be read.
    pub(super) fn of(request: &Request<'_>, fields: &[&str]) -> Result<Self, &'static str> {
        let mut digests = Vec::new();
        for name in fields {
            for value in request.field_values(name) {
                digests.extend(parse(value)?);
            }
        }
        Ok(Self(digests))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is(&self, digest: &[u8; 32]) -> bool {
        self.0.iter().all(|expected| expected == digest)
    }
}

/// `sha-256=:BASE64:`, as a field says it.
pub(super) fn field_value(digest: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest))
}

/// The sha-256 members of a dictionary.
fn parse(value: &[u8]) -> Result<Vec<[u8; 32]>, &'static str> {
    const BAD: &str = "The digest is not sha-256=:BASE64: (RFC 9530).";
    let mut digests = Vec::new();
    for member in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        let Some(encoded) = member.strip_prefix(b"sha-256=") else {
            continue;
        };
        // Parameters may follow (RFC 8941 §3.1.2).
        let item = encoded.split(|byte| *byte == b';').next();
        let encoded = item.unwrap_or_default().trim_ascii_end();
        let encoded = encoded
            .strip_prefix(b":")
            .and_then(|rest| rest.strip_suffix(b":"));
        let digest = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        digests.push(
            digest
                .and_then(|digest| digest.try_into().ok())
                .ok_or(BAD)?,
        );
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = [7; 32];
        let value = field_value(&digest);
        assert_eq!(parse(value.as_bytes()), Ok(vec![digest]));
        let several = format!("md5=:AAAA:, {value};a=b ,unixsum=1");
        assert_eq!(parse(several.as_bytes()), Ok(vec![digest]));
        for bad in ["sha-256=AAAA", "sha-256=:AAAA:", "sha-256=:!:", "sha-256=:"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(b"sha-512=:AAAA:"), Ok(vec![]));
    }
}
