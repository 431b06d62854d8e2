//! The front of a group's rows in a total order: what `min`, `max` and `top` hold of them.
//!
//! When an extreme leaves, the next one is there. Only the front is held, a thirty-second of the rows that the group had
//! when it was read, so the rows are read again only when that many have left: for each that leaves it is some 32 rows at
//! the most, however large the group is. (The idea is that of Yi et al., *Efficient maintenance of materialized top-k
//! views*, ICDE 2003.)
//!
//! What stays true: the front is the first of all rows, and `behind` counts the others.

use super::encode::encode;
use crate::panic::{NodeId, on_behalf_of};
use crate::record::StateData;
use crate::state::heap_bytes;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Which part of a group is in its front.
const PART: usize = 32;
/// How many are in the front of a small group, beside those that are shown.
const LEAST: usize = 16;

fn room(rows: usize) -> usize {
    (rows / PART).max(LEAST)
}

/// What a state that is shown to serde holds on the heap, in bytes.
pub fn heap_of<T: Serialize>(state: &T) -> usize {
    heap_bytes(state)
}

/// What the states of a generated `aggregate` take on the heap.
pub trait Heap {
    /// In bytes.
    fn heap(&self) -> usize;
}

macro_rules! extreme {
    ($(#[$doc:meta])* $name:ident, $better:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name<T> {
            /// The first comes first; each with how often it is there.
            front: Vec<(T, u64)>,
            behind: u64,
            room: usize,
            /// One that is not even like itself, a NaN, and how many of these there are: they yield to what has an order.
            odd: Option<(T, u64)>,
            heap: usize,
        }

        impl<T: StateData + PartialOrd> $name<T> {
            /// Of no rows, before so many are added.
            #[must_use]
            pub fn expecting(rows: usize) -> Self {
                $name { front: Vec::new(), behind: 0, room: room(rows), odd: None, heap: 0 }
            }

            /// Takes a value.
            #[allow(clippy::neg_cmp_op_on_partial_ord)]
            pub fn add(&mut self, value: T) {
                if is_odd(&value) {
                    self.odd.get_or_insert_with(|| (value, 0)).1 += 1;
                    return;
                }
                let place = self.front.partition_point(|(held, _)| *held $better value);
                match self.front.get_mut(place) {
                    Some((held, count)) if !(value $better *held) => *count += 1,
                    None if self.behind > 0 => self.behind += 1,
                    Some(_) | None => {
                        self.heap += heap_bytes(&value);
                        self.front.insert(place, (value, 1));
                        if self.front.len() > self.room
                            && let Some((last, count)) = self.front.pop()
                        {
                            self.heap -= heap_bytes(&last);
                            self.behind += count;
                        }
                    }
                }
            }

            /// Lets a value go that it has taken. Where it cannot tell what is first then, it answers `false`.
            #[allow(clippy::neg_cmp_op_on_partial_ord)]
            pub fn retract(&mut self, value: T) -> bool {
                if is_odd(&value) {
                    let Some((_, count)) = &mut self.odd else { return false };
                    *count -= 1;
                    if *count == 0 {
                        self.odd = None;
                    }
                    return true;
                }
                let place = self.front.partition_point(|(held, _)| *held $better value);
                match self.front.get_mut(place) {
                    Some((held, count)) if !(value $better *held) => {
                        *count -= 1;
                        if *count == 0 {
                            let (gone, _) = self.front.remove(place);
                            self.heap -= heap_bytes(&gone);
                        }
                        !self.front.is_empty() || self.behind == 0
                    }
                    None if self.behind > 0 => {
                        self.behind -= 1;
                        true
                    }
                    Some(_) | None => false,
                }
            }

            /// The first, if there is any.
            #[must_use]
            pub fn first(&self) -> Option<T> {
                let odd = || self.odd.as_ref().map(|(value, _)| value);
                self.front.first().map(|(value, _)| value).or_else(odd).cloned()
            }

            /// The first.
            ///
            /// # Panics
            /// If no value was added.
            #[must_use]
            pub fn finish(&self) -> T {
                self.first().expect("an aggregate is made for its first record")
            }
        }

        impl<T> Heap for $name<T> {
            fn heap(&self) -> usize {
                self.front.capacity() * size_of::<(T, u64)>() + self.heap
            }
        }
    };
}

extreme! {
    /// `min(f)` over rows of tables: the least value. State: the least thirty-second of the values, or 16.
    FrontMin, <
}
extreme! {
    /// `max(f)` over rows of tables: the greatest value. State: the greatest thirty-second of the values, or 16.
    FrontMax, >
}

#[allow(clippy::eq_op)]
fn is_odd<T: PartialOrd>(value: &T) -> bool {
    value.partial_cmp(value).is_none()
}

/// `top(n, by f)` over rows of tables: the `n` with the greatest `f`, and among equals those with the least keys of their
/// tables. State: these, and beside them a thirty-second of the rows, or 16.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FrontTop<T> {
    /// Rows and the keys of their tables, as bytes that have their order.
    front: Vec<(T, Box<[u8]>)>,
    behind: u64,
    room: usize,
    heap: usize,
}

impl<T: StateData> FrontTop<T> {
    /// Of no rows, before so many are added.
    #[must_use]
    pub fn expecting(rows: usize) -> Self {
        FrontTop { front: Vec::new(), behind: 0, room: room(rows), heap: 0 }
    }

