//! `approx_distinct`: HyperLogLog, exact while there are few.
//!
//! Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm"
//! (2007); the estimate is the improved raw one of Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches" (arXiv:1702.01284, 2017), algorithm 6: it has no bias to correct at any size, and needs no table.

use super::Aggregate;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// So many bits of a hash choose a register.
const CHOOSING: u32 = 12;
const REGISTERS: usize = 1 << CHOOSING;
/// The bits that are left to a register, which holds the place of the first one among them: at most this, plus one.
const LEFT: usize = 64 - CHOOSING as usize;
/// So many hashes take as much memory as the registers do.
const FEW: usize = REGISTERS / size_of::<u64>();

/// `approx_distinct(f)`: about how many different values there were. The standard error is 1.63 % (1.04 / √4096): two
/// results in three are nearer than that, and 997 in 1000 within 4.9 %. Up to 512 values the result is exact.
///
/// State: 8 bytes for each value, up to 512, and from then on 4 KiB. The result is the same in whatever order the
/// values come and states are merged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApproxDistinct(Seen);

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Seen {
    /// The hashes, in order.
    Few(Vec<u64>),
    /// For each register the greatest rank of the hashes that chose it.
    Many(Vec<u8>),
}

impl Default for Seen {
    fn default() -> Self {
        Seen::Few(Vec::new())
    }
}

impl ApproxDistinct {
    fn insert(&mut self, hash: u64) {
        match &mut self.0 {
            Seen::Many(registers) => raise(registers, hash),
            Seen::Few(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else { return };
                if hashes.len() < FEW {
                    hashes.insert(place, hash);
                    return;
                }
                let mut registers = vec![0; REGISTERS];
                hashes.iter().for_each(|&held| raise(&mut registers, held));
                raise(&mut registers, hash);
                self.0 = Seen::Many(registers);
            }
        }
    }
}

fn raise(registers: &mut [u8], hash: u64) {
    // The first bits choose; a one is put behind the others, so that there is a first one.
    let rank = ((hash << CHOOSING) | (1 << (CHOOSING - 1))).leading_zeros() + 1;
    let register = &mut registers[(hash >> LEFT) as usize];
    *register = (*register).max(rank as u8);
}

impl Aggregate for ApproxDistinct {
    type Input = u128;
    type Output = u64;

    #[inline]
    fn add(&mut self, fingerprint: u128, _: Timestamp) {
        self.insert(fingerprint as u64);
    }

    fn merge(&mut self, mut other: Self) {
        if matches!((&self.0, &other.0), (Seen::Few(_), Seen::Many(_))) {
            std::mem::swap(self, &mut other);
        }
        match (&mut self.0, other.0) {
            (Seen::Many(registers), Seen::Many(others)) => {
                registers.iter_mut().zip(others).for_each(|(held, other)| *held = (*held).max(other));
            }
            (_, Seen::Few(hashes)) => hashes.into_iter().for_each(|hash| self.insert(hash)),
            (Seen::Few(_), Seen::Many(_)) => unreachable!("they were swapped"),
        }
    }

    fn finish(self) -> u64 {
        match self.0 {
            Seen::Few(hashes) => hashes.len() as u64,
            Seen::Many(registers) => estimate(&registers).round() as u64,
        }
    }
}

/// Ertl's improved raw estimate: `m² / (2 ln 2)`, over the sum of `2^-rank` with its two ends put right.
fn estimate(registers: &[u8]) -> f64 {
    let mut of_rank = [0u32; LEFT + 2];
    registers.iter().for_each(|&rank| of_rank[usize::from(rank)] += 1);
    let m = REGISTERS as f64;
    let mut sum = m * tau(1.0 - f64::from(of_rank[LEFT + 1]) / m);
    for rank in (1..=LEFT).rev() {
        sum = 0.5 * (sum + f64::from(of_rank[rank]));
    }
    sum += m * sigma(f64::from(of_rank[0]) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * sum)
}

/// The share of registers that nothing chose: `x + Σ x^(2^k) 2^(k-1)`.
fn sigma(mut x: f64) -> f64 {
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before || sum.is_infinite() {
            return sum;
        }
    }
}

/// The share of registers that are not full: `(1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3`.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::fingerprint;
    use proptest::prelude::*;

    const STANDARD_ERROR: f64 = 1.04 / 64.0;

    fn of(values: impl IntoIterator<Item = u64>) -> ApproxDistinct {
        let mut seen = ApproxDistinct::default();
        values.into_iter().for_each(|value| seen.add(fingerprint(&value), Timestamp::MIN));
        seen
    }

    #[test]
    fn the_standard_error_is_as_stated_at_every_size() {
        const SEEDS: u64 = 200;
        let sizes = [600, 1000, 2000, 5000, 10_000, 15_000, 20_000, 40_000];
        let mut errors = vec![Vec::new(); sizes.len()];
        for seed in 0..SEEDS {
            let (mut seen, mut values) = (ApproxDistinct::default(), 0u64..);
            let mut held = 0;
            for (size, errors) in sizes.iter().zip(&mut errors) {
                for value in values.by_ref().take(size - held) {
                    seen.add(fingerprint(&(seed, value)), Timestamp::MIN);
                }
                held = *size;
                let exact = *size as f64;
                errors.push((seen.clone().finish() as f64 - exact) / exact);
            }
        }
        let n = SEEDS as f64;
        for (size, errors) in sizes.iter().zip(errors) {
            let mean = errors.iter().sum::<f64>() / n;
            let rms = (errors.iter().map(|error| error * error).sum::<f64>() / n).sqrt();
            let worst = errors.iter().fold(0.0, |worst, error| error.abs().max(worst));
            // What is measured over `n` seeds scatters itself: these are three of its own standard errors.
            assert!(mean.abs() < 3.0 * STANDARD_ERROR / n.sqrt(), "{size}: a bias of {mean}");
            assert!(
                rms < STANDARD_ERROR * (1.0 + 3.0 / (2.0 * n).sqrt()),
                "{size}: a standard error of {rms}"
            );
            assert!(worst < 4.5 * STANDARD_ERROR, "{size}: once an error of {worst}");
        }
    }

    #[test]
    fn few_values_are_counted_exactly_and_cost_eight_bytes_each() {
        let seen = of((0..FEW as u64).chain(0..FEW as u64));
        let Seen::Few(hashes) = &seen.0 else { panic!("{FEW} are few") };
        assert_eq!(hashes.len(), FEW);
        assert_eq!(seen.finish(), FEW as u64);
        let Seen::Many(registers) = of(0..=FEW as u64).0 else { panic!("more are many") };
        assert_eq!(registers.len(), 4096);
        assert_eq!(of([]).finish(), 0);
    }

    #[test]
    fn registers_that_are_all_full_give_a_number() {
        assert!(estimate(&vec![LEFT as u8 + 1; REGISTERS]).is_infinite());
        assert!(estimate(&vec![LEFT as u8; REGISTERS]) > 1e18);
        assert_eq!(estimate(&vec![0; REGISTERS]), 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn merged_states_are_the_state_of_all_values(sizes in prop::collection::vec((0u64..1500, 0u64..900), 1..4)) {
            let ranges = || sizes.iter().map(|&(from, n)| from..from + n);
            let mut merged = ApproxDistinct::default();
            ranges().for_each(|range| merged.merge(of(range)));
            prop_assert_eq!(merged.finish(), of(ranges().flatten()).finish());
        }
    }
}
