//! The nodes of a region, without the types of their rows, and what they are asked.

use super::error::PullError;
use super::rel::{Delta, IndexId, Rel, Way};
use super::store::TableStore;
use crate::panic::{NodeId, on_behalf_of};
use std::any::Any;
use std::cell::{Cell, Ref, RefCell};

/// A key of which only the node that it belongs to knows the type.
pub(super) type AnyKey = Box<dyn Any>;

/// What a node does with rows.
pub(super) trait Operator<K, V>: Part {
    /// Its own changes, from those of its inputs, which have all gone through a write already.
    fn change(&self, cx: &Cx<'_>) -> Result<Vec<Delta<K, V>>, PullError>;

    /// Its rows for one key, from its inputs' rows. A row that is there twice comes twice.
    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, V)>, PullError>;
}

/// What of a node does not depend on the type of its rows.
pub(super) trait Part: Send {
    /// The nodes it reads.
    fn inputs(&self) -> Vec<usize>;

    /// What it asks its inputs for while a write goes through it.
    fn needs(&self) -> Vec<(usize, Way)> {
        Vec::new()
    }

    /// Whether it can be pulled that way.
    fn serves(&self, graph: &Graph, way: Way) -> bool;

    /// The keys by `index` of all rows of tables that its rows for `key` could be made of: more than they are made of,
    /// maybe, never fewer. This is what an eviction follows where rows get another key.
    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError>;

    /// The keys that rows with this key of its input have here; `None` if they keep it.
    fn keys_below(&self, cx: &Cx<'_>, key: &dyn Any) -> Option<Result<Vec<AnyKey>, PullError>> {
        let _ = (cx, key);
        None
    }

    /// Whether it gives rows another key.
    fn rekeys(&self) -> bool {
        false
    }

    /// The index by which it has rows looked up, beside keys of tables.
    fn looks_up(&self) -> Option<IndexId> {
        None
    }

    /// What it remembers by key.
    fn state(&self) -> Option<&dyn State> {
        None
    }

    /// The table that it is.
    fn table(&self) -> Option<&dyn super::table::Staged> {
        None
    }

    /// For those who know its type.
    fn as_any(&self) -> &dyn Any;
}

/// A state of which any key may be missing: a hole.
pub(super) trait State {
    /// Whether the key is there, if only to say that it has no rows.
    fn holds(&self, key: &dyn Any) -> bool;
    /// Makes the key a hole.
    fn let_go(&self, key: &dyn Any);
    /// Makes all keys holes.
    fn let_all_go(&self);
    /// Whether it has more than its budget.
    fn over_budget(&self) -> bool;
    /// Which key should go next, if any may.
    fn victim(&self) -> Option<AnyKey>;
    /// Whether any key must stay.
    fn has_pins(&self) -> bool {
        false
    }
    /// Whether the key must stay.
    fn is_pinned(&self, key: &dyn Any) -> bool {
        let _ = key;
        false
    }
    /// What is wrong with what it holds, held against a replay from nothing.
    #[cfg(test)]
    fn audit(&self, cx: &Cx<'_>) -> Result<Option<String>, PullError>;
}

/// A rule of partial state that a test breaks, to see that another one notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(super) enum Rule {
    /// An eviction follows both sides of a join.
    EvictThroughJoins,
    /// An eviction follows rows to the keys that they get.
    EvictThroughRekeys,
    /// A change is applied once.
    Once,
    /// A change of a hole is dropped.
    Holes,
    /// The left side's changes meet the right side as it was before.
    OldOnTheLeft,
    /// A left join's row without a match goes when the match comes.
    NoneGoes,
    /// An extreme that leaves is looked for again.
    Recompute,
    /// A group that lost its last row has no result.
    EmptyGroups,
    /// A write that a panic cut short leaves no state behind.
    LetGo,
}

/// All nodes, each after those that it reads.
pub(super) struct Graph {
    pub(super) flow: &'static str,
    nodes: Vec<Box<dyn AnyNode>>,
    below: Vec<Vec<usize>>,
    /// The nodes that nothing can be asked of yet, because they need an index that is not whole. Their states are empty, and
    /// so are those below, which are among them.
    unready: Vec<bool>,
    #[cfg(test)]
    pub(super) broken: Option<Rule>,
}

impl Graph {
    pub(super) fn new(flow: &'static str) -> Graph {
        Graph {
            flow,
            nodes: Vec::new(),
            below: Vec::new(),
            unready: Vec::new(),
            #[cfg(test)]
            broken: None,
        }
    }

    pub(super) fn add<K: Send + 'static, V: Send + 'static>(
        &mut self,
        name: &'static str,
        operator: impl Operator<K, V> + 'static,
    ) -> Rel<K, V> {
        let id = self.nodes.len();
        for input in operator.inputs() {
            if !self.below[input].contains(&id) {
                self.below[input].push(id);
            }
        }
        self.below.push(Vec::new());
        self.unready.push(false);
        self.nodes.push(Box::new(Node { name, operator: Box::new(operator), deltas: RefCell::default() }));
        Rel::new(id)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn name(&self, id: usize) -> &'static str {
        self.nodes.get(id).map_or(self.flow, |node| node.name())
    }

    pub(super) fn part(&self, id: usize) -> &dyn Part {
        self.nodes[id].part()
    }

    /// The nodes that read this one.
    pub(super) fn below(&self, id: usize) -> &[usize] {
        &self.below[id]
    }

