//! A block of HTML in a document, made anew.
//!
//! *Floor 3.* Pure: knows which tags begin another paragraph; all others but links, pictures and line
//! breaks are left out, and so every element that is begun here ends here.

use std::fmt::Write;

use crate::service::markdown::address::unescaped;
use crate::service::markdown::elements::{Image, raw_link};
use crate::service::markdown::names::HeadingNames;
use crate::service::markdown::raw::{HtmlPiece, HtmlPieces, RawTag};
use crate::service::pages::escape_html;

/// Paragraphs and headings of a block of HTML, made anew.
pub(super) struct RawBlock<'n> {
    names: &'n mut HeadingNames,
    out: String,
    /// What is being written, with the text in it that has no tags.
    inside: String,
    words: String,
    element: Option<&'static str>,
    has_link: bool,
}

impl<'n> RawBlock<'n> {
    pub(super) fn new(names: &'n mut HeadingNames) -> Self {
        Self {
            names,
            out: String::new(),
            inside: String::new(),
            words: String::new(),
            element: None,
            has_link: false,
        }
    }

    pub(super) fn render(mut self, html: &str) -> String {
        for piece in HtmlPieces(html) {
            match piece {
                HtmlPiece::Text(text) => {
                    let is_blank = text.trim_ascii().is_empty();
                    if !is_blank {
                        self.element.get_or_insert("p");
                    }
                    if !is_blank || self.element.is_some() {
                        self.words.push_str(&unescaped(text));
                        self.inside
                            .push_str(&text.replace('<', "&lt;").replace('>', "&gt;"));
                    }
                }
                HtmlPiece::Open(tag) => self.open(tag),
                HtmlPiece::Close(name) => self.close(name),
            }
        }
        self.end();
        self.out
    }

    fn open(&mut self, tag: RawTag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        match name.as_str() {
            "br" => self.inside.push_str("<br>"),
            "hr" => {
                self.end();
                self.out.push_str("<hr>\n");
            }
            "img" => {
                self.element.get_or_insert("p");
                self.inside.push_str(&Image::of(tag).html(self.has_link));
            }
            "a" => {
                if let Some(html) = raw_link(tag).filter(|_| !self.has_link) {
                    self.element.get_or_insert("p");
                    self.inside.push_str(&html);
                    self.has_link = true;
                }
            }
            name if is_block(name) => {
                self.end();
                self.element = HEADINGS.iter().find(|heading| **heading == name).copied();
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if name == "a" && self.has_link {
            self.inside.push_str("</a>");
            self.has_link = false;
        } else if is_block(&name) {
            self.end();
        }
    }

    fn end(&mut self) {
        if self.has_link {
            self.inside.push_str("</a>");
            self.has_link = false;
        }
        let (inside, words) = (
            std::mem::take(&mut self.inside),
            std::mem::take(&mut self.words),
        );
        let Some(element) = self.element.take().filter(|_| !inside.is_empty()) else {
            return;
        };
        let name = match element {
            "p" => String::new(),
            _ => format!(" id=\"{}\"", escape_html(&self.names.of(&words))),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.out,
            "<{element}{name}>{}</{element}>",
            inside.trim_ascii()
        );
    }
}

const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// Whether a tag ends the paragraph in front of it.
fn is_block(name: &str) -> bool {
    const BLOCKS: [&str; 22] = [
        "p",
        "div",
        "center",
        "details",
        "summary",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "td",
        "th",
        "pre",
        "blockquote",
        "section",
        "article",
        "header",
        "footer",
        "nav",
    ];
    HEADINGS.contains(&name) || BLOCKS.contains(&name)
}
