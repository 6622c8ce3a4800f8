//! Content negotiation: which coding of a file to send, and whether a browser is asking.
//!
//! *Floor 0.* Knows `Accept-Encoding` and `Accept`; does not know which files exist: the caller
//! says which codings it has.
//!
//! The idea: a client's q-values decide, and among equals we do (`br`, `zstd`, `gzip`: smallest
//! first). `identity` unmentioned is acceptable but the last resort, so `gzip;q=0.1` alone still
//! gets gzip. When nothing is acceptable the plain file is sent anyway: RFC 9110 §12.5.3 allows it,
//! and a 406 would not help.
//!
//! *References:* [RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3) and
//! §12.4.2 (weights), §12.5.1 (Accept), RFC 8878 §7.2 (zstd), RFC 7932 (br).

use crate::http::list::{members, trim_ows};

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Coding {
    /// Brotli, `file.br`.
    Br,
    /// Zstandard, `file.zst`.
    Zstd,
    /// gzip, `file.gz`.
    Gzip,
    /// The file as it is.
    Identity,
}

impl Coding {
    /// Every coding, the one we like best first.
    pub const ALL: [Self; 4] = [Self::Br, Self::Zstd, Self::Gzip, Self::Identity];

    /// The name in `Content-Encoding`; `identity` is never sent there (§8.4.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// What is appended to a file's name for its encoded sibling; empty for the file itself.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Br => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }
}

/// The outcome of a negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// What to send.
    pub coding: Coding,
    /// Whether the client accepts it. `false` only for [`Coding::Identity`] that was refused when
    /// nothing else was left.
    pub acceptable: bool,
}

/// Chooses among `available` (the plain file is always there) by the Accept-Encoding lines.
pub fn choose<'a>(values: impl Iterator<Item = &'a [u8]>, available: &[Coding]) -> Choice {
    Accepted::parse(values).choose(available)
}

/// What Accept-Encoding says of each coding we know.
///
/// Kept apart from the choice, so that a caller can ask [`Accepted::allows`] before it looks for a
/// sibling on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Weights in thousandths, by the order of [`Coding::ALL`]; `None` means not mentioned.
    weights: [Option<u16>; 4],
    /// The weight of `*`.
    others: Option<u16>,
}

impl Accepted {
    /// Reads the lines of the field; none at all, and an empty one, leave the plain file only.
    ///
    /// (§12.5.3: without the field any coding is acceptable; but then the client may not know any.)
    /// A malformed member is ignored. Of a coding named twice the smaller weight counts: better to
    /// send the plain file than something that was refused.
    pub fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut accepted = Self {
            weights: [None; 4],
            others: None,
        };
        for member in values.flat_map(members) {
            let mut parameters = member.split(|&b| b == b';');
            let name = trim_ows(parameters.next().unwrap_or_default());
            // Nothing but a weight may follow a coding.
            let weight = match (parameters.next(), parameters.next()) {
                (None, _) => Some(1000),
                (Some(parameter), None) => weight(parameter),
                (Some(_), Some(_)) => None,
            };
            let (Some(weight), Some(entry)) = (weight, accepted.entry(name)) else {
                continue;
            };
            *entry = Some(entry.map_or(weight, |earlier| earlier.min(weight)));
        }
        accepted
    }

    /// Chooses the coding with the largest weight among `available` and the plain file.
    pub fn choose(&self, available: &[Coding]) -> Choice {
        let mut best = Choice {
            coding: Coding::Identity,
            acceptable: self.rank(Coding::Identity) > 0,
        };
        for coding in Coding::ALL {
            // `>=` for the last resort only: an encoded sibling wins over an equal plain file.
            let ahead = match best.coding {
                Coding::Identity => self.rank(coding) >= self.rank(best.coding),
                _ => self.rank(coding) > self.rank(best.coding),
            };
            if ahead && self.allows(coding) && available.contains(&coding) {
                best = Choice {
                    coding,
                    acceptable: true,
                };
            }
        }
        best
    }

    /// Whether the client accepts a coding.
    pub fn allows(&self, coding: Coding) -> bool {
        self.rank(coding) > 0
    }

    /// Twice the weight, so that an unmentioned `identity` fits between refused (0) and 0.001 (2).
    fn rank(&self, coding: Coding) -> u16 {
        let named = self.weights[coding as usize].or(self.others);
        match (named, coding) {
            (Some(weight), _) => weight * 2,
            (None, Coding::Identity) => 1,
            (None, _) => 0,
        }
    }

    /// The place for a coding's weight; names compare case-insensitively (§8.4.1), and `x-gzip` is
    /// `gzip` (§8.4.1.3).
    fn entry(&mut self, name: &[u8]) -> Option<&mut Option<u16>> {
        if name == b"*" {
            return Some(&mut self.others);
        }
        let name = match name {
            alias if alias.eq_ignore_ascii_case(b"x-gzip") => b"gzip",
            name => name,
        };
        let is_named = |coding: &Coding| name.eq_ignore_ascii_case(coding.name().as_bytes());
        let index = Coding::ALL.iter().position(is_named)?;
        Some(&mut self.weights[index])
    }
}

