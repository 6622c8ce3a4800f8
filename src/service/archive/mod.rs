//! A folder as one download: `?zip`, `?tar.gz`, `?tar` where a listing would be.
//!
//! *Floor 3.* Knows what is asked for and what is answered; the rest is in the files named here.
//!
//! ```text
//! walk.rs ── names, open files ──▶ stream.rs ── entries, content ──▶ zip.rs or tar.rs ──▶ deflate.rs
//!    └ by path, beneath the root      └ a piece per call                └ pure: bytes in, bytes out
//! ```
//!
//! The answer is a stream (`Chunks` in `http/body.rs`): each piece is a job of its own, asked for
//! when the client has taken most of the one before, so that a slow client holds no thread and one
//! that is gone stops the work by its absence.
//!
//! The headers of both formats are written here, a page each: the crates `tar` and `zip` take a
//! whole file at a time, and `zip` keeps some 500 bytes for each and takes names in UTF-8 only.
//! `async_zip` wants an executor. Deflate is a crate's.
//!
//! *References:* RFC 6266 (the name); RFC 9110 §14.3 (no ranges); RFC 9111 §5.2.2.5.

mod deflate;
mod entry;
mod index;
mod stream;
mod tar;
pub(super) mod walk;
mod zip;

use crate::http::{Body, HeaderBlock, Response, Status, Tick};
use entry::ArchiveFormat;
use walk::{Scope, Walk};

/// What a folder is packed as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Zip,
    TarGz,
    Tar,
}

impl Packing {
    /// In the order in which they are offered.
    const ALL: [Self; 3] = [Self::Zip, Self::TarGz, Self::Tar];

    /// What a query asks for: one of its parameters is the word, without a value. A form says
    /// `zip=`.
    pub(super) fn asked(query: Option<&str>) -> Option<Self> {
        query?.split('&').find_map(|parameter| {
            let word = parameter.strip_suffix('=').unwrap_or(parameter);
            Self::ALL.into_iter().find(|packing| packing.word() == word)
        })
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
            Self::Tar => "tar",
        }
    }

    /// `no-store`, because it has no validator by which a cache could ask whether it is still right;
    /// nor can a part of it be asked for, since it may be another one by then.
    const fn fields(self) -> &'static [u8] {
        match self {
            Self::Zip => {
                b"Content-Type: application/zip\r\nCache-Control: no-store\r\n\
                  Accept-Ranges: none\r\n"
            }
            Self::TarGz => {
                b"Content-Type: application/gzip\r\nCache-Control: no-store\r\n\
                  Accept-Ranges: none\r\n"
            }
            Self::Tar => {
                b"Content-Type: application/x-tar\r\nCache-Control: no-store\r\n\
                  Accept-Ranges: none\r\n"
            }
        }
    }

    /// The answer: the directory at `folder` and all below it, under `name`. Nothing is read yet.
    ///
    /// `folder` is relative to the root, with a slash at its end unless it is the root.
    pub(super) fn of(self, scope: Scope, folder: &[u8], name: &[u8], now: &Tick) -> Response {
        let (format, gzip): (Box<dyn ArchiveFormat>, _) = match self {
            Self::Zip => (Box::new(zip::Zip::new()), None),
            Self::TarGz => (Box::<tar::Tar>::default(), Some(deflate::Gzip::default())),
            Self::Tar => (Box::<tar::Tar>::default(), None),
        };
        let folder = Walk::new(scope, folder);
        let stream = stream::ArchiveStream::new(folder, name, (format, gzip), now);
        let mut response = Response::new(Status::OK);
        response.fields = HeaderBlock::Static(self.fields());
        let file = [name, b".", self.word().as_bytes()].concat();
        response
            .field(
                "Content-Disposition",
                &super::policy::disposition("attachment", &file),
            )
            .body(Body::Stream(Box::new(stream)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::mime;

    #[test]
    fn a_query_asks_by_one_word() {
        let check = |query: &str, expected: Option<Packing>| {
            assert_eq!(Packing::asked(Some(query)), expected, "{query}");
        };
        check("zip", Some(Packing::Zip));
        check("zip=", Some(Packing::Zip));
        check("tar", Some(Packing::Tar));
        check("tar.gz", Some(Packing::TarGz));
        check("sort=size&tar.gz=", Some(Packing::TarGz));
        check("tar&zip", Some(Packing::Tar));
        for other in [
            "", "=", "zip=1", "ZIP", "zip==", "unzip", "zip;tar", "tar.gz2",
        ] {
            check(other, None);
        }
        assert_eq!(Packing::asked(None), None);
    }

    #[test]
    fn they_have_the_types_of_files_of_their_names() {
        for packing in Packing::ALL {
            let name = format!("a.{}", packing.word());
            let of_name = mime::content_type(name.as_bytes(), &[], true);
            let line = format!("Content-Type: {of_name}\r\n");
            assert!(packing.fields().starts_with(line.as_bytes()), "{line}");
        }
    }
}
