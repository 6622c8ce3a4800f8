//! HTTP dates: written in one format, understood in three.
//!
//! *Floor 0.* Knows the calendar (through httpdate); does not know what time it is: `now` comes in.
//!
//! httpdate does the calendar. Three things are ours. It panics on times outside 1970..=9999, which
//! a file's mtime may well be (touch(1) takes `-d 1965-01-01`), so times are clamped first. It reads
//! the two-digit years of RFC 850 with a fixed pivot of 1970, where [RFC 9110 §5.6.7] wants one that
//! moves with the clock. And it refuses a day of the week that does not fit, and leap seconds, where
//! the RFC encourages recipients to be robust: what says when is all there.
//!
//! [RFC 9110 §5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::list::trim_ows;

const DAYS: [&[u8]; 7] = [
    b"Monday",
    b"Tuesday",
    b"Wednesday",
    b"Thursday",
    b"Friday",
    b"Saturday",
    b"Sunday",
];

/// The last second of the year 9999, the last that four digits can name.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Writes a time as IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`, without its fraction.
///
/// Times before 1970 become its first second and times after 9999 the last: the format cannot say
/// them, and a file with an odd mtime must not end the server.
pub fn format(t: SystemTime) -> [u8; 29] {
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let since_epoch = t.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs().min(SECONDS_MAX);
    let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds));
    // It writes exactly 29 bytes, so the slice cannot be too short.
    let written = write!(&mut out[..], "{date}");
    debug_assert!(written.is_ok());
    out
}

/// Reads a date in any of the three formats of RFC 9110 §5.6.7; `None` if it is none of them.
///
/// `now` decides the century of a two-digit year. The day of the week must be one, but not the right
/// one; second 60 is read as 59, as clocks that know no leap seconds show it. A date that cannot be
/// (31 June) or lies before 1970 is none, and a precondition with it is ignored (RFC 9110 §13.1.3,
/// §13.1.4): the client gets the content, never a wrong 304.
pub fn parse(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let value = trim_ows(value);
    // The library trims every kind of white space, so that an asctime date and five line ends would
    // be as long as an IMF-fixdate.
    if value.iter().any(u8::is_ascii_control) {
        return None;
    }
    match value.len() {
        // IMF-fixdate and asctime have one length each; RFC 850 dates have 30 to 33 bytes.
        29 => parse_exact::<29>(value.try_into().ok()?, 23),
        24 => parse_exact::<24>(value.try_into().ok()?, 17),
        _ => parse_exact(expand_rfc850(value, now)?, 23),
    }
}

/// A date that begins with the three letters of a day and has its seconds at `second`.
fn parse_exact<const N: usize>(mut value: [u8; N], second: usize) -> Option<SystemTime> {
    if value[second..].starts_with(b"60") {
        value[second..second + 2].copy_from_slice(b"59");
    }
    let read = |value: &[u8; N]| httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok();
    if let Some(time) = read(&value) {
        return Some(time);
    }
    // The library knows the calendar, so it is asked which of the seven days it was.
    let short = |day: &[u8]| [day[0], day[1], day[2]];
    let named = short(&value);
    DAYS.iter().find(|day| named == short(day))?;
    DAYS.iter().find_map(|day| {
        value[..3].copy_from_slice(&short(day));
        read(&value)
    })
}

/// Rewrites `Sunday, 06-Nov-94 08:49:37 GMT` as IMF-fixdate; `None` if it has another shape.
///
/// The year is the latest with these two digits that is not more than 50 years ahead: "a timestamp
/// that appears to be more than 50 years in the future" is "the most recent year in the past that
/// had the same last two digits" (RFC 9110 §5.6.7). Digits are not checked here: what is wrong
/// stays wrong in the rewritten form.
fn expand_rfc850(value: &[u8], now: SystemTime) -> Option<[u8; 29]> {
    let comma = memchr::memchr(b',', value)?;
    let (day_name, rest) = value.split_at(comma);
    let &[
        b',',
        b' ',
        d1,
        d2,
        b'-',
        m1,
        m2,
        m3,
        b'-',
        y1,
        y2,
        b' ',
        ref time @ ..,
    ] = rest
    else {
        return None;
    };
    if !DAYS.contains(&day_name) || time.len() != 12 {
        return None;
    }
    let today = format(now);
    let (month, day) = ([m1, m2, m3], [d1, d2]);
    let short_year = u16::from(digit(y1)?) * 10 + u16::from(digit(y2)?);
    let this_year = number(&today[12..16]);
    let moment = (month_index(&month)?, &day[..], &time[..8]);
    let limit = (month_index(&today[8..11])?, &today[5..7], &today[17..25]);
    let mut year = this_year / 100 * 100 + 100 + short_year;
    // Tuples and digits of equal width compare as the calendar does.
    while (year, moment) > (this_year + 50, limit) {
        year -= 100;
    }
    let mut out = *b"   , 00     0000 00:00:00 GMT";
    out[..3].copy_from_slice(&day_name[..3]);
    out[5..7].copy_from_slice(&day);
    out[8..11].copy_from_slice(&month);
    write!(&mut out[12..16], "{year:04}").ok()?;
    out[17..].copy_from_slice(time);
    Some(out)
}

