//! Content negotiation: which coding of a file to send, and whether a browser is asking.
//!
//! *Floor 0.* Knows `Accept-Encoding` and `Accept`; does not know which files exist: the caller
//! says which codings it has.
//!
//! The idea: a client's q-values decide, and among equals we do (`br`, `zstd`, `gzip`: smallest
//! first). `identity` unmentioned is acceptable but the last resort, so `gzip;q=0.1` alone still
//! gets gzip. When nothing is acceptable the plain file is sent anyway: RFC 9110 §12.5.3 allows it,
//! and a 406 would help nobody.
//!
//! *References:* [RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3) and
//! §12.4.2 (weights), §12.5.1 (Accept), RFC 8878 §7.2 (zstd), RFC 7932 (br).

use super::list::{members, trim_ows};

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
    values.flat_map(members).any(is_html)
}

fn is_html(member: &[u8]) -> bool {
    let mut parameters = member.split(|&b| b == b';');
    let name = trim_ows(parameters.next().unwrap_or_default());
    let html = [&b"text/html"[..], b"application/xhtml+xml"];
    if !html.iter().any(|html| name.eq_ignore_ascii_case(html)) {
        return false;
    }
    // Parameters of the media type come before its weight (§12.5.1).
    match parameters.find(|parameter| is_weight(trim_ows(parameter))) {
        None => true,
        Some(parameter) => weight(parameter).is_some_and(|weight| weight > 0),
    }
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
