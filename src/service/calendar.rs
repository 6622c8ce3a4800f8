//! Seconds since 1970 as a date, over all of them.
//!
//! *Floor 3.* Not through `httpdate`, which ends at 1970 and 9999: an mtime may be any 64-bit number.

/// A moment in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

pub(super) const fn utc(seconds: i64) -> Moment {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1 March of year 0, in eras of 400 years (146,097 days), which all have the same
    // leap years. A year that begins in March has its leap day last, where it disturbs nothing.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March: 31, 30, 31, 30, 31 days, and again; 153 days for each five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    Moment {
        year: era * 400 + year_of_era + (month <= 2) as i64,
        month,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        hour: second / 3_600,
        minute: second / 60 % 60,
        second: second % 60,
    }
}
