//! How a listing looks: a page, a JSON array, or lines.
//!
//! *Floor 3.* Knows entries; does not know file systems. Rows are made one by one, so that the
//! same code makes a whole page and a stream of pieces.
//!
//! The page works without its script, which only adds sorting and a filter; it loads nothing from
//! anywhere, and its Content-Security-Policy permits exactly this style and this script by their
//! hashes. A button for an archive is a form, which is permitted to its own origin then. Where it takes
//! files it has a style and a script more (`upload_form.rs`), and its policy permits what they need,
//! requests to its own origin: there only.
//!
//! A name is untrusted text: shown it is escaped, isolated (`<bdi>`: a right-to-left override cannot
//! turn `gpj.exe` around beyond itself) and without control characters; linked it is the
//! percent-encoded bytes, so that a name which is not UTF-8 still leads to its file.
//!
//! *References:* [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) §7 (JSON strings),
//! RFC 3986 §4.2 (a relative reference's first segment holds no colon).

use std::borrow::Cow;
use std::fmt::Write;

use super::names::{Entry, Totals};
use super::{ListingFormat, ListingOptions, upload_form};
use crate::http::target::encode_segment;
use crate::service::calendar::{self, Moment};
use crate::service::pages::{ICON, escape_html};

/// The fields of a listing. `no-cache`: it is right only now, and asking again is cheap.
pub(super) const fn fields(options: &ListingOptions) -> &'static [u8] {
    match options.format {
        ListingFormat::Html if options.takes_uploads.is_some() => UPLOAD_FIELDS,
        ListingFormat::Html if options.archives => ARCHIVE_FIELDS,
        ListingFormat::Html => HTML_FIELDS,
        ListingFormat::Json => {
            b"Content-Type: application/json\r\nCache-Control: no-cache\r\n\
              Vary: Accept\r\n"
        }
        ListingFormat::Plain => {
            b"Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-cache\r\n\
              Vary: Accept\r\n"
        }
    }
}

/// One listing while it is written.
pub(super) struct Page {
    format: ListingFormat,
    path: String,
    at_root: bool,
    archives: bool,
    takes_uploads: Option<u64>,
    /// Whether a row has been written: JSON separates them.
    begun: bool,
}

impl Page {
    pub(super) fn new(path: &str, options: &ListingOptions) -> Self {
        Self {
            format: options.format,
            path: shown(path).into_owned(),
            at_root: options.at_root,
            archives: options.archives,
            takes_uploads: options.takes_uploads,
            begun: false,
        }
    }

    /// What stands before the rows; `totals` if they are known already.
    pub(super) fn head(&mut self, totals: Option<&Totals>, out: &mut Vec<u8>) {
        self.begun = false;
        match self.format {
            ListingFormat::Html => out.extend_from_slice(self.html_head(totals).as_bytes()),
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
            ListingFormat::Html => html_row(entry, &shown(&name), slash),
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
            ListingFormat::Html => {
                out.extend_from_slice(b"</tbody>\n</table>\n</main>\n<script>");
                out.extend_from_slice(SCRIPT.as_bytes());
                if self.takes_uploads.is_some() {
                    out.extend_from_slice(b"</script>\n<script>");
                    out.extend_from_slice(upload_form::SCRIPT.as_bytes());
                }
                out.extend_from_slice(b"</script>\n</body>\n</html>\n");
            }
            ListingFormat::Json => out.extend_from_slice(b"\n]\n"),
            ListingFormat::Plain => {}
        }
    }

    fn html_head(&self, totals: Option<&Totals>) -> String {
        let title = escape_html(&self.path);
        let crumbs = self.crumbs();
        let summary = summary(totals);
        let (sort, sizes, span) = match totals {
            Some(_) => (" aria-sort=\"ascending\"", META_COLUMNS, 3),
            None => ("", "", 1),
        };
        let up = if self.at_root {
            String::new()
        } else {
            up_row(span)
        };
        let is_empty = totals.is_some_and(|totals| *totals == Totals::default());
        let download = match self.archives && !is_empty {
            true => DOWNLOAD,
            false => "",
        };
        let (style, form) = match self.takes_uploads {
            Some(bytes_max) => (
                format!("</style>\n<style>{}", upload_form::STYLE),
                upload_form::form(bytes_max),
            ),
            None => (String::new(), String::new()),
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"description\" content=\"Files in {title}: {summary}\">\n\
             <title>Index of {title}</title>\n{ICON}\n<style>{STYLE}{style}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<h1>{crumbs}</h1>\n\
             <p id=\"summary\" aria-live=\"polite\">{summary}</p>\n\
             {download}</header>\n{form}<table>\n<thead><tr><th scope=\"col\"{sort}>Name</th>{sizes}</tr></thead>\n\
             {up}<tbody id=\"rows\">\n"
        )
    }

