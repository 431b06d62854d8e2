//! `quantile`: a sketch with a bound on the relative error.
//!
//! Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees" (PVLDB 12,
//! 2019): values are counted in buckets whose bounds grow by a constant factor.

use super::Aggregate;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a result may be from the value that it stands for, as a part of it.
const ALPHA: f64 = 0.01;
/// Each bucket reaches so many times as far as the one before: from its middle `2γ^i / (γ + 1)` nothing in it is
/// further than `ALPHA`.
const GAMMA: f64 = (1.0 + ALPHA) / (1.0 - ALPHA);
/// So many buckets for each sign. If every one is used they span 17 powers of ten.
const MOST: usize = 2048;
/// The bucket of infinity.
const INFINITE: i32 = i32::MAX;

/// `quantile(q, f)`: the value that a share `q` of the values does not exceed. Of `n` values in order it is the one at
/// place `⌊q (n - 1)⌋`, counted from 0, to within 1 % of that value.
///
/// State: 16 bytes for each used bucket of 2 %, at most 64 KiB; a thousand-fold range has 346 buckets. The result is
/// the same in whatever order the values come and states are merged. The bound holds while the values of one sign use
/// no more than 2048 buckets, which is always so where they span less than 17 powers of ten; beyond that the values
/// nearest to zero are taken for a greater one. What is nearer to zero than 2.3e-308 is zero. A NaN counts for nothing;
/// if there is nothing else, it is the result.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Quantile {
    negative: Buckets,
    zero: u64,
    positive: Buckets,
}

impl Quantile {
    /// The value at `q`, which is from 0 to 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn at(&self, q: f64) -> f64 {
        let (negative, positive) = (self.negative.total(), self.positive.total());
        let all = negative + self.zero + positive;
        if all == 0 {
            return f64::NAN;
        }
        // Beyond 2^53 the place is not exact; the last value is last for all that.
        let place = ((q * (all - 1) as f64) as u64).min(all - 1);
        match (place.checked_sub(negative), place.checked_sub(negative + self.zero)) {
            (_, Some(place)) => self.positive.value(place),
            (Some(_), None) => 0.0,
            // The least is the one that is furthest from zero.
            (None, None) => -self.negative.value(negative - 1 - place),
        }
    }
}

impl Aggregate for Quantile {
    type Input = f64;
    type Output = Quantile;

    #[inline]
    fn add(&mut self, value: f64, _: Timestamp) {
        if value >= f64::MIN_POSITIVE {
            self.positive.add(bucket(value), 1);
        } else if value <= -f64::MIN_POSITIVE {
            self.negative.add(bucket(-value), 1);
        } else if !value.is_nan() {
            self.zero += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.negative.merge(other.negative);
        self.zero += other.zero;
        self.positive.merge(other.positive);
    }

    fn finish(self) -> Quantile {
        self
    }
}

/// The bucket of a value above zero.
#[allow(clippy::cast_possible_truncation)]
fn bucket(value: f64) -> i32 {
    if value.is_infinite() { INFINITE } else { (value.ln() / GAMMA.ln()).ceil() as i32 }
}

/// The middle of a bucket.
fn middle(bucket: i32) -> f64 {
    if bucket == INFINITE {
        return f64::INFINITY;
    }
    (f64::from(bucket) * GAMMA.ln() + (2.0 / (GAMMA + 1.0)).ln()).exp().min(f64::MAX)
}

/// How many values there are in each bucket, by bucket. None is empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Buckets(Vec<(i32, u64)>);

impl Buckets {
    fn add(&mut self, bucket: i32, n: u64) {
        let place = self.0.partition_point(|(held, _)| *held < bucket);
        let is_full = self.0.len() == MOST;
        match self.0.get_mut(place) {
            Some((held, count)) if *held == bucket || (place == 0 && is_full) => *count += n,
            _ => {
                self.0.insert(place, (bucket, n));
                self.collapse();
            }
        }
    }

    fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(bucket, n)| self.add(bucket, n));
    }

    /// Puts the least bucket into the next, if there are too many. So the greatest `MOST` buckets that ever had a value
    /// are right, but that the least of them has all below it too, whatever came first.
    fn collapse(&mut self) {
        if self.0.len() > MOST {
            let (_, n) = self.0.remove(0);
            self.0[0].1 += n;
        }
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|(_, n)| n).sum()
    }

    /// The value at a place, from the least.
    fn value(&self, place: u64) -> f64 {
        let mut seen = 0;
        let reaches = |(_, n): &&(i32, u64)| {
            seen += n;
            seen > place
        };
        self.0.iter().find(reaches).map_or(f64::NAN, |(bucket, _)| middle(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QS: [f64; 9] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];

    fn of(values: &[f64]) -> Quantile {
        let mut sketch = Quantile::default();
        values.iter().for_each(|value| sketch.add(*value, Timestamp::MIN));
        sketch
    }

    fn exact(values: &[f64], q: f64) -> f64 {
        let mut values: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        values[(q * (values.len() - 1) as f64) as usize]
    }

    /// Numbers of both signs within 17 powers of ten.
    fn number() -> impl Strategy<Value = f64> {
        let size = (-8.0..8.0f64).prop_map(|power| 10f64.powf(power));
        prop_oneof![1 => Just(0.0), 4 => size.clone(), 4 => size.prop_map(|size| -size)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_result_is_further_off_than_stated(values in prop::collection::vec(number(), 1..400)) {
            let sketch = of(&values);
            for q in QS {
                let (found, exact) = (sketch.at(q), exact(&values, q));
                // What the rounding of logarithms adds.
                prop_assert!((found - exact).abs() <= (ALPHA + 1e-9) * exact.abs(), "{q}: {found} for {exact}");
            }
        }

        #[test]
        fn merged_states_are_the_state_of_all_values(
            parts in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..1500), 1..4),
        ) {
            let mut merged = Quantile::default();
            parts.iter().for_each(|part| merged.merge(of(part)));
            let mut all = parts.concat();
            all.reverse();
            let whole = of(&all);
            prop_assert_eq!(&merged.positive.0, &whole.positive.0);
            prop_assert_eq!(&merged.negative.0, &whole.negative.0);
            prop_assert_eq!(merged.zero, whole.zero);
        }
    }

    #[test]
    fn the_greatest_values_are_right_where_there_are_too_many_buckets() {
        // Each in a bucket of its own.
        let values: Vec<f64> = (-5000..5000).map(|n| GAMMA.powf(f64::from(n) + 0.5)).collect();
        let mut shuffled = values.clone();
        shuffled.sort_by_key(|value| value.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let sketch = of(&shuffled);
        assert_eq!(sketch.positive.0.len(), MOST);
        assert_eq!(sketch.positive.total(), 10_000);
        for q in [0.8, 0.9, 0.99, 1.0] {
            assert!((sketch.at(q) / exact(&values, q) - 1.0).abs() <= ALPHA + 1e-9);
        }
    }

    #[test]
    fn the_ends_of_the_numbers_have_a_place() {
        let values = [f64::NEG_INFINITY, f64::MIN, -0.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY];
        let sketch = of(&values);
        for (place, value) in values.iter().enumerate() {
            let found = sketch.at(place as f64 / 5.0 + 1e-9);
            let near = found == *value || (found / value - 1.0).abs() <= ALPHA + 1e-9;
            assert!(near, "{found} for {value}");
        }
        assert!(of(&[]).at(0.5).is_nan());
        assert!(of(&[f64::NAN]).at(0.5).is_nan());
        assert!((of(&[f64::NAN, 7.0]).at(0.0) - 7.0).abs() <= 0.07);
    }
}
