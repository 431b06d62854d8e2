//! Dates and clocks in UTC: from what a log line says to seconds since 1970, and back to what a person reads.

use std::fmt;

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) const HOUR_SECONDS: i64 = 3600;
pub(crate) const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day, as the number of days since 1 January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Day(pub(crate) i64);

/// A year, month (1–12) and day of the month (1–31) of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// A timestamp as `2015-05-17T10:05:03Z`.
pub(crate) struct Iso(pub(crate) Timestamp);

impl Day {
    pub(crate) fn of(at: Timestamp) -> Day {
        Day(at.as_secs().div_euclid(DAY_SECONDS))
    }

    /// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day comes last.
    pub(crate) fn date(self) -> Date {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
        }
    }

    pub(crate) fn weekday(self) -> &'static str {
        // Day 0 was a Thursday.
        match self.0.rem_euclid(7) {
            0 => "Thu",
            1 => "Fri",
            2 => "Sat",
            3 => "Sun",
            4 => "Mon",
            5 => "Tue",
            _ => "Wed",
        }
    }
}

impl Date {
    /// A date that the calendar has; the years are 1 to 9999.
    pub(crate) fn new(year: i64, month: i64, day: i64) -> Option<Date> {
        let real = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        real.then_some(Date { year, month, day })
    }

    /// Howard Hinnant's `days_from_civil`.
    pub(crate) fn to_day(self) -> Day {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Day(era * 146_097 + day_of_era - 719_468)
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Iso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.as_secs().rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / HOUR_SECONDS, second / 60 % 60, second % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}Z", Day::of(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_years_1_to_9999_comes_back() {
        let (first, last) = (Date::new(1, 1, 1), Date::new(9999, 12, 31));
        let days = first.expect("real").to_day().0..=last.expect("real").to_day().0;
        assert_eq!(days.clone().count(), 3_652_059);
        for day in days.map(Day) {
            let Date { year, month, day: of_month } = day.date();
            assert_eq!(Date::new(year, month, of_month).map(Date::to_day), Some(day));
        }
    }

    #[test]
    fn days_that_no_calendar_has_are_refused() {
        for (year, month, day) in [(2015, 2, 29), (1900, 2, 29), (2016, 4, 31), (0, 1, 1), (2016, 1, 0)] {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert!(Date::new(2000, 2, 29).is_some());
    }

    #[test]
    fn moments_read_as_iso_8601() {
        assert_eq!(Iso(Timestamp::from_secs(1_431_857_103)).to_string(), "2015-05-17T10:05:03Z");
        assert_eq!(Iso(Timestamp::from_secs(-1)).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(Day::of(Timestamp::from_secs(1_431_857_103)).weekday(), "Sun");
    }
}
