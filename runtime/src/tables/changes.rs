//! The changes of a write by key, without those that undo each other.

use super::rel::{Delta, RowKey, RowValue, same};
use std::collections::BTreeMap;

/// The changes of one key.
pub(super) type Changes<V> = Vec<(V, i64)>;

/// By key, in the keys' order, so that the same writes always give the same.
pub(super) fn by_key<K: RowKey, V: RowValue>(deltas: &[Delta<K, V>]) -> BTreeMap<K, Changes<V>> {
    let mut keys: BTreeMap<K, Changes<V>> = BTreeMap::new();
    for delta in deltas {
        match keys.get_mut(&delta.key) {
            Some(changes) => changes.push((delta.value.clone(), delta.diff)),
            None => {
                keys.insert(delta.key.clone(), vec![(delta.value.clone(), delta.diff)]);
            }
        }
    }
    keys.values_mut().for_each(net);
    keys.retain(|_, changes| !changes.is_empty());
    keys
}

/// What a join emits in passing, a row that comes and goes, is no row that anyone has: without this it would be taken away
/// where it was never added.
fn net<V: RowValue>(changes: &mut Changes<V>) {
    for less in 0..changes.len() {
        for more in 0..changes.len() {
            if changes[less].1 >= 0 {
                break;
            }
            if changes[more].1 > 0 && same(&changes[less].0, &changes[more].0) {
                let both = changes[more].1.min(-changes[less].1);
                changes[less].1 += both;
                changes[more].1 -= both;
            }
        }
    }
    changes.retain(|(_, diff)| *diff != 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_no_change() {
        let delta = |key: u8, value: char, diff| Delta { key, value, diff };
        let deltas =
            [delta(1, 'a', -1), delta(1, 'b', 2), delta(2, 'c', 1), delta(1, 'a', 1), delta(1, 'b', -1)];
        let keys: Vec<_> = by_key(&deltas).into_iter().collect();
        assert_eq!(keys, [(1, vec![('b', 1)]), (2, vec![('c', 1)])]);
    }
}
