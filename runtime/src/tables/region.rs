//! Building a region, node by node, and starting it.

use super::aggregate::{Aggregate, Functions};
use super::distinct::Distinct;
use super::engine::Engine;
use super::error::RegionError;
use super::filter::Filter;
use super::graph::Graph;
use super::handle::{Table, View};
use super::join::{Inner, Join, Left};
use super::map_values::MapValues;
use super::merge::Merge;
use super::published::Published;
use super::rekey::Rekey;
use super::rel::{Index, IndexId, Rel, RowKey, RowValue, StoredRow, TableRel, Way};
use super::stats::ViewStats;
use super::store::TableStore;
use super::table::{self, table_of};
use super::thread::{self, Closes, Commands};
use super::view;
use crate::graph::Budget;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much a node remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// How much may be in memory; `None`: every key that was ever asked for.
    pub budget: Option<Budget>,
}

/// How a region runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegionSettings {
    /// How long [`View::get`] waits for an answer; `None`, the default: as long as it takes.
    pub deadline: Option<Duration>,
    /// The epoch that streams which lead into tables go on from. What they had written after it is put back before anything
    /// can be read: it comes again. `None`, the default: what was written stands.
    pub epoch: Option<u64>,
}

/// A view of a region.
pub struct ViewRel<K, V> {
    pub(super) id: usize,
    pub(super) name: &'static str,
    pub(super) published: Arc<Published<K, V>>,
}

impl<K, V> Clone for ViewRel<K, V> {
    fn clone(&self) -> Self {
        ViewRel { id: self.id, name: self.name, published: self.published.clone() }
    }
}

impl<K, V> fmt::Debug for ViewRel<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ViewRel").field(&self.name).finish()
    }
}

/// Tables, views and the nodes between them, while they are declared: first what is read, then what reads it.
pub struct Region {
    pub(super) graph: Graph,
    indexes: usize,
    views: Vec<Arc<dyn Closes>>,
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("flow", &self.graph.flow).finish_non_exhaustive()
    }
}

impl Region {
    /// An empty one.
    pub fn new(flow: &'static str) -> Region {
        Region { graph: Graph::new(flow), indexes: 0, views: Vec::new() }
    }

    /// Rows by a key, in the store under the table's name.
    pub fn table<K: RowKey, R: StoredRow>(
        &mut self,
        name: &'static str,
        key: impl Fn(&R) -> K + Send + 'static,
    ) -> TableRel<K, R> {
        let primary = self.next_index();
        TableRel(self.graph.add(name, table::Table::new(name, Box::new(key), primary)))
    }

    /// What the rows of a table can be found by beside its key. Each row has one entry in it.
    pub fn index<K: RowKey, R: StoredRow, I: RowKey>(
        &mut self,
        table: &TableRel<K, R>,
        name: &'static str,
        key: impl Fn(&R) -> I + Send + 'static,
    ) -> Index<I, R> {
        let id = self.next_index();
        table_of(&self.graph, table.0).index(name, id, Box::new(key));
        Index::new(Way::Index(id))
    }

    /// The table's key, where an index is asked for.
    pub fn primary<K: RowKey, R: StoredRow>(&self, table: &TableRel<K, R>) -> Index<K, R> {
        Index::new(Way::Index(table_of(&self.graph, table.0).primary()))
    }

    /// What finds all rows, under the key `()`: to aggregate without a key.
    pub fn whole<R>(&self) -> Index<(), R> {
        Index::new(Way::All)
    }

    fn next_index(&mut self) -> IndexId {
        self.indexes += 1;
        IndexId(self.indexes - 1)
    }