fn month_index(name: &[u8]) -> Option<usize> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    MONTHS.chunks_exact(3).position(|month| month == name)
}

fn digit(b: u8) -> Option<u8> {
    b.is_ascii_digit().then(|| b - b'0')
}

fn number(digits: &[u8]) -> u16 {
    let value = |n: u16, &b: &u8| n * 10 + u16::from(b.wrapping_sub(b'0'));
    digits.iter().fold(0, value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of every example in the RFC.
    const RFC_EXAMPLE: u64 = 784_111_777;
    /// Mon, 01 Jun 2026 00:00:00 GMT.
    const MID_2026: u64 = 1_780_272_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn text(t: SystemTime) -> String {
        String::from_utf8(format(t).to_vec()).unwrap()
    }

    #[test]
    fn dates_are_written_as_imf_fixdate() {
        let year = Duration::from_secs(365 * 86_400);
        let rows = [
            (at(RFC_EXAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT"), // RFC 9110 §5.6.7
            (
                at(RFC_EXAMPLE) + Duration::from_nanos(999_999_999),
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT"),
            (at(0), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (at(SECONDS_MAX), "Fri, 31 Dec 9999 23:59:59 GMT"),
            // Beyond what the format can say.
            (
                UNIX_EPOCH - Duration::from_nanos(1),
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (UNIX_EPOCH - year * 200, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (at(SECONDS_MAX + 1), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (
                at(SECONDS_MAX) + year * 100_000,
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
        ];
        for (t, expected) in rows {
            assert_eq!(text(t), expected, "{t:?}");
        }
    }

    #[test]
    fn all_three_formats_are_read() {
        let rows: &[(&str, Option<u64>)] = &[
            // RFC 9110 §5.6.7, its own examples.
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(RFC_EXAMPLE)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(RFC_EXAMPLE)),
            ("Sun Nov  6 08:49:37 1994", Some(RFC_EXAMPLE)),
            (" \tSun, 06 Nov 1994 08:49:37 GMT ", Some(RFC_EXAMPLE)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thursday, 01-Jan-70 00:00:00 GMT", Some(3_155_760_000)), // 2070 in 2026
            ("Wed Nov 16 08:49:37 1994", Some(RFC_EXAMPLE + 10 * 86_400)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            // Case matters, the zone is GMT, the shape is fixed.
            ("sun, 06 nov 1994 08:49:37 gmt", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun Nov  6 08:49:37 1994 \n\n\n\u{b}", None),
            ("Sun Nov  6 08:49:37 1994\u{c}", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sun, 06-Nov-94 08:49:37 GMT", None),
            ("Sunday, 06-Nov-1994 08:49:37 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 UTC", None),
            ("Sunday, 06-nov-94 08:49:37 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT GMT", None),
            ("Sunday, 06-Nov-94 08:49:37", None),
            ("Someday, 06-Nov-94 08:49:37 GMT", None),
            ("Sunday, 06-Nov-9x 08:49:37 GMT", None),
            ("Sunday, 0x-Nov-94 08:49:37 GMT", None),
            // The day is told by the date; the name must only be one.
            ("Mon, 06 Nov 1994 08:49:37 GMT", Some(RFC_EXAMPLE)),
            ("Saturday, 06-Nov-94 08:49:37 GMT", Some(RFC_EXAMPLE)),
            ("Wed Nov  6 08:49:37 1994", Some(RFC_EXAMPLE)),
            ("Sun Nov 16 08:49:37 1994", Some(RFC_EXAMPLE + 10 * 86_400)), // a Wednesday
            ("mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Foo, 06 Nov 1994 08:49:37 GMT", None),
            ("   , 06 Nov 1994 08:49:37 GMT", None),
            // Leap seconds.
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            ("Saturday, 31-Dec-16 23:59:60 GMT", Some(1_483_228_799)),
            ("Sat Dec 31 23:59:60 2016", Some(1_483_228_799)),
            ("Fri, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            ("Sat, 31 Dec 2016 23:59:61 GMT", None),
            // Days and times that never were.
            ("Wed, 29 Feb 2023 00:00:00 GMT", None),
            ("Thu, 31 Nov 1994 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:60:00 GMT", None),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("", None),
            ("0", None),
            ("784111777", None),
            (
                "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
                None,
            ),
        ];
        for &(value, expected) in rows {
            let parsed = parse(value.as_bytes(), at(MID_2026));
            assert_eq!(parsed, expected.map(at), "{value:?}");
        }
    }

    /// RFC 9110 §5.6.7: more than 50 years in the future means the past.
    #[test]
    fn the_century_of_two_digits_moves_with_the_clock() {
        let rows = [
            // 50 years ahead to the second are still the future; the weekday is of 2076.
            (
                MID_2026,
                "Monday, 01-Jun-76 00:00:00 GMT",
                Some("Mon, 01 Jun 2076 00:00:00 GMT"),
            ),
            (
                MID_2026,
                "Tuesday, 01-Jun-76 00:00:01 GMT",
                Some("Tue, 01 Jun 1976 00:00:01 GMT"),
            ),
            (
                MID_2026,
                "Sunday, 31-May-76 23:59:59 GMT",
                Some("Sun, 31 May 2076 23:59:59 GMT"),
            ),
            (
                MID_2026,
                "Thursday, 01-Jan-76 00:00:00 GMT", // in 1976, but the name decides nothing
                Some("Wed, 01 Jan 2076 00:00:00 GMT"),
            ),
            (
                MID_2026,
                "Monday, 01-Jun-26 00:00:00 GMT",
                Some("Mon, 01 Jun 2026 00:00:00 GMT"),
            ),
            (
                MID_2026,
                "Tuesday, 29-Feb-00 00:00:00 GMT",
                Some("Tue, 29 Feb 2000 00:00:00 GMT"),
            ),
            // Where a fixed pivot of 1970 would say 2070 is wrong, and where 1994 is.
            (
                0,
                "Thursday, 01-Jan-70 00:00:00 GMT",
                Some("Thu, 01 Jan 1970 00:00:00 GMT"),
            ),
            (
                3_786_912_000,
                "Saturday, 06-Nov-94 08:49:37 GMT",
                Some("Sat, 06 Nov 2094 08:49:37 GMT"),
            ),
            (
                3_786_912_000,
                "Thursday, 06-Nov-10 08:49:37 GMT",
                Some("Thu, 06 Nov 2110 08:49:37 GMT"),
            ),
            (
                SECONDS_MAX,
                "Sunday, 06-Nov-94 08:49:37 GMT",
                Some("Sun, 06 Nov 9994 08:49:37 GMT"),
            ),
            (SECONDS_MAX, "Saturday, 06-Nov-10 08:49:37 GMT", None), // 10010
        ];
        for (now, value, expected) in rows {
            let parsed = parse(value.as_bytes(), at(now)).map(text);
            assert_eq!(parsed.as_deref(), expected, "{value} in {}", text(at(now)));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0..=SECONDS_MAX, nanos in 0u32..1_000_000_000) {
            let t = UNIX_EPOCH + Duration::new(seconds, nanos);
            prop_assert_eq!(parse(&format(t), UNIX_EPOCH), Some(at(seconds)));
        }

        #[test]
        fn any_two_digits_are_at_most_fifty_years_ahead(
            now in 0..=SECONDS_MAX,
            then in 0..=SECONDS_MAX,
        ) {
            // The same moment of the year, its year cut to two digits, under each weekday's name.
            let date = text(at(then));
            let year = now / 31_556_952 + 1970;
            for day in ["Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun"] {
                let old = std::format!(
                    "{day}day, {}-{}-{} {}", &date[5..7], &date[8..11], &date[14..16], &date[17..]
                );
                let Some(found) = parse(old.as_bytes(), at(now)) else { continue };
                let found = text(found);
                prop_assert_eq!(&found[14..16], &date[14..16]);
                let found: u64 = found[12..16].parse().unwrap();
                prop_assert!(found <= year + 51 && found + 51 >= year, "{} in {}", found, year);
            }
        }

        #[test]
        fn no_bytes_panic(
            bytes: Vec<u8>,
            at_byte: prop::sample::Index,
            b: u8,
            now in 0..=SECONDS_MAX,
        ) {
            let now = at(now);
            let _ = parse(&bytes, now);
            for seed in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                "Sun Nov  6 08:49:37 1994"] {
                let mut seed = seed.as_bytes().to_vec();
                let index = at_byte.index(seed.len());
                seed[index] = b;
                let _ = parse(&seed, now);
                seed.truncate(index);
                let _ = parse(&seed, now);
            }
        }
    }
}
