//! Pictures, videos and sound among the files of a listing, and what a page needs to show them.
//!
//! *Floor 3.* Knows media types, and text that is compiled in; does not know the page around it.
//!
//! There are no thumbnails here: a browser makes them of the files themselves, once they come into
//! view. To decode pictures on the server was rejected: it is the most attacked code that there is, and
//! its memory is bounded by what a file says of itself. What is fetched for a page is bounded instead:
//! a picture of more than [`THUMBNAIL_BYTES_MAX`] is a tile like any other file, and so is a video
//! until the script finds it in view. PITFALL: where scripts are off, browsers load all pictures of a
//! page at once, since `loading=lazy` would tell the server how far somebody has scrolled.
//!
//! What counts is the type that the file would be sent with, so `--mime` says it here, too.
//!
//! *References:* HTML Standard (`loading`, `preload`); the
//! [image types of browsers](https://developer.mozilla.org/docs/Web/Media/Guides/Formats/Image_types).

use crate::service::inline::Inline;

/// A picture of more bytes has no thumbnail.
pub(super) const THUMBNAIL_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What a browser can show in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MediaKind {
    Picture,
    Video,
    Sound,
}

impl MediaKind {
    /// By a Content-Type; nothing that no browser shows, such as TIFF and HEIC pictures.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let (kind, format) = essence.split_once('/')?;
        let is_any = |formats: &[&str]| formats.iter().any(|one| one.eq_ignore_ascii_case(format));
        let is = |word: &str| kind.eq_ignore_ascii_case(word);
        if is("image") && is_any(&PICTURES) {
            Some(Self::Picture)
        } else if is("video") && is_any(&VIDEOS) {
            Some(Self::Video)
        } else if is("audio") && is_any(&SOUNDS) {
            Some(Self::Sound)
        } else {
            None
        }
    }

    /// The class of its cell, by which the script finds it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Picture => "p",
            Self::Video => "v",
            Self::Sound => "s",
        }
    }
}

const PICTURES: [&str; 10] = [
    "apng",
    "avif",
    "bmp",
    "gif",
    "jpeg",
    "png",
    "svg+xml",
    "vnd.microsoft.icon",
    "webp",
    "x-icon",
];

const VIDEOS: [&str; 7] = [
    "matroska",
    "mp4",
    "ogg",
    "quicktime",
    "webm",
    "x-m4v",
    "x-matroska",
];

const SOUNDS: [&str; 13] = [
    "aac", "flac", "m4a", "matroska", "mp4", "mpeg", "ogg", "opus", "wav", "webm", "x-flac",
    "x-m4a", "x-wav",
];

/// Stands behind the style of the listing, whose colours it uses.
pub(super) static STYLE: Inline = Inline::new(include_str!("media.css"));

/// Stands before the script of the listing: that one is found by its place, and run again.
pub(super) static SCRIPT: Inline = Inline::new(include_str!("viewer.js"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_show_is_a_medium() {
        let check = |content_type, expected| {
            assert_eq!(MediaKind::of(content_type), expected, "{content_type}");
        };
        for picture in [
            "image/jpeg",
            "image/svg+xml",
            "image/x-icon",
            "IMAGE/PNG",
            "image/webp; x=y",
        ] {
            check(picture, Some(MediaKind::Picture));
        }
        check("video/mp4", Some(MediaKind::Video));
        check("video/webm", Some(MediaKind::Video));
        check("audio/mpeg", Some(MediaKind::Sound));
        check("audio/wav", Some(MediaKind::Sound));
        for other in [
            "",
            "image",
            "image/",
            "image/tiff",
            "image/heic",
            "image/jxl",
            "video/mp2t",
            "video/x-msvideo",
            "audio/midi",
            "text/html",
            "application/jpeg",
            "audio/jpeg",
        ] {
            check(other, None);
        }
    }
}
