//! What a listing is asked for by its URL, and how another one would be.
//!
//! *Floor 3.* Knows the words of a query; does not know a directory.
//!
//! ```text
//! ?q=TEXT                      only names that hold it, in any case, with any accents
//! ?sort=name | size | time     by default name
//! ?order=asc | desc            by default asc
//! ?dirs=mixed                  folders among files, not before them
//! ?as=grid                     for people: tiles with pictures, not a list
//! ?after=KEY | ?before=KEY     a page of a long directory: the next one, the one before
//! ```
//!
//! What is not understood is passed over, so that a link of today does no harm tomorrow. Of two
//! parameters with the same name the first counts. A key is what the page itself has written: where
//! its last entry stands, `d/sub` or `f1024/name`; there need be no such entry any more.
//!
//! *References:* the URL Standard's
//! [application/x-www-form-urlencoded](https://url.spec.whatwg.org/#urlencoded-parsing).

use std::ffi::CString;

use percent_encoding::percent_decode;

use super::filter::NameSearch;
use super::order::{Order, SortBy, SortKey};
use crate::http::target::encode_segment;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListingQuery {
    pub(super) filter: NameSearch,
    pub(super) order: Order,
    pub(super) from: PageStart,
    /// Whether a page shows tiles.
    pub(super) grid: bool,
}

/// Where a page of a long directory begins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::service) enum PageStart {
    #[default]
    First,
    After(SortKey),
    /// It ends before it.
    Before(SortKey),
}

impl PageStart {
    pub(super) const fn key(&self) -> Option<&SortKey> {
        match self {
            Self::First => None,
            Self::After(key) | Self::Before(key) => Some(key),
        }
    }
}

impl ListingQuery {
    /// What this query asks for. There is no wrong one: what is not understood is passed over.
    pub fn of(query: Option<&str>) -> Self {
        let mut parameters: Vec<(&str, Vec<u8>)> = Vec::new();
        for parameter in query.unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if NAMES.contains(&name) && parameters.iter().all(|(known, _)| *known != name) {
                parameters.push((name, decoded(value)));
            }
        }
        let value = |name: &str| {
            let found = parameters.iter().find(|(known, _)| *known == name);
            found.map_or(&b""[..], |(_, value)| value)
        };
        let start = |name, make: fn(SortKey) -> PageStart| key_of(value(name)).map(make);
        Self {
            filter: NameSearch::new(&String::from_utf8_lossy(value("q"))),
            order: Order {
                by: match value("sort") {
                    b"size" => SortBy::Size,
                    b"time" => SortBy::Time,
                    _ => SortBy::Name,
                },
                descending: value("order") == b"desc",
                mixed: value("dirs") == b"mixed",
                ..Order::default()
            },
            from: start("after", PageStart::After)
                .or_else(|| start("before", PageStart::Before))
                .unwrap_or_default(),
            grid: value("as") == b"grid",
        }
    }

    /// The parameters that say so, each with its value: none if this is what is shown unasked.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if !self.filter.is_any() {
            all.push(("q", self.filter.wanted().to_owned()));
        }
        match self.order.by {
            SortBy::Name => {}
            SortBy::Size => all.push(("sort", "size".into())),
            SortBy::Time => all.push(("sort", "time".into())),
        }
        if self.order.descending {
            all.push(("order", "desc".into()));
        }
        if self.order.mixed {
            all.push(("dirs", "mixed".into()));
        }
        if self.grid {
            all.push(("as", "grid".into()));
        }
        all
    }

    /// All names in the same order, as [`Self::link`] says it.
    pub(super) fn without_filter(&self) -> String {
        let all = Self {
            filter: NameSearch::default(),
            ..self.clone()
        };
        all.link(&PageStart::First)
    }

    /// The same, as a reference relative to the page itself; of another page of it.
    pub(super) fn link(&self, from: &PageStart) -> String {
        let mut query: Vec<String> = (self.parameters().into_iter())
            .map(|(name, value)| format!("{name}={}", encode_segment(value.as_bytes())))
            .collect();
        match from {
            PageStart::First => {}
            PageStart::After(key) => query.push(format!("after={}", encoded_key(key))),
            PageStart::Before(key) => query.push(format!("before={}", encoded_key(key))),
        }
        match query.is_empty() {
            // An empty reference would keep the query (RFC 3986 §5.2.2).
            true => "./".into(),
            false => format!("?{}", query.join("&")),
        }
    }
}

