//! Days and minutes of UTC, as they are written.

use std::fmt;

use psdf::Timestamp;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

pub(crate) fn hour_of_day(millis: u64) -> u64 {
    millis % DAY_MS / HOUR_MS
}

/// A day, counted from 1970-01-01; shown as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(u64);

/// A minute, counted from 1970; shown as `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(u64);

impl Day {
    pub(crate) fn of(millis: u64) -> Day {
        Day(millis / DAY_MS)
    }

    /// The day of a window.
    pub(crate) fn at(time: Timestamp) -> Day {
        Day::of(u64::try_from(time.as_millis()).unwrap_or(0))
    }
}

impl Minute {
    pub(crate) fn of(millis: u64) -> Minute {
        Minute(millis / MINUTE_MS)
    }

    pub(crate) fn day(self) -> Day {
        Day::of(self.0 * MINUTE_MS)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60 % 24, self.0 % 60)
    }
}

impl fmt::Display for Day {
    /// By Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day is a year's last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_are_those_of_utc() {
        let shown = |secs: u64| {
            let minute = Minute::of(secs * 1000);
            format!("{} {minute}", minute.day())
        };
        for (secs, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_436_918_461, "2015-07-15 00:01"),
            (1_456_790_340, "2016-02-29 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(shown(secs), expected);
        }
    }
}
