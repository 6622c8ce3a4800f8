//! The page of a listing, for people.
//!
//! *Floor 3.* Knows entries and what was asked for; does not know file systems.
//!
//! The page works without its script: sorting, filtering and paging are answers of the server, each
//! with a URL of its own. With the script they are done in place where the page has all entries, in
//! the same order and with the same URLs. It loads nothing from anywhere, and its
//! Content-Security-Policy permits exactly this style and this script by their hashes. Where it takes
//! files it has a style and a script more (`upload_form.rs`), and its policy permits what they need,
//! requests to its own origin: there only. The same goes for pictures, videos and sound (`media/`).
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
use super::text::{grouped, readable, shown};
use crate::service::inline::Inline;
use crate::service::listing::names::Totals;
use crate::service::listing::order::{Order, SortBy};
use crate::service::listing::{ListingFormat, media, upload_form};
use crate::service::markdown;
use crate::service::markdown::readme::FolderReadme;
use crate::service::pages::{ICON, escape_html};

/// What a page has beside its rows, each with a style and a script of its own.
#[derive(Clone, Copy)]
struct PageParts {
    media: bool,
    uploads: bool,
    readme: bool,
}

impl PageParts {
    fn styles(self) -> Vec<&'static Inline> {
        let mut styles = self.each(&STYLE, &media::STYLE, &upload_form::STYLE);
        styles.extend(self.readme.then_some(&markdown::readme::STYLE));
        styles
    }

    /// PITFALL: what comes with uploads takes the script before it for the listing's own.
    fn scripts(self) -> Vec<&'static Inline> {
        let mut scripts = self.each(&SCRIPT, &media::SCRIPT, &upload_form::SCRIPT);
        if self.media {
            scripts.swap(0, 1);
        }
        scripts
    }

    fn each(
        self,
        own: &'static Inline,
        media: &'static Inline,
        upload: &'static Inline,
    ) -> Vec<&'static Inline> {
        let mut each = vec![own];
        each.extend(self.media.then_some(media));
        each.extend(self.uploads.then_some(upload));
        each
    }

    /// What the browser may do with it.
    fn policy(self) -> String {
        let sources = |contents: Vec<&'static Inline>| -> String {
            let quoted = contents
                .iter()
                .map(|content| format!(" {}", content.source()));
            quoted.collect()
        };
        // Over a frame of a form that takes files another site could lay what it likes.
        let connect = match self.uploads {
            true => "frame-ancestors 'self'; connect-src 'self'; ",
            false => "",
        };
        let images = match self.media || self.readme {
            true => "'self' data:",
            false => "data:",
        };
        let media = match self.media {
            true => "media-src 'self'; ",
            false => "",
        };
        format!(
            "default-src 'none'; base-uri 'none'; form-action 'self'; \
             {connect}img-src {images}; {media}style-src{}; script-src{}",
            sources(self.styles()),
            sources(self.scripts())
        )
    }
}

/// The policies of the listings that take no files.
pub(in crate::service) fn policies_without_uploads() -> impl Iterator<Item = String> {
    let all = [(false, false), (false, true), (true, false), (true, true)];
    all.into_iter().map(|(media, readme)| {
        let parts = PageParts {
            media,
            uploads: false,
            readme,
        };
        parts.policy()
    })
}

impl Page {
    /// The fields of a listing. `no-cache`: it is right only now, and asking again is cheap.
    pub(in crate::service::listing) fn fields(&self) -> Vec<u8> {
        let kind = match self.format {
            ListingFormat::Html => "text/html; charset=utf-8",
            ListingFormat::Json => "application/json",
            ListingFormat::Plain => "text/plain; charset=utf-8",
        };
        let mut fields =
            format!("Content-Type: {kind}\r\nCache-Control: no-cache\r\nVary: Accept\r\n");
        if self.format == ListingFormat::Html {
            // Writing to a String cannot fail, here and below.
            let _ = write!(
                fields,
                "Content-Security-Policy: {}\r\n",
                self.parts().policy()
            );
        }
        fields.into_bytes()
    }

