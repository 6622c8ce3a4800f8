//! Byte ranges: what a `Range` field asks of a representation, and the framing of several parts.
//!
//! *Floor 0.* Knows the field's text and the representation's length; does not know files. Only GET
//! has ranges (§14.2), and preconditions and If-Range come first (§13.2.2): both are the caller's.
//!
//! The idea: ignoring a Range field is always allowed, so anything odd is answered with the whole
//! representation, and an answer never sends a byte twice. One request may then cost no more than
//! the file plus its framing, however many ranges it names. (A server that sends overlapping parts
//! as asked turned 200 ranges of a 200 kB file into 40 MB.)
//!
//! *References:* [RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14), §15.3.7.2,
//! §17.15 (denial of service); RFC 2046 §5.1.1 (multipart).
//!
//! *Read next:* [`super::validator::if_range_holds`].

use super::list;

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
    /// Two to [`RANGES_MAX`] stretches as `(offset, len)` in the order asked, none overlapping: 206
    /// with `multipart/byteranges`, unless [`multipart_len`] says that this is no gain.
    Many(Vec<(u64 /* offset */, u64 /* len */)>),
    /// Nothing that was asked for exists: 416 with [`content_range_unsatisfied`].
    Unsatisfiable,
}

/// Evaluates a Range field against a representation of `len` bytes (RFC 9110 §14.1.2, §14.2).
///
/// A unit other than bytes, or a field that is malformed anywhere, asks for nothing: `Whole`.
/// Members beyond the end are dropped; if none is left, `Unsatisfiable`. A suffix of an empty
/// representation is satisfiable (§14.1.2) but no `Content-Range` can say so: `Whole`.
pub fn evaluate(field: &[u8], len: u64) -> Ranges {
    let Some(set) = bytes_range_set(field) else {
        return Ranges::Whole;
    };
    let mut kept = [(0, 0); RANGES_MAX];
    let mut count = 0;
    let mut listed = false;
    for member in list::members(set) {
        listed = true;
        match Member::parse(member, len) {
            Member::Malformed => return Ranges::Whole,
            Member::Unsatisfiable => {}
            Member::Stretch(offset, n) => {
                let overlaps = |&(o, l): &(u64, u64)| offset < o + l && o < offset + n;
                if n == 0 || count == RANGES_MAX || kept[..count].iter().any(overlaps) {
                    return Ranges::Whole;
                }
                kept[count] = (offset, n);
                count += 1;
            }
        }
    }
    match kept[..count] {
        // `bytes=` alone: the grammar wants at least one range (§14.1.1).
        [] if !listed => Ranges::Whole,
        [] => Ranges::Unsatisfiable,
        // A list with one left is not multipart (§15.3.7.2 allows either; this is what more
        // clients understand).
        [(offset, len)] => Ranges::One { offset, len },
        ref several => Ranges::Many(several.to_vec()),
    }
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

/// Length in bytes of a whole multipart/byteranges body, nothing built.
///
/// If it exceeds `total`, many ranges are no gain: answer with the whole representation
/// ([`multipart_is_smaller`]).
pub fn multipart_len(ranges: &[(u64, u64)], boundary: &str, content_type: &str, total: u64) -> u64 {
    let (name, end) = type_line(content_type);
    let delimiter = "\r\n--\r\n".len() + boundary.len();
    let type_line = name.len() + content_type.len() + end.len();
    let fixed = delimiter + type_line + "Content-Range: bytes -/\r\n\r\n".len();
    let tail = ("\r\n----\r\n".len() + boundary.len()) as u64;
    ranges.iter().fold(tail, |sum, &(offset, len)| {
        let digits = digits(offset) + digits(last_byte(offset, len)) + digits(total);
        sum.saturating_add(fixed as u64 + digits)
            .saturating_add(len)
    })
}

/// Whether the parts with their framing are shorter than the representation itself.
pub fn multipart_is_smaller(
    ranges: &[(u64, u64)],
    boundary: &str,
    content_type: &str,
    total: u64,
) -> bool {
    multipart_len(ranges, boundary, content_type, total) < total
}

/// One member of the list, seen against the representation's length.
enum Member {
    Malformed,
    Unsatisfiable,
    Stretch(u64, u64),
}

impl Member {
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

fn digits(n: u64) -> u64 {
    u64::from(n.checked_ilog10().unwrap_or(0)) + 1
}
