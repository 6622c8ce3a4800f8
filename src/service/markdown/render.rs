//! A document as HTML that may stand in a page.
//!
//! *Floor 3.* Pure: knows what pulldown-cmark finds in a document; does not know the page around it.
//!
//! Its writer makes elements of events, and writes what [`Event::Html`] and [`Event::InlineHtml`] hold
//! as it is. So those are the one way for a document to get an element in that is not meant, and all
//! that leave here are made here, of text that is escaped and addresses that are checked.
//!
//! All is one pass. What a document can make us keep is bounded by its length, and what comes out by
//! the caller: a table may be a hundred times as long as its source.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};

use pulldown_cmark::{
    Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd,
    html,
};

use crate::service::markdown::address::{Address, PREFIX};
use crate::service::markdown::block::RawBlock;
use crate::service::markdown::elements::{Image, link, raw_link, titled};
use crate::service::markdown::names::HeadingNames;
use crate::service::markdown::raw::{HtmlPiece, HtmlPieces};
use crate::service::pages::escape_html;

/// A document, rendered.
pub(super) struct Rendered {
    pub(super) html: String,
    /// The words of its first heading.
    pub(super) title: Option<String>,
}

/// Renders a document; `None` if that would be longer than `bytes_max`.
pub(super) fn render(source: &str, bytes_max: usize) -> Option<Rendered> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut tamed = Tamed::new(Parser::new_ext(source, options));
    let mut bounded = BoundedHtml {
        html: String::new(),
        bytes_max,
    };
    html::write_html_fmt(&mut bounded, &mut tamed).ok()?;
    Some(Rendered {
        html: bounded.html,
        title: tamed.names.title,
    })
}

/// A text that does not become longer than it may.
struct BoundedHtml {
    html: String,
    bytes_max: usize,
}

impl Write for BoundedHtml {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.bytes_max - self.html.len() {
            return Err(fmt::Error);
        }
        self.html.push_str(text);
        Ok(())
    }
}

/// The events of a document, those that could do harm replaced.
struct Tamed<'a> {
    events: Parser<'a>,
    /// What is still to be given out of what was replaced.
    ready: VecDeque<Event<'a>>,
    /// The HTML of a block, until its end.
    block: Option<String>,
    link: OpenLink,
    names: HeadingNames,
    notes: HashMap<CowStr<'a>, usize>,
    columns: Vec<Alignment>,
    column: usize,
    cell: &'static str,
}

/// Links do not hold links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenLink {
    None,
    /// `[a](b)`, and whether it may lead there.
    Markdown(bool),
    /// `<a href>`.
    Raw,
}

impl<'a> Iterator for Tamed<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let event = self.events.next()?;
            self.take(event);
        }
    }
}

impl<'a> Tamed<'a> {
    fn new(events: Parser<'a>) -> Self {
        Self {
            events,
            ready: VecDeque::new(),
            block: None,
            link: OpenLink::None,
            names: HeadingNames::default(),
            notes: HashMap::new(),
            columns: Vec::new(),
            column: 0,
            cell: "td",
        }
    }

