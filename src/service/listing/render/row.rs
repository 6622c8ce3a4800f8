//! One entry of the page of a listing, as a line or as a tile.
//!
//! *Floor 3.* Knows entries; does not know the page around them.
//!
//! Both are rows of the same table, so that one script sorts and filters them, and one that lays out a
//! tile is the style alone. A picture stands in its tile as it is, fetched once it comes into view; its
//! text is the name beneath, hence an empty `alt`. A video is a tile until the script finds it in view:
//! what a browser fetches of one to show its first picture may be megabytes.

use super::text::{grouped, readable, utc};
use crate::http::target::encode_segment;
use crate::service::listing::media::{MediaKind, THUMBNAIL_BYTES_MAX};
use crate::service::listing::names::{Entry, Meta};
use crate::service::markdown::is_markdown;
use crate::service::pages::escape_html;

/// How an entry is shown.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) media: Option<MediaKind>,
    pub(super) grid: bool,
}

pub(super) fn html(entry: &Entry<'_>, shown: &str, look: Look) -> String {
    let href = encode_segment(entry.name.to_bytes());
    let name = escape_html(shown);
    let slash = if entry.is_directory { "/" } else { "" };
    let class = match (entry.is_directory, look.media) {
        (true, _) => " class=\"d\"".to_owned(),
        (false, Some(media)) => format!(" class=\"{}\"", media.class()),
        (false, None) => String::new(),
    };
    // Folders are looked at in the same way.
    let query = match entry.is_directory && look.grid {
        true => "?as=grid",
        false => "",
    };
    let tile = match (look.grid, has_thumbnail(entry, look)) {
        (true, true) => {
            format!(
                "<span><img loading=\"lazy\" decoding=\"async\" src=\"{href}\" alt=\"\"></span>"
            )
        }
        (true, false) => "<span></span>".into(),
        (false, _) => String::new(),
    };
    let ending = if look.grid { "" } else { slash };
    let link = if entry.is_link {
        " <small>link</small>"
    } else {
        ""
    };
    let view = match !entry.is_directory && is_markdown(entry.name.to_bytes()) {
        true => {
            format!("<form class=\"view\" action={href}><button name=\"view\">View</button></form>")
        }
        false => String::new(),
    };
    let row = format!(
        "<tr><td{class}><a href=\"{href}{slash}{query}\">{tile}<bdi>{name}</bdi>{ending}</a>\
         {link}{view}</td>"
    );
    let numbers = entry
        .meta
        .map_or(String::new(), |meta| numbers(entry, meta));
    row + &numbers + "</tr>\n"
}

/// The cells of its size and its time.
fn numbers(entry: &Entry<'_>, meta: Meta) -> String {
    let (day, time) = utc(meta.modified);
    let size = match entry.is_directory {
        true => "<td></td>".to_owned(),
        false => format!(
            "<td title=\"{} byte{}\"><data value=\"{}\">{}</data></td>",
            grouped(meta.size),
            if meta.size == 1 { "" } else { "s" },
            meta.size,
            readable(meta.size)
        ),
    };
    format!(
        "{size}<td><time datetime=\"{day}T{time}Z\">{day} <span>{}</span></time></td>",
        &time[..5]
    )
}

fn has_thumbnail(entry: &Entry<'_>, look: Look) -> bool {
    let is_small = entry
        .meta
        .is_none_or(|meta| meta.size <= THUMBNAIL_BYTES_MAX);
    look.media == Some(MediaKind::Picture) && is_small
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn file(name: &CStr, size: u64) -> Entry<'_> {
        Entry {
            name,
            is_directory: false,
            is_link: false,
            meta: Some(Meta {
                size,
                modified: 1_709_210_096,
            }),
        }
    }

    #[test]
    fn a_row_has_the_exact_numbers_too() {
        assert_eq!(
            html(&file(c"a b.bin", 1_234_567), "a b.bin", Look::default()),
            "<tr><td><a href=\"a%20b.bin\"><bdi>a b.bin</bdi></a></td>\
             <td title=\"1,234,567 bytes\"><data value=\"1234567\">1.2 MiB</data></td>\
             <td><time datetime=\"2024-02-29T12:34:56Z\">2024-02-29 <span>12:34</span></time></td>\
             </tr>\n"
        );
    }

    #[test]
    fn a_tile_has_a_picture_where_that_is_cheap() {
        let check = |entry: &Entry<'_>, media, grid, expected: &str| {
            let row = html(entry, &entry.name.to_string_lossy(), Look { media, grid });
            let (cell, _) = row.split_once("</td>").unwrap();
            assert_eq!(cell, format!("<tr>{expected}"));
        };
        let image = |src| {
            format!("<span><img loading=\"lazy\" decoding=\"async\" src=\"{src}\" alt=\"\"></span>")
        };
        let (picture, video) = (Some(MediaKind::Picture), Some(MediaKind::Video));
        // Quotes, and what means something in a URL.
        for (name, href, text) in [
            (c"a.jpg", "a.jpg", "a.jpg"),
            (c"#1?.png", "%231%3F.png", "#1?.png"),
            (c"100%.gif", "100%25.gif", "100%.gif"),
            (c"\"'<.svg", "%22%27%3C.svg", "&quot;&#39;&lt;.svg"),
            (c"a\nb.jpg", "a%0Ab.jpg", "a\nb.jpg"),
            (c"caf\xe9.jpg", "caf%E9.jpg", "caf\u{fffd}.jpg"),
            (
                c"javascript:x.jpg",
                "javascript%3Ax.jpg",
                "javascript:x.jpg",
            ),
        ] {
            let link = |tile: &str| {
                format!("<td class=\"p\"><a href=\"{href}\">{tile}<bdi>{text}</bdi></a>")
            };
            check(&file(name, 1), picture, true, &link(&image(href)));
            check(&file(name, 1), picture, false, &link(""));
        }
        let tile = |class: &str, name: &str| {
            format!("<td{class}><a href=\"{name}\"><span></span><bdi>{name}</bdi></a>")
        };
        let big = file(c"big.png", THUMBNAIL_BYTES_MAX + 1);
        check(&big, picture, true, &tile(" class=\"p\"", "big.png"));
        check(
            &file(c"m.mp4", 9),
            video,
            true,
            &tile(" class=\"v\"", "m.mp4"),
        );
        check(&file(c"a.txt", 9), None, true, &tile("", "a.txt"));
        let folder = Entry {
            is_directory: true,
            ..file(c"sub", 0)
        };
        let expected = "<td class=\"d\"><a href=\"sub/?as=grid\"><span></span><bdi>sub</bdi></a>";
        check(&folder, None, true, expected);
    }
}