/// Whether the Accept lines name HTML: a browser that navigates, or its like.
///
/// Only `text/html` or `application/xhtml+xml` by name count. `*/*` is what curl, `fetch()` and
/// images send, and `text/*` has no known sender: they get a plain line.
pub fn accepts_html<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let html = [&b"text/html"[..], b"application/xhtml+xml"];
    media_ranges(values)
        .any(|(name, weight)| weight > 0 && html.iter().any(|html| name.eq_ignore_ascii_case(html)))
}

/// The media ranges of the Accept lines, in their order, with their weights in thousandths. One
/// whose weight is malformed is not there.
pub(crate) fn media_ranges<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = (&'a [u8], u16)> {
    values.flat_map(members).filter_map(|member| {
        let mut parameters = member.split(|&b| b == b';');
        let name = trim_ows(parameters.next().unwrap_or_default());
        // Parameters of the media type come before its weight (§12.5.1).
        match parameters.find(|parameter| is_weight(trim_ows(parameter))) {
            None => Some((name, 1000)),
            Some(parameter) => Some((name, weight(parameter)?)),
        }
    })
}

fn is_weight(parameter: &[u8]) -> bool {
    matches!(parameter, [b'q' | b'Q', b'=', ..])
}

/// `q=` and at most three decimals between 0 and 1, in thousandths (RFC 9110 §12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = trim_ows(parameter) else {
        return None;
    };
    let (whole, decimals) = match value {
        [whole] => (whole, &b""[..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = decimals.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Coding::{Br, Gzip, Identity, Zstd};
    use super::*;

    fn lines<'a>(field: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        field.iter().map(|line| line.as_bytes())
    }

    #[track_caller]
    fn check(field: &[&str], available: &[Coding], expected: Coding) {
        let choice = choose(lines(field), available);
        assert_eq!(choice.coding, expected, "{field:?} of {available:?}");
        assert!(choice.acceptable, "{field:?} of {available:?}");
    }

    /// RFC 9110 §12.5.3.
    #[test]
    fn the_client_decides_and_among_equals_we_do() {
        let all = &Coding::ALL;
        check(&[], all, Identity);
        check(&[""], all, Identity);
        check(&["compress, gzip"], all, Gzip);
        check(&["*"], all, Br);
        check(&["compress;q=0.5, gzip;q=1.0"], all, Gzip);
        check(&["gzip;q=1.0, identity; q=0.5, *;q=0"], all, Gzip);
        check(&["gzip, deflate, br, zstd"], all, Br); // browsers
        check(&["gzip, deflate, br, zstd"], &[Gzip, Zstd], Zstd);
        check(&["gzip, deflate, br, zstd"], &[], Identity);
        check(&["gzip", "br"], all, Br);
        check(&["deflate, compress"], all, Identity);
        check(&["br;q=0.5, gzip;q=0.9"], all, Gzip);
        check(&["br;q=0.999, zstd;q=1"], all, Zstd);
        check(&["br;q=0.001"], all, Br);
        check(&["br;q=0, *"], all, Zstd);
        check(&["*;q=0.5, gzip"], all, Gzip);
        check(&["*;q=0.5, gzip"], &[Br], Br);
        check(&["GZIP"], all, Gzip);
        check(&["x-gzip"], all, Gzip); // §8.4.1.3
        check(&["X-GZip;Q=0.5"], all, Gzip);
    }

    /// §12.5.3: identity is acceptable unless excluded, and has a weight like the others.
    #[test]
    fn identity_can_be_preferred_and_refused() {
        let all = &Coding::ALL;
        check(&["identity"], all, Identity);
        check(&["gzip;q=0.5, identity"], all, Identity);
        check(&["gzip;q=0.5, identity;q=0.5"], all, Gzip);
        check(&["gzip, *;q=0"], all, Gzip);
        check(&["identity;q=0, gzip;q=0.1"], all, Gzip);
        check(&["*;q=0, identity;q=0.1"], all, Identity);
        check(&["gzip;q=0"], all, Identity);
        check(&["gzip;q=0.5, *;q=0.8"], &[Gzip], Identity);
        // Nothing is left: the plain file all the same, and the caller is told.
        for refusal in [
            "identity;q=0",
            "*;q=0",
            "identity;q=0, gzip;q=0",
            "compress, *;q=0.000",
        ] {
            let choice = choose(lines(&[refusal]), &[]);
            let expected = Choice {
                coding: Identity,
                acceptable: false,
            };
            assert_eq!(choice, expected, "{refusal}");
        }
    }

    /// RFC 9110 §12.4.2: three decimals at most, 0 to 1; what is malformed is not there.
    #[test]
    fn malformed_members_are_ignored() {
        for odd in [
            "br;q=1.1",
            "br;q=2",
            "br;q=0.1234",
            "br;q=.5",
            "br;q=-1",
            "br;q=",
            "br;q",
            "br;",
            "br;q =1",
            "br;q= 1",
            "br;q=1;q=0",
            "br;a=b",
            "br q=1",
            "br;q=1x",
            "br;q=0,5",
            "br;q=1.001",
            "\"br\"",
            "b r",
            "br;q=\"1\"",
        ] {
            let rest: &[Coding] = &[Br];
            assert_eq!(choose(lines(&[odd]), rest).coding, Identity, "{odd}");
            let both = format!("{odd}, gzip;q=0.1");
            assert_eq!(choose(lines(&[&both]), &[Br, Gzip]).coding, Gzip, "{odd}");
        }
        // Not malformed, though short: `"0" [ "." 0*3DIGIT ]`.
        for (fine, expected) in [("br;q=0.", Identity), ("br;q=1.", Br), ("br ; q=0.5\t", Br)] {
            check(&[fine], &[Br], expected);
        }
    }

    #[test]
    fn of_two_weights_the_smaller_counts() {
        check(&["gzip, gzip;q=0"], &[Gzip], Identity);
        check(&["gzip;q=0, x-gzip"], &[Gzip], Identity);
        check(&["gzip;q=0.2", "gzip, br;q=0.5"], &[Br, Gzip], Br);
    }

    #[test]
    fn a_sibling_is_looked_for_only_if_it_may_be_sent() {
        let accepted = Accepted::parse(lines(&["gzip, br;q=0, identity;q=0"]));
        let allowed: Vec<_> = Coding::ALL
            .into_iter()
            .filter(|&c| accepted.allows(c))
            .collect();
        assert_eq!(allowed, [Gzip]);
        let absent = Accepted::parse(lines(&[]));
        let allowed: Vec<_> = Coding::ALL
            .into_iter()
            .filter(|&c| absent.allows(c))
            .collect();
        assert_eq!(allowed, [Identity]);
    }

    #[test]
    fn names_and_suffixes() {
        let rows = Coding::ALL.map(|coding| (coding.name(), coding.suffix()));
        let expected = [
            ("br", ".br"),
            ("zstd", ".zst"),
            ("gzip", ".gz"),
            ("identity", ""),
        ];
        assert_eq!(rows, expected);
    }

    /// RFC 9110 §12.5.1.
    #[test]
    fn html_must_be_named() {
        let rows: &[(&[&str], bool)] = &[
            // Browsers that navigate (Chromium, Firefox).
            (
                &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
                true,
            ),
            (
                &[
                    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
                image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
                ],
                true,
            ),
            (&["application/xhtml+xml"], true),
            (&["TEXT/HTML;Level=1"], true),
            (&["*/*", "text/html;q=0.001"], true),
            (&["text/html;charset=\"a,b\";q=0.5"], true),
            // curl, fetch(), images, stylesheets, scripts.
            (&[], false),
            (&[""], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (
                &["image/avif,image/webp,image/apng,image/*,*/*;q=0.8"],
                false,
            ),
            (&["text/css,*/*;q=0.1"], false),
            (&["application/json"], false),
            // Refused, or not quite it.
            (&["text/html;q=0"], false),
            (&["text/html;level=1;q=0.000"], false),
            (&["text/html;q=2"], false),
            (&["text/html;q="], false),
            (&["text/htmlx"], false),
            (&["text/html x"], false),
            (&["a/b;c=\"x, text/html, y\""], false),
        ];
        for (field, expected) in rows {
            assert_eq!(accepts_html(lines(field)), *expected, "{field:?}");
        }
    }

    /// §12.5.3 as it is written, over every candidate: explicit, else `*`, else the default.
    fn model(named: &[(&str, u16)], available: &[Coding]) -> (Coding, bool) {
        let q = |name: &str| {
            let explicit = named
                .iter()
                .filter(|(n, _)| *n == name)
                .map(|&(_, q)| f64::from(q))
                .reduce(f64::min);
            let star = named
                .iter()
                .filter(|(n, _)| *n == "*")
                .map(|&(_, q)| f64::from(q))
                .reduce(f64::min);
            let default = if name == "identity" { 0.5 } else { 0.0 };
            explicit.or(star).unwrap_or(default)
        };
        let mut candidates: Vec<Coding> = available.to_vec();
        candidates.push(Identity);
        candidates.retain(|c| q(c.name()) > 0.0);
        candidates.sort_by(|a, b| q(b.name()).total_cmp(&q(a.name())).then(a.cmp(b)));
        candidates.first().map_or((Identity, false), |&c| (c, true))
    }

    proptest! {
        #[test]
        fn choice_agrees_with_the_model(
            named in prop::collection::vec(
                (
                    prop::sample::select(vec!["br", "zstd", "gzip", "identity", "*", "deflate"]),
                    prop::sample::select(vec![0u16, 1, 500, 999, 1000]),
                ),
                0..6,
            ),
            available in prop::sample::subsequence(Coding::ALL.to_vec(), 0..=4),
        ) {
            let texts: Vec<_> = named.iter()
                .map(|(name, q)| format!("{name};q={}.{:03}", q / 1000, q % 1000))
                .collect();
            let field = texts.join(",");
            let choice = choose([field.as_bytes()].into_iter(), &available);
            let found = (choice.coding, choice.acceptable);
            prop_assert_eq!(found, model(&named, &available), "{}", field);
        }

        #[test]
        fn no_bytes_panic(line: Vec<u8>) {
            let _ = choose([&line[..]].into_iter(), &Coding::ALL);
            let _ = accepts_html([&line[..]].into_iter());
        }
    }
}
