//! The site's hours without gaps: an hour in which nobody came counts as zero.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::{DAY_SECONDS, HOUR_SECONDS};

/// Page views of the whole site in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SiteHour {
    pub(crate) start: Timestamp,
    pub(crate) views: u64,
}

/// Takes the hours that had requests, in order, and puts the quiet ones between them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HourGaps {
    /// The hour after the last one seen.
    next: Option<Timestamp>,
}

impl SiteHour {
    /// 0 to 23.
    pub(crate) fn of_day(&self) -> u8 {
        (self.start.as_secs().rem_euclid(DAY_SECONDS) / HOUR_SECONDS) as u8
    }
}

impl HourGaps {
    /// The quiet hours before this one, and then this one.
    pub(crate) fn fill(&mut self, start: Timestamp, views: u64) -> impl Iterator<Item = SiteHour> + use<> {
        let quiet = self.next.unwrap_or(start).as_secs()..start.as_secs();
        self.next = Some(Timestamp::from_secs(start.as_secs() + HOUR_SECONDS));
        let quiet = quiet.step_by(HOUR_SECONDS as usize).map(Timestamp::from_secs);
        quiet.map(|start| SiteHour { start, views: 0 }).chain([SiteHour { start, views }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_told_between_busy_ones() {
        let mut gaps = HourGaps::default();
        let mut fill = |hour: i64, views| -> Vec<(i64, u64)> {
            let hours = gaps.fill(Timestamp::from_secs(hour * HOUR_SECONDS), views);
            hours.map(|hour| (hour.start.as_secs() / HOUR_SECONDS, hour.views)).collect()
        };
        assert_eq!(fill(-1, 3), [(-1, 3)]);
        assert_eq!(fill(0, 0), [(0, 0)]);
        assert_eq!(fill(3, 5), [(1, 0), (2, 0), (3, 5)]);
    }

    #[test]
    fn hours_of_the_day_are_in_utc() {
        let at = |second| SiteHour { start: Timestamp::from_secs(second), views: 0 };
        assert_eq!((at(-HOUR_SECONDS).of_day(), at(0).of_day()), (23, 0));
    }
}
