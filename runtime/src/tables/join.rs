//! `join` and `left_join`: the rows of two nodes with the same key, side by side.
//!
//! A join remembers nothing: what it needs of a side while a write goes through it, it pulls, and then has that side as
//! it is after the write. With `dL` and `dR` the changes of the two sides, what changes here is
//!
//! ```text
//! dL x R_before + L_after x dR        R_before = R_after - dR
//! ```
//!
//! which is right where both sides come from one table, too. A left join is the same with a right side that has one row
//! more, `None`, while it has none.

use super::below::is_wanted;
use super::changes::{Changes, by_key};
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part, Rule};
use super::rel::{Delta, Rel, RowKey, RowValue, Way, take_one};
use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// What a join makes of the rows of its right side.
pub(super) trait Matches<R>: Send + 'static {
    /// What stands on the right of its rows.
    type Right: RowValue;
    /// Whether a row of the left side has a row here whatever is on the right.
    const LEFT: bool;

    /// What all rows of the right side with a key give.
    fn matches(rows: Vec<R>) -> Vec<Self::Right>;
    /// A row of the right side.
    fn matched(row: R) -> Self::Right;
    /// Where there is none.
    fn unmatched() -> Option<Self::Right>;
}

/// `join`.
pub(super) struct Inner;

impl<R: RowValue> Matches<R> for Inner {
    type Right = R;
    const LEFT: bool = false;

    fn matches(rows: Vec<R>) -> Vec<R> {
        rows
    }

    fn matched(row: R) -> R {
        row
    }

    fn unmatched() -> Option<R> {
        None
    }
}

/// `left_join`.
pub(super) struct Left;

impl<R: RowValue> Matches<R> for Left {
    type Right = Option<R>;
    const LEFT: bool = true;

    fn matches(rows: Vec<R>) -> Vec<Option<R>> {
        if rows.is_empty() { vec![None] } else { rows.into_iter().map(Some).collect() }
    }

    fn matched(row: R) -> Option<R> {
        Some(row)
    }

    fn unmatched() -> Option<Option<R>> {
        Some(None)
    }
}

pub(super) struct Join<K, L, R, M> {
    /// Its own place, to ask what lies below.
    pub(super) id: usize,
    pub(super) left: Rel<K, L>,
    pub(super) right: Rel<K, R>,
    pub(super) kind: PhantomData<fn() -> M>,
}

impl<K: RowKey, L: RowValue, R: RowValue, M: Matches<R>> Join<K, L, R, M> {
    fn change_of(
        &self,
        cx: &Cx<'_>,
        key: &K,
        left: &Changes<L>,
        right: &Changes<R>,
        emit: &mut impl FnMut(&L, &M::Right, i64),
    ) -> Result<(), PullError> {
        let after = cx.values(self.right, key)?;
        let mut before = after.clone();
        if !cx.breaks(Rule::OldOnTheLeft) {
            undo(&mut before, right);
        }
        let (was_empty, is_empty) = (before.is_empty(), after.is_empty());
        if !left.is_empty() {
            let before = M::matches(before);
            for (row, diff) in left {
                before.iter().for_each(|matched| emit(row, matched, *diff));
            }
        }
        if right.is_empty() {
            return Ok(());
        }
        let mut changes: Vec<(M::Right, i64)> =
            right.iter().map(|(row, diff)| (M::matched(row.clone()), *diff)).collect();
        if let Some(unmatched) = M::unmatched()
            && was_empty != is_empty
            && !cx.breaks(Rule::NoneGoes)
        {
            changes.push((unmatched, if is_empty { 1 } else { -1 }));
        }
        for row in cx.values(self.left, key)? {
            changes.iter().for_each(|(matched, diff)| emit(&row, matched, *diff));
        }
        Ok(())
    }

    /// Whether the left side, and not the right one, finds the rows for a way.
    fn by_left(&self, graph: &Graph, way: Way) -> bool {
        M::LEFT || way == Way::Key || graph.part(self.left.id).serves(graph, way)
    }
}

/// The rows as they were before the changes.
fn undo<V: RowValue>(rows: &mut Vec<V>, changes: &Changes<V>) {
    for (row, diff) in changes {
        for _ in 0..*diff {
            take_one(rows, row);
        }
        for _ in *diff..0 {
            rows.push(row.clone());
        }
    }
}

impl<K: RowKey, L: RowValue, R: RowValue, M: Matches<R>> Operator<K, (L, M::Right)> for Join<K, L, R, M> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, (L, M::Right)>>, PullError> {
        let mut keys: BTreeMap<K, (Changes<L>, Changes<R>)> = BTreeMap::new();
        for (key, changes) in by_key(&cx.deltas(self.left)) {
            keys.entry(key).or_default().0 = changes;
        }
        for (key, changes) in by_key(&cx.deltas(self.right)) {
            keys.entry(key).or_default().1 = changes;
        }
        let mut deltas = Vec::new();
        for (key, (left, right)) in keys {
            if is_wanted(cx, self.id, &key) {
                self.change_of(cx, &key, &left, &right, &mut |left, right, diff| {
                    deltas.push(Delta { key: key.clone(), value: (left.clone(), right.clone()), diff });
                })?;
            }
        }
        Ok(deltas)
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, (L, M::Right))>, PullError> {
        let mut rows = Vec::new();
        if self.by_left(cx.graph, way) {
            let mut looked_up: BTreeMap<K, Vec<M::Right>> = BTreeMap::new();
            for (key, left) in cx.pull(self.left, way, key)? {
                if !looked_up.contains_key(&key) {
                    looked_up.insert(key.clone(), M::matches(cx.values(self.right, &key)?));
                }
                rows.extend(looked_up[&key].iter().map(|right| (key.clone(), (left.clone(), right.clone()))));
            }
        } else {
            let mut looked_up: BTreeMap<K, Vec<L>> = BTreeMap::new();
            for (key, right) in cx.pull(self.right, way, key)? {
                if !looked_up.contains_key(&key) {
                    looked_up.insert(key.clone(), cx.values(self.left, &key)?);
                }
                let right = M::matched(right);
                rows.extend(looked_up[&key].iter().map(|left| (key.clone(), (left.clone(), right.clone()))));
            }
        }
        Ok(rows)
    }
}

impl<K: RowKey, L: RowValue, R: RowValue, M: Matches<R>> Part for Join<K, L, R, M> {
    fn inputs(&self) -> Vec<usize> {
        vec![self.left.id, self.right.id]
    }

    fn needs(&self) -> Vec<(usize, Way)> {
        vec![(self.left.id, Way::Key), (self.right.id, Way::Key)]
    }

    fn serves(&self, graph: &Graph, way: Way) -> bool {
        let (left, right) = (graph.part(self.left.id), graph.part(self.right.id));
        let (asked, looked_up) = if self.by_left(graph, way) { (left, right) } else { (right, left) };
        asked.serves(graph, way) && looked_up.serves(graph, Way::Key)
    }

    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError> {
        let by_left = |way| self.by_left(cx.graph, way);
        let of = if by_left(index) { self.left.id } else { self.right.id };
        let of = cx.graph.part(of);
        if way == Way::Key || by_left(way) == by_left(index) {
            return of.origins(cx, way, key, index);
        }
        let rows: Vec<K> = if by_left(way) {
            cx.pull(self.left, way, key)?.into_iter().map(|(key, _)| key).collect()
        } else {
            cx.pull(self.right, way, key)?.into_iter().map(|(key, _)| key).collect()
        };
        let mut keys = Vec::new();
        for key in rows {
            keys.extend(of.origins(cx, Way::Key, &key, index)?);
        }
        Ok(keys)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
