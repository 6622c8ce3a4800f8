//! Byte ranges: what a `Range` field asks of a representation, and the framing of several parts.
//!
//! *Floor 0.* Knows the field's text and the representation's length; does not know files. Only GET
//! has ranges (§14.2), and preconditions and If-Range come first (§13.2.2): both are the caller's.
//!
//! The idea: ignoring a Range field is always allowed, so anything odd is answered with the whole
//! representation; and ranges that overlap or touch become one, so an answer never sends a byte
//! twice. One request may then cost no more than the file plus its framing, however many ranges it
//! names. (A server that sends overlapping parts as asked turned 200 ranges of a 200 kB file into
//! 40 MB.)
//!
//! *References:* [RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14), §15.3.7.2,
//! §17.15 (denial of service); RFC 2046 §5.1.1 (multipart).

use crate::http::list;

/// More ranges than this are answered with the whole representation.
///
/// RFC 9110 §14.2 lets a server ignore "a set of many small ranges". Readers that ask for several
/// (PDF viewers, rsync-like tools over zsync) take a handful at a time; 16 covers them and bounds
/// the comparison of each with each at 120.
pub const RANGES_MAX: usize = 16;

/// What to send of a representation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ranges {
    /// All of it, as if there were no Range field: 200.
    Whole,
    /// One stretch: 206 with `Content-Range`.
    One {
        /// First byte.
        offset: u64,
        /// How many; at least 1.
        len: u64,
    },
    /// Two to [`RANGES_MAX`] stretches as `(offset, len)` in the order asked, none of which touches
    /// another: 206 with `multipart/byteranges`.
    Many(Vec<(u64 /* offset */, u64 /* len */)>),
    /// Nothing that was asked for exists: 416 with [`content_range_unsatisfied`].
    Unsatisfiable,
}

/// Evaluates a Range field against a representation of `len` bytes (RFC 9110 §14.1.2, §14.2).
///
/// Ranges that overlap or touch are coalesced, in the place of the first (§15.3.7.2).
///
/// A unit other than bytes, or a field that is malformed anywhere, asks for nothing: `Whole`.
/// Members beyond the end are dropped; if none is left, `Unsatisfiable`. A suffix of an empty
/// representation is satisfiable (§14.1.2) but no `Content-Range` can say so: `Whole`.
pub fn evaluate(field: &[u8], len: u64) -> Ranges {
    let Some(set) = bytes_range_set(field) else {
        return Ranges::Whole;
    };
    let mut kept = [(0, 0); RANGES_MAX];
    let (mut count, mut asked, mut listed) = (0, 0, false);
    for member in list::members(set) {
        listed = true;
        match RangeSpec::parse(member, len) {
            RangeSpec::Malformed => return Ranges::Whole,
            RangeSpec::Unsatisfiable => {}
            RangeSpec::Stretch(offset, n) => {
                if n == 0 || asked == RANGES_MAX {
                    return Ranges::Whole;
                }
                asked += 1;
                count = coalesce(&mut kept, count, (offset, offset + n));
            }
        }
    }
    let stretch = |&(from, to): &(u64, u64)| (from, to - from);
    match &kept[..count] {
        // `bytes=` alone: the grammar wants at least one range (§14.1.1).
        [] if !listed => Ranges::Whole,
        [] => Ranges::Unsatisfiable,
        // A list with one left is not multipart (§15.3.7.2 allows either; this is what more
        // clients understand).
        [one] => {
            let (offset, len) = stretch(one);
            Ranges::One { offset, len }
        }
        several => Ranges::Many(several.iter().map(stretch).collect()),
    }
}

/// Adds a stretch, from its first byte to behind its last, to the first `count` of `kept`, none of
/// which touches another. Those that it overlaps or touches become one with it, in the place of the
/// first of them (RFC 9110 §15.3.7.2). Returns how many there are then.
fn coalesce(kept: &mut [(u64, u64); RANGES_MAX], count: usize, new: (u64, u64)) -> usize {
    let (mut from, mut to) = new;
    let (mut left, mut place) = (0, None);
    for at in 0..count {
        let (first, behind) = kept[at];
        if first <= to && from <= behind {
            (from, to) = (from.min(first), to.max(behind));
            if place.is_some() {
                continue;
            }
            place = Some(left);
        }
        kept[left] = (first, behind);
        left += 1;
    }
    let place = place.unwrap_or_else(|| {
        left += 1;
        left - 1
    });
    kept[place] = (from, to);
    left
}

