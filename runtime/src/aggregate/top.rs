//! `top`.

use crate::panic::{NodeId, on_behalf_of};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// `top(n, by f)`: the `n` records with the greatest `f`, greatest first. State: at most `n` records and their times.
///
/// Among equals the one with the smaller event time is in front; among equals in that too, the one that came first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Top<T>(Vec<(Timestamp, T)>);

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
    /// Takes a record, if it is among the `n` greatest so far: whether it is.
    pub fn add<R>(
        &mut self,
        node: NodeId,
        record: &T,
        at: Timestamp,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
    ) -> bool {
        on_behalf_of(node, || {
            let rank = f(record);
            let in_front = |(earlier, held): &(Timestamp, T)| {
                compare(&f(held), &rank).then_with(|| at.cmp(earlier)).is_ge()
            };
            let place = self.0.partition_point(in_front);
            if place < n {
                self.0.truncate(n - 1);
                self.0.insert(place, (at, record.clone()));
            }
            place < n
        })
    }

    /// Takes what another state holds: whether that changes the list.
    pub fn merge<R>(
        &mut self,
        node: NodeId,
        other: Self,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
    ) -> bool {
        let mut changed = false;
        for (at, record) in &other.0 {
            changed |= self.add(node, record, *at, n, &f, &compare);
        }
        changed
    }

    /// The records.
    #[must_use]
    pub fn finish(self) -> Vec<T> {
        self.0.into_iter().map(|(_, record)| record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_greatest_in_order() {
        let mut top = Top::default();
        for n in [3, 1, 4, 1, 5, 9, 2, 6] {
            top.add(0, &n, Timestamp::MIN, 3, |n| *n, Ord::cmp);
        }
        assert_eq!(top.finish(), [9, 6, 5]);
    }

    #[test]
    fn among_equals_the_earlier_is_in_front_and_then_the_one_that_came_first() {
        let add = |top: &mut Top<(i64, char)>, at: i64, name: char| {
            top.add(0, &(at, name), Timestamp(at), 3, |_| 0, Ord::cmp)
        };
        let (mut top, mut other) = (Top::default(), Top::default());
        assert!(add(&mut top, 5, 'a'));
        assert!(add(&mut top, 5, 'b'));
        assert!(add(&mut other, 3, 'c'));
        assert!(add(&mut other, 5, 'd'));
        top.merge(0, other, 3, |_| 0, Ord::cmp);
        assert!(!add(&mut top, 5, 'e'));
        assert_eq!(top.finish(), [(3, 'c'), (5, 'a'), (5, 'b')]);
    }

    #[test]
    fn of_none_is_none() {
        let mut top = Top::default();
        assert!(!top.add(0, &1, Timestamp::MIN, 0, |n| *n, Ord::cmp));
        assert_eq!(top.finish(), [0; 0]);
    }
}
