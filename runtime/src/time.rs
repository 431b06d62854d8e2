//! Event time: points and windows.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in event time: microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before all events: the watermark of a stream that has not begun.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// After all events: the watermark of a stream that has ended.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The point `secs` seconds after the epoch; saturates.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// The point `millis` milliseconds after the epoch; saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The start of the interval of `width` microseconds, aligned to the epoch, that holds this point.
    pub(crate) fn align_down(self, width: i64) -> Timestamp {
        Timestamp(self.0.saturating_sub(self.0.rem_euclid(width)))
    }

    pub(crate) fn plus_micros(self, micros: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(micros))
    }
}

/// A duration in microseconds, as the runtime computes with; saturates after 292,000 years.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        self.plus_micros(micros(duration))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(micros(duration)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(micros(after)),
            Err(before) => Timestamp(-micros(before.duration())),
        }
    }
}

/// Seconds since the epoch with six decimals, as `1432155600.000000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// What the closure of `event_time` may return.
///
/// A bare number is not accepted: nobody could tell its unit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a point in event time",
    label = "this closure must return a `psdf::Timestamp` or a `SystemTime`",
    note = "from a number, say its unit: `Timestamp::from_secs(..)` or `Timestamp::from_millis(..)`"
)]
pub trait EventTime {
    /// The point in event time.
    fn timestamp(self) -> Timestamp;
}

#[diagnostic::do_not_recommend]
impl EventTime for Timestamp {
    fn timestamp(self) -> Timestamp {
        self
    }
}

#[diagnostic::do_not_recommend]
impl EventTime for SystemTime {
    fn timestamp(self) -> Timestamp {
        self.into()
    }
}

/// An interval of event time: from `start` up to, and without, `end`.
///
/// For a session, `end` is the last event's time plus the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first point inside.
    pub start: Timestamp,
    /// The first point after.
    pub end: Timestamp,
}

impl Window {
    /// The last point inside: the event time of the window's result.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.end.plus_micros(-1)
    }

    /// The window's width.
    #[must_use]
    pub fn width(&self) -> Duration {
        self.end.since(self.start)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_to_the_epoch_before_it_too() {
        assert_eq!(Timestamp(-1).align_down(10), Timestamp(-10));
        assert_eq!(Timestamp(-10).align_down(10), Timestamp(-10));
        assert_eq!(Timestamp(19).align_down(10), Timestamp(10));
    }

    #[test]
    fn display_shows_seconds() {
        assert_eq!(Timestamp(-1_500_000).to_string(), "-1.500000");
        assert_eq!(Timestamp::from_secs(7).to_string(), "7.000000");
    }
}