/// The value of `Content-Range` for one stretch (RFC 9110 §14.4): `bytes 0-499/1234`.
pub fn content_range(offset: u64, len: u64, total: u64) -> String {
    let last = last_byte(offset, len);
    format!("bytes {offset}-{last}/{total}")
}

/// The value of `Content-Range` in a 416 (RFC 9110 §14.4): `bytes */1234`.
pub fn content_range_unsatisfied(total: u64) -> String {
    format!("bytes */{total}")
}

/// A multipart boundary of 32 characters. It must not occur in the content, so the caller gives
/// something a file's author cannot foresee.
pub fn boundary(entropy: u128) -> String {
    format!("{entropy:032x}")
}

/// What goes before one part: the delimiter and the part's fields (RFC 9110 §15.3.7.2).
///
/// It starts with CRLF for the first part too, which RFC 2046 §5.1.1 reads as an empty preamble. An
/// empty `content_type` leaves its line out. `boundary` must be made of token characters.
pub fn part_head(boundary: &str, content_type: &str, offset: u64, len: u64, total: u64) -> Vec<u8> {
    let last = last_byte(offset, len);
    let (name, end) = type_line(content_type);
    format!(
        "\r\n--{boundary}\r\n{name}{content_type}{end}\
         Content-Range: bytes {offset}-{last}/{total}\r\n\r\n"
    )
    .into_bytes()
}