    /// The only way for HTML into the page.
    fn put(&mut self, html: impl Into<String>) {
        self.ready.push_back(Event::InlineHtml(html.into().into()));
    }

    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Html(html) => match &mut self.block {
                Some(block) => block.push_str(&html),
                None => self.raw_inline(&html),
            },
            Event::InlineHtml(html) => self.raw_inline(&html),
            Event::FootnoteReference(name) => {
                let number = self.note(name);
                self.put(format!(
                    "<sup><a href=#{PREFIX}note.{number}>{number}</a></sup>"
                ));
            }
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            other => self.ready.push_back(other),
        }
    }

    fn start(&mut self, tag: Tag<'a>) {
        match tag {
            Tag::HtmlBlock => self.block = Some(String::new()),
            Tag::Heading { level, .. } => self.heading(level),
            Tag::Link {
                link_type,
                dest_url,
                title,
                ..
            } => {
                let address = match link_type {
                    LinkType::Email => Address::of_link(&format!("mailto:{dest_url}")),
                    _ => Address::of_link(&dest_url),
                };
                let address = address.filter(|_| self.link == OpenLink::None);
                self.link = match self.link {
                    OpenLink::None => OpenLink::Markdown(address.is_some()),
                    other => other,
                };
                if let Some(address) = address {
                    self.put(link(&address, &title));
                }
            }
            Tag::Image {
                dest_url, title, ..
            } => {
                let alt = self.text_to_end();
                let is_linked = self.link != OpenLink::None;
                let image = Image {
                    address: Address::of_image(&dest_url),
                    alt: escape_html(&alt).into_owned(),
                    others: titled(&title),
                };
                self.put(image.html(is_linked));
            }
            Tag::FootnoteDefinition(name) => {
                let number = self.note(name);
                self.put(format!(
                    "\n<div class=\"note\" id=\"{PREFIX}note.{number}\"><sup>{number}</sup>\n"
                ));
            }
            Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell => {
                self.start_of_table(tag);
            }
            // Nothing here makes colours of a language, which would be a class of the author's choice.
            Tag::CodeBlock(_) => {
                let code = Tag::CodeBlock(CodeBlockKind::Indented);
                self.ready.push_back(Event::Start(code));
            }
            other => self.ready.push_back(Event::Start(other)),
        }
    }

    /// Its writer would say where a column stands by a style, which the page forbids.
    fn start_of_table(&mut self, tag: Tag<'a>) {
        match tag {
            Tag::Table(columns) => {
                self.ready.push_back(Event::Start(Tag::Table(Vec::new())));
                self.columns = columns;
            }
            Tag::TableCell => {
                let class = match self.columns.get(self.column) {
                    Some(Alignment::Center) => " class=\"center\"",
                    Some(Alignment::Right) => " class=\"right\"",
                    _ => "",
                };
                self.column += 1;
                self.put(format!("<{}{class}>", self.cell));
            }
            row => {
                self.cell = match row {
                    Tag::TableHead => "th",
                    _ => "td",
                };
                self.column = 0;
                self.ready.push_back(Event::Start(row));
            }
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::HtmlBlock => {
                if let Some(block) = self.block.take() {
                    let html = RawBlock::new(&mut self.names).render(&block);
                    self.put(html);
                }
            }
            TagEnd::Link => {
                if let OpenLink::Markdown(is_shown) = self.link {
                    self.link = OpenLink::None;
                    if is_shown {
                        self.put("</a>");
                    }
                }
            }
            TagEnd::FootnoteDefinition => self.put("</div>\n"),
            TagEnd::TableCell => {
                self.end_raw_link();
                self.put(format!("</{}>", self.cell));
            }
            other => {
                if matches!(other, TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item) {
                    self.end_raw_link();
                }
                self.ready.push_back(Event::End(other));
            }
        }
    }

    /// A tag among text.
    fn raw_inline(&mut self, html: &str) {
        for piece in HtmlPieces(html) {
            match piece {
                HtmlPiece::Text(text) => self.ready.push_back(Event::Text(text.to_owned().into())),
                HtmlPiece::Open(tag) if tag.name.eq_ignore_ascii_case("br") => self.put("<br>"),
                HtmlPiece::Open(tag) if tag.name.eq_ignore_ascii_case("img") => {
                    let image = Image::of(tag).html(self.link != OpenLink::None);
                    self.put(image);
                }
                HtmlPiece::Open(tag) if tag.name.eq_ignore_ascii_case("a") => {
                    if let Some(html) = raw_link(tag).filter(|_| self.link == OpenLink::None) {
                        self.link = OpenLink::Raw;
                        self.put(html);
                    }
                }
                HtmlPiece::Close(name) if name.eq_ignore_ascii_case("a") => self.end_raw_link(),
                HtmlPiece::Open(_) | HtmlPiece::Close(_) => {}
            }
        }
    }

    fn end_raw_link(&mut self) {
        if self.link == OpenLink::Raw {
            self.link = OpenLink::None;
            self.put("</a>");
        }
    }

    /// A heading has a name, which is made of its words, and those come behind its beginning.
    fn heading(&mut self, level: HeadingLevel) {
        let before = std::mem::take(&mut self.ready);
        let mut words = String::new();
        while let Some(event) = self.events.next() {
            match &event {
                Event::Text(text) | Event::Code(text) => words.push_str(text),
                Event::SoftBreak | Event::HardBreak => words.push(' '),
                _ => {}
            }
            let is_end = matches!(event, Event::End(TagEnd::Heading(_)));
            self.take(event);
            if is_end {
                break;
            }
        }
        let inside = std::mem::replace(&mut self.ready, before);
        self.ready.push_back(Event::Start(Tag::Heading {
            level,
            id: Some(self.names.of(&words).into()),
            classes: Vec::new(),
            attrs: Vec::new(),
        }));
        self.ready.extend(inside);
    }

    /// All text up to the end of what has just begun.
    fn text_to_end(&mut self) -> String {
        let (mut text, mut depth) = (String::new(), 0_usize);
        for event in self.events.by_ref() {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => break,
                Event::End(_) => depth -= 1,
                Event::Text(more) | Event::Code(more) => text.push_str(&more),
                Event::SoftBreak | Event::HardBreak => text.push(' '),
                _ => {}
            }
        }
        text
    }

    /// Notes are numbered as they are named. Their names have a point, as no heading's has.
    fn note(&mut self, name: CowStr<'a>) -> usize {
        let next = self.notes.len() + 1;
        *self.notes.entry(name).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(source: &str) -> String {
        render(source, 1 << 20).unwrap().html
    }

    #[test]
    fn what_people_write_is_shown() {
        let check = |source: &str, expected: &str| {
            assert_eq!(html(source).trim_end(), expected, "{source:?}");
        };
        check(
            "a *b* **c** ~~d~~ `e`",
            "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e</code></p>",
        );
        check(
            "# A *b* `c`!\n# A b c",
            "<h1 id=\"md-a-b-c\">A <em>b</em> <code>c</code>!</h1>\n<h1 id=\"md-a-b-c-1\">A b c</h1>",
        );
        check(
            "# A\n# A\n# A-1",
            "<h1 id=\"md-a\">A</h1>\n<h1 id=\"md-a-1\">A</h1>\n<h1 id=\"md-a-1-1\">A-1</h1>",
        );
        check("# Über_uns 2", "<h1 id=\"md-über_uns-2\">Über_uns 2</h1>");
        check(
            "[a](b.md#c \"t\")",
            "<p><a href=b.md?view#md-c title=\"t\">a</a></p>",
        );
        check(
            "<https://a.example/?b=c>",
            "<p><a href=https://a.example/?b&#61;c rel=\"noopener noreferrer\">https://a.example/?b=c</a></p>",
        );
        check(
            "<a@b.example>",
            "<p><a href=mailto:a@b.example rel=\"noopener noreferrer\">a@b.example</a></p>",
        );
        check(
            "![*a* \"b\"](c.png \"t\")",
            "<p><img src=c.png alt=\"a &quot;b&quot;\" title=\"t\" loading=\"lazy\"></p>",
        );
        check(
            "![a](https://b.example/c.png)",
            "<p><a href=https://b.example/c.png rel=\"noopener noreferrer\">a</a></p>",
        );
        check("[![a](//b.example/c.png)](d)", "<p><a href=d>a</a></p>");
        check(
            "[![a](c.png)](d)",
            "<p><a href=d><img src=c.png alt=\"a\" loading=\"lazy\"></a></p>",
        );
        check(
            "![a ![b](c) [d](e)](f)",
            "<p><img src=f alt=\"a b d\" loading=\"lazy\"></p>",
        );
    }

    #[test]
    fn what_github_adds_is_shown() {
        let check = |source: &str, expected: &str| {
            assert_eq!(html(source).trim_end(), expected, "{source:?}");
        };
        check(
            "- [x] a\n- [ ] b",
            "<ul>\n<li><input disabled=\"\" type=\"checkbox\" checked=\"\"/>\na</li>\n<li><input disabled=\"\" type=\"checkbox\"/>\nb</li>\n</ul>",
        );
        check(
            "|a|b|\n|-|-:|\n|c|d|",
            "<table><thead><tr><th>a</th><th class=\"right\">b</th></tr></thead><tbody>\n<tr><td>c</td><td class=\"right\">d</td></tr>\n</tbody></table>",
        );
        check(
            "a[^x]\n\n[^x]: b",
            "<p>a<sup><a href=#md-note.1>1</a></sup></p>\n\n<div class=\"note\" id=\"md-note.1\"><sup>1</sup>\n<p>b</p>\n</div>",
        );
        check(
            "> [!NOTE]\n> a",
            "<blockquote class=\"markdown-alert-note\">\n<p>a</p>\n</blockquote>",
        );
        check("---\ntitle: x\n---\na", "<p>a</p>");
        check("\u{feff}# a", "<h1 id=\"md-a\">a</h1>");
        check("```sh\na <b>\n```", "<pre><code>a &lt;b&gt;\n</code></pre>");
    }

    #[test]
    fn of_html_is_left_what_is_harmless() {
        let check = |source: &str, expected: &str| {
            assert_eq!(html(source).trim_end(), expected, "{source:?}");
        };
        check(
            "<h1 align=\"center\">A &amp; B</h1>",
            "<h1 id=\"md-a--b\">A &amp; B</h1>",
        );
        check(
            "<p align=\"center\">\n  <img src=\"a.png\" width=\"120\" onload=x alt='b'><br>\n  c &copy; <b>d</b>\n</p>",
            "<p><img src=a.png alt=\"b\" width=\"120\" loading=\"lazy\"><br>\n  c &copy; d</p>",
        );
        check(
            "<a href=\"x?a=1&amp;b=2\"><img src=\"//c/d.svg\" alt=e></a>",
            "<p><a href=x?a&#61;1&amp;b&#61;2>e</a></p>",
        );
        check(
            "<details><summary>a</summary>\n\n*b*\n\n</details>",
            "<p>a</p>\n<p><em>b</em></p>",
        );
        check(
            "a<br/>b <kbd>c</kbd> <img src=d.png>",
            "<p>a<br>b c <img src=d.png alt=\"\" loading=\"lazy\"></p>",
        );
        check("a <a href=b>c [d](e) f", "<p>a <a href=b>c d f</a></p>");
        check(
            "<!-- a -->\n\n<div>\n<hr>\nb < c\n</div>",
            "<hr>\n<p>b &lt; c</p>",
        );
    }

    /// Whatever is written, only these elements and attributes come out, and no address that does more
    /// than lead somewhere. The HTML is read back by rules of its own, quotes and all.
    #[test]
    fn nothing_hostile_comes_through() {
        let all = HOSTILE
            .split("\n%%\n")
            .chain(["\0<script\0>alert(1)</script>"]);
        for source in all {
            for around in [
                "{}",
                "> {}",
                "- {}\n  {}",
                "|{}|\n|-|\n|{}|",
                "# {}",
                "[{}](x)",
                "![{}](x)",
                "*{}*",
                "a\n\n{}\n\nb",
            ] {
                let source = around.replace("{}", source);
                let rendered = render(&source, 1 << 20).unwrap();
                is_harmless(&rendered.html, &source);
            }
        }
    }

    /// Made of what matters to either parser.
    #[test]
    fn no_mixture_of_pieces_comes_through() {
        const PIECES: &[&str] = &[
            "<",
            ">",
            "\"",
            "'",
            "`",
            "=",
            " ",
            "\n",
            "\n\n",
            "[",
            "](",
            ")",
            "![",
            "a",
            "javascript:",
            "<img src=",
            "<a href=",
            "</a>",
            "<script>",
            "</script>",
            "<!--",
            "-->",
            "<p>",
            "<h1>",
            "|",
            "|-|\n",
            "&lt;",
            "&#106;",
            "onerror=x",
            "\\",
            "*",
            "# ",
            "> ",
            "- ",
            "[^a]",
            "[^a]: ",
            "\t",
            "//x/",
            "<svg/onload=x>",
            "\0",
            "```",
            "<style>",
            "</p>",
            "é",
        ];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..20_000 {
            let source: String = (0..random(24))
                .map(|_| PIECES[random(PIECES.len())])
                .collect();
            is_harmless(&html(&source), &source);
        }
    }

    /// Documents, apart from each other. A browser is shown them, too (`tests/it/matrix/pages.rs`).
    const HOSTILE: &str = include_str!("hostile.md");

    const ELEMENTS: &[&str] = &[
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "a",
        "img",
        "br",
        "hr",
        "em",
        "strong",
        "del",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "sup",
        "div",
        "input",
    ];

    /// Panics if there is an element, an attribute or an address that is not expected.
    fn is_harmless(html: &str, source: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = &rest[at + 1..];
            let is_end = rest.starts_with('/');
            rest = rest.trim_start_matches('/');
            let len = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
            let element = &rest[..len];
            assert!(
                ELEMENTS.contains(&element),
                "<{element}> of {source:?}: {html}"
            );
            rest = &rest[len..];
            loop {
                rest = rest.trim_start_matches([' ', '/']);
                if let Some(behind) = rest.strip_prefix('>') {
                    rest = behind;
                    break;
                }
                assert!(!is_end, "{source:?}: {html}");
                let len = rest.find(['=', ' ', '>']).unwrap();
                let name = &rest[..len];
                let value = rest[len..].strip_prefix('=').unwrap();
                let (value, behind) = match value.strip_prefix('"') {
                    Some(value) => value.split_once('"').unwrap(),
                    None => value.split_at(value.find([' ', '>']).unwrap()),
                };
                rest = behind;
                is_harmless_attribute(element, name, value, source);
            }
        }
    }

    fn is_harmless_attribute(element: &str, name: &str, value: &str, source: &str) {
        let value = value
            .replace("&#61;", "=")
            .replace("&#96;", "`")
            .replace("&amp;", "&");
        let begins = |starts: &[&str]| {
            let value = value.to_ascii_lowercase();
            starts.iter().any(|start| value.starts_with(start))
        };
        let first = &value[..value.find(['/', '?', '#']).unwrap_or(value.len())];
        let is_local = !first.contains(':')
            && !begins(&["//"])
            && !value.contains(|c: char| c.is_control() || c == '\\');
        let fine = match (element, name) {
            ("a", "href") => is_local || begins(&["http:", "https:", "mailto:", "//"]),
            ("img", "src") => is_local,
            ("a", "rel") => value == "noopener noreferrer",
            ("a" | "img", "title") | ("img", "alt") => true,
            ("img", "width" | "height") => value.len() < 6,
            ("img", "loading") => value == "lazy",
            ("h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "div", "id") => begins(&["md-"]),
            ("div", "class") => value == "note",
            ("th" | "td", "class") => value == "center" || value == "right",
            ("blockquote", "class") => begins(&["markdown-alert-"]),
            ("ol", "start") => value.bytes().all(|b| b.is_ascii_digit()),
            ("input", "type") => value == "checkbox",
            ("input", "disabled" | "checked") => value.is_empty(),
            _ => false,
        };
        assert!(fine, "{element} {name}={value:?} of {source:?}");
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let table = format!(
            "|{}\n|{}\n{}",
            "a|".repeat(1_000),
            "-|".repeat(1_000),
            "|x\n".repeat(10_000)
        );
        assert!(render(&table, 1 << 20).is_none());
        assert!(render("a", 8).is_none());
        assert!(render("a", 9).is_some());
    }

    /// As long as is read at most; each took well under a second when it was written down, and a square
    /// of it would be minutes.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "what it takes is the point")]
    fn no_document_takes_long() {
        for piece in PATHOLOGICAL {
            let source = piece.repeat(256 * 1024 / piece.len());
            let began = std::time::Instant::now();
            let _ = render(&source, 1 << 20);
            let took = began.elapsed();
            assert!(
                took < std::time::Duration::from_secs(20),
                "{piece:?}: {took:?}"
            );
        }
    }

    const PATHOLOGICAL: &[&str] = &[
        "[",
        "]",
        "*",
        "_",
        "`",
        "> ",
        "- ",
        "1. ",
        "**a ",
        "*a_ ",
        "[a](",
        "![",
        "![[",
        "[](",
        "[a]",
        "[a][",
        "[^a]",
        "[^a]: b\n",
        "<",
        "<a ",
        "<!--",
        "<!",
        "<?",
        "</a",
        "<a href=\"",
        "<img src=x ",
        "&",
        "&#",
        "\\",
        "# a\n",
        "a\n=\n",
        "|",
        "|a",
        "a|b\n-|-\n",
        "~",
        "~~~\n",
        "```a\n",
        "`a``",
        "\t",
        " ",
        "\n",
        "\r",
        "*a **b ",
        "a**b**c",
        "<div>\n",
        "<div>\n\n",
        "<h1>a",
        "<p><a href=x>",
        "<script>",
        "<b",
        "(",
        "[a]: b\n",
        "[a]: <b\n",
        "[a]: b 'c\n",
        "- a\n\n",
        "> a\n\n",
        "\u{1F600}",
        "é",
        "\0",
        "---\n",
        "a: b\n---\n",
        "$$",
        "- [x] a\n",
        "* * ",
        "  - a\n",
        "[![a](b)](c)",
        "<a@b.c>",
        "[a\\](",
        "***a",
        "](",
        "_a*b_*",
        "<x y=`",
    ];
}
