//! `distinct`: each row once, however often it is there.

use super::changes::by_key;
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part, State};
use super::held::Held;
use super::rel::{Delta, Rel, RowKey, RowValue, Way, same};
use crate::graph::Budget;
use crate::state::heap_bytes;
use std::any::Any;

/// The rows of a key, and how often each is there.
type Counted<V> = Vec<(V, i64)>;

pub(super) struct Distinct<K, V> {
    input: Rel<K, V>,
    groups: Held<K, Counted<V>>,
}

impl<K: RowKey, V: RowValue> Distinct<K, V> {
    pub(super) fn new(input: Rel<K, V>, budget: Option<Budget>) -> Self {
        Distinct { input, groups: Held::new(budget) }
    }

    fn heap(rows: &Counted<V>) -> u64 {
        heap_bytes(rows) as u64
    }

    fn count(&self, cx: &Cx<'_>, key: &K) -> Result<Counted<V>, PullError> {
        let mut counted = Vec::new();
        for value in cx.values(self.input, key)? {
            add(&mut counted, &value, 1);
        }
        Ok(counted)
    }
}

/// Counts a row: by how much the number of different rows that are there has changed.
fn add<V: RowValue>(counted: &mut Counted<V>, value: &V, diff: i64) -> i64 {
    match counted.iter().position(|(held, _)| same(held, value)) {
        Some(place) => {
            counted[place].1 += diff;
            if counted[place].1 > 0 {
                return 0;
            }
            counted.remove(place);
            -1
        }
        None if diff > 0 => {
            counted.push((value.clone(), diff));
            1
        }
        None => 0,
    }
}

impl<K: RowKey, V: RowValue> Operator<K, V> for Distinct<K, V> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, V>>, PullError> {
        let mut deltas = Vec::new();
        for (key, changes) in by_key(&cx.deltas(self.input)) {
            self.groups.change(&key, Self::heap, |counted| {
                for (value, diff) in &changes {
                    let diff = add(counted, value, *diff);
                    if diff != 0 {
                        deltas.push(Delta { key: key.clone(), value: value.clone(), diff });
                    }
                }
            });
        }
        Ok(deltas)
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, V)>, PullError> {
        let (Way::Key, Some(key)) = (way, key.downcast_ref::<K>()) else { return Err(PullError::NoWay) };
        let rows = |counted: &Counted<V>| {
            counted.iter().map(|(value, _)| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        if !cx.fresh
            && let Some(rows) = self.groups.read(key, rows)
        {
            return Ok(rows);
        }
        let counted = self.count(cx, key)?;
        let rows = rows(&counted);
        if !cx.fresh {
            let heap = Self::heap(&counted);
            self.groups.fill(key, counted, heap);
        }
        Ok(rows)
    }
}

impl<K: RowKey, V: RowValue> Part for Distinct<K, V> {
    fn inputs(&self) -> Vec<usize> {
        vec![self.input.id]
    }

    fn needs(&self) -> Vec<(usize, Way)> {
        vec![(self.input.id, Way::Key)]
    }

    fn serves(&self, graph: &Graph, way: Way) -> bool {
        way == Way::Key && graph.part(self.input.id).serves(graph, Way::Key)
    }

    fn origins(&self, _: &Cx<'_>, _: Way, _: &dyn Any, _: Way) -> Result<Vec<AnyKey>, PullError> {
        Err(PullError::NoWay)
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K: RowKey, V: RowValue> State for Distinct<K, V> {
    fn holds(&self, key: &dyn Any) -> bool {
        key.downcast_ref().is_some_and(|key| self.groups.contains(key))
    }

    fn let_go(&self, key: &dyn Any) {
        key.downcast_ref().into_iter().for_each(|key| self.groups.remove(key));
    }

    fn let_all_go(&self) {
        self.groups.clear();
    }

    fn over_budget(&self) -> bool {
        self.groups.over_budget()
    }

    fn victim(&self) -> Option<AnyKey> {
        self.groups.victim().map(|key| Box::new(key) as AnyKey)
    }

    #[cfg(test)]
    fn audit(&self, cx: &Cx<'_>) -> Result<Option<String>, PullError> {
        for key in &self.groups.keys() {
            let mut left = self.count(cx, key)?;
            let held = self.groups.read(key, Clone::clone).unwrap_or_default();
            for (value, count) in &held {
                add(&mut left, value, -count);
            }
            if !left.is_empty() {
                return Ok(Some("rows are counted that are not there, or not counted".into()));
            }
        }
        Ok(None)
    }
}
