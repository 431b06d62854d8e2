//! A flow's graph as data: what `GRAPH` holds, and what pictures, errors and counters are made from.

mod render;

use crate::checkpoint::value::Unreadable;

/// What kind of thing a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A stream that comes in.
    Input,
    /// Operators without memory, fused into the stage that feeds them.
    Stateless,
    /// A node with state: the core of a stage.
    Stateful,
    /// An output of another flow that stands in this one.
    Flow,
}

/// A field of a key, a state or an input, as it was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type, as it was written.
    pub ty: &'static str,
    /// The names it had before: `#[formerly(..)]`.
    pub formerly: &'static [&'static str],
    /// How what was stored of another type becomes one of this type: `#[migrate(..)]`.
    pub migrated: Option<MigrateField>,
}

/// How a field that is stored as a value of another type becomes what it is declared to be.
#[derive(Clone, Copy, Debug)]
pub struct MigrateField {
    /// The type that is stored, as it was written.
    pub from: &'static str,
    /// How that type is stored: see [`shape_of`](crate::checkpoint::shape::shape_of).
    pub shape: fn() -> String,
    /// Makes of what is stored what would be stored now.
    pub convert: fn(&[u8]) -> Result<Vec<u8>, Unreadable>,
}

/// Functions cannot be told apart, so it is what is written that counts.
impl PartialEq for MigrateField {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from
    }
}

impl Eq for MigrateField {}

/// How much of a node's state may be in memory, over all its shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// `memory 256 MiB`: real bytes, of entries with what they hold on the heap.
    Bytes(u64),
    /// `memory 100_000 keys`, each counted once for every window.
    Keys(u64),
}

/// A named node.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its name, which is its identity.
    pub name: &'static str,
    /// The names it had before, under which its state may be stored: `#[formerly(..)]`.
    pub formerly: &'static [&'static str],
    /// What it is.
    pub kind: NodeKind,
    /// Its operators, in order.
    pub operators: &'static [&'static str],
    /// The nodes it reads, by their places in [`Graph::nodes`].
    pub reads: &'static [usize],
    /// The key of a stateful node.
    pub key: &'static [Field],
    /// The state held for each key; empty unless the node is stateful.
    pub state: &'static [Field],
    /// What bounds the state: a window or `keep ..`, as it was written.
    pub bound: Option<&'static str>,
    /// How much of its state may be in memory: what is over it is on local disk. `None`: all of it.
    pub memory: Option<Budget>,
    /// The stage it runs in, by its place in [`Graph::stages`]; `None` if nothing needs to run for it.
    pub stage: Option<usize>,
    /// The line of the source file it is declared on.
    pub line: u32,
}

/// Which clock an outlet's watermark comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMeta {
    /// The watermark of the stage.
    Stage,
    /// The clock of an `event_time` inside the stage.
    Clock(usize),
}

/// An edge out of a stage.
#[derive(Clone, Copy, Debug)]
pub struct OutletMeta {
    /// The node whose records it carries.
    pub from: &'static str,
    /// The node or output that it leads to.
    pub to: &'static str,
    /// Where its watermark comes from; `None` if nothing downstream needs time.
    pub time: Option<TimeMeta>,
    /// Whether it leads to an output. There its watermark is of use only to a flow that this one stands in.
    pub leaves: bool,
}

/// What one async task runs; with a key, as one task for each shard; so also a window without a key, where its parts can
/// be united.
#[derive(Clone, Copy, Debug)]
pub struct StageMeta {
    /// The name of the node it begins with.
    pub name: &'static str,
    /// The place of that node in [`Graph::nodes`].
    pub node: usize,
    /// Whether it runs as several shards, by key, or each taking records in turn.
    pub keyed: bool,
    /// The edges that leave it.
    pub outlets: &'static [OutletMeta],
}

/// An input or an output.
#[derive(Clone, Copy, Debug)]
pub struct PortMeta {
    /// Its name.
    pub name: &'static str,
    /// The place of its node in [`Graph::nodes`].
    pub node: usize,
    /// The table that an output leads into, in place of a handle.
    pub into: Option<&'static str>,
}

/// What there is in a flow's region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A table.
    Table,
    /// A node between tables and views.
    Node,
    /// A view.
    View,
}

/// A way to find the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexMeta {
    /// Its name.
    pub name: &'static str,
    /// The fields of the rows that it is made of.
    pub fields: &'static [&'static str],
}

/// A table, a view, or a node between them.
#[derive(Clone, Copy, Debug)]
pub struct TableNode {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: TableKind,
    /// Its operators, in order.
    pub operators: &'static [&'static str],
    /// What it reads, by the places in [`Graph::tables`].
    pub reads: &'static [usize],
    /// The fields of its key; none where all rows are under one key.
    pub key: &'static [&'static str],
    /// The indexes of a table.
    pub indexes: &'static [IndexMeta],
    /// What is kept of it, as it was written; `None` if it holds nothing.
    pub bound: Option<&'static str>,
    /// How much of its state may be in memory. `None`: all of it.
    pub memory: Option<Budget>,
    /// What a replay of one of its keys looks up, one after the other: `table.index`, or `table.key`.
    pub replay: &'static [&'static str],
    /// The line of the source file it is declared on.
    pub line: u32,
}

/// A flow that stands in another.
#[derive(Clone, Copy, Debug)]
pub struct Subflow {
    /// Its name there: the names of its nodes are led by it.
    pub name: &'static str,
    /// The flow.
    pub graph: &'static Graph,
}

/// A flow, as declared.
///
/// [`Graph::to_mermaid`] and [`Graph::to_dot`] draw it; its `Display` lists it.
#[derive(Clone, Copy, Debug)]
pub struct Graph {
    /// The flow's name.
    pub flow: &'static str,
    /// The named nodes, in the order of declaration.
    pub nodes: &'static [Node],
    /// The stages, each after those that feed it.
    pub stages: &'static [StageMeta],
    /// The inputs.
    pub inputs: &'static [PortMeta],
    /// The outputs.
    pub outputs: &'static [PortMeta],
    /// The flows that stand in this one.
    pub subflows: &'static [Subflow],
    /// Its tables, its views and the nodes between them, in the order of declaration: first the tables.
    pub tables: &'static [TableNode],
}

impl Graph {
    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&'static Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The table, view, or node between them, of that name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&'static TableNode> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The number of nodes, with those of the flows that stand in this one.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len() + self.subflows.iter().map(|subflow| subflow.graph.node_count()).sum::<usize>()
    }

    /// Whether the records of an output come with a watermark: whether something in the flow before it needs time.
    #[must_use]
    pub const fn output_has_watermark(&self, output: &str) -> bool {
        let mut stage = 0;
        while stage < self.stages.len() {
            let outlets = self.stages[stage].outlets;
            let mut outlet = 0;
            while outlet < outlets.len() {
                let OutletMeta { to, time, leaves, .. } = &outlets[outlet];
                if *leaves && time.is_some() && same_text(to, output) {
                    return true;
                }
                outlet += 1;
            }
            stage += 1;
        }
        false
    }
}

/// `==`, which cannot be called in a constant yet.
const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut place = 0;
    while place < a.len() && place < b.len() && a[place] == b[place] {
        place += 1;
    }
    a.len() == b.len() && place == a.len()
}
