//! The page of a listing, for people.
//!
//! *Floor 3.* Knows entries and what was asked for; does not know file systems.
//!
//! The page works without its script: sorting, filtering and paging are answers of the server, each
//! with a URL of its own. With the script they are done in place where the page has all entries, in
//! the same order and with the same URLs. It loads nothing from anywhere, and its
//! Content-Security-Policy permits exactly this style and this script by their hashes. Where it takes
//! files it has a style and a script more (`upload_form.rs`), and its policy permits what they need,
//! requests to its own origin: there only.
//!
//! What shows the same entries in another way is a form and not a link. PITFALL: wget -r follows
//! every link, those with `rel=nofollow` too: it would fetch each directory a dozen times, or as three
//! archives (`a_mirror_takes_a_listing_once_and_no_archives`). So is the way to the page of a Markdown
//! file; its name is a link to the file itself, for programs and for who has no use for the page.
//!
//! A name is untrusted text: shown it is escaped, isolated (`<bdi>`: a right-to-left override cannot
//! turn `gpj.exe` around beyond itself) and without control characters; linked it is the
//! percent-encoded bytes, so that a name which is not UTF-8 still leads to its file.
//!
//! *References:* RFC 3986 §4.2 (a relative reference's first segment holds no colon); HTML Standard,
//! unquoted attribute values.

use std::fmt::Write;

use super::Page;
use super::text::{grouped, readable, shown, utc};
use crate::http::target::encode_segment;
use crate::service::inline::Inline;
use crate::service::listing::names::{Entry, Totals};
use crate::service::listing::order::{Order, SortBy};
use crate::service::listing::{ListingFormat, ListingOptions, upload_form};
use crate::service::markdown::readme::FolderReadme;
use crate::service::markdown::{self, is_markdown};
use crate::service::pages::{ICON, escape_html};

/// The fields of a listing. `no-cache`: it is right only now, and asking again is cheap.
pub(in crate::service::listing) fn fields(options: &ListingOptions, has_readme: bool) -> Vec<u8> {
    let kind = match options.format {
        ListingFormat::Html => "text/html; charset=utf-8",
        ListingFormat::Json => "application/json",
        ListingFormat::Plain => "text/plain; charset=utf-8",
    };
    let mut fields = format!("Content-Type: {kind}\r\nCache-Control: no-cache\r\nVary: Accept\r\n");
    if options.format == ListingFormat::Html {
        let (connect, style, script) = match options.takes_uploads {
            Some(_) => (
                "connect-src 'self'; ",
                format!("{} {}", STYLE.source(), upload_form::STYLE.source()),
                format!("{} {}", SCRIPT.source(), upload_form::SCRIPT.source()),
            ),
            None => ("", STYLE.source().into(), SCRIPT.source().into()),
        };
        let (images, style) = match has_readme {
            true => (
                "'self' data:",
                format!("{style} {}", markdown::readme::STYLE.source()),
            ),
            false => ("data:", style),
        };
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            fields,
            "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'self'; \
             {connect}img-src {images}; style-src {style}; script-src {script}\r\n"
        );
    }
    fields.into_bytes()
}

