//! Several writes as one.

use super::error::WriteError;
use super::graph::Cx;
use super::handle::Table;
use super::rel::{Rel, RowKey, StoredRow};
use super::table::{Refused, table_of};
use super::thread::Commands;
use super::undo::Writer;
use std::fmt;

type Step = Box<dyn FnOnce(&Cx<'_>) -> Result<(), Refused> + Send>;

/// Writes to tables of one flow, of which all are done or none.
#[derive(Default)]
pub struct WriteBatch {
    commands: Option<Commands>,
    steps: Vec<Step>,
    refused: bool,
}

impl WriteBatch {
    /// An empty one.
    pub fn new() -> WriteBatch {
        WriteBatch::default()
    }

    /// Adds a row. If there is one with its key, nothing of the batch is done.
    pub fn insert<K: RowKey, R: StoredRow>(&mut self, table: &Table<K, R>, row: R) -> &mut WriteBatch {
        self.step(table, move |cx, rel| table_of(cx.graph, rel).insert(cx, row))
    }

    /// Adds a row, or puts it in the place of the one with its key.
    pub fn upsert<K: RowKey, R: StoredRow>(&mut self, table: &Table<K, R>, row: R) -> &mut WriteBatch {
        self.step(table, move |cx, rel| table_of(cx.graph, rel).upsert(cx, Writer::Service, row))
    }

    /// Changes the row with a key. If there is none, nothing of the batch is done.
    pub fn update<K: RowKey, R: StoredRow>(
        &mut self,
        table: &Table<K, R>,
        key: K,
        change: impl FnOnce(&mut R) + Send + 'static,
    ) -> &mut WriteBatch {
        self.step(table, move |cx, rel| table_of(cx.graph, rel).update(cx, key, change))
    }

    /// Takes the row with a key away, if there is one.
    pub fn delete<K: RowKey, R: StoredRow>(&mut self, table: &Table<K, R>, key: K) -> &mut WriteBatch {
        self.step(table, move |cx, rel| table_of(cx.graph, rel).delete(cx, key).map(drop))
    }

    fn step<K: RowKey, R: StoredRow>(
        &mut self,
        table: &Table<K, R>,
        step: impl FnOnce(&Cx<'_>, Rel<K, R>) -> Result<(), Refused> + Send + 'static,
    ) -> &mut WriteBatch {
        let commands = self.commands.get_or_insert_with(|| table.commands.clone());
        self.refused |= !commands.is_same(&table.commands);
        let rel = table.rel;
        self.steps.push(Box::new(move |cx| step(cx, rel)));
        self
    }

    /// Does it. What was added later sees what was added before. It is durable, and visible to every read that begins
    /// then, when this returns.
    ///
    /// # Errors
    /// [`WriteError::OtherFlow`] if the tables are not of one flow; what one of the writes answers; what else can go wrong
    /// with any ([`WriteError`]).
    pub async fn commit(self) -> Result<(), WriteError> {
        let Some(commands) = self.commands else { return Ok(()) };
        if self.refused {
            return Err(WriteError::OtherFlow { flow: commands.flow });
        }
        let steps = self.steps;
        commands.write(Box::new(move |cx| steps.into_iter().try_for_each(|step| step(cx)))).await
    }
}

impl fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBatch").field("writes", &self.steps.len()).finish_non_exhaustive()
    }
}