/// What goes after the last part.
pub fn part_tail(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

/// One member of the list, seen against the representation's length.
enum RangeSpec {
    Malformed,
    Unsatisfiable,
    Stretch(u64, u64),
}

impl RangeSpec {
    /// `first-last`, `first-` or `-suffix` (RFC 9110 §14.1.1).
    fn parse(member: &[u8], len: u64) -> Self {
        let Some(dash) = memchr::memchr(b'-', member) else {
            return Self::Malformed;
        };
        let (before, after) = (&member[..dash], &member[dash + 1..]);
        match (number(before), number(after)) {
            (Some(first), Some(last)) if last >= first => Self::between(first, last, len),
            (Some(first), None) if after.is_empty() => Self::between(first, u64::MAX, len),
            (None, Some(0)) if before.is_empty() => Self::Unsatisfiable,
            (None, Some(suffix)) if before.is_empty() => {
                let n = suffix.min(len);
                Self::Stretch(len - n, n)
            }
            _ => Self::Malformed,
        }
    }

    /// The bytes from `first` to `last`, both included, as far as they exist (§14.1.2).
    fn between(first: u64, last: u64, len: u64) -> Self {
        if first >= len {
            return Self::Unsatisfiable;
        }
        Self::Stretch(first, last.min(len - 1) - first + 1)
    }
}

/// What follows `bytes=`; unit names compare case-insensitively (§14.1).
fn bytes_range_set(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = list::trim_ows(field).split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// `1*DIGIT`, or `None`. What is beyond 64 bits is beyond every file, so it saturates.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |n: u64, b: &u8| n.saturating_mul(10).saturating_add(u64::from(b - b'0'));
    Some(digits.iter().fold(0, append))
}

fn last_byte(offset: u64, len: u64) -> u64 {
    debug_assert!(len > 0, "an empty range has no last byte");
    offset + len.saturating_sub(1)
}

fn type_line(content_type: &str) -> (&'static str, &'static str) {
    if content_type.is_empty() {
        ("", "")
    } else {
        ("Content-Type: ", "\r\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Ranges::{Unsatisfiable, Whole};
    use super::*;

    fn one(offset: u64, len: u64) -> Ranges {
        Ranges::One { offset, len }
    }

    fn many(ranges: &[(u64, u64)]) -> Ranges {
        Ranges::Many(ranges.to_vec())
    }

    #[track_caller]
    fn check(field: &str, len: u64, expected: Ranges) {
        assert_eq!(
            evaluate(field.as_bytes(), len),
            expected,
            "{field:?} of {len}"
        );
    }

    /// RFC 9110 §14.1.2, with its own examples of 10,000 bytes.
    #[test]
    fn one_range() {
        check("bytes=0-499", 10_000, one(0, 500));
        check("bytes=500-999", 10_000, one(500, 500));
        check("bytes=-500", 10_000, one(9_500, 500));
        check("bytes=9500-", 10_000, one(9_500, 500));
        check("bytes=0-0", 10_000, one(0, 1));
        check("bytes=9999-9999", 10_000, one(9_999, 1));
        check("bytes=9999-10000", 10_000, one(9_999, 1));
        check("bytes=0-", 10_000, one(0, 10_000));
        check("bytes=0-99999", 10_000, one(0, 10_000));
        // A suffix longer than the representation is all of it, and still 206.
        check("bytes=-10000", 10_000, one(0, 10_000));
        check("bytes=-10001", 10_000, one(0, 10_000));
        check("bytes=-1", 1, one(0, 1));
        check("bytes=007-0008", 10_000, one(7, 2));
    }

    /// RFC 9110 §14.1.2: satisfiable if it starts before the end, or is a suffix that is not 0.
    #[test]
    fn beyond_the_end_is_unsatisfiable() {
        check("bytes=10000-", 10_000, Unsatisfiable);
        check("bytes=10000-10001", 10_000, Unsatisfiable);
        check("bytes=-0", 10_000, Unsatisfiable);
        check("bytes=10000-,-0,20000-20001", 10_000, Unsatisfiable);
        check("bytes=0-0", 0, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-0", 0, Unsatisfiable);
        // Satisfiable, but no Content-Range can say "no bytes of none".
        check("bytes=-1", 0, Whole);
        check("bytes=0-,-1", 0, Whole);
    }

    /// RFC 9110 §14.2: an unknown unit must be ignored; an invalid specifier may be.
    #[test]
    fn what_is_odd_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes= , ",
            "=0-1",
            "0-1",
            "bytes:0-1",
            "bytes 0-1",
            "bytes =0-1",
            "octets=0-1",
            "lines=0-1",
            "bytesx=0-1",
            "items=1-2, bytes=0-1",
            "bytes=-",
            "bytes=x-0",
            "bytes=x-5",
            "bytes=--1",
            "bytes=1",
            "bytes=a-b",
            "bytes=0-1x",
            "bytes=0x0-1",
            "bytes=+0-1",
            "bytes=0-+1",
            "bytes=0--1",
            "bytes=-1-2",
            "bytes=0 - 1",
            "bytes=0- 1",
            "bytes=0-1 2-3",
            "bytes=0-1;2-3",
            "bytes=0-1,2",
            "bytes=2,0-1",
            "bytes=0-1,bytes=2-3",
            "bytes=1-0",
            "bytes=0-1,9-8",
            "bytes=20000-1",
            "bytes=\u{664}-5",
            "bytes=\"0-1\"",
            "bytes=0-1,\"2-3",
            "bytes==0-1",
        ] {
            check(field, 10_000, Whole);
            check(field, 0, Whole);
        }
    }

    /// RFC 9110 §14.1 (case), §5.6.1.2 (empty members and white space must be accepted).
    #[test]
    fn what_is_merely_untidy_is_read() {
        check("BYTES=0-1", 10, one(0, 2));
        check(" bytes=0-1 ", 10, one(0, 2));
        check("bytes= 0-1", 10, one(0, 2));
        check("bytes=,0-1,,", 10, one(0, 2));
        check("bytes=0-1 ,\t4-5", 10, many(&[(0, 2), (4, 2)]));
    }

    /// Numbers are `1*DIGIT` without an end; beyond 64 bits is beyond every file.
    #[test]
    fn numbers_saturate() {
        let beyond = "99999999999999999999999999";
        check(&format!("bytes=5-{beyond}"), 10, one(5, 5));
        check(&format!("bytes=-{beyond}"), 10, one(0, 10));
        check(&format!("bytes={beyond}-"), 10, Unsatisfiable);
        check(&format!("bytes={beyond}-"), u64::MAX, Unsatisfiable);
        check(&format!("bytes={beyond}-{beyond}"), 10, Unsatisfiable);
        check(&format!("bytes={beyond}-1"), 10, Whole);
        check(
            "bytes=18446744073709551614-",
            u64::MAX,
            one(u64::MAX - 1, 1),
        );
        check("bytes=0-18446744073709551615", u64::MAX, one(0, u64::MAX));
        check(
            "bytes=18446744073709551614-,0-0",
            u64::MAX,
            many(&[(u64::MAX - 1, 1), (0, 1)]),
        );
        check(
            "bytes=1-,0-18446744073709551615",
            u64::MAX,
            one(0, u64::MAX),
        );
    }

    #[test]
    fn several_ranges_keep_their_order() {
        check("bytes=0-0,-1", 10_000, many(&[(0, 1), (9_999, 1)])); // §14.1.2
        check(
            "bytes=500-600,602-999",
            10_000,
            many(&[(500, 101), (602, 398)]),
        );
        check("bytes=8-9,4-5,0-1", 10, many(&[(8, 2), (4, 2), (0, 2)]));
        check("bytes=4-5,0-1,8-9", 10, many(&[(4, 2), (0, 2), (8, 2)]));
        // Members beyond the end are dropped; one that is left is not multipart.
        check("bytes=0-0,20-,-1", 10, many(&[(0, 1), (9, 1)]));
        check("bytes=20-,0-0", 10, one(0, 1));
    }

    #[test]
    fn no_byte_is_sent_twice() {
        check("bytes=0-0,0-0", 10, one(0, 1));
        // §14.1.2: two ways to say the second 500 bytes.
        check("bytes=500-600,601-999", 10_000, one(500, 500));
        check("bytes=500-700,601-999", 10_000, one(500, 500));
        check("bytes=0-4,3-8", 10, one(0, 9));
        check("bytes=5-9,0-5", 10, one(0, 10));
        check("bytes=0-,1-2", 10, one(0, 10));
        check("bytes=4-5,0-9", 10, one(0, 10));
        check("bytes=0-0,-1", 1, one(0, 1));
        check("bytes=0-,0-,0-", 10, one(0, 10));
        // One stretch may join others that were apart; it stands where the first of them stood.
        check("bytes=8-9,0-1,4-5,1-4", 10, many(&[(8, 2), (0, 6)]));
        check("bytes=0-1,8-9,4-5,2-3", 10, many(&[(0, 6), (8, 2)]));
        check("bytes=4-5,8-9,0-1,2-7", 10, one(0, 10));
        check("bytes=6-7,0-1,4-4,8-9", 10, many(&[(6, 4), (0, 2), (4, 1)]));
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let list = |n: usize, step: usize| {
            let members: Vec<_> = (0..n).map(|i| format!("{0}-{0}", i * step)).collect();
            format!("bytes={}", members.join(","))
        };
        assert!(matches!(
            evaluate(list(RANGES_MAX, 2).as_bytes(), 1000),
            Ranges::Many(ranges) if ranges.len() == RANGES_MAX
        ));
        check(&list(RANGES_MAX + 1, 2), 1000, Whole);
        check(&list(200, 0), 1000, Whole);
        // Those beyond the end cost nothing and do not count.
        let tail = ",5000-5001".repeat(100);
        assert!(matches!(
            evaluate(format!("{}{tail}", list(RANGES_MAX, 2)).as_bytes(), 1000),
            Ranges::Many(_)
        ));
    }

    /// RFC 9110 §14.6, its example with our delimiters.
    #[test]
    fn parts_are_framed() {
        let boundary = "THIS_STRING_SEPARATES";
        let head = part_head(boundary, "application/pdf", 500, 500, 8000);
        let expected = "\r\n--THIS_STRING_SEPARATES\r\nContent-Type: application/pdf\r\n\
                        Content-Range: bytes 500-999/8000\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
        assert_eq!(part_tail(boundary), b"\r\n--THIS_STRING_SEPARATES--\r\n");
        let bare = part_head("b", "", 0, 1, 1);
        assert_eq!(bare, b"\r\n--b\r\nContent-Range: bytes 0-0/1\r\n\r\n");
    }

    /// RFC 9110 §14.4.
    #[test]
    fn content_range_says_first_last_and_all() {
        assert_eq!(content_range(42, 1192, 1234), "bytes 42-1233/1234");
        let largest = content_range(0, u64::MAX, u64::MAX);
        assert_eq!(largest, "bytes 0-18446744073709551614/18446744073709551615");
        assert_eq!(content_range_unsatisfied(1234), "bytes */1234");
    }

    #[test]
    fn a_boundary_is_a_token_of_fixed_length() {
        assert_eq!(boundary(0x2a), format!("{}2a", "0".repeat(30)));
        assert_eq!(boundary(u128::MAX), "f".repeat(32));
    }

    /// A member as it is meant, for the model.
    #[derive(Clone, Debug)]
    enum Spec {
        Between(u64, u64),
        From(u64),
        Suffix(u64),
    }

    impl Spec {
        fn text(&self) -> String {
            match self {
                Self::Between(first, last) => format!("{first}-{last}"),
                Self::From(first) => format!("{first}-"),
                Self::Suffix(n) => format!("-{n}"),
            }
        }

        /// Which bytes it names, asked of each byte in turn.
        fn bytes(&self, len: u64) -> Vec<u64> {
            let names = |&i: &u64| match *self {
                Self::Between(first, last) => first <= i && i <= last,
                Self::From(first) => first <= i,
                Self::Suffix(n) => i + n >= len,
            };
            (0..len).filter(names).collect()
        }
    }

    fn spec() -> impl Strategy<Value = Spec> {
        prop_oneof![
            4 => (0u64..70, 0u64..6).prop_map(|(first, n)| Spec::Between(first, first + n)),
            1 => (0u64..70, 0u64..70).prop_map(|(first, last)| Spec::Between(first, last)),
            1 => (0u64..70).prop_map(Spec::From),
            1 => (0u64..70).prop_map(Spec::Suffix),
        ]
    }

    /// The rules over sets of bytes, with no arithmetic on ends.
    fn model(specs: &[Spec], len: u64) -> Ranges {
        let invalid = |spec: &Spec| matches!(spec, Spec::Between(first, last) if last < first);
        let empty_suffix = |spec: &Spec| len == 0 && matches!(spec, Spec::Suffix(1..));
        if specs.is_empty() || specs.iter().any(|s| invalid(s) || empty_suffix(s)) {
            return Whole;
        }
        let sets: Vec<_> = specs.iter().map(|spec| spec.bytes(len)).collect();
        let kept: Vec<_> = sets.into_iter().filter(|set| !set.is_empty()).collect();
        if kept.len() > RANGES_MAX {
            return Whole;
        }
        // Every byte that is asked for, in runs; each run where its first byte was asked for.
        let mut all: Vec<u64> = kept.concat();
        all.sort_unstable();
        all.dedup();
        let mut runs: Vec<_> = all
            .chunk_by(|a, b| a + 1 == *b)
            .map(|run| (run[0], run.len() as u64))
            .collect();
        runs.sort_by_key(|(first, n)| {
            let run = *first..first + n;
            kept.iter().position(|set| run.contains(&set[0]))
        });
        match runs[..] {
            [] => Unsatisfiable,
            [(first, n)] => one(first, n),
            _ => Ranges::Many(runs),
        }
    }

    proptest! {
        #[test]
        fn the_algebra_agrees_with_sets_of_bytes(
            specs in prop::collection::vec(spec(), 0..6),
            len in 0u64..64,
        ) {
            let texts: Vec<_> = specs.iter().map(Spec::text).collect();
            let field = format!("bytes={}", texts.join(", "));
            prop_assert_eq!(evaluate(field.as_bytes(), len), model(&specs, len), "{}", field);
        }

        #[test]
        fn many_small_ranges_agree_too(
            firsts in prop::sample::subsequence((0u64..64).collect::<Vec<_>>(), 0..20)
                .prop_shuffle(),
            len in 0u64..64,
        ) {
            let specs: Vec<_> = firsts.into_iter().map(|i| Spec::Between(i, i)).collect();
            let texts: Vec<_> = specs.iter().map(Spec::text).collect();
            let field = format!("bytes={}", texts.join(","));
            prop_assert_eq!(evaluate(field.as_bytes(), len), model(&specs, len), "{}", field);
        }

        #[test]
        fn whatever_is_written_stays_inside_and_is_never_more_than_the_file(
            set in "[-0-9, \t\"]{0,40}",
            len in prop_oneof![0u64..300, any::<u64>()],
        ) {
            let ranges = match evaluate(format!("bytes={set}").as_bytes(), len) {
                Whole | Unsatisfiable => vec![],
                Ranges::One { offset, len } => vec![(offset, len)],
                Ranges::Many(ranges) => {
                    prop_assert!((2..=RANGES_MAX).contains(&ranges.len()));
                    ranges
                }
            };
            let mut left = len;
            for &(offset, n) in &ranges {
                prop_assert!(n >= 1 && offset.checked_add(n).is_some_and(|end| end <= len));
                prop_assert!(n <= left, "{:?}", ranges);
                left -= n;
            }
        }

        #[test]
        fn no_bytes_panic(field: Vec<u8>, len: u64) {
            let _ = evaluate(&field, len);
        }
    }
}