    /// The way here, each step a relative link: `Home / photos / 2024`.
    ///
    /// PITFALL: fsspec takes every link in quotes for something below, but for `../` alone, and
    /// walks up and down for ever (`only_the_parent_is_a_quoted_link_upwards`).
    fn crumbs(&self) -> String {
        let steps: Vec<&str> = self
            .path
            .split('/')
            .filter(|step| !step.is_empty())
            .collect();
        let Some((here, above)) = steps.split_last().filter(|_| !self.at_root) else {
            return format!("<bdi>{}</bdi>", escape_html(&self.path));
        };
        let mut crumbs = String::new();
        for (index, step) in ["Home"].iter().chain(above).enumerate() {
            let step = escape_html(step);
            let up = match steps.len() - index {
                1 => "\"../\"".to_owned(),
                n => "../".repeat(n - 1) + "..",
            };
            // Writing to a String cannot fail.
            let _ = write!(crumbs, "<a href={up}><bdi>{step}</bdi></a><span>/</span>");
        }
        crumbs + "<bdi>" + &escape_html(here) + "</bdi>"
    }
}

/// The way up, in a body of its own, so that it is neither sorted nor filtered.
fn up_row(columns: u8) -> String {
    format!(
        "<tbody><tr><td class=\"up\" colspan=\"{columns}\"><a href=\"../\">Parent directory</a>\
         </td></tr></tbody>\n"
    )
}

fn summary(totals: Option<&Totals>) -> String {
    let Some(&Totals {
        directories,
        files,
        bytes,
    }) = totals
    else {
        return "Too many entries to sort: in the order of the directory, without sizes and times."
            .to_owned();
    };
    let count = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{} {many}", grouped(n as u64))),
    };
    let parts = [
        count(directories, "directory", "directories"),
        count(files, "file", "files"),
        (files > 0).then(|| readable(bytes)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return "Nothing here yet.".to_owned();
    }
    parts.join(", ")
}

fn html_row(entry: &Entry<'_>, shown: &str, slash: &str) -> String {
    let href = encode_segment(entry.name.to_bytes());
    let name = escape_html(shown);
    let class = if entry.is_directory {
        " class=\"d\""
    } else {
        ""
    };
    let link = if entry.is_link {
        " <small>link</small>"
    } else {
        ""
    };
    let mut row =
        format!("<tr><td{class}><a href=\"{href}{slash}\"><bdi>{name}</bdi>{slash}</a>{link}</td>");
    if let Some(meta) = entry.meta {
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
        // Writing to a String cannot fail.
        let _ = write!(
            row,
            "{size}<td><time datetime=\"{day}T{time}Z\">{day} <span>{}</span></time></td>",
            &time[..5]
        );
    }
    row + "</tr>\n"
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

/// A name as it is shown: control characters, which could pretend to be something else, replaced.
fn shown(name: &str) -> Cow<'_, str> {
    if name.contains(char::is_control) {
        return Cow::Owned(name.replace(char::is_control, "\u{fffd}"));
    }
    Cow::Borrowed(name)
}

/// A size as people read it: `999 B`, `1.5 KiB`, `20 MiB`.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = 0;
    let mut name = "";
    for (power, unit) in (1u32..).zip(UNITS) {
        let one = 1u128 << (10 * power);
        tenths = (u128::from(bytes) * 10 + one / 2) / one;
        name = unit;
        // Rounded first: 1,048,575 bytes are 1.0 MiB, not 1024 KiB.
        if tenths < 10_240 {
            break;
        }
    }
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", (tenths + 5) / 10)
    }
}

