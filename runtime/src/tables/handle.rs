//! What a service holds of a region: tables to write to, views to read.

use super::engine::Engine;
use super::error::{ReadError, WriteError};
use super::published::Rows;
use super::region::ViewRel;
use super::rel::{Rel, RowKey, RowValue, StoredRow, Way};
use super::stats::ViewStats;
use super::table::{Refused, table_of};
use super::thread::Commands;
use super::undo::Writer;
use super::view::view_of;
use super::waiters::Waiting;
use super::write_batch::WriteBatch;
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// A table: rows by key, in the store.
///
/// When a write returns, it is durable, and every read that begins then shows it: of this table and of each view below it.
/// Writes that wait at the same time share one sync of the store. A clone is the same table.
///
/// # Cancel safety
/// A write whose future is dropped may still be done, whole.
pub struct Table<K, R> {
    pub(super) commands: Commands,
    pub(super) rel: Rel<K, R>,
}

impl<K: RowKey, R: StoredRow> Table<K, R> {
    /// Adds a row.
    ///
    /// # Errors
    /// [`WriteError::Exists`] if there is one with its key. For the others see [`WriteError`].
    pub async fn insert(&self, row: R) -> Result<(), WriteError> {
        let rel = self.rel;
        self.commands.write(Box::new(move |cx| table_of(cx.graph, rel).insert(cx, row))).await
    }

    /// Adds a row, or puts it in the place of the one with its key.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn upsert(&self, row: R) -> Result<(), WriteError> {
        let rel = self.rel;
        self.commands
            .write(Box::new(move |cx| table_of(cx.graph, rel).upsert(cx, Writer::Service, row)))
            .await
    }

    /// Upserts rows of a stream, for which an epoch is over in a durable flow: what they replace is put back if the flow goes
    /// on from there.
    pub(crate) async fn feed(&self, rows: Vec<R>, after: Option<u64>) -> Result<(), WriteError> {
        let (rel, by) = (self.rel, after.map_or(Writer::Stream, Writer::StreamAfter));
        let stage = move |cx: &super::graph::Cx<'_>| {
            rows.into_iter().try_for_each(|row| table_of(cx.graph, rel).upsert(cx, by, row))
        };
        self.commands.write(Box::new(stage)).await
    }

    /// What streams have written up to an epoch stands: nothing of it is put back any more.
    pub(crate) async fn settle(&self, through: u64) -> io::Result<()> {
        let id = self.rel.id;
        // Others come between the pages.
        while self.commands.ask(move |engine| engine.let_go(id, through)).await.unwrap_or(Ok(false))? {}
        Ok(())
    }

    /// Changes the row with a key. No other write comes between what the closure reads and what it leaves, so it is to be
    /// short: writes wait for it. It must not change the key.
    ///
    /// # Errors
    /// [`WriteError::Missing`] if there is no such row. For the others see [`WriteError`].
    pub async fn update(
        &self,
        key: K,
        change: impl FnOnce(&mut R) + Send + 'static,
    ) -> Result<(), WriteError> {
        let rel = self.rel;
        self.commands.write(Box::new(move |cx| table_of(cx.graph, rel).update(cx, key, change))).await
    }

    /// Takes the row with a key away: whether there was one.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn delete(&self, key: K) -> Result<bool, WriteError> {
        let rel = self.rel;
        let (sender, mut there) = tokio::sync::oneshot::channel();
        let stage = move |cx: &super::graph::Cx<'_>| {
            // Who deletes may have gone meanwhile.
            let _ = sender.send(table_of(cx.graph, rel).delete(cx, key)?);
            Ok::<(), Refused>(())
        };
        self.commands.write(Box::new(stage)).await?;
        Ok(there.try_recv().unwrap_or(false))
    }

    /// The row with a key.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn get(&self, key: K) -> Result<Option<R>, ReadError> {
        let rel = self.rel;
        let rows = self.commands.ask(move |engine| engine.look(|cx| cx.values(rel, &key))).await;
        let rows = rows.unwrap_or(Err(ReadError::Stopped { flow: self.commands.flow }))?;
        Ok(rows.into_iter().next())
    }

    /// All rows, in the order of their keys. They are all in memory then: this is for small tables and for tests.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn all(&self) -> Result<Vec<R>, ReadError> {
        let rel = self.rel;
        let rows = self.commands.ask(move |engine| engine.look(|cx| cx.pull(rel, Way::All, &()))).await;
        let rows = rows.unwrap_or(Err(ReadError::Stopped { flow: self.commands.flow }))?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Writes a batch, which may be over other tables of the flow, too: the same as [`WriteBatch::commit`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write_batch(&self, batch: WriteBatch) -> Result<(), WriteError> {
        batch.commit().await
    }
}

