//! Bytes and times as people read them.
//!
//! *Floor 4.* Pure.

use std::time::Duration;

/// `999 B`, `1.5 KiB`, `20 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // In tenths, rounded first: 1,048,575 bytes are 1.0 MiB, not 1024 KiB.
    let mut tenths = u128::from(count) * 10;
    for unit in UNITS {
        let rounded = (tenths + 512) / 1024;
        if rounded < 100 {
            return format!("{}.{} {unit}", rounded / 10, rounded % 10);
        }
        let whole = (tenths + 5120) / 10240;
        if whole < 1024 || unit == UNITS[5] {
            return format!("{whole} {unit}");
        }
        tenths /= 1024;
    }
    String::new()
}

/// `<0.1 ms`, `0.4 ms`, `12 ms`, `3.1 s`, `2m 05s`, `1h 02m`.
pub(super) fn time(took: Duration) -> String {
    let (seconds, millis) = (took.as_secs(), took.as_millis());
    match seconds {
        0 if took.as_micros() < 100 => "<0.1 ms".into(),
        0 if millis < 10 => format!("{}.{} ms", millis, took.subsec_micros() / 100 % 10),
        0 => format!("{millis} ms"),
        1..60 => format!("{}.{} s", seconds, took.subsec_millis() / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `11 MiB/s`; nothing for what took no time worth dividing by.
pub(super) fn rate(count: u64, took: Duration) -> Option<String> {
    const SHORTEST: Duration = Duration::from_secs(1);
    let per_second = u128::from(count) * 1000 / took.as_millis().max(1);
    let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
    (took >= SHORTEST && count > 0).then(|| format!("{}/s", bytes(per_second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_for_people() {
        let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_024, "1.0 KiB");
        check(10_189, "10 KiB");
        check(1_048_575, "1.0 MiB");
        check(20 << 20, "20 MiB");
        check(u64::MAX, "16 EiB");
        let check = |millis: u64, expected: &str| {
            assert_eq!(time(Duration::from_millis(millis)), expected);
        };
        check(0, "<0.1 ms");
        check(9, "9.0 ms");
        check(12, "12 ms");
        check(3_190, "3.1 s");
        check(59_999, "59.9 s");
        check(125_000, "2m 05s");
        check(3_725_000, "1h 02m");
        let second = Duration::from_secs(2);
        assert_eq!(rate(20 << 20, second).as_deref(), Some("10 MiB/s"));
        assert_eq!(rate(20, Duration::from_millis(999)), None);
        assert_eq!(rate(0, second), None);
    }
}
