//! Where a flow's tables are, its region while it is wired, and streams that lead into tables.

use super::shared::Shared;
use crate::connect::Sink;
use crate::error::{SinkError, StartError};
use crate::graph::Graph;
use crate::tables::{
    MemoryTables, Region, RegionError, RegionSettings, RowKey, Running, StoredRow, Table, TableStore,
};
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

/// Where tables are kept.
pub(super) enum TablesAt {
    /// Nobody has said: in memory, if nothing else of the flow is durable either.
    Unsaid,
    Directory(PathBuf),
    Store(Box<dyn TableStore>),
    /// In a store of a simulation, which has no thread for them.
    Simulated(Box<dyn TableStore>),
    /// None are to be opened.
    Nowhere,
}

impl TablesAt {
    /// Refuses what would lose tables in silence: a flow whose streams go on from where they were, and whose tables are empty.
    pub(super) fn check(&self, graph: &'static Graph, durable: bool) -> Result<(), StartError> {
        if durable && !graph.tables.is_empty() && matches!(self, TablesAt::Unsaid) {
            let what = "the flow is durable in a storage of its own, and nothing says where its tables are: give the builder a \
                        directory on a local disk with `.tables(path)`";
            return Err(StartError::Tables { flow: graph.flow, what: what.to_owned() });
        }
        Ok(())
    }
}

/// The region of a flow that is being wired.
pub(super) struct Regions {
    at: Option<TablesAt>,
    deadline: Option<Duration>,
    running: Option<Running>,
    /// Handles by name, as `Table` or `View` of the right types.
    handles: HashMap<&'static str, Box<dyn Any + Send>>,
}

impl Regions {
    pub(super) fn new(at: TablesAt, deadline: Option<Duration>) -> Self {
        Regions { at: Some(at), deadline, running: None, handles: HashMap::new() }
    }

    /// Opens the store and starts the region's thread; `None` if nothing is to run.
    pub(super) fn start(
        &mut self,
        region: Region,
        flow: &'static str,
        epoch: Option<u64>,
    ) -> Result<Option<Running>, StartError> {
        let refused = |what: String| StartError::Tables { flow, what };
        let settings = RegionSettings { deadline: self.deadline, epoch };
        let started = match self.at.take() {
            Some(TablesAt::Unsaid) => region.start(MemoryTables::new(), settings),
            Some(TablesAt::Store(store)) => region.start(store, settings),
            Some(TablesAt::Simulated(store)) => region.start_here(store, settings),
            Some(TablesAt::Directory(path)) => region.start(on_disk(path).map_err(refused)?, settings),
            Some(TablesAt::Nowhere) | None => return Ok(None),
        };
        let running = started.map_err(|error| refused(reason(&error)))?;
        self.running = Some(running.clone());
        Ok(Some(running))
    }

    pub(super) fn give(&mut self, name: &'static str, handle: Box<dyn Any + Send>) {
        self.handles.insert(name, handle);
    }

    pub(super) fn take<T: 'static>(&mut self, name: &str) -> Option<T> {
        self.handles.remove(name).and_then(|handle| handle.downcast().ok()).map(|handle| *handle)
    }

    pub(super) fn take_running(&mut self) -> Option<Running> {
        self.running.take()
    }
}

/// Why a region cannot start, without the flow, of which the start's own error speaks.
fn reason(error: &RegionError) -> String {
    match error {
        RegionError::NoWay { node, input, .. } => {
            format!("`{node}` needs the rows of `{input}` for one key, and there is no index that finds them")
        }
        RegionError::Store { error, .. } => format!("the store of its tables cannot be used: {error}"),
        RegionError::Thread { error, .. } => format!("the thread of its tables cannot be started: {error}"),
    }
}

/// Tells a region to stop, and does not wait for it.
pub(super) fn stop_soon(running: &Running) {
    // The first poll sends word.
    let _ = pin!(running.stop()).as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// A directory `path/tables` of a durable flow, or one of the user's choice.
#[cfg(feature = "tables")]
fn on_disk(path: PathBuf) -> Result<Box<dyn TableStore>, String> {
    let opened = std::fs::create_dir_all(&path).and_then(|()| crate::tables::FjallTables::open(&path));
    match opened {
        Ok(store) => Ok(Box::new(store)),
        Err(error) => Err(format!("its tables in `{}` cannot be opened: {error}", path.display())),
    }
}

#[cfg(not(feature = "tables"))]
fn on_disk(path: PathBuf) -> Result<Box<dyn TableStore>, String> {
    let path = path.display();
    Err(format!(
        "its tables are to be in `{path}`, and psdf was built without its feature `tables`: enable it in Cargo.toml"
    ))
}

/// Upserts what a stream leads into a table. In a durable flow the rows of an epoch that is not committed are put back at a
/// restart.
pub(super) struct IntoTable<K, R> {
    pub(super) table: Table<K, R>,
    pub(super) shared: Arc<Shared>,
    /// In a durable flow: the last epoch that is over for the stream.
    pub(super) over: Option<u64>,
    /// The epochs that are committed and kept, from any of which the flow may have to go on, the oldest first.
    pub(super) committed: VecDeque<u64>,
    /// How many of them there are.
    pub(super) kept: usize,
}

impl<K: RowKey, R: StoredRow> IntoTable<K, R> {
    fn failed(&self, error: impl Display) -> SinkError {
        SinkError::new(format!("flow `{}`: {error}", self.shared.graph.flow))
    }
}

impl<K: RowKey, R: StoredRow> Sink for IntoTable<K, R> {
    type Item = R;

    async fn write(&mut self, rows: Vec<R>) -> Result<(), SinkError> {
        self.table.feed(rows, self.over).await.map_err(|error| self.failed(error))
    }

    async fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, SinkError> {
        // The rows are in the store since they were written.
        self.over = self.over.map(|_| epoch);
        Ok(Vec::new())
    }

    async fn commit(&mut self, epoch: u64, _: Vec<u8>) -> Result<(), SinkError> {
        if self.over.is_none() {
            return Ok(());
        }
        self.committed.push_back(epoch);
        if self.committed.len() > self.kept {
            self.committed.pop_front();
        }
        let oldest = self.committed.front().copied().unwrap_or(epoch);
        self.table.settle(oldest).await.map_err(|error| self.failed(error))
    }

    fn is_transactional(&self) -> bool {
        self.over.is_some()
    }
}
