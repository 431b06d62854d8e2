//! `distinct`.

use super::Aggregate;
use crate::time::Timestamp;
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

/// `distinct(f)`: how many different values there were.
///
/// State: a 128-bit fingerprint (xxh3) for each, whatever the size of the values. Two of `n` values share a
/// fingerprint with a probability below `n² / 2^129`: for a thousand million values, less than one in 10^20.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Distinct(#[serde(with = "as_list")] HashSet<u128>);

impl Aggregate for Distinct {
    type Input = u128;
    type Output = u64;

    #[inline]
    fn add(&mut self, fingerprint: u128, _: Timestamp) {
        self.0.insert(fingerprint);
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn finish(self) -> u64 {
        self.0.len() as u64
    }
}

mod as_list {
    use super::HashSet;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(set: &HashSet<u128>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(set)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HashSet<u128>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}
