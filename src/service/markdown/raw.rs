//! HTML in a document, as far as it is understood: text, and tags with their names.
//!
//! *Floor 3.* Pure: does not know what becomes of a tag, and promises nothing about it: whoever reads
//! writes new ones. Each character is looked at a bounded number of times; a tag or a comment that does
//! not end takes the rest with it, as in a browser.
//!
//! *References:* HTML, "Tokenization".

/// A piece of HTML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HtmlPiece<'s> {
    Text(&'s str),
    Open(RawTag<'s>),
    /// `</name>`.
    Close(&'s str),
}

/// `<name attributes>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RawTag<'s> {
    pub(super) name: &'s str,
    attributes: &'s str,
}

/// Reads HTML piece by piece.
pub(super) struct HtmlPieces<'s>(pub(super) &'s str);

impl<'s> Iterator for HtmlPieces<'s> {
    type Item = HtmlPiece<'s>;

    fn next(&mut self) -> Option<HtmlPiece<'s>> {
        loop {
            let rest = self.0;
            if rest.is_empty() {
                return None;
            }
            let Some(inside) = rest.strip_prefix('<') else {
                let end = rest.find('<').unwrap_or(rest.len());
                return Some(HtmlPiece::Text(self.take(end)));
            };
            if inside.starts_with("!--") {
                self.skip_behind("-->");
            } else if inside.starts_with(['!', '?']) {
                self.skip_behind(">");
            } else if inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let tag = self.tag(1);
                if LEFT_OUT
                    .iter()
                    .any(|name| tag.name.eq_ignore_ascii_case(name))
                {
                    self.skip_to_close(tag.name);
                }
                return Some(HtmlPiece::Open(tag));
            } else if inside.starts_with('/')
                && rest[2..].starts_with(|c: char| c.is_ascii_alphabetic())
            {
                return Some(HtmlPiece::Close(self.tag(2).name));
            } else {
                return Some(HtmlPiece::Text(self.take(1)));
            }
        }
    }
}

/// What stands between their tags is no text.
const LEFT_OUT: [&str; 2] = ["script", "style"];

impl<'s> HtmlPieces<'s> {
    fn take(&mut self, len: usize) -> &'s str {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn skip_behind(&mut self, end: &str) {
        let len = self.0.find(end).map_or(self.0.len(), |at| at + end.len());
        self.take(len);
    }

    /// A tag, whose name begins at `from`.
    fn tag(&mut self, from: usize) -> RawTag<'s> {
        let mut quote = None;
        let mut end = self.0.len();
        for (at, byte) in self.0.bytes().enumerate().skip(from) {
            match (quote, byte) {
                (None, b'>') => {
                    end = at;
                    break;
                }
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), _) if open == byte => quote = None,
                _ => {}
            }
        }
        let whole = self.take(end);
        if !self.0.is_empty() {
            self.take(1);
        }
        let inside = &whole[from..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let len = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(len);
        RawTag { name, attributes }
    }

    fn skip_to_close(&mut self, name: &str) {
        let bytes = self.0.as_bytes();
        let closes = |at: &usize| {
            let behind = &bytes[at + 2..];
            behind
                .get(..name.len())
                .is_some_and(|there| there.eq_ignore_ascii_case(name.as_bytes()))
        };
        let at = memchr::memmem::find_iter(bytes, "</").find(closes);
        self.take(at.unwrap_or(bytes.len()));
    }
}

impl<'s> RawTag<'s> {
    /// The value of the first attribute of that name, as it was written.
    pub(super) fn attribute(self, wanted: &str) -> Option<&'s str> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/');
            // One that begins with `=` has that in its name.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let len = rest[first..].find(ends).map_or(rest.len(), |at| at + first);
            let (name, behind) = rest.split_at(len);
            let behind = behind.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let (value, after) = match behind.strip_prefix('=') {
                Some(value) => {
                    value_of(value.trim_start_matches(|c: char| c.is_ascii_whitespace()))
                }
                None => ("", behind),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(value);
            }
            rest = after;
        }
    }
}

/// A value and what stands behind it.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    let end = text
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_text_and_tags() {
        let check = |html: &str, expected: &str| {
            let shown: Vec<String> = HtmlPieces(html)
                .map(|piece| match piece {
                    HtmlPiece::Text(text) => format!("{text:?}"),
                    HtmlPiece::Open(tag) => format!("<{}>", tag.name),
                    HtmlPiece::Close(name) => format!("</{name}>"),
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{html:?}");
        };
        check("a<b>c</B >d", "\"a\" <b> \"c\" </B> \"d\"");
        check("1 < 2 <", "\"1 \" \"<\" \" 2 \" \"<\"");
        check("a<!-- <b> -->c<!-- d", "\"a\" \"c\"");
        check("<!DOCTYPE html><?x?>a", "\"a\"");
        check("<a title=\"1 > 2\">b", "<a> \"b\"");
        check("<a title=\"1 > 2", "<a>");
        check("<script>a<b</SCRIPT >c", "<script> </SCRIPT> \"c\"");
        check("<style>a", "<style>");
        check("</>", "\"<\" \"/>\"");
        check("<é>", "\"<\" \"é>\"");
        check("<img/src=x>", "<img>");
    }

    #[test]
    fn attributes_are_read_as_browsers_do() {
        let check = |html: &str, expected: Option<&str>| {
            let piece = HtmlPieces(html).next();
            let Some(HtmlPiece::Open(tag)) = piece else {
                panic!("{piece:?}")
            };
            assert_eq!(tag.attribute("src"), expected, "{html:?}");
        };
        check("<img src=a.png>", Some("a.png"));
        check("<img SRC = 'a b' alt=x>", Some("a b"));
        check("<img alt=\"src=x\" src=y>", Some("y"));
        check("<img/src=\"a\"/>", Some("a"));
        check("<img src>", Some(""));
        check("<img data-src=x>", None);
        check("<img =src=x src=y>", Some("y"));
        check("<img src=a src=b>", Some("a"));
        check("<img>", None);
        check("<img é=x src=y", Some("y"));
    }
}
