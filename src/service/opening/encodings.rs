//! What `--compress` made, for all loops: by the version of the file that it was made of.
//!
//! *Floor 3.* Knows versions and bytes; does not know paths, nor how anything is encoded.
//!
//! The idea: an entry of a cache belongs to one loop and one path, and ends with its age, a look that
//! could not be taken, or another file that wants its room. What was made of the same bytes stays right
//! whoever asks for it, and by which path: the page that stands in for whatever is missing has as many
//! as its clients can think of. So it is made once, and found again when an entry is loaded anew.
//!
//! Bounded by bytes and in number; what was made first goes first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::negotiate::Coding;
use crate::service::opening::load::Loaded;
use crate::service::opening::meta::Identity;

/// More are looked through in vain.
const KEPT_MAX: usize = 256;

/// What was made of one version of a file.
#[derive(Clone, Default)]
pub(crate) struct Encodings {
    pub(crate) made: Vec<(Coding, Loaded)>,
    pub(crate) tried: TriedCodings,
}

/// Which codings were tried, as clients came who take them; each contains the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum TriedCodings {
    #[default]
    Nothing,
    Gzip,
    GzipAndBrotli,
}

/// Of what something is an encoding: a version of a file, or the page that was made of it, which has a
/// digest.
type Plain = (Identity, Option<[u8; 32]>);

/// What was made last, for all loops of a service.
pub(crate) struct KeptEncodings {
    bytes_max: usize,
    kept: Mutex<EncodingsByVersion>,
}

#[derive(Default)]
struct EncodingsByVersion {
    all: VecDeque<(Plain, Encodings)>,
    bytes: usize,
}

impl KeptEncodings {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::default(),
        }
    }

    /// What was made of `plain`.
    pub(crate) fn of(&self, plain: &Loaded) -> Option<Encodings> {
        let key = (plain.identity, plain.digest);
        let kept = self.kept();
        let found = kept.all.iter().find(|(of, _)| *of == key);
        found.map(|(_, encodings)| encodings.clone())
    }

    /// Keeps what was made of `plain`, in place of what was made before.
    pub(crate) fn keep(&self, plain: &Loaded, encodings: Encodings) {
        let key = (plain.identity, plain.digest);
        let mut kept = self.kept();
        if let Some(at) = kept.all.iter().position(|(of, _)| *of == key) {
            kept.remove(at);
        }
        kept.bytes += bytes_of(&encodings);
        kept.all.push_back((key, encodings));
        while kept.bytes > self.bytes_max || kept.all.len() > KEPT_MAX {
            kept.remove(0);
        }
    }

    fn kept(&self) -> MutexGuard<'_, EncodingsByVersion> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodingsByVersion {
    fn remove(&mut self, at: usize) {
        if let Some((_, encodings)) = self.all.remove(at) {
            self.bytes -= bytes_of(&encodings);
        }
    }
}

/// Bytes of memory, with what it costs to keep them.
fn bytes_of(encodings: &Encodings) -> usize {
    let made = encodings.made.iter();
    let lens = made.map(|(_, loaded)| usize::try_from(loaded.content.len()).unwrap_or(usize::MAX));
    lens.sum::<usize>() + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found_by_its_version_until_there_is_no_room() {
        let kept = KeptEncodings::new(10_000);
        let of = |plain: &Loaded, len: usize, tried| Encodings {
            made: vec![(Coding::Gzip, plain.encoded_as(vec![0; len].into()))],
            tried,
        };
        let len = |plain: &Loaded| {
            let encodings = kept.of(plain)?;
            encodings.made.first().map(|(_, made)| made.content.len())
        };
        let (first, second, third) = (
            Loaded::for_tests(b""),
            Loaded::for_tests(b""),
            Loaded::for_tests(b""),
        );
        kept.keep(&first, of(&first, 4_000, TriedCodings::Gzip));
        kept.keep(&second, of(&second, 4_001, TriedCodings::Gzip));
        assert_eq!((len(&first), len(&second)), (Some(4_000), Some(4_001)));
        // A page that was made of the file is another thing.
        let page = first.encoded_as(b"page"[..].into());
        assert_eq!(len(&page), None);
        kept.keep(&first, of(&first, 3_999, TriedCodings::GzipAndBrotli));
        assert_eq!(len(&first), Some(3_999));
        kept.keep(&third, of(&third, 4_002, TriedCodings::Gzip));
        assert_eq!((len(&second), len(&third)), (None, Some(4_002)));
        kept.keep(&second, of(&second, 20_000, TriedCodings::Gzip));
        assert_eq!(
            (len(&second), kept.kept().bytes),
            (None, 0),
            "no room at all"
        );
        for _ in 0..2 * KEPT_MAX {
            let plain = Loaded::for_tests(b"");
            kept.keep(&plain, of(&plain, 0, TriedCodings::Nothing));
        }
        assert!(kept.kept().all.len() <= KEPT_MAX && kept.kept().bytes <= 10_000);
    }
}