/// A number with a comma before every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Day and time of day in UTC: `2024-02-29` and `12:34:56`.
fn utc(seconds: i64) -> (String, String) {
    let Moment {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = calendar::utc(seconds);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

/// The button for all of it. A form, because it says `?zip=` without a script.
///
/// PITFALL: wget -r follows links, those with `rel=nofollow` too: it would fetch everything three
/// times for each directory above it (`a_mirror_does_not_take_the_archives`).
const DOWNLOAD: &str = "<form id=\"download\" aria-label=\"Download this folder\">\
    <span>Download all</span> <button name=\"zip\">zip</button>\
    <button name=\"tar.gz\">tar.gz</button><button name=\"tar\">tar</button></form>\n";

const META_COLUMNS: &str =
    "<th scope=\"col\">Size</th><th scope=\"col\">Modified<span> (UTC)</span></th>";

pub(in crate::service) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

const HTML_FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nVary: Accept\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; \
    img-src data:; style-src 'sha256-iLtabXnWttQhE5DA5x54SQGvBZPAGo2yb/ZJTernsWg='; \
    script-src 'sha256-4Ic05Iz7qwwB5Cwm6kBsSStUa0S+GFke34lXl/9Ww0g='\r\n";

const ARCHIVE_FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nVary: Accept\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
    img-src data:; style-src 'sha256-iLtabXnWttQhE5DA5x54SQGvBZPAGo2yb/ZJTernsWg='; \
    script-src 'sha256-4Ic05Iz7qwwB5Cwm6kBsSStUa0S+GFke34lXl/9Ww0g='\r\n";

const UPLOAD_FIELDS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nVary: Accept\r\n\
    Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
    connect-src 'self'; img-src data:; \
    style-src 'sha256-iLtabXnWttQhE5DA5x54SQGvBZPAGo2yb/ZJTernsWg=' 'sha256-IFBEWIAYcWGjFsPf9i6p9VIySARQmeSOVJ6RY7ndoek='; \
    script-src 'sha256-4Ic05Iz7qwwB5Cwm6kBsSStUa0S+GFke34lXl/9Ww0g=' 'sha256-fZDIlz1cQr6VoiePwpz2De9u0E7n0SATWw7esTc3oxI='\r\n";

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::super::names::Meta;
    use super::*;
    use crate::service::pages::tests::policy_hash;

    fn entry(name: &CStr, is_directory: bool, size: u64) -> Entry<'_> {
        Entry {
            name,
            is_directory,
            is_link: false,
            meta: Some(Meta {
                size,
                modified: 1_709_210_096,
            }),
        }
    }

    fn page(path: &str, at_root: bool) -> String {
        page_with(
            path,
            &ListingOptions {
                at_root,
                ..ListingOptions::default()
            },
        )
    }

    fn page_with(path: &str, options: &ListingOptions) -> String {
        let (mut bytes, totals) = (Vec::new(), Totals::default());
        let mut page = Page::new(path, options);
        page.head(Some(&totals), &mut bytes);
        page.tail(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn sizes_are_rounded_for_people() {
        let check = |bytes: u64, expected: &str| assert_eq!(readable(bytes), expected, "{bytes}");
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_024, "1.0 KiB");
        check(1_536, "1.5 KiB");
        check(10_189, "10 KiB");
        check(1_048_575, "1.0 MiB");
        check(20 << 20, "20 MiB");
        check(3 << 30, "3.0 GiB");
        check(u64::MAX, "16 EiB");
    }

    #[test]
    fn times_are_right_on_both_sides_of_1970() {
        let check = |seconds: i64, expected: &str| {
            let (day, time) = utc(seconds);
            assert_eq!(format!("{day} {time}"), expected);
        };
        // `date -u -d @SECONDS '+%F %T'`
        check(0, "1970-01-01 00:00:00");
        check(-1, "1969-12-31 23:59:59");
        check(784_111_777, "1994-11-06 08:49:37");
        check(951_825_600, "2000-02-29 12:00:00");
        check(1_709_210_096, "2024-02-29 12:34:56");
        check(4_107_542_399, "2100-02-28 23:59:59");
        check(4_107_542_400, "2100-03-01 00:00:00");
        check(253_402_300_800, "10000-01-01 00:00:00");
        utc(i64::MIN);
        utc(i64::MAX);
    }

    #[test]
    fn a_row_has_the_exact_numbers_too() {
        let row = html_row(&entry(c"a b.bin", false, 1_234_567), "a b.bin", "");
        assert_eq!(
            row,
            "<tr><td><a href=\"a%20b.bin\"><bdi>a b.bin</bdi></a></td>\
             <td title=\"1,234,567 bytes\"><data value=\"1234567\">1.2 MiB</data></td>\
             <td><time datetime=\"2024-02-29T12:34:56Z\">2024-02-29 <span>12:34</span></time></td>\
             </tr>\n"
        );
        let row = json_row(&entry(c"sub", true, 4_096), "sub", "/");
        assert_eq!(
            row,
            r#"{"name":"sub","href":"sub/","type":"directory","modified":"2024-02-29T12:34:56Z"}"#
        );
    }

    #[test]
    fn every_step_of_the_way_is_a_relative_link() {
        let deep = page("/a/b & c/d/", false);
        for crumb in [
            "<a href=../../..><bdi>Home</bdi></a>",
            "<a href=../..><bdi>a</bdi></a>",
            "<a href=\"../\"><bdi>b &amp; c</bdi></a>",
            "<bdi>d</bdi></h1>",
            &up_row(3),
        ] {
            assert!(deep.contains(crumb), "{crumb} in {deep}");
        }
        // The topmost directory leads nowhere above itself, behind a prefix neither.
        for top in ["/", "/prefix/"] {
            assert!(!page(top, true).contains("../"), "{top}");
        }
    }

    #[test]
    fn only_the_parent_is_a_quoted_link_upwards() {
        let deep = page("/a/b/c/d/", false);
        let quoted: Vec<_> = deep.split("href=\"..").skip(1).collect();
        assert_eq!(quoted.len(), 2, "the last crumb and the row");
        for link in quoted {
            assert!(link.starts_with("/\""), "{link:.40}");
        }
    }

    #[test]
    fn the_summary_counts() {
        let check = |directories: usize, files: usize, bytes: u64, expected: &str| {
            let totals = Totals {
                directories,
                files,
                bytes,
            };
            assert_eq!(summary(Some(&totals)), expected);
        };
        check(0, 0, 0, "Nothing here yet.");
        check(0, 1, 10, "1 file, 10 B");
        check(2, 0, 0, "2 directories");
        check(1, 2, 2_048, "1 directory, 2 files, 2.0 KiB");
    }

    /// A changed style or script with a stale hash would be blocked by every browser, silently.
    #[test]
    fn the_policy_permits_these_styles_and_scripts_and_no_more() {
        let check = |archives: bool,
                     takes_uploads: Option<u64>,
                     styles: &[&str],
                     scripts: &[&str],
                     others: &str| {
            let hashes = |contents: &[&str]| -> String {
                let quoted = contents
                    .iter()
                    .map(|content| format!(" '{}'", policy_hash(content)));
                quoted.collect()
            };
            let expected = format!(
                "\r\nContent-Security-Policy: default-src 'none'; base-uri 'none'; {others}\
                 img-src data:; style-src{}; script-src{}\r\n",
                hashes(styles),
                hashes(scripts)
            );
            let options = ListingOptions {
                archives,
                takes_uploads,
                ..ListingOptions::default()
            };
            let fields = std::str::from_utf8(fields(&options)).unwrap();
            assert!(
                fields.ends_with(&expected),
                "the policy should be: {expected}"
            );
            // What is permitted is what stands in the page.
            let page = page_with("/a/", &options);
            for (name, contents) in [("style", styles), ("script", scripts)] {
                let start = format!("<{name}>");
                assert_eq!(page.matches(&start).count(), contents.len(), "{name}");
                for content in contents {
                    assert!(
                        page.contains(&format!("{start}{content}</{name}>\n")),
                        "{name}"
                    );
                }
            }
        };
        check(false, None, &[STYLE], &[SCRIPT], "form-action 'none'; ");
        check(true, None, &[STYLE], &[SCRIPT], "form-action 'self'; ");
        let styles = [STYLE, upload_form::STYLE];
        let scripts = [SCRIPT, upload_form::SCRIPT];
        let with_uploads = "form-action 'self'; connect-src 'self'; ";
        check(false, Some(9), &styles, &scripts, with_uploads);
        check(true, Some(9), &styles, &scripts, with_uploads);
    }

    /// The rest of the page is the same: what it gets is taken out again.
    #[test]
    fn a_page_that_takes_no_files_has_nothing_of_it() {
        let without = page("/a/", false);
        let options = ListingOptions {
            takes_uploads: Some(u64::MAX),
            ..ListingOptions::default()
        };
        let mut with = page_with("/a/", &options);
        assert_ne!(with, without);
        let style = format!("</style>\n<style>{}", upload_form::STYLE);
        let script = format!("</script>\n<script>{}", upload_form::SCRIPT);
        let form = upload_form::form(u64::MAX);
        for added in [style, script, form] {
            with = with.replacen(&added, "", 1);
        }
        assert_eq!(with, without);
    }
}
