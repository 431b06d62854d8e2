//! What the region's thread does: each write, read and eviction to its end, one after the other.

use super::below::{evict, is_pinned};
use super::error::{PullError, ReadError, RegionError, WriteError};
use super::graph::{Cx, Graph, Rule};
use super::published::Rows;
use super::rel::{RowKey, RowValue};
use super::store::{StoreBatch, TableStore};
use super::table::Refused;
use super::view::view_of;
use crate::panic::{message, take_node};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How many victims of a node are passed over because something below them must stay.
const PASSES: usize = 32;

/// A write: what stages it in its tables.
pub(super) type Stage = Box<dyn FnOnce(&Cx<'_>) -> Result<(), Refused> + Send>;

pub(super) struct Engine {
    pub(super) graph: Graph,
    pub(super) store: Box<dyn TableStore>,
    /// Why an index could not be filled.
    pub(super) unfilled: Option<ReadError>,
}

/// Why something did not come to its end.
enum Failed {
    Pull(PullError),
    Panicked { node: &'static str, message: String },
}

impl Engine {
    fn cx(&self) -> Cx<'_> {
        Cx::new(&self.graph, &*self.store)
    }

    /// Makes the store that of the tables as they are declared, and as they were after an epoch.
    pub(super) fn open(&mut self, epoch: Option<u64>) -> Result<(), RegionError> {
        let store = &mut *self.store;
        let opened = self.graph.tables().try_for_each(|table| {
            table.open(store)?;
            table.go_on_from(store, epoch)
        });
        opened.map_err(|error| RegionError::Store { flow: self.graph.flow, error: Arc::new(error) })?;
        self.graph.ready();
        Ok(())
    }

    /// Whether there is more to fill.
    pub(super) fn fills(&self) -> bool {
        self.unfilled.is_none() && self.graph.tables().any(|table| !table.is_filled())
    }

    /// Fills some of an index.
    pub(super) fn fill(&mut self) {
        let store = &mut *self.store;
        let table = self.graph.tables().find(|table| !table.is_filled());
        let filled = catch_unwind(AssertUnwindSafe(|| table.map_or(Ok(false), |table| table.fill(store))));
        let failed = match filled {
            Ok(Ok(true)) => return self.graph.ready(),
            Ok(Ok(false)) => return,
            Ok(Err(error)) => Failed::Pull(error.into()),
            Err(payload) => {
                let node = take_node().map_or(self.graph.flow, |node| self.graph.name(node.into()));
                Failed::Panicked { node, message: message(&*payload) }
            }
        };
        let error = self.read_error(failed);
        tracing::error!("an index cannot be filled, and views that need it cannot be read: {error}");
        self.unfilled = Some(error);
    }

    /// Whether a read of a view can be answered, if only by an error; `None`: whether all can.
    pub(super) fn answers(&self, view: Option<usize>) -> bool {
        !self.fills() || view.is_some_and(|view| self.graph.is_ready(view))
    }

    /// Several writes in one batch of the store. A write that is refused is as if it had not been among them.
    pub(super) fn write(&mut self, stages: Vec<Stage>) -> Vec<Result<(), WriteError>> {
        let mut answers: Vec<Result<(), WriteError>> =
            stages.into_iter().map(|stage| self.stage(stage)).collect();
        if answers.iter().all(Result::is_err) {
            self.graph.tables().for_each(|table| table.forget());
        } else if let Err(error) = self.commit() {
            answers
                .iter_mut()
                .filter(|answer| answer.is_ok())
                .for_each(|answer| *answer = Err(error.clone()));
        }
        self.enforce();
        answers
    }

    fn stage(&self, stage: Stage) -> Result<(), WriteError> {
        let staged = self.guarded(|cx| match stage(cx) {
            Ok(()) => Ok(Ok(())),
            Err(Refused::Write(error)) => Ok(Err(error)),
            Err(Refused::Pull(error)) => Err(error),
        });
        let staged = staged.unwrap_or_else(|failed| Err(self.write_error(failed, false)));
        for table in self.graph.tables() {
            if staged.is_ok() { table.accept() } else { table.refuse() }
        }
        staged
    }

    /// Stores what is staged, and then leads it through the nodes.
    fn commit(&mut self) -> Result<(), WriteError> {
        let mut batch = StoreBatch::default();
        let staged = self.guarded(|cx| cx.graph.tables().try_for_each(|table| table.stage(&mut batch)));
        let stored = staged.and_then(|()| {
            if batch.is_empty() {
                Ok(())
            } else {
                self.store.write(batch).map_err(|error| Failed::Pull(error.into()))
            }
        });
        if let Err(failed) = stored {
            self.graph.tables().for_each(|table| table.forget());
            // Whether the store has it is not known, so nothing is that was computed from what it had.
            self.graph.let_all_go();
            return Err(self.write_error(failed, false));
        }
        let led = self.guarded(|cx| cx.graph.run(cx));
        self.graph.settle();
        self.graph.tables().for_each(|table| table.forget());
        led.map_err(|failed| {
            if !self.cx().breaks(Rule::LetGo) {
                self.graph.let_all_go();
            }
            self.write_error(failed, true)
        })
    }

    /// The rows of a view's key.
    pub(super) fn read<K: RowKey, V: RowValue>(&mut self, id: usize, key: &K) -> Result<Rows<V>, ReadError> {
        if let Some(error) = self.unfilled.as_ref().filter(|_| !self.graph.is_ready(id)) {
            return Err(error.clone());
        }
        let view = view_of::<K, V>(&self.graph, id);
        self.guarded(|cx| view.replay(&Cx::new(cx.graph, cx.store).at_most(view.max_rows()), key)).map_err(
            |failed| match failed {
                Failed::Pull(PullError::TooManyRows) => ReadError::TooManyRows {
                    view: view.name(),
                    max_rows: view.max_rows().unwrap_or_default(),
                },
                failed => self.read_error(failed),
            },
        )
    }

    /// Lets some of what could be put back in a table go: whether there is more.
    pub(super) fn let_go(&mut self, table: usize, through: u64) -> io::Result<bool> {
        let table = self.graph.part(table).table();
        table.map_or(Ok(false), |table| table.let_go(&mut *self.store, through))
    }

    /// Something that only looks at the tables.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Cx<'_>) -> Result<T, PullError>) -> Result<T, ReadError> {
        self.guarded(look).map_err(|failed| self.read_error(failed))
    }

    /// Makes a key a hole.
    pub(super) fn evict(&mut self, id: usize, key: &dyn Any) {
        if self.guarded(|cx| evict(cx, id, key)).is_err() {
            self.graph.let_all_go();
        }
    }

    /// Brings all states within their budgets, leaves first: what lies above a leaf may then go without it.
    pub(super) fn enforce(&mut self) {
        if self.guarded(within_budgets).is_err() {
            self.graph.let_all_go();
        }
    }

    /// Runs closures of users. One that panics while a key is recomputed leaves no state half changed: what was filled
    /// before is whole. Only a write changes what is there, so only a write lets everything go then.
    fn guarded<T>(&self, work: impl FnOnce(&Cx<'_>) -> Result<T, PullError>) -> Result<T, Failed> {
        let cx = self.cx();
        match catch_unwind(AssertUnwindSafe(|| work(&cx))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failed::Pull(error)),
            Err(payload) => {
                let node = take_node().map_or(self.graph.flow, |node| self.graph.name(node.into()));
                Err(Failed::Panicked { node, message: message(&*payload) })
            }
        }
    }

    fn write_error(&self, failed: Failed, stored: bool) -> WriteError {
        let flow = self.graph.flow;
        match failed {
            Failed::Panicked { node, message } => WriteError::Panicked { flow, node, message, stored },
            Failed::Pull(error) => WriteError::Store { flow, error: Arc::new(io_error(error)), stored },
        }
    }

    fn read_error(&self, failed: Failed) -> ReadError {
        let flow = self.graph.flow;
        match failed {
            Failed::Panicked { node, message } => ReadError::Panicked { flow, node, message },
            Failed::Pull(error) => ReadError::Store { flow, error: Arc::new(io_error(error)) },
        }
    }
}

fn io_error(error: PullError) -> io::Error {
    match error {
        PullError::Store(error) => error,
        PullError::TooManyRows => io::Error::other("a bound on rows where none was set"),
        PullError::NoWay => io::Error::other("a node was asked in a way that it does not know"),
    }
}

fn within_budgets(cx: &Cx<'_>) -> Result<(), PullError> {
    let pins = cx.graph.states().any(|(_, state)| state.has_pins());
    for (id, state) in cx.graph.states().rev() {
        let mut passed = 0;
        while state.over_budget() && passed < PASSES {
            let Some(key) = state.victim() else { break };
            if pins && is_pinned(cx, id, &*key)? {
                passed += 1;
            } else {
                evict(cx, id, &*key)?;
            }
        }
    }
    Ok(())
}
