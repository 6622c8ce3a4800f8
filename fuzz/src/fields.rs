//! Values of fields: ranges against a set of positions, dates against themselves, and
//! preconditions and negotiation, which may be told anything.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpoll::http::negotiate::{self, Accepted, Coding};
use httpoll::http::range::{self, RANGES_MAX, Ranges};
use httpoll::http::validator::{self, Evaluation, Validators};
use httpoll::http::{Request, date};

/// Panics if what the value is read as cannot be. The value is tried as every field.
pub fn check(data: &[u8]) {
    for len in [0, 1, 10, 64] {
        range_of(data, len);
    }
    for len in [1000, u64::MAX] {
        frames(&range::evaluate(data, len), len);
    }
    for now in [0, 784_111_777, 1_780_272_000, 253_402_300_799] {
        a_date(data, UNIX_EPOCH + Duration::from_secs(now));
    }
    codings(data);
    preconditions(data);
}

// ---------------------------------------------------------------------- ranges

/// What a set of ranges asks of a short representation, a position at a time.
fn range_of(field: &[u8], len: u64) {
    let found = range::evaluate(field, len);
    frames(&found, len);
    let Some(asked) = naive(field, len) else {
        return assert_eq!(found, Ranges::Whole, "a malformed field asks for nothing");
    };
    let kept: Vec<&Vec<u64>> = asked.iter().filter(|set| !set.is_empty()).collect();
    let mut all: Vec<u64> = kept.iter().copied().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let sent: Vec<Vec<u64>> = match &found {
        Ranges::Whole => {
            // A suffix of nothing is the one thing that is satisfiable and cannot be said.
            let whole = kept.len() > RANGES_MAX || len == 0;
            return assert!(whole, "{asked:?} of {len} was ignored");
        }
        Ranges::Unsatisfiable => Vec::new(),
        Ranges::One { offset, len } => vec![(*offset..offset + len).collect()],
        Ranges::Many(several) => several.iter().map(|(o, n)| (*o..o + n).collect()).collect(),
    };
    // Each run of bytes once, where the first of its bytes was asked for.
    let place = |run: &Vec<u64>| kept.iter().position(|set| run.contains(&set[0]));
    assert!(sent.is_sorted_by_key(place), "of {len}");
    let mut sent = sent.concat();
    sent.sort_unstable();
    assert_eq!(all, sent, "of {len}");
}

/// The positions each member names (RFC 9110 §14.1.2); `None` if the field must be ignored.
fn naive(field: &[u8], len: u64) -> Option<Vec<Vec<u64>>> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\t']);
    let (unit, set) = text.split_once('=')?;
    let members = set.split(',').map(|m| m.trim_matches([' ', '\t']));
    let members: Vec<&str> = members.filter(|m| !m.is_empty()).collect();
    if !unit.eq_ignore_ascii_case("bytes") || members.is_empty() {
        return None;
    }
    let positions = |member: &str| {
        let (first, last) = member.split_once('-')?;
        let exists = 0..len;
        Some(match (first, last) {
            ("", suffix) => {
                let from = len.saturating_sub(number(suffix)?);
                exists.filter(|at| *at >= from).collect()
            }
            (first, "") => {
                let first = number(first)?;
                exists.filter(|at| *at >= first).collect()
            }
            (first, last) => {
                if compare(first, last)?.is_gt() {
                    return None;
                }
                let (first, last) = (number(first)?, number(last)?);
                exists.filter(|at| (first..=last).contains(at)).collect()
            }
        })
    };
    members.into_iter().map(positions).collect()
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Numbers compare at the precision of 64 bits: what is beyond names no byte of any file.
fn compare(one: &str, other: &str) -> Option<std::cmp::Ordering> {
    Some(number(one)?.cmp(&number(other)?))
}

/// What is answered can be framed, and is what its length says.
fn frames(found: &Ranges, total: u64) {
    const BOUNDARY: &str = "00112233445566778899aabbccddeeff";
    const TYPE: &str = "text/plain";
    match found {
        Ranges::Whole => {}
        Ranges::Unsatisfiable => {
            assert_eq!(
                range::content_range_unsatisfied(total),
                format!("bytes */{total}")
            );
        }
        Ranges::One { offset, len } => {
            let value = range::content_range(*offset, *len, total);
            assert_eq!(
                value,
                format!("bytes {offset}-{}/{total}", offset + (len - 1))
            );
        }
        Ranges::Many(several) => {
            assert!((2..=RANGES_MAX).contains(&several.len()));
            for &(offset, len) in several {
                let head = range::part_head(BOUNDARY, TYPE, offset, len, total);
                assert!(head.len() < 200 && head.ends_with(b"\r\n\r\n"));
            }
            let sum: u128 = several.iter().map(|(_, n)| u128::from(*n)).sum();
            assert!(sum <= u128::from(total), "more than there is");
        }
    }
}

