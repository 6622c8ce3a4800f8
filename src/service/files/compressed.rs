//! `--compress`: an encoding of a file that has no encoded sibling, made when it is first asked for.
//!
//! *Floor 3.* Knows which files are worth it and how they are compressed; does not know who asks.
//!
//! The idea: **what is made is one more sibling.** It belongs to one version of its file, is made by
//! the job that loads that, kept with it in the cache and dropped with it, so it is as fresh as the
//! file, has a tag of its own, and costs the next client what any cached file costs. Of a thousand
//! clients that ask first, one has it made; the other loops, and who asks by another path, find it
//! (`opening/encodings.rs`).
//!
//! gzip for who takes any; brotli, which leaves a tenth less, once a client has come that would rather have
//! it: browsers only say so by TLS, which a proxy in front of this server has, and on the machine itself.
//! zstd is not made: its merit is to be fast, which matters little for what is made once, and who takes it
//! takes brotli, too. Of a file that was encoded beforehand such a sibling is sent and nothing made.
//!
//! Not worth it: types that do not shrink; less than 1 KiB, which is a packet anyway; more than 8 MiB,
//! or an eighth of the cache, which would push out what many ask for; a file that was changed a moment
//! ago, because it may change again, as a log does. Not wanted: a file that a user's rule calls encoded
//! (Content-Encoding), or not to be touched (Cache-Control: no-transform).
//!
//! *References:* RFC 1952; RFC 7932; RFC 9110 §8.8.3.3 (tags of encodings); RFC 9111 §5.2.2.6.

use std::ffi::CStr;
use std::io::Write;
use std::time::{Duration, SystemTime};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::negotiate::{Accepted, Coding};
use crate::service::mime;
use crate::service::opening::Resolver;
use crate::service::opening::encodings::{Encodings, TriedCodings};
use crate::service::opening::load::Loaded;
use crate::service::opening::open::{Refusal, Wait};

/// Less is a packet anyway.
const BYTES_MIN: u64 = 1024;
/// More is sent as it is.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What takes longer than a few milliseconds is done where nothing short waits behind it.
const SHORT_BYTES_MAX: u64 = 256 * 1024;
/// Of 11. Of 44 files, 2.8 MB of text, none is longer at 6 than as gzip, which some are at 5; 9 takes
/// eight times as long for a hundredth, 11 seventy times for an eighth: that is for siblings.
const BROTLI_QUALITY: i32 = 6;
/// How long a file must have been left alone.
const REST: Duration = Duration::from_secs(1);

/// What came of a look at a file that could be compressed.
pub(super) enum Compressed {
    /// It is not worth it.
    Not,
    /// It may be, from this moment on.
    Later(SystemTime),
    /// It was tried as far as the client takes it.
    Tried(Encodings),
}

impl Resolver<'_> {
    /// The encodings of a file that was loaded, if that is wanted and worth it.
    pub(super) fn compressed(
        &self,
        path: &CStr,
        plain: &Loaded,
        content_type: &str,
    ) -> Result<Compressed, Refusal> {
        let Some(accepted) = self.accepted else {
            return Ok(Compressed::Not);
        };
        let size = plain.content.len();
        let window = BYTES_MIN..=self.policy.compress_bytes_max;
        if !(plain.whole && window.contains(&size) && mime::is_compressible(content_type)) {
            return Ok(Compressed::Not);
        }
        let path = path.to_bytes();
        if self.policy.is_encoded(path) || self.policy.forbids_transforms(path) {
            return Ok(Compressed::Not);
        }
        match plain.identity.rests_from(REST) {
            None => return Ok(Compressed::Not),
            Some(from) if from > self.now.wall => return Ok(Compressed::Later(from)),
            // What is made is found again by the stamps.
            Some(_) if !plain.identity.is_settled(self.now.wall) => {
                return Ok(Compressed::Later(self.now.wall + REST));
            }
            Some(_) => {}
        }
        let wanted = wanted(&accepted);
        let known = self.encodings.of(plain).unwrap_or_default();
        if known.tried >= wanted {
            return Ok(Compressed::Tried(known));
        }
        let short_bytes_max = match wanted {
            TriedCodings::GzipAndBrotli => SHORT_BYTES_MAX / 4,
            _ => SHORT_BYTES_MAX,
        };
        match self.patience.wait {
            Wait::Never => return Err(Refusal::WouldBlock),
            Wait::Briefly if size > short_bytes_max => return Err(Refusal::WouldBlock),
            _ => {}
        }
        let Some(bytes) = plain.content.read_all(&plain.identity)? else {
            // It is another one by now.
            return Ok(Compressed::Not);
        };
        let encodings = encode(plain, &bytes, known, wanted);
        self.encodings.keep(plain, encodings.clone());
        Ok(Compressed::Tried(encodings))
    }
}

