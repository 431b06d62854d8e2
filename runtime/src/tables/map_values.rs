//! `map_values`: another value for each row, by the same key.

use super::below::is_wanted;
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part};
use super::rel::{Delta, Rel, RowKey, RowValue, Way};
use std::any::Any;

pub(super) struct MapValues<K, V, W> {
    pub(super) id: usize,
    pub(super) input: Rel<K, V>,
    pub(super) map: Box<dyn Fn(&V) -> W + Send>,
}

impl<K: RowKey, V: RowValue, W: RowValue> Operator<K, W> for MapValues<K, V, W> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, W>>, PullError> {
        let mapped = |delta: &Delta<K, V>| Delta {
            key: delta.key.clone(),
            value: (self.map)(&delta.value),
            diff: delta.diff,
        };
        let deltas = cx.deltas(self.input);
        Ok(deltas.iter().filter(|delta| is_wanted(cx, self.id, &delta.key)).map(mapped).collect())
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, W)>, PullError> {
        let rows = cx.pull(self.input, way, key)?;
        Ok(rows.into_iter().map(|(key, value)| (key, (self.map)(&value))).collect())
    }
}

impl<K: RowKey, V: RowValue, W: RowValue> Part for MapValues<K, V, W> {
    fn inputs(&self) -> Vec<usize> {
        vec![self.input.id]
    }

    fn serves(&self, graph: &Graph, way: Way) -> bool {
        graph.part(self.input.id).serves(graph, way)
    }

    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError> {
        cx.graph.part(self.input.id).origins(cx, way, key, index)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
