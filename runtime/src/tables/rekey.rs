//! `rekey` and `group_by`: the rows by an index of the table that they come from.

use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part};
use super::rel::{Delta, IndexId, Rel, RowKey, RowValue, Way};
use std::any::Any;

pub(super) struct Rekey<K, I, V> {
    pub(super) input: Rel<K, V>,
    /// How to ask the input for the rows of one new key.
    pub(super) index: Way,
    /// The new key of a row: what the index has for the row of the table.
    pub(super) key: Box<dyn Fn(&V) -> I + Send>,
}

impl<K, I, V> Rekey<K, I, V> {
    /// How the input is asked where this is asked that way.
    fn above(&self, way: Way) -> Way {
        match way {
            Way::Key => self.index,
            Way::Index(_) | Way::All => way,
        }
    }
}

impl<K: RowKey, I: RowKey, V: RowValue> Operator<I, V> for Rekey<K, I, V> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<I, V>>, PullError> {
        let rekeyed = |delta: &Delta<K, V>| Delta {
            key: (self.key)(&delta.value),
            value: delta.value.clone(),
            diff: delta.diff,
        };
        Ok(cx.deltas(self.input).iter().map(rekeyed).collect())
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(I, V)>, PullError> {
        let rows = cx.pull(self.input, self.above(way), key)?;
        Ok(rows.into_iter().map(|(_, value)| ((self.key)(&value), value)).collect())
    }
}

impl<K: RowKey, I: RowKey, V: RowValue> Part for Rekey<K, I, V> {
    fn inputs(&self) -> Vec<usize> {
        vec![self.input.id]
    }

    fn serves(&self, graph: &Graph, way: Way) -> bool {
        graph.part(self.input.id).serves(graph, self.above(way))
    }

    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError> {
        cx.graph.part(self.input.id).origins(cx, self.above(way), key, index)
    }

    fn keys_below(&self, cx: &Cx<'_>, key: &dyn Any) -> Option<Result<Vec<AnyKey>, PullError>> {
        Some(match self.index {
            Way::All => Ok(vec![Box::new(())]),
            index => cx.graph.part(self.input.id).origins(cx, Way::Key, key, index),
        })
    }

    fn rekeys(&self) -> bool {
        true
    }

    fn looks_up(&self) -> Option<IndexId> {
        match self.index {
            Way::Index(id) => Some(id),
            Way::Key | Way::All => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
