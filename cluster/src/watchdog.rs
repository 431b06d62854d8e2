//! Noticing that a run goes on no more.
//!
//! Timely has no heartbeat: where a process is stopped, or a machine hangs and still acknowledges what is sent to it, the
//! others wait for ever. What they can see is that an epoch which has ended here is not complete everywhere.

use std::fmt;
use std::time::Duration;

/// Watches the frontier: the least epoch that is not complete on all workers.
///
/// It judges by the time in which it has itself been looking. A process that was stopped and goes on, or a machine that
/// slept, has no complaint about the others at first.
#[derive(Debug)]
pub struct Watchdog {
    patience: Duration,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    frontier: u64,
    at: Duration,
    /// How long it has been stuck.
    stuck: Duration,
    told: bool,
}

/// What is to be thought of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, or there is nothing that it could go on to.
    Fine,
    /// It has not gone on for half of the patience; said once.
    Slow {
        /// The epoch that is not complete.
        epoch: u64,
        /// For how long.
        stuck: Duration,
    },
    /// It does not go on, and is to be ended.
    Stuck {
        /// The epoch that is not complete.
        epoch: u64,
        /// For how long.
        stuck: Duration,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Fine => f.write_str("the run goes on"),
            Verdict::Slow { epoch, stuck } => {
                write!(f, "epoch {epoch} has not become complete on all processes for {} s", stuck.as_secs())
            }
            Verdict::Stuck { epoch, stuck } => write!(
                f,
                "epoch {epoch} has not become complete on all processes for {} s: one of them has stopped or cannot be \
                 reached, or its checkpoint takes longer than that to be stored (`Config::patience`)",
                stuck.as_secs()
            ),
        }
    }
}

/// One look counts for no more than this part of the patience, however long ago the one before was.
const LOOKS: u32 = 8;

impl Watchdog {
    /// One that gives an epoch so long to become complete.
    ///
    /// That must be longer than a checkpoint takes to be stored, since until then its epoch is not complete. The look is
    /// to be taken eight times in this time at the least.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Watchdog { patience, seen: None }
    }

    /// Looks. `now` is measured from any moment that stays the same. `frontier` is the least epoch that is not complete on
    /// all workers, `None` when all have ended. `epoch` is the one that runs here: those before it have ended here, and
    /// where the frontier has come up to it nobody is waited for.
    pub fn look(&mut self, now: Duration, frontier: Option<u64>, epoch: u64) -> Verdict {
        let Some(frontier) = frontier.filter(|frontier| *frontier < epoch) else {
            self.seen = None;
            return Verdict::Fine;
        };
        let seen = match &mut self.seen {
            Some(seen) if seen.frontier == frontier => seen,
            seen => {
                *seen = Some(Seen { frontier, at: now, stuck: Duration::ZERO, told: false });
                return Verdict::Fine;
            }
        };
        seen.stuck += now.saturating_sub(seen.at).min(self.patience / LOOKS);
        seen.at = now;
        let (epoch, stuck) = (frontier, seen.stuck);
        if stuck >= self.patience {
            return Verdict::Stuck { epoch, stuck };
        }
        if stuck >= self.patience / 2 && !seen.told {
            seen.told = true;
            return Verdict::Slow { epoch, stuck };
        }
        Verdict::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watchdog() -> Watchdog {
        Watchdog::new(16 * SECOND)
    }

    /// Looks each second of a time, and gives what was not fine.
    fn watch(
        watchdog: &mut Watchdog,
        seconds: std::ops::Range<u32>,
        sees: impl Fn(u32) -> (Option<u64>, u64),
    ) -> Vec<(u32, Verdict)> {
        seconds
            .map(|second| {
                let (frontier, epoch) = sees(second);
                (second, watchdog.look(second * SECOND, frontier, epoch))
            })
            .filter(|(_, verdict)| *verdict != Verdict::Fine)
            .collect()
    }

    #[test]
    fn a_frontier_that_does_not_move_while_epochs_end_is_warned_of_and_then_fatal() {
        let told = watch(&mut watchdog(), 0..17, |second| (Some(5), 6 + u64::from(second)));
        assert_eq!(
            told,
            [
                (8, Verdict::Slow { epoch: 5, stuck: 8 * SECOND }),
                (16, Verdict::Stuck { epoch: 5, stuck: 16 * SECOND })
            ]
        );
    }

    #[test]
    fn a_frontier_that_moves_now_and_then_is_fine() {
        let told = watch(&mut watchdog(), 0..1000, |second| (Some(u64::from(second / 7)), 1000));
        assert_eq!(told, []);
    }

    #[test]
    fn who_has_nothing_to_wait_for_waits_for_ever() {
        assert_eq!(watch(&mut watchdog(), 0..1000, |_| (Some(5), 5)), []);
        assert_eq!(watch(&mut watchdog(), 0..1000, |_| (None, 5)), []);
    }

    #[test]
    fn an_epoch_is_given_all_of_the_time_after_a_rest() {
        let mut watchdog = watchdog();
        assert_eq!(watch(&mut watchdog, 0..8, |_| (Some(5), 6)), []);
        assert_eq!(watch(&mut watchdog, 8..9, |_| (Some(5), 5)), []);
        assert_eq!(watch(&mut watchdog, 9..17, |_| (Some(5), 6)), []);
    }

    #[test]
    fn a_process_that_slept_does_not_blame_the_others() {
        let mut watchdog = watchdog();
        assert_eq!(watch(&mut watchdog, 0..2, |_| (Some(5), 6)), []);
        // An hour later it goes on, and the news from the others have yet to be read.
        assert_eq!(watch(&mut watchdog, 3600..3604, |_| (Some(5), 6)), []);
        assert_eq!(watch(&mut watchdog, 3604..4000, |second| (Some(u64::from(second)), 5000)), []);
    }
}