const NAMES: [&str; 7] = ["q", "sort", "order", "dirs", "as", "after", "before"];

/// A value as a form writes it: `+` for a space.
fn decoded(value: &str) -> Vec<u8> {
    let value = value.replace('+', " ");
    percent_decode(value.as_bytes()).collect()
}

fn encoded_key(key: &SortKey) -> String {
    let kind = if key.is_directory { 'd' } else { 'f' };
    let value = match key.value {
        0 => String::new(),
        value => value.to_string(),
    };
    format!("{kind}{value}/{}", encode_segment(key.name.as_bytes()))
}

/// No name has a slash in it, so the first one ends what is in front of it.
fn key_of(value: &[u8]) -> Option<SortKey> {
    let slash = memchr::memchr(b'/', value)?;
    let (place, name) = (&value[..slash], &value[slash + 1..]);
    let (kind, number) = place.split_first()?;
    let number = std::str::from_utf8(number).ok()?;
    Some(SortKey {
        is_directory: match kind {
            b'd' => true,
            b'f' => false,
            _ => return None,
        },
        value: match number {
            "" => 0,
            number => number.parse().ok()?,
        },
        name: CString::new(name).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_shown() {
        let check = |query: &str, canonical: &str| {
            let asked = ListingQuery::of(Some(query));
            assert_eq!(asked.link(&asked.from), canonical, "{query}");
            let again = ListingQuery::of(Some(canonical.strip_prefix('?').unwrap_or("")));
            assert_eq!(again, asked, "{query}");
        };
        check("", "./");
        check("sort=name&order=asc", "./");
        check("sort=size", "?sort=size");
        check("order=desc&sort=time", "?sort=time&order=desc");
        check("dirs=mixed&q=a+b%26c", "?q=a%20b%26c&dirs=mixed");
        check("as=grid", "?as=grid");
        check("as=grid&dirs=mixed&q=x", "?q=x&dirs=mixed&as=grid");
        check("as=grid&as=list&after=f/a", "?as=grid&after=f/a");
        check("q=%20x%20", "?q=x");
        check("q=a&q=b", "?q=a");
        check("after=f/a%2Fb", "?after=f/a%2Fb");
        check("sort=size&after=f-1/a", "?sort=size&after=f-1/a");
        check("before=d/caf%E9", "?before=d/caf%E9");
        check("after=f/a&before=f/b", "?after=f/a");
        // What says nothing does no harm.
        for other in [
            "sort",
            "sort=",
            "sort=colour",
            "order=up",
            "SORT=size",
            "dirs=last",
            "as=list",
            "as=GRID",
            "as=grid%20",
            "grid",
            "q=",
            "q=%20",
            "after=",
            "after=/",
            "after=x/a",
            "after=f1x/a",
            "after=f99999999999999999999/a",
            "after=f/a%00b",
            "before=f",
            "page=2&&=&=a&zipper",
            "%71=a",
        ] {
            check(other, "./");
        }
        assert_eq!(ListingQuery::of(None), ListingQuery::default());
    }

    #[test]
    fn nothing_of_a_link_needs_to_be_escaped() {
        let asked = ListingQuery::of(Some("q=\"><script>'&sort=size&after=f/\"><b>'"));
        let link = asked.link(&asked.from);
        assert!(!link.contains(['"', '<', '>', '\'']), "{link}");
    }
}
