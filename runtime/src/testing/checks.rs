//! Checks that every flow can be put to, whatever it computes.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

/// Each key's records are numbered 1, 2, 3 .. in the order in which they came out: none is missing and none is there twice.
///
/// # Panics
/// If that is not so; the message names the key and the record.
pub fn assert_in_sequence<T: Debug, K: Hash + Eq + Debug>(
    records: &[T],
    key: impl Fn(&T) -> K,
    number: impl Fn(&T) -> u64,
) {
    let mut last: HashMap<K, u64> = HashMap::new();
    for record in records {
        let key = key(record);
        let expected = last.get(&key).map_or(1, |last| last + 1);
        assert_eq!(number(record), expected, "key {key:?}: out of sequence at {record:?}");
        last.insert(key, expected);
    }
}

/// After all of these records the latest balances of all keys add up to `sum`: what one key lost another has got, and that
/// happened to both or to none.
///
/// # Panics
/// If that is not so.
pub fn assert_sum<T, K: Hash + Eq>(
    records: &[T],
    key: impl Fn(&T) -> K,
    balance: impl Fn(&T) -> i64,
    sum: i64,
) {
    let mut balances: HashMap<K, i64> = HashMap::new();
    for record in records {
        balances.insert(key(record), balance(record));
    }
    assert_eq!(balances.into_values().sum::<i64>(), sum, "the balances do not add up");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn sequence_of(records: &[(char, u64)]) -> bool {
        catch_unwind(|| assert_in_sequence(records, |record| record.0, |record| record.1)).is_ok()
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_found() {
        assert!(sequence_of(&[('a', 1), ('b', 1), ('a', 2), ('b', 2)]));
        for broken in [&[('a', 1), ('a', 3)][..], &[('a', 1), ('a', 1)], &[('a', 2), ('a', 1)], &[('a', 0)]] {
            assert!(!sequence_of(broken), "{broken:?}");
        }
    }

    #[test]
    fn only_the_latest_balances_count() {
        assert_sum(&[('a', 5), ('b', -5), ('a', 7), ('b', -7)], |record| record.0, |record| record.1, 0);
        let half = catch_unwind(|| assert_sum(&[('a', 5), ('b', -5), ('a', 7)], |r| r.0, |r| r.1, 0));
        assert!(half.is_err());
    }
}
