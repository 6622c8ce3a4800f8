//! How a listing looks: a page, a JSON array, or lines.
//!
//! *Floor 3.* Knows entries; does not know file systems. Rows are made one by one, so that the
//! same code makes a whole page and a stream of pieces. The page is made in `html.rs`.
//!
//! *References:* [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) §7 (JSON strings).

mod html;
mod row;
mod text;

use std::fmt::Write;

use super::media::MediaKind;
use super::names::{Entry, Names, Totals};
use super::query::ListingQuery;
use super::{ContentTypes, ListingFormat, ListingOptions};
use crate::http::target::encode_segment;
use crate::service::markdown::readme::FolderReadme;
pub(in crate::service) use html::{STYLE, policies_without_uploads};
use text::{shown, utc};

/// Which entries of a directory are shown.
#[derive(Clone, Default, Debug)]
pub(super) struct Extent {
    /// Of all that there are.
    pub(super) totals: Totals,
    /// Whether the sizes of all are known.
    pub(super) knows_bytes: bool,
    /// How many stand before those that are shown.
    pub(super) first: usize,
    pub(super) len: usize,
    /// Links to the pages before and behind.
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Extent {
    const fn is_whole(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }
}

/// One listing while it is written.
pub(super) struct Page {
    format: ListingFormat,
    query: ListingQuery,
    path: String,
    at_root: bool,
    archives: bool,
    takes_uploads: Option<u64>,
    extent: Extent,
    /// What stands beneath the rows.
    pub(super) readme: Option<FolderReadme>,
    content_types: Option<ContentTypes>,
    /// Whether it needs what shows pictures, videos and sound.
    shows_media: bool,
    /// Whether there is a picture or a video for a grid.
    has_pictures: bool,
    /// Whether a row has been written: JSON separates them.
    begun: bool,
}

impl Page {
    pub(super) fn new(path: &str, options: &ListingOptions, extent: Extent) -> Self {
        Self {
            format: options.format,
            query: options.query.clone(),
            path: shown(path).into_owned(),
            at_root: options.at_root,
            archives: options.archives,
            takes_uploads: options.takes_uploads,
            extent,
            readme: None,
            content_types: options.content_types.clone(),
            shows_media: options.query.grid,
            has_pictures: false,
            begun: false,
        }
    }

    /// Finds out whether there is any medium among its names: a page without has nothing for them.
    pub(super) fn look_for_media(&mut self, names: &Names) {
        if self.format != ListingFormat::Html {
            return;
        }
        for entry in (0..names.len()).map_while(|index| names.entry(index)) {
            match self.media_of(&entry) {
                Some(MediaKind::Picture | MediaKind::Video) => {
                    (self.shows_media, self.has_pictures) = (true, true);
                    return;
                }
                Some(MediaKind::Sound) => self.shows_media = true,
                None => {}
            }
        }
    }

    fn media_of(&self, entry: &Entry<'_>) -> Option<MediaKind> {
        let types = self.content_types.as_ref()?;
        let is_file = !entry.is_directory;
        is_file
            .then(|| types(entry.name))?
            .as_deref()
            .and_then(MediaKind::of)
    }

    /// Whether rows have sizes and times.
    pub(super) fn shows_meta(&self) -> bool {
        self.format != ListingFormat::Plain
    }

    /// What stands before the rows.
    pub(super) fn head(&mut self, out: &mut Vec<u8>) {
        self.begun = false;
        match self.format {
            ListingFormat::Html => out.extend_from_slice(self.html_head().as_bytes()),
            ListingFormat::Json => out.push(b'['),
            ListingFormat::Plain => {}
        }
    }

    /// One entry.
    pub(super) fn row(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let bytes = entry.name.to_bytes();
        let name = String::from_utf8_lossy(bytes);
        let slash = if entry.is_directory { "/" } else { "" };
        let row = match self.format {
            ListingFormat::Html => {
                let look = row::Look {
                    // Where none was found they are not looked for twice.
                    media: self.shows_media.then(|| self.media_of(entry)).flatten(),
                    grid: self.query.grid,
                };
                row::html(entry, &shown(&name), look)
            }
            ListingFormat::Json => {
                let comma = if self.begun { "," } else { "" };
                format!("{comma}\n{}", json_row(entry, &name, slash))
            }
            ListingFormat::Plain => format!("{}{slash}\n", shown(&name)),
        };
        self.begun = true;
        out.extend_from_slice(row.as_bytes());
    }

    /// What stands behind the rows.
    pub(super) fn tail(&self, out: &mut Vec<u8>) {
        match self.format {
            ListingFormat::Html => out.extend_from_slice(self.html_tail().as_bytes()),
            ListingFormat::Json => out.extend_from_slice(b"\n]\n"),
            ListingFormat::Plain => {}
        }
    }
}

fn json_row(entry: &Entry<'_>, name: &str, slash: &str) -> String {
    let mut row = format!(
        "{{\"name\":{},\"href\":\"{}{slash}\",\"type\":\"{}\"",
        json_string(name),
        encode_segment(entry.name.to_bytes()),
        if entry.is_directory {
            "directory"
        } else {
            "file"
        },
    );
    if let Some(meta) = entry.meta {
        if !entry.is_directory {
            // Writing to a String cannot fail, here and below.
            let _ = write!(row, ",\"size\":{}", meta.size);
        }
        let (day, time) = utc(meta.modified);
        let _ = write!(row, ",\"modified\":\"{day}T{time}Z\"");
    }
    row + "}"
}

/// RFC 8259 §7: quotation mark, backslash and control characters are escaped, nothing else must.
pub(in crate::service) fn json_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::names::Meta;
    use super::*;

    #[test]
    fn a_row_has_what_is_known() {
        let check = |name, is_directory, expected: &str| {
            let entry = Entry {
                name,
                is_directory,
                is_link: false,
                meta: Some(Meta {
                    size: 4_096,
                    modified: 1_709_210_096,
                }),
            };
            let slash = if is_directory { "/" } else { "" };
            let text = name.to_string_lossy();
            assert_eq!(json_row(&entry, &text, slash), expected);
        };
        check(
            c"sub",
            true,
            r#"{"name":"sub","href":"sub/","type":"directory","modified":"2024-02-29T12:34:56Z"}"#,
        );
        check(
            c"a\"b",
            false,
            r#"{"name":"a\"b","href":"a%22b","type":"file","size":4096,"modified":"2024-02-29T12:34:56Z"}"#,
        );
    }
}