impl Page {
    pub(super) fn html_head(&self) -> String {
        let title = escape_html(&self.path);
        let crumbs = self.crumbs();
        let summary = self.summary();
        let (all, filter) = (self.way_to_all(), self.filter_form());
        let (choices, headings) = (self.choices(), self.headings());
        let pages = self.page_links("p");
        let up = if self.at_root { "" } else { UP_ROW };
        let is_empty = self.extent.totals == Totals::default();
        let download = match self.archives && !is_empty {
            true => DOWNLOAD,
            false => "",
        };
        let (style, form) = match self.takes_uploads {
            Some(bytes_max) => (
                format!("</style>\n<style>{}", upload_form::STYLE.text),
                upload_form::form(bytes_max),
            ),
            None => (String::new(), String::new()),
        };
        let style = match self.readme {
            Some(_) => format!("{style}</style>\n<style>{}", markdown::readme::STYLE.text),
            None => style,
        };
        let part = if self.extent.is_whole() {
            ""
        } else {
            " data-part"
        };
        let asked = escape_html(self.query.filter.wanted());
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"description\" content=\"Files in {title}: {summary}\">\n\
             <title>Index of {title}</title>\n{ICON}\n<style>{}{style}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<h1>{crumbs}</h1>\n\
             <p id=\"summary\" aria-live=\"polite\">{summary}{all}</p>\n\
             {filter}{download}{choices}{pages}</header>\n{form}<table>\n\
             <thead><tr>{headings}</tr></thead>\n\
             {up}<tbody id=\"rows\" data-q=\"{asked}\"{part}>\n",
            STYLE.text
        )
    }

    pub(super) fn html_tail(&self) -> String {
        let pages = self.page_links("nav");
        let upload = match self.takes_uploads {
            Some(_) => format!("</script>\n<script>{}", upload_form::SCRIPT.text),
            None => String::new(),
        };
        let readme = self.readme.as_ref().map_or("", FolderReadme::html);
        format!(
            "</tbody>\n</table>\n{pages}{readme}</main>\n<script>{}{upload}</script>\n</body>\n</html>\n",
            SCRIPT.text
        )
    }

    /// In one sentence; without markup, because it describes the page, too.
    fn summary(&self) -> String {
        let extent = &self.extent;
        let wanted = shown(self.query.filter.wanted());
        let wanted = match self.query.filter.is_any() {
            true => String::new(),
            false => format!("\u{201c}{}\u{201d}", escape_html(&wanted)),
        };
        let total = extent.totals.entries();
        if !extent.is_whole() {
            let shown = match extent.len {
                0 => "None".into(),
                len => format!(
                    "{}\u{2013}{}",
                    grouped(extent.first as u64 + 1),
                    grouped((extent.first + len) as u64)
                ),
            };
            let size = match extent.knows_bytes {
                true => format!(", {}", readable(extent.totals.bytes)),
                false => String::new(),
            };
            let matching = if wanted.is_empty() {
                String::new()
            } else {
                format!(" that match {wanted}")
            };
            return format!("{shown} of {}{matching}{size}", grouped(total as u64));
        }
        match (wanted.is_empty(), total) {
            (true, 0) => "Nothing here yet.".to_owned(),
            (true, _) => counted(&extent.totals),
            (false, 0) => format!("Nothing matches {wanted}."),
            (false, 1) => format!("{} matches {wanted}", counted(&extent.totals)),
            (false, _) => format!("{} match {wanted}", counted(&extent.totals)),
        }
    }

    /// The way back from a filter.
    fn way_to_all(&self) -> String {
        if self.query.filter.is_any() {
            return String::new();
        }
        format!(
            " <a href={}>Show all</a>",
            unquoted(&self.query.without_filter())
        )
    }

    fn filter_form(&self) -> String {
        let filter = &self.query.filter;
        if filter.is_any() && self.extent.totals.entries() < 2 {
            return String::new();
        }
        let (wanted, others) = (escape_html(filter.wanted()), self.hidden(&["q"]));
        format!(
            "<form id=\"filter\" role=\"search\">{others}<input type=\"search\" name=\"q\" \
             value=\"{wanted}\" placeholder=\"Filter\" aria-label=\"Filter by name\" \
             autocomplete=\"off\" spellcheck=\"false\"> <button>Filter</button></form>\n"
        )
    }

    /// Whether folders come first, where there are any among files.
    fn choices(&self) -> String {
        let Totals {
            directories, files, ..
        } = self.extent.totals;
        if directories == 0 || files == 0 {
            return String::new();
        }
        let others = self.hidden(&["dirs"]);
        let button = match self.query.order.mixed {
            true => "<button>Folders first</button>",
            false => "<button name=\"dirs\" value=\"mixed\">Mix folders and files</button>",
        };
        format!("<form class=\"choice\" data-name=\"dirs\">{others}{button}</form>\n")
    }

    /// Each heading sorts by its column; that of the order turns it around. Sizes and times are asked
    /// for to find the biggest and the latest.
    fn headings(&self) -> String {
        const COLUMNS: [(SortBy, &str, &str); 3] = [
            (SortBy::Name, "name", "Name"),
            (SortBy::Size, "size", "Size"),
            (SortBy::Time, "time", "Modified<span> (UTC)</span>"),
        ];
        let Order { by, descending, .. } = self.query.order;
        let others = self.hidden(&["sort", "order"]);
        let heading = |(column, word, shown): (SortBy, &str, &str)| {
            let (sorted, turned) = match (column == by, descending) {
                (true, false) => (" aria-sort=\"ascending\"", true),
                (true, true) => (" aria-sort=\"descending\"", false),
                (false, _) => ("", column != SortBy::Name),
            };
            let order = match turned {
                true => "<input type=\"hidden\" name=\"order\" value=\"desc\">",
                false => "",
            };
            format!(
                "<th scope=\"col\"{sorted}><form>{others}{order}\
                 <button name=\"sort\" value=\"{word}\">{shown}</button></form></th>"
            )
        };
        COLUMNS.map(heading).concat()
    }

    /// What else is asked for, as fields of a form.
    fn hidden(&self, but: &[&str]) -> String {
        let mut fields = String::new();
        for (name, value) in self.query.parameters() {
            if !but.contains(&name) {
                let value = escape_html(&value);
                let _ = write!(
                    fields,
                    "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
                );
            }
        }
        fields
    }

    /// The ways to the pages before and behind: links, since who mirrors a folder needs them.
    fn page_links(&self, element: &str) -> String {
        let extent = &self.extent;
        if extent.is_whole() {
            return String::new();
        }
        let link = |to: &Option<String>, rel, words| {
            let link = |to: &String| {
                let to = unquoted(to);
                format!("<a rel=\"{rel}\" href={to}>{words}</a>")
            };
            to.as_ref().map_or("<span></span>".to_owned(), link)
        };
        let before = link(&extent.before, "prev", "Previous page");
        let after = link(&extent.after, "next", "Next page");
        let label = match element {
            "nav" => " aria-label=\"Pages\"",
            _ => "",
        };
        format!("<{element} class=\"pages\"{label}>{before}{after}</{element}>\n")
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
const UP_ROW: &str = "<tbody><tr><td class=\"up\" colspan=\"3\">\
    <a href=\"../\">Parent directory</a></td></tr></tbody>\n";

/// A reference without quotes around it.
///
/// PITFALL: fsspec takes every link in quotes for something below; wget sees these, too
/// (`only_the_parent_is_a_quoted_link_upwards`). HTML allows no `=` in such a value.
fn unquoted(link: &str) -> String {
    link.replace('&', "&amp;").replace('=', "&#61;")
}

fn counted(totals: &Totals) -> String {
    let &Totals {
        directories,
        files,
        bytes,
    } = totals;
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
    parts.join(", ")
}

pub(super) fn row(entry: &Entry<'_>, shown: &str, slash: &str) -> String {
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
    let view = match !entry.is_directory && is_markdown(entry.name.to_bytes()) {
        true => {
            format!("<form class=\"view\" action={href}><button name=\"view\">View</button></form>")
        }
        false => String::new(),
    };
    let mut row = format!(
        "<tr><td{class}><a href=\"{href}{slash}\"><bdi>{name}</bdi>{slash}</a>{link}{view}</td>"
    );
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

/// The button for all of it. A form, because it says `?zip=` without a script.
const DOWNLOAD: &str = "<form id=\"download\" aria-label=\"Download this folder\">\
    <span>Download all</span> <button name=\"zip\">zip</button>\
    <button name=\"tar.gz\">tar.gz</button><button name=\"tar\">tar</button></form>\n";

pub(in crate::service) static STYLE: Inline = Inline::new(include_str!("page.css"));
static SCRIPT: Inline = Inline::new(include_str!("page.js"));

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::super::Extent;
    use super::*;
    use crate::service::listing::ListingQuery;
    use crate::service::listing::names::Meta;
    use crate::service::pages::tests::policy_hash;

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
        let page = Page::new(path, options, Extent::default());
        page.html_head() + &page.html_tail()
    }

    fn asked(query: &str, extent: Extent) -> Page {
        let options = ListingOptions {
            query: ListingQuery::of(Some(query)),
            ..ListingOptions::default()
        };
        Page::new("/", &options, extent)
    }

    #[test]
    fn a_row_has_the_exact_numbers_too() {
        let name: &CStr = c"a b.bin";
        let entry = Entry {
            name,
            is_directory: false,
            is_link: false,
            meta: Some(Meta {
                size: 1_234_567,
                modified: 1_709_210_096,
            }),
        };
        assert_eq!(
            row(&entry, "a b.bin", ""),
            "<tr><td><a href=\"a%20b.bin\"><bdi>a b.bin</bdi></a></td>\
             <td title=\"1,234,567 bytes\"><data value=\"1234567\">1.2 MiB</data></td>\
             <td><time datetime=\"2024-02-29T12:34:56Z\">2024-02-29 <span>12:34</span></time></td>\
             </tr>\n"
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
            UP_ROW,
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
        let check =
            |query: &str, (directories, files, bytes): (usize, usize, u64), expected: &str| {
                let totals = Totals {
                    directories,
                    files,
                    bytes,
                };
                let extent = Extent {
                    totals,
                    ..Extent::default()
                };
                assert_eq!(asked(query, extent).summary(), expected);
            };
        check("", (0, 0, 0), "Nothing here yet.");
        check("", (0, 1, 10), "1 file, 10 B");
        check("", (2, 0, 0), "2 directories");
        check("", (1, 2, 2_048), "1 directory, 2 files, 2.0 KiB");
        check("q=a", (0, 1, 10), "1 file, 10 B matches \u{201c}a\u{201d}");
        check(
            "q=%3Cb%3E",
            (0, 0, 0),
            "Nothing matches \u{201c}&lt;b&gt;\u{201d}.",
        );
    }

    #[test]
    fn a_page_of_many_says_which_and_leads_on() {
        let extent = |first, len, before: Option<&str>, after: Option<&str>| Extent {
            totals: Totals {
                directories: 0,
                files: 12_345,
                bytes: 1_024,
            },
            first,
            len,
            before: before.map(Into::into),
            after: after.map(Into::into),
            ..Extent::default()
        };
        let check = |query, extent: Extent, expected: &str, links: [bool; 2]| {
            let page = asked(query, extent);
            assert_eq!(page.summary(), expected);
            let text = page.html_head() + &page.html_tail();
            for (rel, expected) in ["prev", "next"].iter().zip(links) {
                // Above and below.
                let count = text
                    .matches(&format!("<a rel=\"{rel}\" href=?sort&#61;size"))
                    .count();
                assert_eq!(count, if expected { 2 } else { 0 }, "{rel}");
            }
            assert!(text.contains(" data-part>"));
        };
        let (before, after) = ("?sort=size&before=f1/a", "?sort=size&after=f1/a");
        let first = extent(0, 5_000, None, Some(after));
        check("", first, "1\u{2013}5,000 of 12,345", [false, true]);
        let second = extent(5_000, 5_000, Some(before), Some(after));
        let matching = "5,001\u{2013}10,000 of 12,345 that match \u{201c}x\u{201d}";
        check("q=x", second, matching, [true, true]);
        let none = extent(12_345, 0, Some(before), None);
        check("", none, "None of 12,345", [true, false]);
    }

    /// Each is a form of what it changes, with all else that was asked for as hidden fields.
    #[test]
    fn every_way_to_show_it_keeps_the_others() {
        let text = |query| {
            let extent = Extent {
                totals: Totals {
                    directories: 1,
                    files: 2,
                    bytes: 0,
                },
                ..Extent::default()
            };
            asked(query, extent).html_head()
        };
        let hidden =
            |name, value| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        let button = |word, shown| format!("<button name=\"sort\" value=\"{word}\">{shown}");
        let (desc, plain) = (hidden("order", "desc"), text(""));
        for part in [
            format!(
                "<th scope=\"col\" aria-sort=\"ascending\"><form>{desc}{}",
                button("name", "Name")
            ),
            format!("<th scope=\"col\"><form>{desc}{}", button("size", "Size")),
            "<form id=\"filter\" role=\"search\"><input type=\"search\" name=\"q\" value=\"\""
                .to_owned(),
            "<button name=\"dirs\" value=\"mixed\">".to_owned(),
        ] {
            assert!(plain.contains(&part), "{part} in {plain}");
        }
        let all = text("q=%22a&sort=size&order=desc&dirs=mixed");
        let (q, mixed) = (hidden("q", "&quot;a"), hidden("dirs", "mixed"));
        let size = hidden("sort", "size");
        for part in [
            format!(
                "<th scope=\"col\"><form>{q}{mixed}{}",
                button("name", "Name")
            ),
            format!(
                "<th scope=\"col\" aria-sort=\"descending\"><form>{q}{mixed}{}",
                button("size", "Size")
            ),
            format!(
                "<form id=\"filter\" role=\"search\">{size}{desc}{mixed}<input type=\"search\" name=\"q\" value=\"&quot;a\""
            ),
            format!("{q}{size}{desc}<button>Folders first</button>"),
            "<a href=?sort&#61;size&amp;order&#61;desc&amp;dirs&#61;mixed>Show all</a>".to_owned(),
        ] {
            assert!(all.contains(&part), "{part} in {all}");
        }
    }

    /// What is permitted is what stands in the page.
    #[test]
    fn the_policy_permits_these_styles_and_scripts_and_no_more() {
        let check =
            |takes_uploads: Option<u64>, styles: &[&Inline], scripts: &[&Inline], others: &str| {
                let hashes = |contents: &[&Inline]| -> String {
                    let quoted = contents
                        .iter()
                        .map(|content| format!(" '{}'", policy_hash(content.text)));
                    quoted.collect()
                };
                let expected = format!(
                    "\r\nContent-Security-Policy: default-src 'none'; base-uri 'none'; \
                 form-action 'self'; {others}img-src data:; style-src{}; script-src{}\r\n",
                    hashes(styles),
                    hashes(scripts)
                );
                let options = ListingOptions {
                    takes_uploads,
                    ..ListingOptions::default()
                };
                let fields = String::from_utf8(fields(&options, false)).unwrap();
                assert!(fields.ends_with(&expected), "{fields} is not {expected}");
                let page = page_with("/a/", &options);
                for (name, contents) in [("style", styles), ("script", scripts)] {
                    let start = format!("<{name}>");
                    assert_eq!(page.matches(&start).count(), contents.len(), "{name}");
                    for content in contents {
                        let whole = format!("{start}{}</{name}>\n", content.text);
                        assert!(page.contains(&whole), "{name}");
                    }
                }
            };
        check(None, &[&STYLE], &[&SCRIPT], "");
        let styles = [&STYLE, &upload_form::STYLE];
        let scripts = [&SCRIPT, &upload_form::SCRIPT];
        check(Some(9), &styles, &scripts, "connect-src 'self'; ");
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
        let style = format!("</style>\n<style>{}", upload_form::STYLE.text);
        let script = format!("</script>\n<script>{}", upload_form::SCRIPT.text);
        let form = upload_form::form(u64::MAX);
        for added in [style, script, form] {
            with = with.replacen(&added, "", 1);
        }
        assert_eq!(with, without);
    }
}