    fn parts(&self) -> PageParts {
        PageParts {
            media: self.shows_media,
            uploads: self.takes_uploads.is_some(),
            readme: self.readme.is_some(),
        }
    }

    pub(super) fn html_head(&self) -> String {
        let title = escape_html(&self.path);
        let crumbs = self.crumbs();
        let summary = self.summary();
        let (all, filter) = (self.way_to_all(), self.filter_form());
        let (choices, headings) = (self.choices(), self.headings());
        let pages = self.page_links("p");
        let up = match (self.at_root, self.query.grid) {
            (true, _) => String::new(),
            (false, false) => UP_ROW.into(),
            (false, true) => UP_ROW.replace("\"../\"", &format!("../{}", self.as_here())),
        };
        let is_empty = self.extent.totals == Totals::default();
        let download = match self.archives && !is_empty {
            true => DOWNLOAD,
            false => "",
        };
        let styles = elements("style", &self.parts().styles());
        let form = self
            .takes_uploads
            .map(upload_form::form)
            .unwrap_or_default();
        let grid = match self.query.grid {
            true => " class=\"grid\"",
            false => "",
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
             <title>Index of {title}</title>\n{ICON}\n{styles}</head>\n\
             <body>\n<main>\n<header>\n<h1>{crumbs}</h1>\n\
             <p id=\"summary\" aria-live=\"polite\">{summary}{all}</p>\n\
             {filter}{download}{choices}{pages}</header>\n{form}<table{grid}>\n\
             <thead><tr>{headings}</tr></thead>\n\
             {up}<tbody id=\"rows\" data-q=\"{asked}\"{part}>\n"
        )
    }

    pub(super) fn html_tail(&self) -> String {
        let pages = self.page_links("nav");
        let scripts = elements("script", &self.parts().scripts());
        let readme = self.readme.as_ref().map_or("", FolderReadme::html);
        format!("</tbody>\n</table>\n{pages}{readme}</main>\n{scripts}</body>\n</html>\n")
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

    /// What else can be chosen: a grid where there is something to see in it.
    fn choices(&self) -> String {
        let button = match (self.query.grid, self.has_pictures) {
            (true, _) => "<button>List</button>",
            (false, true) => "<button name=\"as\" value=\"grid\">Grid</button>",
            (false, false) => return self.order_choice(),
        };
        let others = self.hidden(&["as"]);
        let order = self.order_choice();
        format!("{order}<form class=\"choice\" data-name=\"as\">{others}{button}</form>\n")
    }

    /// Whether folders come first, where there are any among files.
    fn order_choice(&self) -> String {
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
        let as_here = self.as_here();
        let mut crumbs = String::new();
        for (index, step) in ["Home"].iter().chain(above).enumerate() {
            let step = escape_html(step);
            let up = match steps.len() - index {
                1 if as_here.is_empty() => "\"../\"".to_owned(),
                1 => format!("../{as_here}"),
                n => "../".repeat(n - 1) + ".." + as_here,
            };
            // Writing to a String cannot fail.
            let _ = write!(crumbs, "<a href={up}><bdi>{step}</bdi></a><span>/</span>");
        }
        crumbs + "<bdi>" + &escape_html(here) + "</bdi>"
    }

    /// What a link to another folder says, so that it looks like this one.
    const fn as_here(&self) -> &'static str {
        match self.query.grid {
            true => "?as&#61;grid",
            false => "",
        }
    }
}