    /// Takes a row.
    pub fn add<R, K: Serialize>(
        &mut self,
        node: NodeId,
        row: &T,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
        key: impl Fn(&T) -> K,
    ) {
        on_behalf_of(node, || {
            let key = encoded(&key(row));
            let place = self.place(row, &key, &f, &compare);
            if place == self.front.len() && self.behind > 0 {
                self.behind += 1;
                return;
            }
            self.heap += heap_bytes(row) + key.len();
            self.front.insert(place, (row.clone(), key));
            if self.front.len() > n.saturating_add(self.room)
                && let Some((last, key)) = self.front.pop()
            {
                self.heap -= heap_bytes(&last) + key.len();
                self.behind += 1;
            }
        });
    }

    /// Lets a row go that it has taken. Where it cannot tell which are the first `n` then, it answers `false`.
    pub fn retract<R, K: Serialize>(
        &mut self,
        node: NodeId,
        row: &T,
        n: usize,
        f: impl Fn(&T) -> R,
        compare: impl Fn(&R, &R) -> Ordering,
        key: impl Fn(&T) -> K,
    ) -> bool {
        on_behalf_of(node, || {
            let key = encoded(&key(row));
            let place = self.place(row, &key, &f, &compare);
            match self.front.get(place) {
                Some((held, other)) if *other == key && compare(&f(held), &f(row)).is_eq() => {
                    let (gone, key) = self.front.remove(place);
                    self.heap -= heap_bytes(&gone) + key.len();
                    self.front.len() >= n || self.behind == 0
                }
                None if self.behind > 0 => {
                    self.behind -= 1;
                    true
                }
                Some(_) | None => false,
            }
        })
    }

    fn place<R>(
        &self,
        row: &T,
        key: &[u8],
        f: &impl Fn(&T) -> R,
        compare: &impl Fn(&R, &R) -> Ordering,
    ) -> usize {
        let rank = f(row);
        self.front
            .partition_point(|(held, other)| compare(&f(held), &rank).then_with(|| key.cmp(other)).is_gt())
    }

    /// The first `n`, the greatest first.
    #[must_use]
    pub fn finish(&self, n: usize) -> Vec<T> {
        self.front.iter().take(n).map(|(row, _)| row.clone()).collect()
    }
}

fn encoded(key: &impl Serialize) -> Box<[u8]> {
    let mut bytes = Vec::new();
    encode(key, &mut bytes).expect("a key of which a row is stored can be written");
    bytes.into()
}

impl<T> Heap for FrontTop<T> {
    fn heap(&self) -> usize {
        self.front.capacity() * size_of::<(T, Box<[u8]>)>() + self.heap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn at(n: u64) -> usize {
        usize::try_from(n).unwrap()
    }

    #[test]
    fn extremes_are_those_of_the_values_that_are_left() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let (mut min, mut max) = (FrontMin::expecting(0), FrontMax::expecting(0));
            let mut left: Vec<f64> = Vec::new();
            let mut again = 0;
            for _ in 0..400 {
                if left.is_empty() || rng.below(9) < 5 {
                    let value = if rng.one_in(20) { f64::NAN } else { rng.below(60) as f64 };
                    left.push(value);
                    min.add(value);
                    max.add(value);
                } else {
                    let value = left.swap_remove(at(rng.below(left.len() as u64)));
                    if !min.retract(value) {
                        again += 1;
                        min = FrontMin::expecting(left.len());
                        left.iter().for_each(|value| min.add(*value));
                    }
                    if !max.retract(value) {
                        max = FrontMax::expecting(left.len());
                        left.iter().for_each(|value| max.add(*value));
                    }
                }
                let numbers = || left.iter().copied().filter(|value| !value.is_nan());
                assert_eq!(min.first().filter(|value| !value.is_nan()), numbers().min_by(f64::total_cmp));
                assert_eq!(max.first().filter(|value| !value.is_nan()), numbers().max_by(f64::total_cmp));
                assert_eq!(min.first().is_none(), left.is_empty());
            }
            assert!(again < 20, "values are seldom read again: {again}");
        }
    }

    #[test]
    fn the_first_rows_are_those_of_the_rows_that_are_left() {
        type Row = (u64, u64, String);
        let compare = |one: &u64, other: &u64| one.cmp(other);
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let n = at(rng.below(5));
            let mut top = FrontTop::expecting(0);
            let mut left: Vec<Row> = Vec::new();
            let add =
                |top: &mut FrontTop<Row>, row: &Row| top.add(0, row, n, |row| row.0, compare, |row| row.1);
            for id in 0..300 {
                if left.is_empty() || rng.below(9) < 5 {
                    let row = (rng.below(30), id, format!("row {id}"));
                    add(&mut top, &row);
                    left.push(row);
                } else {
                    let row = left.swap_remove(at(rng.below(left.len() as u64)));
                    if !top.retract(0, &row, n, |row| row.0, compare, |row| row.1) {
                        top = FrontTop::expecting(left.len());
                        left.iter().for_each(|row| add(&mut top, row));
                    }
                }
                let mut sorted = left.clone();
                sorted.sort_by_key(|row| (std::cmp::Reverse(row.0), row.1));
                sorted.truncate(n);
                assert_eq!(top.finish(n), sorted);
            }
        }
    }

    #[test]
    fn a_large_group_is_read_again_after_a_thirty_second_of_it_has_left() {
        let mut max = FrontMax::expecting(64_000);
        (0..64_000u64).for_each(|value| max.add(value));
        let left = (0..64_000u64).rev().take_while(|value| max.retract(*value)).count();
        assert_eq!(left, 1_999);
    }
}
