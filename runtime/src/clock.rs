//! The clock of one `event_time`: from records to watermarks.

use crate::time::{Timestamp, micros};
use std::time::Duration;

/// Follows the event times of a stream; its watermark is the largest seen less the lateness.
///
/// The watermark `w` promises that no record before `w` is on its way; one that comes all the same is behind.
#[derive(Clone, Debug)]
pub struct Clock {
    lateness: i64,
    watermark: Timestamp,
    marked: Timestamp,
}

impl Clock {
    /// A clock that has seen nothing. `lateness`: how far out of order records may be.
    #[must_use]
    pub fn new(lateness: Duration) -> Clock {
        Clock { lateness: micros(lateness), watermark: Timestamp::MIN, marked: Timestamp::MIN }
    }

    /// Its watermark and the last it announced, in microseconds.
    pub(crate) fn stands(&self) -> (i64, i64) {
        (self.watermark.0, self.marked.0)
    }

    /// Goes on from where a clock stood.
    pub(crate) fn resume(&mut self, (watermark, marked): (i64, i64)) {
        (self.watermark, self.marked) = (Timestamp(watermark), Timestamp(marked));
    }

    /// What no later record is expected to be before.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Takes note of a record's time.
    ///
    /// For a record behind the watermark it answers the watermark, once: it must be put into the stream before
    /// that record, so that whether the record is late never depends on how the stream was cut into batches.
    #[inline]
    pub fn observe(&mut self, at: Timestamp) -> Option<Timestamp> {
        if at >= self.watermark {
            // The end of time is said only when the stream ends, whatever a record claims.
            let behind = at.0.saturating_sub(self.lateness).min(i64::MAX - 1);
            self.watermark = self.watermark.max(Timestamp(behind));
            return None;
        }
        if self.marked == self.watermark {
            return None;
        }
        self.marked = self.watermark;
        Some(self.watermark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_is_announced_once_before_the_first_record_behind_it() {
        let mut clock = Clock::new(Duration::from_micros(5));
        assert_eq!(clock.observe(Timestamp(100)), None);
        assert_eq!(clock.watermark(), Timestamp(95));
        assert_eq!(clock.observe(Timestamp(95)), None);
        assert_eq!(clock.observe(Timestamp(94)), Some(Timestamp(95)));
        assert_eq!(clock.observe(Timestamp(90)), None);
        assert_eq!(clock.observe(Timestamp(101)), None);
        assert_eq!(clock.observe(Timestamp(95)), Some(Timestamp(96)));
    }
}