    /// The rows that a closure says yes to.
    pub fn filter<K: RowKey, V: RowValue>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        keeps: impl Fn(&V) -> bool + Send + 'static,
    ) -> Rel<K, V> {
        let (input, keeps) = (input.into(), Box::new(keeps));
        self.graph.add(name, Filter { id: self.graph.len(), input, keeps })
    }

    /// Another value for each row.
    pub fn map_values<K: RowKey, V: RowValue, W: RowValue>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        map: impl Fn(&V) -> W + Send + 'static,
    ) -> Rel<K, W> {
        let (input, map) = (input.into(), Box::new(map));
        self.graph.add(name, MapValues { id: self.graph.len(), input, map })
    }

    /// The rows by another key: `key` must answer what `index` has for the row of the table that the value is made of. Where
    /// a `join` lies between, that is the row of its left side if the table of the index lies above that, and else of its
    /// right side; below a `left_join` it is always that of the left side.
    pub fn rekey<K: RowKey, V: RowValue, I: RowKey, R>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        index: Index<I, R>,
        key: impl Fn(&V) -> I + Send + 'static,
    ) -> Rel<I, V> {
        let (input, key) = (input.into(), Box::new(key));
        self.graph.add(name, Rekey { input, index: index.way, key })
    }

    /// One result for the rows of each key; a key without rows has none.
    pub fn aggregate<K: RowKey, V: RowValue, S: Send + 'static, W: RowValue>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        functions: Functions<K, V, S, W>,
        keep: Keep,
    ) -> Rel<K, W> {
        self.graph.add(name, Aggregate::new(input.into(), functions, keep.budget))
    }

    /// Each pair of rows with the same key.
    pub fn join<K: RowKey, L: RowValue, R: RowValue>(
        &mut self,
        name: &'static str,
        left: impl Into<Rel<K, L>>,
        right: impl Into<Rel<K, R>>,
    ) -> Rel<K, (L, R)> {
        let (left, right) = (left.into(), right.into());
        self.graph.add(name, Join::<_, _, _, Inner> { id: self.graph.len(), left, right, kind: PhantomData })
    }

    /// The same, and each row of the left side whose key the right side does not have, with `None`.
    pub fn left_join<K: RowKey, L: RowValue, R: RowValue>(
        &mut self,
        name: &'static str,
        left: impl Into<Rel<K, L>>,
        right: impl Into<Rel<K, R>>,
    ) -> Rel<K, (L, Option<R>)> {
        let (left, right) = (left.into(), right.into());
        self.graph.add(name, Join::<_, _, _, Left> { id: self.graph.len(), left, right, kind: PhantomData })
    }

    /// The rows of several nodes together.
    pub fn merge<K: RowKey, V: RowValue>(&mut self, name: &'static str, inputs: Vec<Rel<K, V>>) -> Rel<K, V> {
        self.graph.add(name, Merge { inputs })
    }

    /// Each row of a key once.
    pub fn distinct<K: RowKey, V: RowValue>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        keep: Keep,
    ) -> Rel<K, V> {
        self.graph.add(name, Distinct::new(input.into(), keep.budget))
    }

    /// What readers see. With `max_rows`, a key for which more rows of tables would have to be read is not answered.
    pub fn view<K: RowKey, V: RowValue>(
        &mut self,
        name: &'static str,
        input: impl Into<Rel<K, V>>,
        keep: Keep,
        max_rows: Option<usize>,
    ) -> ViewRel<K, V> {
        let published = Arc::new(Published::new(name));
        self.views.push(published.clone());
        let view = view::View::new(name, input.into(), keep.budget, max_rows, published.clone());
        ViewRel { id: self.graph.add(name, view).id, name, published }
    }

    /// Starts the region's thread on a store. All that is remembered begins empty, and fills as it is asked for.
    ///
    /// An index that is new is filled beside what else is done: views that need it answer when it is whole. It is begun anew if
    /// the region ends before that.
    ///
    /// # Errors
    /// If what a node remembers could not be recomputed, if the store holds rows of another type, or if the thread could not
    /// be started.
    pub fn start(
        self,
        store: impl TableStore + 'static,
        settings: RegionSettings,
    ) -> Result<Running, RegionError> {
        let (mut engine, views) = self.engine(Box::new(store))?;
        engine.open(settings.epoch)?;
        let seen = views.clone().into();
        Ok(Running { commands: thread::start(engine, views)?, settings, seen })
    }

    /// Starts the region without a thread: what handles ask is done where they are polled. For simulations.
    pub(crate) fn start_here(
        self,
        store: impl TableStore + 'static,
        settings: RegionSettings,
    ) -> Result<Running, RegionError> {
        let (mut engine, views) = self.engine(Box::new(store))?;
        engine.open(settings.epoch)?;
        while engine.fills() {
            engine.fill();
        }
        let seen = views.clone().into();
        Ok(Running { commands: thread::here(engine, views), settings, seen })
    }

    pub(super) fn engine(
        self,
        store: Box<dyn TableStore>,
    ) -> Result<(Engine, Vec<Arc<dyn Closes>>), RegionError> {
        let graph = self.graph;
        for node in 0..graph.len() {
            for (input, way) in graph.part(node).needs() {
                if !graph.part(input).serves(&graph, way) {
                    let (flow, node, input) = (graph.flow, graph.name(node), graph.name(input));
                    return Err(RegionError::NoWay { flow, node, input });
                }
            }
        }
        Ok((Engine { graph, store, unfilled: None }, self.views))
    }
}

/// A region that runs. It ends when it is stopped, or when the last handle is dropped.
#[derive(Clone)]
pub struct Running {
    commands: Commands,
    settings: RegionSettings,
    seen: Arc<[Arc<dyn Closes>]>,
}

/// What can be seen of a region without keeping it running.
#[derive(Clone)]
pub(crate) struct Seen {
    views: Arc<[Arc<dyn Closes>]>,
    waiting: Arc<AtomicU64>,
}

impl Seen {
    /// What a view has been asked.
    pub(crate) fn stats(&self, view: &str) -> Option<ViewStats> {
        self.views.iter().find(|other| other.name() == view).map(|view| view.stats())
    }

    /// How many writes, replays and whatever else wait for the region's thread, or are under way there.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Running {
    /// A handle of a table.
    pub fn table<K: RowKey, R: StoredRow>(&self, table: TableRel<K, R>) -> Table<K, R> {
        Table { commands: self.commands.clone(), rel: table.0 }
    }

    /// A handle of a view.
    pub fn view<K: RowKey, V: RowValue>(&self, view: ViewRel<K, V>) -> View<K, V> {
        View { commands: self.commands.clone(), view, deadline: self.settings.deadline }
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen { views: self.seen.clone(), waiting: self.commands.waiting.clone() }
    }

    /// Waits until the indexes that were new at the start are whole, and those that were gone are emptied, or until it is
    /// known that they cannot be.
    pub async fn until_filled(&self) {
        // Where the region has ended there is nothing to wait for.
        self.commands.ask_when(None, |_| ()).await.unwrap_or_default();
    }

    /// Ends the region after what was sent to it before. What was acknowledged is in the store, and the store is closed,
    /// when this returns. Every call after it, of any handle, answers that the flow has ended; what is in memory can still
    /// be peeked at.
    pub async fn stop(&self) {
        self.commands.stop().await;
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("flow", &self.commands.flow).finish_non_exhaustive()
    }
}
