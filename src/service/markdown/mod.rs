//! Markdown for people: a file as a page (`?view`), and the README of a listing beneath it.
//!
//! *Floor 3.* Knows text; does not know files, nor how a page is kept (`files/resolve.rs`: as one more
//! file, whose version is that of its source).
//!
//! ```text
//!  source ──pulldown-cmark──▶ events ──render.rs──▶ tame events ──its writer──▶ HTML
//!                                       │   │
//!                             block.rs ◀─┘   └──▶ elements.rs, address.rs
//! ```
//!
//! The idea: **what comes out has only elements and attributes that are written here.** Markdown holds
//! HTML, and who has written it need not be who serves it. Of that HTML a paragraph, a heading, a line
//! break, a link and a picture of this server are made anew; all other tags are left out, and the text
//! between them stays. To escape it was rejected: half of all READMEs begin with a centred picture. So
//! was a list of tags that are let through, which has to be right about each attribute of each.
//!
//! Links lead to `http`, `https`, `mailto` or a relative reference; pictures are of this server, since
//! one from elsewhere tells others who reads. The page's policy says the same once more: it runs
//! nothing, and loads pictures of its own origin.
//!
//! A heading's name is `md-` and its words, so that none of them is a name that the page around it has,
//! or that a script finds where it looks for something else.
//!
//! *References:* [CommonMark](https://spec.commonmark.org/0.31.2/), and of
//! [GFM](https://github.github.com/gfm/) tables, task lists, strikethrough, footnotes and alerts.

mod address;
mod block;
mod elements;
mod names;
pub(super) mod page;
mod raw;
pub(super) mod readme;
mod render;
mod slots;

use crate::http::Request;

/// Whether a name, or a path, is that of a Markdown file.
pub(in crate::service) fn is_markdown(name: &[u8]) -> bool {
    let ends_with = |end: &&[u8]| {
        let at = name.len().checked_sub(end.len());
        at.is_some_and(|at| name[at..].eq_ignore_ascii_case(end))
    };
    [&b".md"[..], b".markdown"].iter().any(ends_with)
}

/// Whether a request asks for a page: `view` is one of its query's parameters.
pub(in crate::service) fn asks_for_page(request: &Request<'_>) -> bool {
    request.query().is_some_and(|query| {
        let names = query.split('&');
        names
            .map(|one| one.split('=').next())
            .any(|name| name == Some("view"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_known_by_its_name() {
        for name in ["a.md", "A.MD", "a/b.markdown", ".md"] {
            assert!(is_markdown(name.as_bytes()), "{name}");
        }
        for name in ["a.mdx", "md", "a.md/", "a.md.txt", ""] {
            assert!(!is_markdown(name.as_bytes()), "{name}");
        }
    }
}
