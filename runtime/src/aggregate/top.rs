//! `top`.

use crate::panic::{NodeId, on_behalf_of};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// `top(n, by f)`: the `n` records with the greatest `f`, greatest first. State: at most `n` records.
///
/// Among equals the one that came first stays in front: let `f` be a total order if that matters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Top<T>(Vec<T>);

impl<T> Default for Top<T> {
    fn default() -> Self {
        Top(Vec::new())
    }
}

/// What `top` can order by.
#[diagnostic::on_unimplemented(
    message = "`top` cannot order by `{Self}`",
    label = "the closure of `top` must return something that is `Ord`",
    note = "a float has no total order: return an integer made of it"
)]
pub trait Rank {
    /// Which comes first.
    fn compare(&self, other: &Self) -> Ordering;
}

#[diagnostic::do_not_recommend]
impl<R: Ord> Rank for R {
    #[inline(always)]
    fn compare(&self, other: &R) -> Ordering {
        self.cmp(other)
    }
}

impl<T: Clone> Top<T> {
    /// Takes a record, if it is among the `n` greatest so far.
    pub fn add<R>(
        &mut self,
        node: NodeId,
        record: &T,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
    ) {
        on_behalf_of(node, || {
            let rank = f(record);
            let place = self.0.partition_point(|held| compare(&f(held), &rank).is_ge());
            if place < n {
                self.0.truncate(n - 1);
                self.0.insert(place, record.clone());
            }
        });
    }

    /// Takes what another state holds.
    pub fn merge<R>(
        &mut self,
        node: NodeId,
        other: Self,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
    ) {
        other.0.iter().for_each(|record| self.add(node, record, n, &f, &compare));
    }

    /// The records.
    #[must_use]
    pub fn finish(self) -> Vec<T> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_greatest_in_order() {
        let mut top = Top::default();
        for n in [3, 1, 4, 1, 5, 9, 2, 6] {
            top.add(0, &n, 3, |n| *n, Ord::cmp);
        }
        assert_eq!(top.finish(), [9, 6, 5]);
    }

    #[test]
    fn of_none_is_none() {
        let mut top = Top::default();
        top.add(0, &1, 0, |n| *n, Ord::cmp);
        assert_eq!(top.finish(), [0; 0]);
    }
}
