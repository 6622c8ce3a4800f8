//! Preconditions: whether the client's copy, or its idea of the resource, is still right.
//!
//! *Floor 0.* Knows entity tags, dates and the order of the conditions; does not know where a
//! validator comes from. Only for answers that would be 2xx without the conditions (§13.2.1): a 404
//! stays a 404, so evaluate when the representation is chosen and before its bytes are touched.
//!
//! The idea, one row per field, in the order they are evaluated ([RFC 9110 §13.2.2]):
//!
//! | field | read only if | holds when | else |
//! |---|---|---|---|
//! | If-Match | present | a tag is equal, strongly | `Failed` |
//! | If-Unmodified-Since | no If-Match | modified ≤ date | `Failed` |
//! | If-None-Match | present | no tag is equal, weakly | GET, HEAD `NotModified`, others `Failed` |
//! | If-Modified-Since | GET, HEAD, no If-None-Match | modified > date | `NotModified` |
//!
//! A list that does not follow the grammar to its end matches nothing, and an invalid date is
//! ignored: in doubt the client gets the content.
//!
//! *Read next:* [`super::range`], which is asked after [`if_range_holds`].
//!
//! [RFC 9110 §13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::date;
use super::head::{Method, Request};
use super::list::{members, trim_ows};

/// What the chosen representation says about its own version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// The entity tag as it is sent, quoted: `"5f3a"`, or `W/"5f3a"` if it is weak.
    pub etag: Option<&'a str>,
    /// When it was modified; compared in whole seconds, as Last-Modified says it.
    pub modified: Option<SystemTime>,
}

/// What the preconditions ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// The client's copy is current: 304.
    NotModified,
    /// The client's idea of the resource is not: 412.
    Failed,
}

/// Evaluates the preconditions of a request against the representation it selects.
pub fn evaluate(request: &Request<'_>, v: &Validators<'_>, now: SystemTime) -> Verdict {
    decide(request.method(), |name| request.field_values(name), v, now)
}

/// Whether a Range field may be applied (RFC 9110 §13.1.5): always without If-Range, else only if
/// the client's copy has the same bytes. `false` means: ignore Range, send the whole.
pub fn if_range_holds(request: &Request<'_>, v: &Validators<'_>, now: SystemTime) -> bool {
    match single(request.field_values("if-range")) {
        Field::Absent => true,
        Field::Repeated => false,
        Field::One(value) => same_bytes(value, v, now),
    }
}

/// The four conditions in their order; `lines` gives the values of a field by its name.
fn decide<'v, Lines: Iterator<Item = &'v [u8]>>(
    method: Method,
    lines: impl Fn(&'static str) -> Lines,
    v: &Validators<'_>,
    now: SystemTime,
) -> Verdict {
    // Conditions mean nothing where no representation is selected (§13.2.1).
    if matches!(method, Method::Connect | Method::Options | Method::Trace) {
        return Verdict::Proceed;
    }
    let reads = matches!(method, Method::Get | Method::Head);
    let modified = v.modified.map(whole_seconds);
    let date = |name| match single(lines(name)) {
        // A list of dates is no date (§13.1.3, §13.1.4).
        Field::Absent | Field::Repeated => None,
        Field::One(value) => modified.zip(date::parse(value, now)),
    };

    match any_matches(lines("if-match"), v.etag, Comparison::Strong) {
        Some(false) => return Verdict::Failed,
        Some(true) => {}
        None => {
            if date("if-unmodified-since").is_some_and(|(modified, date)| modified > date) {
                return Verdict::Failed;
            }
        }
    }
    match any_matches(lines("if-none-match"), v.etag, Comparison::Weak) {
        Some(true) if reads => Verdict::NotModified,
        Some(true) => Verdict::Failed,
        Some(false) => Verdict::Proceed,
        None if reads => match date("if-modified-since") {
            Some((modified, date)) if modified <= date => Verdict::NotModified,
            _ => Verdict::Proceed,
        },
        None => Verdict::Proceed,
    }
}

/// How two entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    /// Equal, and neither is weak: the same bytes.
    Strong,
    /// Equal but for `W/`: either may stand for the other.
    Weak,
}

/// Whether a list of entity tags, or `*`, matches; `None` if the field is absent.
///
/// `*` matches whatever exists, with or without a tag (§13.1.1, §13.1.2).
fn any_matches<'v>(
    mut lines: impl Iterator<Item = &'v [u8]>,
    etag: Option<&str>,
    comparison: Comparison,
) -> Option<bool> {
    let first = lines.next()?;
    if trim_ows(first) == b"*" {
        return Some(lines.next().is_none());
    }
    let own = etag.and_then(|etag| EntityTag::parse(etag.as_bytes()));
    let mut found = false;
    // PITFALL: returning at the first match would believe the start of a list that goes wrong
    // later, and answer 304 to something that only looks like one.
    for member in std::iter::once(first).chain(lines).flat_map(members) {
        let Some(theirs) = EntityTag::parse(member) else {
            return Some(false);
        };
        found |= own.is_some_and(|own| own.equals(theirs, comparison));
    }
    Some(found)
}

/// An entity tag taken apart (RFC 9110 §8.8.3).
#[derive(Clone, Copy, Debug)]
struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// `[ %s"W/" ] DQUOTE *etagc DQUOTE`; there are no escapes.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (weak, quoted) = match bytes.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let etagc = |&b: &u8| b == 0x21 || (0x23..=0x7e).contains(&b) || b >= 0x80;
        opaque.iter().all(etagc).then_some(Self { weak, opaque })
    }

    fn equals(self, other: Self, comparison: Comparison) -> bool {
        let weak = self.weak || other.weak;
        self.opaque == other.opaque && (comparison == Comparison::Weak || !weak)
    }
}

/// Whether an If-Range value names exactly the current bytes (§13.1.5).
fn same_bytes(value: &[u8], v: &Validators<'_>, now: SystemTime) -> bool {
    let value = trim_ows(value);
    if let Some(theirs) = EntityTag::parse(value) {
        let own = v.etag.and_then(|etag| EntityTag::parse(etag.as_bytes()));
        return own.is_some_and(|own| own.equals(theirs, Comparison::Strong));
    }
    let (Some(modified), Some(theirs)) = (v.modified, date::parse(value, now)) else {
        return false;
    };
    // A date is a strong validator only if nothing can change again within its second (§8.8.2.2):
    // that second must be over. Whether it was over when the client got its copy, the client
    // promises by sending the field (§13.1.5).
    let modified = whole_seconds(modified);
    modified == theirs && modified + Duration::from_secs(1) <= now
}

/// The values of a field that must not be a list.
enum Field<'v> {
    Absent,
    One(&'v [u8]),
    Repeated,
}

fn single<'v>(mut lines: impl Iterator<Item = &'v [u8]>) -> Field<'v> {
    match (lines.next(), lines.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::One(value),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

/// Cuts the fraction of a second, which HTTP dates cannot say; towards the past on both sides of
/// 1970, as Last-Modified must not be later than the truth.
fn whole_seconds(t: SystemTime) -> SystemTime {
    let fraction = match t.duration_since(UNIX_EPOCH) {
        Ok(after) => after.subsec_nanos(),
        Err(before) => (1_000_000_000 - before.duration().subsec_nanos()) % 1_000_000_000,
    };
    t.checked_sub(Duration::from_nanos(u64::from(fraction)))
        .unwrap_or(t)
}
