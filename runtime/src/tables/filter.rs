//! `filter`: the rows that a closure says yes to.

use super::below::is_wanted;
use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part};
use super::rel::{Delta, Rel, RowKey, RowValue, Way};
use std::any::Any;

pub(super) struct Filter<K, V> {
    pub(super) id: usize,
    pub(super) input: Rel<K, V>,
    pub(super) keeps: Box<dyn Fn(&V) -> bool + Send>,
}

impl<K: RowKey, V: RowValue> Operator<K, V> for Filter<K, V> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, V>>, PullError> {
        let deltas = cx.deltas(self.input);
        let wanted = deltas.iter().filter(|delta| is_wanted(cx, self.id, &delta.key));
        Ok(wanted.filter(|delta| (self.keeps)(&delta.value)).cloned().collect())
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, V)>, PullError> {
        let mut rows = cx.pull(self.input, way, key)?;
        rows.retain(|(_, value)| (self.keeps)(value));
        Ok(rows)
    }
}

impl<K: RowKey, V: RowValue> Part for Filter<K, V> {
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
