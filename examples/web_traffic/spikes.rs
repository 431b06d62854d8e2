//! When an hour stands out from the 24 hours before it. All in integers, so that nobody's rounding decides.

use std::collections::VecDeque;
use std::mem;

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::HOUR_SECONDS;
use crate::text::Text;

const BASE_HOURS: i64 = 24;

/// Fewer views than this are no spike, however quiet it was before.
const LEAST_VIEWS: u64 = 20;

/// The 24 hours that an hour is held against, as the sums that mean and deviation are made of.
/// The squares of 24 hours fit while each has fewer than 800 million views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) sum: u64,
    pub(crate) squares: u64,
}

/// An hour with more views than the mean of its base and three standard deviations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spike {
    pub(crate) hour: Timestamp,
    pub(crate) views: u64,
    pub(crate) base: Base,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageSpike {
    pub(crate) path: Text,
    pub(crate) spike: Spike,
}

/// The hours with views among the last 24. Takes hours in order; hours that are left out had none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Baseline {
    hours: VecDeque<(Timestamp, u64)>,
}

/// What decides over page spikes: when the site's log begins, and the candidates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Clue {
    SiteHour(Timestamp),
    Candidate(PageSpike),
}

/// Holds candidates back until the site's first hour is known, for a day must have passed since then.
///
/// A page's hour may arrive before the site's hour of the same time does. The first site hour to arrive is the first
/// there is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Gate {
    opening: Option<Timestamp>,
    waiting: Vec<PageSpike>,
}

impl Baseline {
    /// Takes an hour; if it stands out from those before it, it is a spike. It counts in later baselines even so.
    pub(crate) fn observe(&mut self, hour: Timestamp, views: u64) -> Option<Spike> {
        let oldest = Timestamp::from_secs(hour.as_secs() - BASE_HOURS * HOUR_SECONDS);
        while self.hours.front().is_some_and(|(hour, _)| *hour < oldest) {
            self.hours.pop_front();
        }
        let base = self.base();
        if views > 0 {
            self.hours.push_back((hour, views));
        }
        base.is_exceeded_by(views).then_some(Spike { hour, views, base })
    }

    fn base(&self) -> Base {
        let views = self.hours.iter().map(|(_, views)| *views);
        Base { sum: views.clone().sum(), squares: views.map(|views| views * views).sum() }
    }
}

impl Base {
    /// `views > mean + 3 sd`, multiplied by 24 and squared; views below the mean have no excess.
    fn is_exceeded_by(self, views: u64) -> bool {
        let (hours, views) = (BASE_HOURS as u128, u128::from(views));
        let (sum, squares) = (u128::from(self.sum), u128::from(self.squares));
        let excess = (hours * views).saturating_sub(sum);
        views >= u128::from(LEAST_VIEWS) && excess * excess > 9 * (hours * squares - sum * sum)
    }

    pub(crate) fn mean(self) -> f64 {
        self.sum as f64 / BASE_HOURS as f64
    }

    /// The population's standard deviation.
    pub(crate) fn deviation(self) -> f64 {
        let (sum, squares) = (u128::from(self.sum), u128::from(self.squares));
        ((BASE_HOURS as u128 * squares - sum * sum) as f64).sqrt() / BASE_HOURS as f64
    }
}

impl Spike {
    /// Whether the whole base lies in the log, which opens with this hour.
    pub(crate) fn is_a_day_after(&self, opening: Timestamp) -> bool {
        self.hour.as_secs() >= opening.as_secs() + BASE_HOURS * HOUR_SECONDS
    }
}

impl Gate {
    /// The page spikes that are certain now.
    pub(crate) fn admit(&mut self, clue: Clue) -> Vec<PageSpike> {
        match clue {
            Clue::SiteHour(hour) => {
                self.opening.get_or_insert(hour);
            }
            Clue::Candidate(candidate) => self.waiting.push(candidate),
        }
        let Some(opening) = self.opening else {
            return Vec::new();
        };
        let mut certain = mem::take(&mut self.waiting);
        certain.retain(|page| page.spike.is_a_day_after(opening));
        certain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: i64) -> Timestamp {
        Timestamp::from_secs(number * HOUR_SECONDS)
    }

    fn after_a_day_of(views: u64) -> Baseline {
        let mut baseline = Baseline::default();
        for past in 0..BASE_HOURS {
            baseline.observe(hour(past), views);
        }
        baseline
    }

    fn candidate(number: i64) -> PageSpike {
        let spike = Spike { hour: hour(number), views: 20, base: Base { sum: 0, squares: 0 } };
        PageSpike { path: Text::from(&b"/"[..]), spike }
    }

    #[test]
    fn steady_views_are_exceeded_by_one_more() {
        assert_eq!(after_a_day_of(30).observe(hour(24), 30), None);
        let spike = after_a_day_of(30).observe(hour(24), 31).expect("a spike");
        assert_eq!(spike.base, Base { sum: 720, squares: 21_600 });
        assert_eq!((spike.base.mean(), spike.base.deviation()), (30.0, 0.0));
    }

    #[test]
    fn fewer_than_twenty_views_are_no_spike() {
        assert_eq!(after_a_day_of(0).observe(hour(24), 19), None);
        assert!(after_a_day_of(0).observe(hour(24), 20).is_some());
    }

    #[test]
    fn exactly_three_deviations_are_not_enough() {
        let mut baseline = Baseline::default();
        for past in 0..BASE_HOURS {
            baseline.observe(hour(past), if past % 2 == 0 { 10 } else { 20 });
        }
        assert_eq!(baseline.clone().observe(hour(24), 30), None, "15 + 3 × 5");
        assert!(baseline.observe(hour(24), 31).is_some());
    }

    #[test]
    fn an_hour_leaves_the_base_after_a_day() {
        let mut baseline = Baseline::default();
        baseline.observe(hour(0), 100);
        assert_eq!(baseline.clone().observe(hour(24), 50).map(|spike| spike.base.sum), None);
        assert_eq!(baseline.observe(hour(25), 50).map(|spike| spike.base.sum), Some(0));
    }

    #[test]
    fn candidates_wait_for_the_site_to_open() {
        let mut gate = Gate::default();
        assert_eq!(gate.admit(Clue::Candidate(candidate(30))), []);
        assert_eq!(gate.admit(Clue::Candidate(candidate(29))), []);
        assert_eq!(gate.admit(Clue::SiteHour(hour(6))), [candidate(30)]);
        assert_eq!(gate.admit(Clue::SiteHour(hour(7))), []);
        assert_eq!(gate.admit(Clue::Candidate(candidate(30))), [candidate(30)]);
    }
}
