//! `--compress`: an encoding of a file that has no encoded sibling, made when it is first asked for.
//!
//! *Floor 3.* Knows which files are worth it and how they are compressed; does not know who asks.
//!
//! The idea: **what is made is one more sibling.** It belongs to one version of its file, is made by
//! the job that loads that, kept with it in the cache and dropped with it, so it is as fresh as the
//! file, has a tag of its own, and costs the next client what any cached file costs. Of a thousand
//! clients that ask first, one has it made.
//!
//! gzip alone, because it is there already and every client takes it. zstd and brotli would save a part of
//! what it leaves, for which files can be encoded beforehand, better than in passing: such a sibling
//! is sent instead, and then nothing is made.
//!
//! Not worth it: types that do not shrink; less than 1 KiB, which is a packet anyway; more than 8 MiB,
//! or an eighth of the cache, which would push out what many ask for; a file that was changed a moment
//! ago, because it may change again, as a log does. Not wanted: a file that a user's rule calls encoded
//! (Content-Encoding), or not to be touched (Cache-Control: no-transform).
//!
//! *References:* RFC 1952; RFC 9110 §8.8.3.3 (tags of encodings); RFC 9111 §5.2.2.6.

use std::ffi::CStr;
use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::service::mime;
use crate::service::opening::Resolver;
use crate::service::opening::load::Loaded;
use crate::service::opening::open::{Refusal, Wait};

/// Less is a packet anyway.
const BYTES_MIN: u64 = 1024;
/// More is sent as it is.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What takes longer than a few milliseconds is done where nothing short waits behind it.
const SHORT_BYTES_MAX: u64 = 256 * 1024;
/// How long a file must have been left alone.
const REST: Duration = Duration::from_secs(1);

/// What came of a look at a file that could be compressed.
pub(super) enum Compressed {
    /// It is not worth it.
    Not,
    /// It may be, from this moment on.
    Later(SystemTime),
    Made(Loaded),
}

impl Resolver<'_> {
    /// The gzip encoding of a file that was loaded, if that is wanted and worth it.
    pub(super) fn compressed(
        &self,
        path: &CStr,
        plain: &Loaded,
        content_type: &str,
    ) -> Result<Compressed, Refusal> {
        let size = plain.content.len();
        let window = BYTES_MIN..=self.policy.compress_bytes_max;
        let wanted = self.takes_encodings && window.contains(&size) && plain.whole;
        if !(wanted && mime::is_compressible(content_type)) {
            return Ok(Compressed::Not);
        }
        let path = path.to_bytes();
        if self.policy.is_encoded(path) || self.policy.forbids_transforms(path) {
            return Ok(Compressed::Not);
        }
        match plain.identity.rests_from(REST) {
            None => return Ok(Compressed::Not),
            Some(from) if from > self.now.wall => return Ok(Compressed::Later(from)),
            Some(_) => {}
        }
        if let Some(known) = self.turn.and_then(|turn| turn.encoded(&plain.identity)) {
            return Ok(known.map_or(Compressed::Not, Compressed::Made));
        }
        match self.patience.wait {
            Wait::Never => return Err(Refusal::WouldBlock),
            Wait::Briefly if size > SHORT_BYTES_MAX => return Err(Refusal::WouldBlock),
            _ => {}
        }
        let made = match plain.content.read_all(&plain.identity)? {
            Some(bytes) => gzip(&bytes).map(|encoded| plain.encoded_as(encoded.into())),
            // It is another one by now.
            None => None,
        };
        if let Some(turn) = self.turn {
            turn.keep_encoded(plain.identity, made.clone());
        }
        Ok(made.map_or(Compressed::Not, Compressed::Made))
    }
}

/// `None` if that saves next to nothing.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(6));
    encoder.write_all(bytes).ok()?;
    let encoded = encoder.finish().ok()?;
    (encoded.len() < bytes.len() - bytes.len() / 16).then_some(encoded)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn what_shrinks_is_gzip_and_what_does_not_is_left() {
        let text = b"{\"a\": 1}\n".repeat(1000);
        let encoded = gzip(&text).unwrap();
        assert!(encoded.len() < text.len() / 10);
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&encoded[..])
            .read_to_end(&mut decoded)
            .unwrap();
        assert_eq!(decoded, text);
        let noise: Vec<u8> = (0..=255).flat_map(|n: u8| Sha256::digest([n])).collect();
        assert!(gzip(&noise).is_none());
        assert!(gzip(b"").is_none());
    }
}