/// What is compiled in, each in an element of its own: as a whole it is what its hash permits.
fn elements(name: &str, contents: &[&Inline]) -> String {
    let element = |content: &&Inline| format!("<{name}>{}</{name}>\n", content.text);
    contents.iter().map(element).collect()
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

/// The button for all of it. A form, because it says `?zip=` without a script.
const DOWNLOAD: &str = "<form id=\"download\" aria-label=\"Download this folder\">\
    <span>Download all</span> <button name=\"zip\">zip</button>\
    <button name=\"tar.gz\">tar.gz</button><button name=\"tar\">tar</button></form>\n";

pub(in crate::service) static STYLE: Inline = Inline::new(include_str!("page.css"));
static SCRIPT: Inline = Inline::new(include_str!("page.js"));

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::Arc;

    use super::super::Extent;
    use super::*;
    use crate::service::listing::names::Names;
    use crate::service::listing::{ListingOptions, ListingQuery};
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
                let page = Page::new("/a/", &options, Extent::default());
                let fields = String::from_utf8(page.fields()).unwrap();
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
        let uploads = "frame-ancestors 'self'; connect-src 'self'; ";
        check(Some(9), &styles, &scripts, uploads);
    }

    fn grid(query: &str, has: &[&CStr]) -> Page {
        let options = ListingOptions {
            query: ListingQuery::of(Some(query)),
            content_types: Some(Arc::new(|name: &CStr| match name.to_bytes() {
                b"picture" => Some("image/png".into()),
                b"video" => Some("video/mp4".into()),
                b"sound" => Some("audio/mpeg".into()),
                _ => None,
            })),
            takes_uploads: query.contains("uploads").then_some(9),
            ..ListingOptions::default()
        };
        let mut names = Names::default();
        for name in has {
            names.push(name, rustix::fs::FileType::RegularFile);
        }
        let mut page = Page::new("/a/b/", &options, Extent::default());
        page.look_for_media(&names);
        page
    }

    /// A page without has nothing of it, and its policy permits nothing of it.
    #[test]
    fn what_shows_media_is_where_media_are() {
        let check = |query, has: &[&CStr], shows: bool, switch: Option<&str>| {
            let page = grid(query, has);
            let text = page.html_head() + &page.html_tail();
            let fields = String::from_utf8(page.fields()).unwrap();
            let policy = [
                "img-src 'self' data:; media-src 'self'; style-src",
                "img-src data:; style-src",
            ];
            assert!(
                fields.contains(policy[usize::from(!shows)]),
                "{has:?} {fields}"
            );
            for (name, content, all) in [
                ("style", &media::STYLE, page.parts().styles()),
                ("script", &media::SCRIPT, page.parts().scripts()),
            ] {
                let whole = format!("<{name}>{}</{name}>\n", content.text);
                assert_eq!(text.contains(&whole), shows, "{has:?} {name}");
                assert_eq!(fields.contains(content.source()), shows, "{has:?} {name}");
                assert_eq!(text.matches(&format!("<{name}>")).count(), all.len());
            }
            let form = text.split("data-name=\"as\">").nth(1);
            let form = form.map(|form| form.split_once("</form>").unwrap().0);
            assert_eq!(form, switch, "{query} {has:?}");
        };
        let to_grid = Some("<button name=\"as\" value=\"grid\">Grid</button>");
        check("", &[], false, None);
        check("", &[c"other", c"other"], false, None);
        check("", &[c"other", c"sound"], true, None);
        check("", &[c"sound", c"picture"], true, to_grid);
        check("", &[c"video"], true, to_grid);
        check("uploads", &[c"video"], true, to_grid);
        // The way back is there whatever is shown.
        check("as=grid", &[], true, Some("<button>List</button>"));
        let q = "<input type=\"hidden\" name=\"q\" value=\"x\">";
        check(
            "as=grid&q=x",
            &[c"picture"],
            true,
            Some(&format!("{q}<button>List</button>")),
        );
    }

    /// What comes with uploads runs the script before it again for new rows.
    #[test]
    fn the_listings_script_stands_before_that_of_uploads() {
        let text = grid("uploads", &[c"picture"]).html_tail();
        let own = format!("<script>{}</script>\n", SCRIPT.text);
        assert!(text.contains(&format!("{own}<script>{}", upload_form::SCRIPT.text)));
    }

    #[test]
    fn a_grid_leads_to_grids() {
        let text = grid("as=grid", &[]).html_head();
        for part in [
            "<a href=../..?as&#61;grid><bdi>Home</bdi></a>",
            "<a href=../?as&#61;grid><bdi>a</bdi></a>",
            "<a href=../?as&#61;grid>Parent directory</a>",
            "<table class=\"grid\">",
            "<input type=\"hidden\" name=\"as\" value=\"grid\"><input type=\"hidden\" name=\"order\" \
             value=\"desc\"><button name=\"sort\" value=\"size\">",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
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