impl<K, R> Clone for Table<K, R> {
    fn clone(&self) -> Self {
        Table { commands: self.commands.clone(), rel: self.rel }
    }
}

impl<K, R> fmt::Debug for Table<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("flow", &self.commands.flow).finish_non_exhaustive()
    }
}

/// What is in memory for a key.
#[derive(Clone, Debug)]
pub enum Peek<V> {
    /// Its rows.
    Rows(Rows<V>),
    /// It is known to have no rows.
    Empty,
    /// Nothing: `get` recomputes it.
    Miss,
}

/// A view: rows by key, some of them in memory, the others recomputed when they are asked for.
///
/// A read that begins after a write was acknowledged shows it. A clone is the same view.
pub struct View<K, V> {
    pub(super) commands: Commands,
    pub(super) view: ViewRel<K, V>,
    pub(super) deadline: Option<Duration>,
}

impl<K: RowKey, V: RowValue> View<K, V> {
    /// What is in memory for a key. It waits for nobody.
    pub fn peek(&self, key: &K) -> Peek<V> {
        match self.view.published.read(key) {
            Some(rows) if rows.is_empty() => Peek::Empty,
            Some(rows) => Peek::Rows(rows),
            None => Peek::Miss,
        }
    }

    /// The rows of a key, in no order: from memory, or recomputed, which is done once however many wait for it.
    ///
    /// It waits as long as the flow's settings say. What is in memory is answered at once; after many answers in a row a task
    /// lets others run, as it does with tokio's own channels.
    ///
    /// # Errors
    /// See [`ReadError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the key is recomputed all the same.
    ///
    /// # Panics
    /// If there is a deadline and no tokio runtime with a timer.
    pub async fn get(&self, key: &K) -> Result<Rows<V>, ReadError> {
        match self.deadline {
            Some(deadline) => self.get_within(key, deadline).await,
            None => self.read(key).await,
        }
    }

    /// The same, and it waits no longer than that.
    ///
    /// # Errors
    /// [`ReadError::Deadline`] if there is no answer by then. For the others see [`ReadError`].
    ///
    /// # Panics
    /// If there is no tokio runtime with a timer.
    pub async fn get_within(&self, key: &K, deadline: Duration) -> Result<Rows<V>, ReadError> {
        let late = |_| ReadError::Deadline { view: self.view.name, waited: deadline };
        tokio::time::timeout(deadline, self.read(key)).await.map_err(late)?
    }

    /// The rows of several keys, each as it was at some moment of the call, in the order of the keys.
    ///
    /// # Errors
    /// The first that one of the keys has. See [`ReadError`].
    pub async fn get_many(&self, keys: &[K]) -> Result<Vec<Rows<V>>, ReadError> {
        let asked: Vec<_> = keys.iter().map(|key| self.begin(key)).collect();
        let all = async {
            let mut rows = Vec::with_capacity(asked.len());
            for asked in asked {
                rows.push(self.end(asked).await?);
            }
            Ok(rows)
        };
        match self.deadline {
            None => all.await,
            Some(deadline) => {
                let late = |_| ReadError::Deadline { view: self.view.name, waited: deadline };
                tokio::time::timeout(deadline, all).await.map_err(late)?
            }
        }
    }

