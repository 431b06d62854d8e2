//! `aggregate`: one result for the rows of each key.

use super::changes::{Changes, by_key};
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part, Rule, State};
use super::held::Held;
use super::rel::{Delta, Rel, RowKey, RowValue, Way};
use crate::state::heap_bytes;
use std::any::Any;

/// Whether a state could be without a row that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retracted {
    /// It is as if the row had never been there.
    Done,
    /// It does not know what it would be without it: the rows of the key are read again.
    Recompute,
}

/// The functions of an `aggregate`, as one: its state `S` of rows `V`, and what it makes of it for a key `K`.
// A name for each of these types would say less than they do.
#[allow(clippy::type_complexity)]
pub struct Functions<K, V, S, W> {
    /// The state of no rows, before so many are added.
    pub init: Box<dyn Fn(usize) -> S + Send>,
    /// Takes a row.
    pub add: Box<dyn Fn(&mut S, &V) + Send>,
    /// Lets a row go that it has taken. Where it answers `Recompute` it may leave the state as it likes.
    pub retract: Box<dyn Fn(&mut S, &V) -> Retracted + Send>,
    /// The result. At least one row was added.
    pub finish: Box<dyn Fn(&K, &S) -> W + Send>,
    /// What the state holds on the heap, in bytes.
    pub heap: Box<dyn Fn(&S) -> usize + Send>,
    /// Whether the result depends on the order of the rows (`first`, `collect`, a sum of floats). Then every change of a
    /// key reads its rows again, in the order of their table's key, so that a result does not depend on what was in
    /// memory when.
    pub ordered: bool,
}

impl<K, V, S, W> std::fmt::Debug for Functions<K, V, S, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Functions").field("ordered", &self.ordered).finish_non_exhaustive()
    }
}

/// What is held for a key. With no rows it says that there are none.
struct Group<S, W> {
    state: S,
    rows: i64,
    result: Option<W>,
}

pub(super) struct Aggregate<K, V, S, W> {
    pub(super) input: Rel<K, V>,
    pub(super) functions: Functions<K, V, S, W>,
    groups: Held<K, Group<S, W>>,
}

impl<K: RowKey, V: RowValue, S: Send + 'static, W: RowValue> Aggregate<K, V, S, W> {
    pub(super) fn new(
        input: Rel<K, V>,
        functions: Functions<K, V, S, W>,
        budget: Option<crate::graph::Budget>,
    ) -> Self {
        Aggregate { input, functions, groups: Held::new(budget) }
    }

    fn fold(&self, key: &K, rows: &[(K, V)]) -> Group<S, W> {
        let mut state = (self.functions.init)(rows.len());
        rows.iter().for_each(|(_, value)| (self.functions.add)(&mut state, value));
        let result = (!rows.is_empty()).then(|| (self.functions.finish)(key, &state));
        Group { state, rows: i64::try_from(rows.len()).unwrap_or(i64::MAX), result }
    }

    /// Takes the changes in, or answers that the rows must be read again.
    fn take(&self, cx: &Cx<'_>, key: &K, group: &mut Group<S, W>, changes: &Changes<V>) -> Retracted {
        if self.functions.ordered {
            return Retracted::Recompute;
        }
        // First what goes: it is there, while the sum of what was and of what comes may be too large for its type.
        for (value, diff) in changes {
            for _ in *diff..0 {
                let retracted = (self.functions.retract)(&mut group.state, value);
                if retracted == Retracted::Recompute && !cx.breaks(Rule::Recompute) {
                    return Retracted::Recompute;
                }
            }
        }
        for (value, diff) in changes {
            (0..*diff).for_each(|_| (self.functions.add)(&mut group.state, value));
        }
        group.rows += changes.iter().map(|(_, diff)| diff).sum::<i64>();
        let has_rows = group.rows > 0 || cx.breaks(Rule::EmptyGroups);
        group.result = has_rows.then(|| (self.functions.finish)(key, &group.state));
        Retracted::Done
    }

    fn heap(&self, group: &Group<S, W>) -> u64 {
        ((self.functions.heap)(&group.state) + heap_bytes(&group.result)) as u64
    }
}

impl<K: RowKey, V: RowValue, S: Send + 'static, W: RowValue> Operator<K, W> for Aggregate<K, V, S, W> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, W>>, PullError> {
        let mut deltas = Vec::new();
        let heap = |group: &Group<S, W>| self.heap(group);
        for (key, changes) in by_key(&cx.deltas(self.input)) {
            if !self.groups.contains(&key) {
                if !cx.breaks(Rule::Holes) {
                    continue;
                }
                let empty = self.fold(&key, &[]);
                self.groups.fill(&key, empty, 0);
            }
            let Some(before) = self.groups.read(&key, |group| group.result.clone()) else { continue };
            let taken = |group: &mut Group<S, W>| self.take(cx, &key, group, &changes);
            if self.groups.change(&key, heap, taken) == Some(Retracted::Recompute) {
                let rows = cx.pull(self.input, Way::Key, &key)?;
                let group = self.fold(&key, &rows);
                self.groups.change(&key, heap, |held| *held = group);
            }
            let after = self.groups.read(&key, |group| group.result.clone()).flatten();
            if before != after {
                let gone = before.map(|value| Delta { key: key.clone(), value, diff: -1 });
                let come = after.map(|value| Delta { key, value, diff: 1 });
                deltas.extend(gone.into_iter().chain(come));
            }
        }
        Ok(deltas)
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, W)>, PullError> {
        let (Way::Key, Some(key)) = (way, key.downcast_ref::<K>()) else { return Err(PullError::NoWay) };
        let held = if cx.fresh { None } else { self.groups.read(key, |group| group.result.clone()) };
        let result = match held {
            Some(result) => result,
            None => {
                let group = self.fold(key, &cx.pull(self.input, Way::Key, key)?);
                let result = group.result.clone();
                if !cx.fresh {
                    let heap = self.heap(&group);
                    self.groups.fill(key, group, heap);
                }
                result
            }
        };
        Ok(result.map(|value| (key.clone(), value)).into_iter().collect())
    }
}

impl<K: RowKey, V: RowValue, S: Send + 'static, W: RowValue> Part for Aggregate<K, V, S, W> {
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

impl<K: RowKey, V: RowValue, S: Send + 'static, W: RowValue> State for Aggregate<K, V, S, W> {
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
            let fresh = self.fold(key, &cx.pull(self.input, Way::Key, key)?);
            let held = self.groups.read(key, |group| (group.result.clone(), group.rows));
            if held != Some((fresh.result, fresh.rows)) {
                return Ok(Some("a group is not what its rows make".into()));
            }
        }
        Ok(None)
    }
}
