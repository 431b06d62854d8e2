//! A table that streams of a durable flow lead into meets the epochs of the flow.

use super::rel::{RowKey, StoredRow};
use super::store::{StoreBatch, TableStore};
use super::table::Table;
use super::undo::before;
use std::io;

/// How many rows are put back, or let go, at once.
const PAGE: usize = 4096;

impl<K: RowKey, R: StoredRow> Table<K, R> {
    /// Puts back what streams had written after the epoch that they go on from; without one, nothing is put back any more.
    ///
    /// The last epoch comes first, so a crash on the way leaves the table as it was after some epoch in between.
    pub(super) fn go_on_from(&self, store: &mut dyn TableStore, epoch: Option<u64>) -> io::Result<()> {
        let mut open = self.undo.epochs(store)?;
        let undone = epoch.map_or(0, |epoch| open.partition_point(|&other| other < epoch));
        let mut rows = 0;
        for after in open.split_off(undone).into_iter().rev() {
            let prefix = self.undo.epoch(after);
            let mut cursor: Option<Vec<u8>> = None;
            loop {
                let entries = store.scan(&prefix, cursor.as_deref(), PAGE)?;
                let Some((last, _)) = entries.last() else { break };
                cursor = Some(last.clone());
                rows += entries.len();
                let mut batch = StoreBatch::default();
                for (entry, value) in entries {
                    if epoch.is_some() {
                        self.put_back(store, &entry, value, &mut batch)?;
                    }
                    batch.deletes.push(entry);
                }
                store.write(batch)?;
            }
        }
        if let Some(epoch) = epoch.filter(|_| rows > 0) {
            tracing::info!(
                table = self.name(),
                rows,
                epoch,
                "put back what streams had written after the epoch"
            );
        }
        self.open.borrow_mut().extend(open);
        Ok(())
    }

    fn put_back(
        &self,
        store: &dyn TableStore,
        entry: &[u8],
        value: Vec<u8>,
        batch: &mut StoreBatch,
    ) -> io::Result<()> {
        let decode = |bytes: Option<Vec<u8>>| bytes.map(|bytes| self.decode(&bytes)).transpose();
        let row_key = self.place_of(self.undo.key(entry));
        let (now, before) = (decode(store.get(&row_key)?)?, decode(before(value)?)?);
        self.replace(row_key, now.as_ref(), before.as_ref(), batch)
    }

    /// Lets some of what could be put back go, of what was written in epochs up to this one: whether there is more.
    pub(super) fn let_go(&self, store: &mut dyn TableStore, through: u64) -> io::Result<bool> {
        let mut open = self.open.borrow_mut();
        let Some(first) = open.first().copied().filter(|&first| first < through) else { return Ok(false) };
        // From where the last page ended: what was deleted before is not looked through again.
        let mut cursor = self.let_go_to.borrow_mut();
        let entries = store.scan(&self.undo.epoch(first), cursor.as_deref(), PAGE)?;
        let is_last = entries.len() < PAGE;
        let last = entries.last().map(|(last, _)| last.clone());
        if last.is_some() {
            let deletes = entries.into_iter().map(|(entry, _)| entry).collect();
            store.write(StoreBatch { puts: Vec::new(), deletes })?;
        }
        if is_last {
            open.remove(&first);
        }
        *cursor = last.filter(|_| !is_last);
        Ok(!open.is_empty())
    }
}
