//! HTTP dates: written in one format, understood in three.
//!
//! *Floor 0.* Knows the calendar (through httpdate); does not know what time it is: `now` comes in.
//!
//! httpdate does the calendar and checks that the day of the week fits. Two things are ours. It
//! panics on times outside 1970..=9999, which a file's mtime may well be (touch(1) takes
//! `-d 1965-01-01`), so times are clamped first. And it reads the two-digit years of RFC 850 with a
//! fixed pivot of 1970, where [RFC 9110 §5.6.7] wants one that moves with the clock.
//!
//! *Read next:* [`super::validator`], which compares dates.
//!
//! [RFC 9110 §5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::list::trim_ows;

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
/// `now` decides the century of a two-digit year. A date that cannot be (31 June, a Monday that was
/// a Tuesday, second 60) or lies before 1970 is none, and a precondition with it is ignored
/// (RFC 9110 §13.1.3, §13.1.4): the client gets the content, never a wrong 304.
pub fn parse(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let value = trim_ows(value);
    if let Some(fixed) = expand_rfc850(value, now) {
        return parse_exact(&fixed);
    }
    parse_exact(value)
}

fn parse_exact(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// Rewrites `Sunday, 06-Nov-94 08:49:37 GMT` as IMF-fixdate; `None` if it has another shape.
///
/// The year is the latest with these two digits that is not more than 50 years ahead: "a timestamp
/// that appears to be more than 50 years in the future" is "the most recent year in the past that
/// had the same last two digits" (RFC 9110 §5.6.7). Digits are not checked here: what is wrong
/// stays wrong in the rewritten form.
fn expand_rfc850(value: &[u8], now: SystemTime) -> Option<[u8; 29]> {
    const DAYS: [&[u8]; 7] = [
        b"Monday",
        b"Tuesday",
        b"Wednesday",
        b"Thursday",
        b"Friday",
        b"Saturday",
        b"Sunday",
    ];
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