// ---------------------------------------------------------------------- dates

fn a_date(value: &[u8], now: SystemTime) {
    // Any eight bytes are a time, and every time that a date can say is read as it was written.
    if let Some(eight) = value.first_chunk() {
        let seconds = u64::from_le_bytes(*eight) % 253_402_300_800;
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(date::parse(&date::format(time), now), Some(time));
    }
    let Some(time) = date::parse(value, now) else {
        return;
    };
    let written = date::format(time);
    assert_eq!(date::parse(&written, now), Some(time), "written and read");
    let value = value.trim_ascii();
    if value.len() == written.len() {
        // The day's name need not fit, and second 60 is read as 59.
        let (read, leap) = (&written[3..23], &value[23..25] == b"60");
        assert_eq!(
            &value[3..23],
            read,
            "IMF-fixdate has one form for each second"
        );
        assert!(leap || value[23..] == written[23..]);
    }
    let year: u64 = std::str::from_utf8(&written[12..16]).map_or(0, |y| y.parse().unwrap_or(0));
    if value.contains(&b'-') {
        let this = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) / 31_556_952 + 1970;
        assert!(
            year <= this + 51 && this <= year + 51,
            "two digits, and {year} in {this}"
        );
    }
}

// ---------------------------------------------------------------------- negotiation

fn codings(value: &[u8]) {
    let lines = || value.split(|b| *b == b'\n');
    let accepted = Accepted::parse(lines());
    for set in 0..8usize {
        let siblings = Coding::ALL.iter().take(3).enumerate();
        let available: Vec<Coding> = siblings
            .filter(|(i, _)| set & (1 << i) != 0)
            .map(|(_, coding)| *coding)
            .collect();
        let choice = accepted.choose(&available);
        assert_eq!(choice, negotiate::choose(lines(), &available));
        assert_eq!(choice.acceptable, accepted.allows(choice.coding));
        assert!(choice.coding == Coding::Identity || available.contains(&choice.coding));
        assert!(
            choice.acceptable || !available.iter().any(|coding| accepted.allows(*coding)),
            "something acceptable was there"
        );
    }
    if value.trim_ascii().is_empty() {
        assert!(!accepted.allows(Coding::Gzip), "nothing was said");
    }
    let _ = negotiate::accepts_html(lines());
}

// ---------------------------------------------------------------------- preconditions

fn preconditions(value: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_780_272_000);
    let modified = UNIX_EPOCH + Duration::new(784_111_777, 5);
    let versions = [
        Validators::default(),
        Validators {
            etag: Some("\"a,b\""),
            modified: Some(modified),
        },
        Validators {
            etag: Some("W/\"w\""),
            modified: Some(UNIX_EPOCH - Duration::from_nanos(1)),
        },
    ];
    const FIELDS: [&str; 5] = [
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Range",
    ];
    for method in ["GET", "PUT"] {
        for field in FIELDS {
            let mut head = format!("{method} / HTTP/1.1\r\nHost: a\r\n").into_bytes();
            for line in value.split(|b| *b == b'\n') {
                head.extend_from_slice(format!("{field}: ").as_bytes());
                head.extend_from_slice(line);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"\r\n");
            let Some(request) = Request::parse(&head) else {
                continue;
            };
            for version in &versions {
                let verdict = validator::evaluate(&request, version, now);
                let possible = match (field, method) {
                    ("If-Match" | "If-Unmodified-Since", _) => verdict != Evaluation::NotModified,
                    ("If-None-Match", "GET") => verdict != Evaluation::Failed,
                    ("If-None-Match", _) => verdict != Evaluation::NotModified,
                    ("If-Modified-Since", "GET") => verdict != Evaluation::Failed,
                    _ => verdict == Evaluation::Proceed,
                };
                assert!(possible, "{field} of a {method}: {verdict:?}");
                let same = validator::if_range_holds(&request, version, now);
                let said = version.etag.is_some() || version.modified.is_some();
                assert!(!same || field != "If-Range" || said, "the same as nothing");
            }
        }
    }
}
