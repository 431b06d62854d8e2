//! Epochs in which all entries of a table count as changed, so that it need not be noted which are.

/// Whether it is such an epoch.
///
/// It is for some epochs after one in which nearly all have changed, by many changes of each, and only while there are as
/// many changes. If a few entries take them all from then on, all are copied in vain until it is noted again.
#[derive(Debug, Default)]
pub(super) struct Assumed {
    /// For so many epochs, with this one.
    epochs: u32,
    /// For so many the last time.
    before: u32,
}

/// With so many changes of each entry, on the average, all are likely to have changed.
const LIKELY_ALL: usize = 4;
/// After so many epochs it is noted again.
const AT_MOST: u32 = 7;

impl Assumed {
    pub(super) fn is_now(&self) -> bool {
        self.epochs > 0
    }

    /// A barrier, `changes` after the one before, which are those of `changed` among `len` entries.
    pub(super) fn next(&mut self, changes: usize, changed: usize, len: usize) {
        let are_many = len > 0 && changes / LIKELY_ALL >= len;
        if self.epochs > 0 {
            self.epochs = if are_many { self.epochs - 1 } else { 0 };
        } else if are_many && changed >= len - len / 8 {
            self.epochs = (2 * self.before + 1).min(AT_MOST);
            self.before = self.epochs;
        } else {
            self.before = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which of some epochs it is assumed.
    fn epochs(number: usize, of: impl Fn(usize) -> (usize, usize)) -> Vec<bool> {
        let mut assumed = Assumed::default();
        let epochs = (0..number).map(|epoch| {
            let is_now = assumed.is_now();
            let (changes, changed) = of(epoch);
            assumed.next(changes, changed, 100);
            is_now
        });
        epochs.collect()
    }

    #[test]
    fn where_all_changes_all_the_time_it_is_seldom_looked_at() {
        let looked_at = epochs(1000, |_| (2400, 100)).into_iter().filter(|is_assumed| !is_assumed);
        assert!((125..130).contains(&looked_at.count()));
    }

    #[test]
    fn nothing_is_assumed_of_few_changes_or_of_those_of_a_few() {
        assert!(!epochs(100, |_| (300, 95)).contains(&true));
        assert!(!epochs(100, |_| (100_000, 80)).contains(&true));
    }

    #[test]
    fn an_epoch_of_few_changes_ends_it() {
        let assumed = epochs(40, |epoch| (if epoch < 20 { 2400 } else { 399 }, 100));
        assert!(!assumed[21..].contains(&true));
    }
}
