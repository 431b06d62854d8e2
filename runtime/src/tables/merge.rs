//! `merge`: the rows of several nodes together. What is in two of them is there twice.

use super::error::PullError;
use super::graph::{AnyKey, Cx, Graph, Operator, Part};
use super::rel::{Delta, Rel, RowKey, RowValue, Way};
use std::any::Any;

pub(super) struct Merge<K, V> {
    pub(super) inputs: Vec<Rel<K, V>>,
}

impl<K: RowKey, V: RowValue> Operator<K, V> for Merge<K, V> {
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, V>>, PullError> {
        let mut deltas = Vec::new();
        for &input in &self.inputs {
            deltas.extend(cx.deltas(input).iter().cloned());
        }
        Ok(deltas)
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, V)>, PullError> {
        let mut rows = Vec::new();
        for &input in &self.inputs {
            rows.extend(cx.pull(input, way, key)?);
        }
        Ok(rows)
    }
}

impl<K: RowKey, V: RowValue> Part for Merge<K, V> {
    fn inputs(&self) -> Vec<usize> {
        self.inputs.iter().map(|input| input.id).collect()
    }

    fn serves(&self, graph: &Graph, way: Way) -> bool {
        self.inputs.iter().all(|input| graph.part(input.id).serves(graph, way))
    }

    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError> {
        let mut keys = Vec::new();
        for input in &self.inputs {
            keys.extend(cx.graph.part(input.id).origins(cx, way, key, index)?);
        }
        Ok(keys)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