    /// Brings a key into memory, where it stays whatever the budget.
    ///
    /// # Errors
    /// See [`ReadError`]. The key is not pinned then.
    pub async fn pin(&self, key: K) -> Result<(), ReadError> {
        let id = self.view.id;
        let pinned = self.commands.ask_when(Some(id), move |engine| {
            engine.read::<K, V>(id, &key)?;
            view_of::<K, V>(&engine.graph, id).pin(key);
            Ok(())
        });
        pinned.await.unwrap_or(Err(ReadError::Stopped { flow: self.commands.flow }))
    }

    /// Lets a pinned key go when there is no room for it.
    pub async fn unpin(&self, key: K) {
        let id = self.view.id;
        let unpinned = self.commands.ask(move |engine| {
            view_of::<K, V>(&engine.graph, id).unpin(&key);
            engine.enforce();
        });
        // Where the flow has ended nothing is pinned.
        unpinned.await.unwrap_or_default();
    }

    /// Takes a key out of memory. It is recomputed when it is asked for.
    pub async fn evict(&self, key: K) {
        let id = self.view.id;
        // Where the flow has ended nothing needs room.
        self.commands.ask(move |engine| engine.evict(id, &key)).await.unwrap_or_default();
    }

    /// The keys whose rows change from now on, of those that are in memory then. To hear of a key whatever the budget,
    /// [`pin`](View::pin) it.
    pub fn changes(&self) -> Changes<K> {
        Changes(self.view.published.changes.subscribe())
    }

    /// What it has been asked, and what it holds.
    pub fn stats(&self) -> ViewStats {
        self.view.published.stats()
    }

    async fn read(&self, key: &K) -> Result<Rows<V>, ReadError> {
        // A task that reads in a loop would otherwise keep its thread to itself, timers and all.
        tokio::task::coop::consume_budget().await;
        let asked = self.begin(key);
        self.end(asked).await
    }

    fn begin(&self, key: &K) -> Asked<V> {
        if let Some(rows) = self.view.published.read(key) {
            return Asked::Answered(rows);
        }
        match self.view.published.waiters.wait(key) {
            Waiting::Behind(answer) => Asked::Waits(answer),
            Waiting::Closed => Asked::Stopped,
            Waiting::First(answer) => {
                self.replay(key.clone());
                Asked::Waits(answer)
            }
        }
    }

    async fn end(&self, asked: Asked<V>) -> Result<Rows<V>, ReadError> {
        let stopped = || ReadError::Stopped { flow: self.commands.flow };
        match asked {
            Asked::Answered(rows) => Ok(rows),
            Asked::Waits(answer) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Asked::Stopped => Err(stopped()),
        }
    }

    fn replay(&self, key: K) {
        let (id, published) = (self.view.id, self.view.published.clone());
        // If the thread has ended, closing the view answers who waits.
        let replay = Box::new(move |engine: &mut Engine| {
            let answer = engine.read(id, &key);
            published.waiters.answer(&key, &answer);
            engine.enforce();
        });
        self.commands.work_when(id, replay);
    }
}

/// A read that has been asked for.
enum Asked<V> {
    Answered(Rows<V>),
    Waits(tokio::sync::oneshot::Receiver<Result<Rows<V>, ReadError>>),
    Stopped,
}

impl<K, V> Clone for View<K, V> {
    fn clone(&self) -> Self {
        View { commands: self.commands.clone(), view: self.view.clone(), deadline: self.deadline }
    }
}

impl<K, V> fmt::Debug for View<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.view.name).finish()
    }
}

/// The keys of a view whose rows change, in the order of the writes.
#[derive(Debug)]
pub struct Changes<K>(broadcast::Receiver<K>);

/// A key whose rows have changed, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<K> {
    /// The rows of this key.
    Key(K),
    /// Those of so many, because nobody looked for too long: any key may be among them.
    Missed(u64),
}

impl<K: Clone> Changes<K> {
    /// The next one; `None` when the flow has ended and all handles of the view are gone.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Change<K>> {
        match self.0.recv().await {
            Ok(key) => Some(Change::Key(key)),
            Err(RecvError::Lagged(keys)) => Some(Change::Missed(keys)),
            Err(RecvError::Closed) => None,
        }
    }
}
