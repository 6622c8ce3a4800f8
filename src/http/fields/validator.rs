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
//! | If-Modified-Since | GET, HEAD, no If-None-Match | modified > date, or may still change | `NotModified` |
//!
//! A list that does not follow the grammar to its end matches nothing, and an invalid date is
//! ignored: in doubt the client gets the content.
//!
//! [RFC 9110 §13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::date;
use crate::http::list::{members, trim_ows};
use crate::http::message::head::{Known, Method, Request};

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
pub enum Evaluation {
    /// Answer as if there were none.
    Proceed,
    /// The client's copy is current: 304.
    NotModified,
    /// The client's idea of the resource is not: 412.
    Failed,
}

/// Evaluates the preconditions of a request against the representation it selects.
#[inline]
pub fn evaluate(request: &Request<'_>, v: &Validators<'_>, now: SystemTime) -> Evaluation {
    // Most requests have none, and four lookups by name cost more than the rest of a cache hit.
    if !request.has(Known::CONDITIONS) {
        return Evaluation::Proceed;
    }
    evaluate_fields(request, v, now)
}

fn evaluate_fields(request: &Request<'_>, v: &Validators<'_>, now: SystemTime) -> Evaluation {
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
) -> Evaluation {
    // Conditions mean nothing where no representation is selected (§13.2.1).
    if matches!(method, Method::Connect | Method::Options | Method::Trace) {
        return Evaluation::Proceed;
    }
    let reads = matches!(method, Method::Get | Method::Head);
    let modified = v.modified.map(whole_seconds);
    let date = |name| match single(lines(name)) {
        // A list of dates is no date (§13.1.3, §13.1.4).
        Field::Absent | Field::Repeated => None,
        Field::One(value) => modified.zip(date::parse(value, now)),
    };

    match any_matches(lines("if-match"), v.etag, Comparison::Strong) {
        Some(false) => return Evaluation::Failed,
        Some(true) => {}
        None => {
            if date("if-unmodified-since").is_some_and(|(modified, date)| modified > date) {
                return Evaluation::Failed;
            }
        }
    }
    match any_matches(lines("if-none-match"), v.etag, Comparison::Weak) {
        Some(true) if reads => Evaluation::NotModified,
        Some(true) => Evaluation::Failed,
        Some(false) => Evaluation::Proceed,
        None if reads => match date("if-modified-since") {
            Some((modified, date)) if modified <= date && is_over(modified, now) => {
                Evaluation::NotModified
            }
            _ => Evaluation::Proceed,
        },
        None => Evaluation::Proceed,
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
    // Whether the second was over when the client got its copy, the client promises by sending the
    // field (§13.1.5).
    let modified = whole_seconds(modified);
    modified == theirs && is_over(modified, now)
}

/// Whether nothing can be modified any more within a second, so that its date stands for one
/// version only (§8.8.2.2).
fn is_over(second: SystemTime, now: SystemTime) -> bool {
    (second.checked_add(Duration::from_secs(1))).is_some_and(|next| next <= now)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Evaluation::{Failed, NotModified, Proceed};
    use super::*;

    /// 1994-11-06 08:49:37, the date of the RFC's examples.
    const THEN: u64 = 784_111_777;
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const INVALID: &str = "Sun, 31 Nov 1994 08:49:38 GMT";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A file of tag `"a"`, modified within second `THEN`.
    fn file() -> Validators<'static> {
        Validators {
            etag: Some("\"a\""),
            modified: Some(at(THEN) + Duration::from_millis(400)),
        }
    }

    fn verdict(method: &str, fields: &str, v: &Validators<'_>) -> Evaluation {
        let head = head(method, fields);
        let request = Request::parse(head.as_bytes()).unwrap();
        evaluate(&request, v, at(THEN + 1000))
    }

    /// `fields` is written with `|` between the lines.
    fn head(method: &str, fields: &str) -> String {
        let mut head = format!("{method} /f HTTP/1.1\r\nHost: a\r\n");
        for line in fields.split('|').filter(|line| !line.is_empty()) {
            head += line.trim();
            head += "\r\n";
        }
        head + "\r\n"
    }

    #[track_caller]
    fn check(method: &str, fields: &str, expected: Evaluation) {
        assert_eq!(
            verdict(method, fields, &file()),
            expected,
            "{method} {fields}"
        );
    }

    /// RFC 9110 §8.8.2.2: what was modified in a second may be so again until that is over.
    #[test]
    fn a_date_says_nothing_while_its_second_lasts() {
        for (since, expected) in [
            (Duration::ZERO, Proceed),
            (Duration::from_millis(999), Proceed),
            (Duration::from_secs(1), NotModified),
        ] {
            let head = head("GET", &format!("If-Modified-Since: {SAME}"));
            let request = Request::parse(head.as_bytes()).unwrap();
            let found = evaluate(&request, &file(), at(THEN) + since);
            assert_eq!(found, expected, "after {since:?}");
        }
    }

    /// RFC 9110 §13.1.1: strong comparison, `*` for anything that exists.
    #[test]
    fn if_match() {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            check(method, "", Proceed);
            check(method, r#"If-Match: "a""#, Proceed);
            check(method, r#"If-Match: "b", "a""#, Proceed);
            check(method, r#"If-Match: "b"|If-Match: "a""#, Proceed);
            check(method, "If-Match: *", Proceed);
            check(method, r#"If-Match: "b""#, Failed);
            check(method, r#"If-Match: W/"a""#, Failed);
            check(method, "If-Match: a", Failed);
            check(method, "If-Match:", Failed);
        }
    }

    /// RFC 9110 §13.1.4: not modified since; ignored beside If-Match, and if no date.
    #[test]
    fn if_unmodified_since() {
        for method in ["GET", "PUT"] {
            let field = |date| format!("If-Unmodified-Since: {date}");
            check(method, &field(SAME), Proceed);
            check(method, &field(AFTER), Proceed);
            check(method, &field(BEFORE), Failed);
            check(method, &field("Sun Nov  6 08:49:36 1994"), Failed);
            check(method, &field(INVALID), Proceed);
            check(method, &field("yesterday"), Proceed);
            check(method, &format!("{0}|{0}", field(BEFORE)), Proceed);
            check(
                method,
                &format!("If-Match: \"a\"|{}", field(BEFORE)),
                Proceed,
            );
            check(method, &format!("If-Match: \"b\"|{}", field(SAME)), Failed);
        }
    }

    /// RFC 9110 §13.1.2: weak comparison; 304 for GET and HEAD, 412 for the rest.
    #[test]
    fn if_none_match() {
        for (method, matched) in [
            ("GET", NotModified),
            ("HEAD", NotModified),
            ("PUT", Failed),
            ("POST", Failed),
            ("DELETE", Failed),
        ] {
            check(method, r#"If-None-Match: "a""#, matched);
            check(method, r#"If-None-Match: W/"a""#, matched);
            check(method, r#"If-None-Match: "x,y", W/"z" ,, "a""#, matched);
            check(method, r#"If-None-Match: "x"|If-None-Match: "a""#, matched);
            check(method, "If-None-Match: *", matched);
            check(method, r#"If-None-Match: "b", W/"c""#, Proceed);
            check(method, r#"If-None-Match: "A""#, Proceed);
            check(method, "If-None-Match:", Proceed);
        }
    }

    /// RFC 9110 §13.1.3: GET and HEAD only, ignored beside If-None-Match, and if no date.
    #[test]
    fn if_modified_since() {
        let field = |date| format!("If-Modified-Since: {date}");
        for method in ["GET", "HEAD"] {
            check(method, &field(SAME), NotModified);
            check(method, &field(AFTER), NotModified);
            check(
                method,
                &field("Sunday, 06-Nov-94 08:49:37 GMT"),
                NotModified,
            );
            check(method, &field("Sun Nov  6 08:49:37 1994"), NotModified);
            check(method, &field(BEFORE), Proceed);
            check(method, &field(INVALID), Proceed);
            check(method, &field("0"), Proceed);
            check(method, &field(""), Proceed);
            check(method, &format!("{0}|{0}", field(SAME)), Proceed);
            check(
                method,
                &format!("If-None-Match: \"b\"|{}", field(SAME)),
                Proceed,
            );
            check(
                method,
                &format!("If-None-Match: odd|{}", field(SAME)),
                Proceed,
            );
            check(
                method,
                &format!("If-None-Match: \"a\"|{}", field(BEFORE)),
                NotModified,
            );
        }
        check("PUT", &field(SAME), Proceed);
        check("POST", &field(SAME), Proceed);
    }

    /// RFC 9110 §13.2.2: If-Match or If-Unmodified-Since first, then the others.
    #[test]
    fn conditions_are_evaluated_in_order() {
        check("GET", r#"If-None-Match: "a"|If-Match: "b""#, Failed);
        check("GET", r#"If-None-Match: "a"|If-Match: "a""#, NotModified);
        check(
            "GET",
            &format!("If-None-Match: \"a\"|If-Unmodified-Since: {BEFORE}"),
            Failed,
        );
        check(
            "GET",
            &format!("If-Modified-Since: {SAME}|If-Unmodified-Since: {SAME}"),
            NotModified,
        );
        check(
            "GET",
            &format!("If-Modified-Since: {SAME}|If-Match: \"b\""),
            Failed,
        );
    }

    /// RFC 9110 §13.2.1: no condition where no representation is selected.
    #[test]
    fn other_methods_have_no_conditions() {
        check("OPTIONS", "If-Match: \"b\"", Proceed);
        check("TRACE", "If-None-Match: *", Proceed);
    }

    #[test]
    fn missing_validators_are_neither_equal_nor_old() {
        let none = Validators::default();
        let rows = [
            (r#"If-Match: "a""#.to_owned(), Failed),
            ("If-Match: *".to_owned(), Proceed),
            (r#"If-None-Match: "a""#.to_owned(), Proceed),
            ("If-None-Match: *".to_owned(), NotModified),
            (format!("If-Modified-Since: {AFTER}"), Proceed), // §13.1.3
            (format!("If-Unmodified-Since: {BEFORE}"), Proceed), // §13.1.4
        ];
        for (fields, expected) in rows {
            assert_eq!(verdict("GET", &fields, &none), expected, "{fields}");
        }
    }

    /// RFC 9110 §8.8.3.2, its table.
    #[test]
    fn tags_are_compared_strongly_or_weakly() {
        let rows = [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#"W/"1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ];
        for (own, theirs, strong, weak) in rows {
            for (comparison, expected) in [(Comparison::Strong, strong), (Comparison::Weak, weak)] {
                let lines = [theirs.as_bytes()].into_iter();
                let found = any_matches(lines, Some(own), comparison);
                assert_eq!(found, Some(expected), "{own} {theirs} {comparison:?}");
            }
        }
    }

    #[track_caller]
    fn check_list(lines: &[&str], own: &str, expected: bool) {
        for comparison in [Comparison::Strong, Comparison::Weak] {
            let values = lines.iter().map(|line| line.as_bytes());
            let found = any_matches(values, Some(own), comparison);
            assert_eq!(found, Some(expected), "{lines:?} {own} {comparison:?}");
        }
    }

    /// RFC 9110 §8.8.3 and §13.1: what leaves the grammar anywhere matches nothing.
    #[test]
    fn odd_lists_match_nothing() {
        let odd =
            r#"a|"a|a"|"a""|""a"|'a'|w/"a"|W/a|W/ "a"|W/"a|W"a"|/"a"|"a" "b"|"b" "a"|"a";q=1"#;
        let odd_later = r#""a"x|"a", b|b, "a"|"a", *|*, "a"|**|*,|"*"|"b, "a"|"b\", "a", "c"x"#;
        let odd_bytes = "\"b \", \"a\"|\"a\", \"b|\"a\", \"\t\"|\"a\", \"\x7f\"";
        for line in [odd, odd_later, odd_bytes]
            .iter()
            .flat_map(|rows| rows.split('|'))
        {
            check_list(&[line], r#""a""#, false);
        }
        // Several lines are one list (RFC 9110 §5.3).
        check_list(&["*", r#""a""#], r#""a""#, false);
        check_list(&[r#""a""#, "*"], r#""a""#, false);
        check_list(&["*", "*"], r#""a""#, false);
        check_list(&[r#""a"#, r#"""#], r#""a""#, false);
        check_list(&[r#""a""#, "a"], r#""a""#, false);
        // Nor does a tag of our own that is none.
        check_list(&[r#""a""#], "a", false);
    }

    /// Odd only to the eye: commas, backslashes and bytes above ASCII are etagc (RFC 9110 §8.8.3).
    #[test]
    fn odd_tags_match_themselves() {
        for tag in [
            r#""""#, r#""a,b""#, r#""a\""#, r#""é""#, r#""W/""#, r#""!#~""#, r#""*""#,
        ] {
            check_list(&[&format!(r#""x", {tag} ,"y""#)], tag, true);
            check_list(&[&format!("\t{tag}"), r#"W/"x""#], tag, true);
        }
    }

    /// RFC 9110 §13.1.5.
    #[test]
    fn if_range() {
        let weak = Validators {
            etag: Some("W/\"a\""),
            ..file()
        };
        let none = Validators::default();
        let rows = [
            ("", file(), true),
            ("", none, true),
            ("If-Range: \"a\"", file(), true),
            ("If-Range: \"b\"", file(), false),
            ("If-Range: W/\"a\"", file(), false),
            ("If-Range: \"a\"", weak, false),
            ("If-Range: W/\"a\"", weak, false),
            ("If-Range: \"a\"", none, false),
            ("If-Range: \"a\", \"b\"", file(), false),
            ("If-Range: \"a\"|If-Range: \"a\"", file(), false),
            ("If-Range: *", file(), false),
            ("If-Range: a", file(), false),
            ("If-Range:", file(), false),
            (&format!("If-Range: {SAME}"), file(), true),
            ("If-Range: Sunday, 06-Nov-94 08:49:37 GMT", file(), true),
            // Exactly, not "since".
            (&format!("If-Range: {AFTER}"), file(), false),
            (&format!("If-Range: {BEFORE}"), file(), false),
            (&format!("If-Range: {INVALID}"), file(), false),
            (&format!("If-Range: {SAME}"), none, false),
        ];
        for (fields, v, expected) in rows {
            let head = head("GET", fields);
            let request = Request::parse(head.as_bytes()).unwrap();
            let holds = if_range_holds(&request, &v, at(THEN + 1000));
            assert_eq!(holds, expected, "{fields} {v:?}");
        }
    }

    /// RFC 9110 §8.8.2.2: a date is strong only when its second is over.
    #[test]
    fn a_date_of_this_very_second_is_no_strong_validator() {
        let half = Duration::from_millis(500);
        for (now, expected) in [
            (at(THEN), false),
            (at(THEN) + half, false),
            (at(THEN + 1), true),
            (at(THEN + 1) + half, true),
            (at(THEN - 5), false), // modified in the future
        ] {
            assert_eq!(
                same_bytes(SAME.as_bytes(), &file(), now),
                expected,
                "{now:?}"
            );
        }
    }

    #[test]
    fn fractions_are_cut_towards_the_past() {
        let ms = Duration::from_millis;
        let rows = [
            (at(5) + ms(999), at(5)),
            (at(5), at(5)),
            (UNIX_EPOCH, UNIX_EPOCH),
            (UNIX_EPOCH - ms(1), UNIX_EPOCH - ms(1000)),
            (UNIX_EPOCH - ms(1000), UNIX_EPOCH - ms(1000)),
            (UNIX_EPOCH - ms(1001), UNIX_EPOCH - ms(2000)),
        ];
        for (t, expected) in rows {
            assert_eq!(whole_seconds(t), expected, "{t:?}");
        }
    }

    /// A file from before 1970 is sent with the clamped date, and revalidates by it.
    #[test]
    fn odd_times_never_panic_and_never_lie() {
        let year = Duration::from_secs(31_556_952);
        let epoch = "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT";
        for (modified, expected) in [
            (UNIX_EPOCH - year * 100, NotModified),
            (UNIX_EPOCH, NotModified),
            (at(1), Proceed),
            (UNIX_EPOCH + year * 100_000, Proceed),
        ] {
            let v = Validators {
                etag: None,
                modified: Some(modified),
            };
            assert_eq!(verdict("GET", epoch, &v), expected, "{modified:?}");
        }
    }

    /// `[ OWS tag-or-nothing OWS ] *( "," ... )`, one byte at a time: `None` if it is no list.
    fn tags_of(line: &str) -> Option<Vec<String>> {
        let mut tags = vec![];
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if rest.starts_with(['"', 'W']) {
                let start = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
                let (opaque, after) = start.split_once('"')?;
                if opaque.contains([' ', '\t']) {
                    return None;
                }
                tags.push(format!("\"{opaque}\""));
                rest = after.trim_start_matches([' ', '\t']);
            }
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.is_empty().then_some(tags),
            }
        }
    }

    proptest! {
        #[test]
        fn lists_agree_with_the_grammar(line in r#"("a"|W/"a"|"b"|, |,|"|W/|a|\*| |\\){0,8}"#) {
            prop_assume!(line.trim() != "*");
            let found = any_matches([line.as_bytes()].into_iter(), Some("\"a\""), Comparison::Weak);
            let expected = tags_of(&line).is_some_and(|tags| tags.iter().any(|tag| tag == "\"a\""));
            prop_assert_eq!(found, Some(expected), "{}", line);
        }

        #[test]
        fn no_bytes_panic(line: Vec<u8>, own: String) {
            let _ = any_matches([&line[..]].into_iter(), Some(&own), Comparison::Weak);
            let v = Validators { etag: Some(&own), modified: Some(UNIX_EPOCH) };
            let _ = same_bytes(&line, &v, UNIX_EPOCH);
        }
    }
}