/// What is to be tried for a client, by the coding that it likes best.
pub(super) fn wanted(accepted: &Accepted) -> TriedCodings {
    match accepted.choose(&[Coding::Br, Coding::Gzip]).coding {
        Coding::Br => TriedCodings::GzipAndBrotli,
        Coding::Gzip => TriedCodings::Gzip,
        Coding::Zstd | Coding::Identity => TriedCodings::Nothing,
    }
}

/// What is `known` already, and what is wanted beside it.
fn encode(plain: &Loaded, bytes: &[u8], known: Encodings, wanted: TriedCodings) -> Encodings {
    let Encodings { mut made, tried } = known;
    let mut keep = |coding, encoded: Option<Vec<u8>>| {
        // What saves next to nothing is not worth a thing.
        let encoded = encoded.filter(|encoded| encoded.len() < bytes.len() - bytes.len() / 16);
        made.extend(encoded.map(|encoded| (coding, plain.encoded_as(encoded.into()))));
    };
    let is_new = |step| tried < step && step <= wanted;
    if is_new(TriedCodings::Gzip) {
        keep(Coding::Gzip, gzip(bytes));
    }
    if is_new(TriedCodings::GzipAndBrotli) {
        keep(Coding::Br, brotli(bytes));
    }
    Encodings {
        made,
        tried: wanted,
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(6));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn brotli(bytes: &[u8]) -> Option<Vec<u8>> {
    let params = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        size_hint: bytes.len(),
        ..BrotliEncoderParams::default()
    };
    let mut encoded = Vec::with_capacity(bytes.len() / 4);
    brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).ok()?;
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::service::opening::load::Content;

    #[test]
    fn what_shrinks_is_encoded_and_what_does_not_is_left() {
        let text = b"{\"a\": 1}\n".repeat(1000);
        let plain = Loaded::for_tests(&text);
        for (wanted, expected) in [
            (TriedCodings::Nothing, &[][..]),
            (TriedCodings::Gzip, &[Coding::Gzip]),
            (TriedCodings::GzipAndBrotli, &[Coding::Gzip, Coding::Br]),
        ] {
            let encodings = encode(&plain, &text, Encodings::default(), wanted);
            assert_eq!(encodings.tried, wanted);
            let made = &encodings.made;
            let codings: Vec<_> = made.iter().map(|(coding, _)| *coding).collect();
            assert_eq!(codings, expected);
            for (coding, made) in made {
                let Ok(Some(bytes)) = made.content.read_all(&made.identity) else {
                    panic!("it is in memory");
                };
                assert!(bytes.len() < text.len() / 10, "{coding:?}");
                let mut decoded = Vec::new();
                match coding {
                    Coding::Gzip => {
                        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut decoded)
                    }
                    _ => brotli::Decompressor::new(&bytes[..], 4096).read_to_end(&mut decoded),
                }
                .unwrap();
                assert_eq!(decoded, text, "{coding:?}");
            }
        }
        let noise: Vec<u8> = (0..=255).flat_map(|n: u8| Sha256::digest([n])).collect();
        for bytes in [&noise[..], b""] {
            let all = TriedCodings::GzipAndBrotli;
            let encodings = encode(&Loaded::for_tests(bytes), bytes, Encodings::default(), all);
            assert!(encodings.made.is_empty() && encodings.tried == all);
        }
    }

    /// Brotli comes beside the gzip that is there.
    #[test]
    fn what_is_known_is_not_made_again() {
        let text = b"{\"a\": 1}\n".repeat(1000);
        let plain = Loaded::for_tests(&text);
        let known = encode(&plain, &text, Encodings::default(), TriedCodings::Gzip);
        let both = encode(&plain, &text, known.clone(), TriedCodings::GzipAndBrotli);
        let codings: Vec<_> = both.made.iter().map(|(coding, _)| *coding).collect();
        assert_eq!(codings, [Coding::Gzip, Coding::Br]);
        let bytes = |encodings: &Encodings| match &encodings.made[0].1.content {
            Content::Small(bytes) => Arc::clone(bytes),
            Content::Large(_) => panic!("it is in memory"),
        };
        assert!(Arc::ptr_eq(&bytes(&known), &bytes(&both)));
    }

    #[test]
    fn what_is_tried_is_what_a_client_likes_best() {
        use TriedCodings::{Gzip, GzipAndBrotli, Nothing};
        let check = |field: &str, expected: TriedCodings| {
            let accepted = Accepted::parse([field.as_bytes()].into_iter());
            assert_eq!(wanted(&accepted), expected, "{field}");
        };
        check("gzip, deflate, br, zstd", GzipAndBrotli);
        check("br;q=0.5", GzipAndBrotli);
        check("*", GzipAndBrotli);
        check("br;q=0.5, gzip", Gzip);
        check("gzip, br;q=0", Gzip);
        check("x-gzip", Gzip);
        check("identity", Nothing);
        check("gzip;q=0", Nothing);
        check("zstd, deflate", Nothing);
        check("", Nothing);
    }
}
