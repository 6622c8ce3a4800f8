//! Names, sizes and times as people read them.
//!
//! *Floor 3.* Pure: a value in, text out.

use std::borrow::Cow;

use crate::service::calendar::{self, Moment};

/// A name as it is shown: control characters, which could pretend to be something else, replaced.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    if name.contains(char::is_control) {
        return Cow::Owned(name.replace(char::is_control, "\u{fffd}"));
    }
    Cow::Borrowed(name)
}

/// A size as people read it: `999 B`, `1.5 KiB`, `20 MiB`.
pub(super) fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = 0;
    let mut name = "";
    for (power, unit) in (1u32..).zip(UNITS) {
        let one = 1u128 << (10 * power);
        tenths = (u128::from(bytes) * 10 + one / 2) / one;
        name = unit;
        // Rounded first: 1,048,575 bytes are 1.0 MiB, not 1024 KiB.
        if tenths < 10_240 {
            break;
        }
    }
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", (tenths + 5) / 10)
    }
}

/// A number with a comma before every third digit.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Day and time of day in UTC: `2024-02-29` and `12:34:56`.
pub(super) fn utc(seconds: i64) -> (String, String) {
    let Moment {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = calendar::utc(seconds);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_for_people() {
        let check = |bytes: u64, expected: &str| assert_eq!(readable(bytes), expected, "{bytes}");
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_024, "1.0 KiB");
        check(1_536, "1.5 KiB");
        check(10_189, "10 KiB");
        check(1_048_575, "1.0 MiB");
        check(20 << 20, "20 MiB");
        check(3 << 30, "3.0 GiB");
        check(u64::MAX, "16 EiB");
    }

    #[test]
    fn times_are_right_on_both_sides_of_1970() {
        let check = |seconds: i64, expected: &str| {
            let (day, time) = utc(seconds);
            assert_eq!(format!("{day} {time}"), expected);
        };
        // `date -u -d @SECONDS '+%F %T'`
        check(0, "1970-01-01 00:00:00");
        check(-1, "1969-12-31 23:59:59");
        check(784_111_777, "1994-11-06 08:49:37");
        check(951_825_600, "2000-02-29 12:00:00");
        check(1_709_210_096, "2024-02-29 12:34:56");
        check(4_107_542_399, "2100-02-28 23:59:59");
        check(4_107_542_400, "2100-03-01 00:00:00");
        check(253_402_300_800, "10000-01-01 00:00:00");
        utc(i64::MIN);
        utc(i64::MAX);
    }
}