    /// The states, each after those that it is computed from.
    pub(super) fn states(&self) -> impl DoubleEndedIterator<Item = (usize, &dyn State)> {
        self.nodes.iter().enumerate().filter_map(|(id, node)| node.part().state().map(|state| (id, state)))
    }

    /// The tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = &dyn super::table::Staged> {
        self.nodes.iter().filter_map(|node| node.part().table())
    }

    pub(super) fn let_all_go(&self) {
        self.states().for_each(|(_, state)| state.let_all_go());
    }

    /// Finds out which nodes can be asked, of the indexes that are whole now.
    pub(super) fn ready(&mut self) {
        for id in 0..self.nodes.len() {
            let part = self.nodes[id].part();
            let lacks = |index| self.tables().any(|table| table.lacks(index));
            let unready = part.inputs().iter().any(|&input| self.unready[input]);
            self.unready[id] = unready || part.looks_up().is_some_and(lacks);
        }
    }

    pub(super) fn is_ready(&self, id: usize) -> bool {
        !self.unready[id]
    }

    /// Leads a write through all nodes that can be asked: the others hold nothing.
    pub(super) fn run(&self, cx: &Cx<'_>) -> Result<(), PullError> {
        for (id, node) in self.nodes.iter().enumerate().filter(|(id, _)| self.is_ready(*id)) {
            on_behalf_of(node_id(id), || node.run(cx))?;
        }
        Ok(())
    }

    /// Forgets the changes of a write.
    pub(super) fn settle(&self) {
        self.nodes.iter().for_each(|node| node.settle());
    }

    fn typed<K: 'static, V: 'static>(&self, rel: Rel<K, V>) -> &Node<K, V> {
        let node = self.nodes[rel.id].as_any().downcast_ref();
        node.expect("a `Rel` has the types of the node that it was made for")
    }
}

fn node_id(id: usize) -> NodeId {
    NodeId::try_from(id).unwrap_or(NodeId::MAX)
}

/// What nodes work with during one command.
pub(super) struct Cx<'a> {
    pub(super) graph: &'a Graph,
    pub(super) store: &'a dyn TableStore,
    /// Whether states are neither looked at nor filled: what comes then is what the tables say.
    pub(super) fresh: bool,
    /// How many more rows of tables may be read.
    rows_left: Cell<usize>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(graph: &'a Graph, store: &'a dyn TableStore) -> Cx<'a> {
        Cx { graph, store, fresh: false, rows_left: Cell::new(usize::MAX) }
    }

    /// The same, with a bound on the rows that may be read.
    pub(super) fn at_most(self, rows: Option<usize>) -> Cx<'a> {
        self.rows_left.set(rows.unwrap_or(usize::MAX));
        self
    }

    /// The same, with no state looked at.
    #[cfg(test)]
    pub(super) fn without_states(self) -> Cx<'a> {
        Cx { fresh: true, ..self }
    }

    pub(super) fn read_row(&self) -> Result<(), PullError> {
        match self.rows_left.get().checked_sub(1) {
            Some(left) => {
                self.rows_left.set(left);
                Ok(())
            }
            None => Err(PullError::TooManyRows),
        }
    }

    /// The rows of a node for one key.
    pub(super) fn pull<K: 'static, V: 'static>(
        &self,
        rel: Rel<K, V>,
        way: Way,
        key: &dyn Any,
    ) -> Result<Vec<(K, V)>, PullError> {
        let node = self.graph.typed(rel);
        on_behalf_of(node_id(rel.id), || node.operator.pull(self, way, key))
    }

    /// The values that a node has for a key of its own.
    pub(super) fn values<K: 'static, V: 'static>(
        &self,
        rel: Rel<K, V>,
        key: &K,
    ) -> Result<Vec<V>, PullError> {
        Ok(self.pull(rel, Way::Key, key)?.into_iter().map(|(_, value)| value).collect())
    }

    /// What the write has changed in a node.
    pub(super) fn deltas<K: 'static, V: 'static>(&self, rel: Rel<K, V>) -> Ref<'_, Vec<Delta<K, V>>> {
        self.graph.typed(rel).deltas.borrow()
    }

    /// Whether a test has broken the rule.
    #[inline(always)]
    pub(super) fn breaks(&self, rule: Rule) -> bool {
        #[cfg(test)]
        return self.graph.broken == Some(rule);
        #[cfg(not(test))]
        {
            let _ = rule;
            false
        }
    }
}

trait AnyNode: Send {
    fn name(&self) -> &'static str;
    fn part(&self) -> &dyn Part;
    fn run(&self, cx: &Cx<'_>) -> Result<(), PullError>;
    fn settle(&self);
    fn as_any(&self) -> &dyn Any;
}

struct Node<K, V> {
    name: &'static str,
    operator: Box<dyn Operator<K, V>>,
    deltas: RefCell<Vec<Delta<K, V>>>,
}

impl<K: Send + 'static, V: Send + 'static> AnyNode for Node<K, V> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn part(&self) -> &dyn Part {
        &*self.operator
    }

    fn run(&self, cx: &Cx<'_>) -> Result<(), PullError> {
        let mut deltas = self.operator.change(cx)?;
        if cx.breaks(Rule::Once)
            && let Some(first) = deltas.first_mut()
        {
            first.diff *= 2;
        }
        self.deltas.replace(deltas);
        Ok(())
    }

    fn settle(&self) {
        self.deltas.borrow_mut().clear();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
