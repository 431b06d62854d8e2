//! When a job whose process died is started again, and when that is given up.

use std::time::Duration;

/// How often a job may be started again, and how long it is waited before.
///
/// A run that lasts shows that the job can run: what was before it is forgotten.
#[derive(Clone, Debug)]
pub struct Restarts {
    limit: usize,
    within: Duration,
    first: Duration,
    most: Duration,
    lasting: Duration,
    /// When runs died, those within the window; the newest last.
    deaths: Vec<Duration>,
}

/// What to do now that a run died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start it again, after so long.
    After(Duration),
    /// It dies too often.
    GiveUp {
        /// So many runs died
        deaths: usize,
        /// within this time.
        within: Duration,
    },
}

impl Default for Restarts {
    fn default() -> Self {
        Restarts {
            limit: 10,
            within: Duration::from_secs(600),
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
            lasting: Duration::from_secs(60),
            deaths: Vec::new(),
        }
    }
}

impl Restarts {
    /// 10 within 10 minutes, after 0.1 s at first and 10 s at the most; a run of a minute lasts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many restarts within a time; the death after that is the last.
    #[must_use]
    pub fn limit(mut self, limit: usize, within: Duration) -> Self {
        self.limit = limit;
        self.within = within;
        self
    }

    /// So long is waited before the first restart, and twice as long before each further one, up to `most`.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.first = first;
        self.most = most.max(first);
        self
    }

    /// A run that took so long is forgiven what was before.
    #[must_use]
    pub fn lasting(mut self, lasting: Duration) -> Self {
        self.lasting = lasting;
        self
    }

    /// A run that began at `began` died at `now`; both are measured from the same moment.
    pub fn died(&mut self, began: Duration, now: Duration) -> Decision {
        if now.saturating_sub(began) >= self.lasting {
            self.deaths.clear();
        }
        self.deaths.retain(|death| now.saturating_sub(*death) < self.within);
        self.deaths.push(now);
        let deaths = self.deaths.len();
        if deaths > self.limit {
            return Decision::GiveUp { deaths, within: self.within };
        }
        let doublings = u32::try_from(deaths - 1).unwrap_or(u32::MAX);
        let wait = 2u32.checked_pow(doublings).and_then(|times| self.first.checked_mul(times));
        Decision::After(wait.unwrap_or(self.most).min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn restarts() -> Restarts {
        Restarts::new().limit(4, 100 * SECOND).backoff(SECOND, 5 * SECOND).lasting(50 * SECOND)
    }

    #[test]
    fn each_restart_is_waited_for_twice_as_long_up_to_a_bound_and_then_given_up() {
        let mut restarts = restarts();
        for (at, wait) in [(1, 1), (2, 2), (3, 4), (4, 5)] {
            assert_eq!(restarts.died(at * SECOND, at * SECOND), Decision::After(wait * SECOND));
        }
        assert_eq!(
            restarts.died(5 * SECOND, 5 * SECOND),
            Decision::GiveUp { deaths: 5, within: 100 * SECOND }
        );
    }

    #[test]
    fn a_run_that_lasted_is_forgiven_what_was_before() {
        let mut restarts = restarts();
        for at in 1..=4 {
            restarts.died(at * SECOND, at * SECOND);
        }
        assert_eq!(restarts.died(5 * SECOND, 55 * SECOND), Decision::After(SECOND));
    }

    #[test]
    fn deaths_long_ago_do_not_count() {
        let mut restarts = restarts();
        for run in 0..100 {
            let began = 30 * run * SECOND;
            assert!(matches!(restarts.died(began, began + 20 * SECOND), Decision::After(_)), "{run}");
        }
    }

    #[test]
    fn no_number_of_restarts_is_too_large_to_wait_for() {
        let mut restarts = restarts().limit(usize::MAX, Duration::MAX);
        for _ in 0..100 {
            assert!(matches!(restarts.died(SECOND, SECOND), Decision::After(wait) if wait <= 5 * SECOND));
        }
    }
}
