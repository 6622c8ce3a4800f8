//! Where a link may lead, and a picture come from.
//!
//! *Floor 3.* Pure: an address as it was written in, one that may stand in a page out.
//!
//! What is looked at is what the browser will see: references to characters have been resolved before,
//! and the value is escaped behind. An address with a control character or a backslash is none: browsers
//! take the one out and the other for a slash, so that `java\tscript:` and `/\host` would be something
//! else than they look like.
//!
//! *References:* RFC 3986 §3.1, §4.2; the URL Standard's
//! [basic URL parser](https://url.spec.whatwg.org/#concept-basic-url-parser).

use std::borrow::Cow;

use crate::service::markdown::is_markdown;
use crate::service::pages::escape_html;

/// Stands before every name that a document gives.
pub(super) const PREFIX: &str = "md-";

/// An address that may stand in a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    text: String,
    /// Whether it is of another server.
    pub(super) is_elsewhere: bool,
}

impl Address {
    /// Of a link: what leads to Markdown of this server leads to its page.
    pub(super) fn of_link(written: &str) -> Option<Self> {
        let address = Self::checked(written)?;
        if address.is_elsewhere {
            return Some(address);
        }
        let (target, name) = match address.text.split_once('#') {
            Some((target, name)) => (target, Some(name)),
            None => (address.text.as_str(), None),
        };
        let is_page = is_markdown(target.as_bytes());
        let mut text = target.to_owned();
        if is_page {
            text.push_str("?view");
        }
        if let Some(name) = name {
            text.push('#');
            if !name.is_empty() && (is_page || target.is_empty()) {
                text.push_str(PREFIX);
            }
            text.push_str(name);
        }
        Some(Self {
            text,
            is_elsewhere: false,
        })
    }

    /// Of a picture. One of this server is a file, which no query changes: with `./?zip` whoever reads
    /// the page would have the server pack a folder.
    pub(super) fn of_image(written: &str) -> Option<Self> {
        let address = Self::checked(written)?;
        if address.is_elsewhere {
            return Some(address);
        }
        let end = address.text.find(['?', '#']).unwrap_or(address.text.len());
        let path = &address.text[..end];
        (!path.is_empty() && !path.ends_with('/')).then(|| Self {
            text: path.to_owned(),
            is_elsewhere: false,
        })
    }

    fn checked(written: &str) -> Option<Self> {
        let text = written.trim_matches([' ', '\t', '\n', '\r', '\x0c']);
        let is_odd = |c: char| c.is_control() || c == '\\';
        if text.is_empty() || text.contains(is_odd) {
            return None;
        }
        let first = text.find(['/', '?', '#']).unwrap_or(text.len());
        let is_elsewhere = match text[..first].split_once(':') {
            Some((scheme, _)) => {
                let known = ["http", "https", "mailto"];
                if !known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
                    return None;
                }
                true
            }
            None => text.starts_with("//"),
        };
        Some(Self {
            text: text.replace(' ', "%20"),
            is_elsewhere,
        })
    }

    /// As the value of an attribute, without quotes around it.
    ///
    /// PITFALL: fsspec takes every link in quotes for something below a listing; so nothing is left of
    /// what would end such a value (HTML, "Unquoted attribute value syntax").
    pub(super) fn value(&self) -> String {
        let mut value = String::with_capacity(self.text.len() + 8);
        for c in escape_html(&self.text).chars() {
            match c {
                '=' => value.push_str("&#61;"),
                '`' => value.push_str("&#96;"),
                // No control characters, which `checked` refuses.
                c if c.is_whitespace() => value.push_str("%20"),
                c => value.push(c),
            }
        }
        value
    }
}

/// The text of an attribute of raw HTML: a bare ampersand is what people write there, and all other
/// references stay what they were written as, so that none turns into something that was not checked.
pub(super) fn unescaped(written: &str) -> Cow<'_, str> {
    match written.contains("&amp;") {
        true => Cow::Owned(written.replace("&amp;", "&")),
        false => Cow::Borrowed(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_they_may() {
        let check = |written: &str, expected: Option<(&str, bool)>| {
            let got = Address::of_link(written);
            let got = (got.as_ref()).map(|address| (address.text.as_str(), address.is_elsewhere));
            assert_eq!(got, expected, "{written:?}");
        };
        for (written, text, is_elsewhere) in [
            (
                "https://a.example/b?c=d#e",
                "https://a.example/b?c=d#e",
                true,
            ),
            ("HTTP://a.example/x.md", "HTTP://a.example/x.md", true),
            ("//a.example/x.md", "//a.example/x.md", true),
            ("mailto:a@b.example", "mailto:a@b.example", true),
            ("a/b.txt", "a/b.txt", false),
            (" a b ", "a%20b", false),
            (
                "../docs/Guide.MD#Use",
                "../docs/Guide.MD?view#md-Use",
                false,
            ),
            ("x.markdown", "x.markdown?view", false),
            ("x.md?raw", "x.md?raw", false),
            ("x.html#use", "x.html#use", false),
            ("#use", "#md-use", false),
            ("#", "#", false),
            ("http", "http", false),
            ("/a:b", "/a:b", false),
            ("./a:b", "./a:b", false),
            ("?a:b", "?a:b", false),
            // No reference to a character is one here: it is escaped.
            ("java&#115;cript:a", "java&#115;cript:a", false),
        ] {
            check(written, Some((text, is_elsewhere)));
        }
        for written in REFUSED {
            check(written, None);
        }
    }

    #[test]
    fn a_picture_of_this_server_is_a_file() {
        let check = |written: &str, expected: Option<&str>| {
            let got = Address::of_image(written);
            assert_eq!(got.map(|address| address.text).as_deref(), expected);
        };
        check("a.png", Some("a.png"));
        check("/b/a.png?raw=true#x", Some("/b/a.png"));
        check("d?zip", Some("d"));
        check("https://a.example/?b#c", Some("https://a.example/?b#c"));
        for folder in ["?zip", "./?zip", "/?tar", "../d/?tar.gz#x", "..//", "#x"] {
            check(folder, None);
        }
    }

    const REFUSED: &[&str] = &[
        "",
        " ",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " \t javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\u{1}javascript:alert(1)",
        "javascript\u{0}:alert(1)",
        "javascript&colon;:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "blob:x",
        "file:///etc/passwd",
        "filesystem:x",
        "view-source:x",
        "ftp://a.example/",
        "a:b",
        ":a",
        "\\\\a.example/x",
        "/\\a.example/x",
        "x\u{7f}",
        "x\u{85}y",
    ];

    #[test]
    fn nothing_ends_a_value_without_quotes() {
        let address = Address::of_link("a=b\"'<>`&x\u{a0}y\u{2003}z").unwrap();
        let value = address.value();
        assert_eq!(value, "a&#61;b&quot;&#39;&lt;&gt;&#96;&amp;x%20y%20z");
    }
}
