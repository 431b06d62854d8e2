//! `table`: rows in the store, by key and by index, and what a group of writes is about to change in them.

use super::encode::encode;
use super::error::{PullError, WriteError};
use super::graph::{AnyKey, Cx, Graph, Operator, Part};
use super::opened::{Declared, DeclaredIndex, Filling, Stored};
use super::rel::{Delta, IndexId, Rel, RowKey, StoredRow, Way};
use super::store::{StoreBatch, TableStore};
use super::undo::{Bytes, Place, Undo, Writer};
use crate::checkpoint::shape::shape_of;
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How many index entries are read at once.
const PAGE: usize = 256;

pub(super) struct Table<K, R> {
    name: &'static str,
    key: Box<dyn Fn(&R) -> K + Send>,
    /// The key, where it stands for an index.
    primary: IndexId,
    rows: Vec<u8>,
    indexes: RefCell<Vec<IndexOf<R>>>,
    pending: RefCell<Pending<K, R>>,
    pub(super) undo: Place,
    /// The epochs of which there may be something to put back.
    pub(super) open: RefCell<BTreeSet<u64>>,
    /// Up to where that is let go, in the first of them.
    pub(super) let_go_to: RefCell<Option<Vec<u8>>>,
    filling: RefCell<Filling>,
}

struct IndexOf<R> {
    id: IndexId,
    name: String,
    /// How its keys are written.
    shape: fn() -> String,
    prefix: Vec<u8>,
    key: Box<dyn Fn(&R) -> AnyKey + Send>,
    encode: fn(&dyn Any, &mut Vec<u8>) -> io::Result<()>,
}

/// Writes that are not in the store yet.
struct Pending<K, R> {
    changes: BTreeMap<K, Change<R>>,
    /// What the write that is being staged has replaced in `changes`, to undo it.
    journal: Vec<(K, Option<Change<R>>)>,
}

#[derive(Clone)]
struct Change<R> {
    before: Option<R>,
    after: Option<R>,
    undo: Undo,
}

/// A table with writes that are not in the store yet.
pub(super) trait Staged {
    /// Makes the store that of the table as it is declared.
    fn open(&self, store: &mut dyn TableStore) -> io::Result<()>;
    /// Whether no index is still to be filled or emptied.
    fn is_filled(&self) -> bool;
    /// Fills or empties some of an index: whether one became whole.
    fn fill(&self, store: &mut dyn TableStore) -> io::Result<bool>;
    /// Whether the index is one of the table's that is not whole yet.
    fn lacks(&self, index: IndexId) -> bool;
    /// The write that was being staged stands.
    fn accept(&self);
    /// The write that was being staged is as if it had never been.
    fn refuse(&self);
    /// Adds to the batch what has been staged.
    fn stage(&self, batch: &mut StoreBatch) -> Result<(), PullError>;
    /// Forgets what has been staged.
    fn forget(&self);
    /// Puts back what streams had written after the epoch that they go on from; without one, nothing is put back any more.
    fn go_on_from(&self, store: &mut dyn TableStore, epoch: Option<u64>) -> io::Result<()>;
    /// Lets some of what could be put back go, of streams' rows of epochs up to this one: whether there is more.
    fn let_go(&self, store: &mut dyn TableStore, through: u64) -> io::Result<bool>;
}

impl<K: RowKey, R: StoredRow> Table<K, R> {
    pub(super) fn new(name: &'static str, key: Box<dyn Fn(&R) -> K + Send>, primary: IndexId) -> Self {
        let rows = [name.as_bytes(), b"\0r"].concat();
        let pending = Pending { changes: BTreeMap::new(), journal: Vec::new() };
        Table {
            name,
            key,
            primary,
            rows,
            indexes: RefCell::default(),
            pending: RefCell::new(pending),
            undo: Place::new(name),
            open: RefCell::default(),
            let_go_to: RefCell::default(),
            filling: RefCell::default(),
        }
    }

    pub(super) fn index<I: RowKey>(&self, name: &str, id: IndexId, key: Box<dyn Fn(&R) -> I + Send>) {
        let index = IndexOf {
            id,
            name: name.to_owned(),
            shape: shape_of::<I>,
            prefix: self.index_prefix(name),
            key: Box::new(move |row| Box::new(key(row))),
            encode: |key, to| key.downcast_ref::<I>().map_or(Ok(()), |key| encode(key, to)),
        };
        self.indexes.borrow_mut().push(index);
    }

    fn index_prefix(&self, name: &str) -> Vec<u8> {
        [self.name.as_bytes(), b"\0i", name.as_bytes(), b"\0"].concat()
    }

    pub(super) fn primary(&self) -> IndexId {
        self.primary
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn key_of(&self, row: &R) -> K {
        (self.key)(row)
    }

    /// The row with that key, as the writes that were staged leave it.
    fn current(&self, cx: &Cx<'_>, key: &K) -> Result<Option<R>, PullError> {
        if let Some(change) = self.pending.borrow().changes.get(key) {
            return Ok(change.after.clone());
        }
        self.stored(cx, key)
    }

    /// Stages what is to be there instead of what is. The closures of the indexes are called here, so that one that panics
    /// refuses this write and no other.
    fn set(&self, cx: &Cx<'_>, by: Writer, key: K, current: Option<R>, after: Option<R>) -> io::Result<()> {
        if let Some(row) = &after {
            self.indexes.borrow().iter().for_each(|index| drop((index.key)(row)));
        }
        let pending = &mut *self.pending.borrow_mut();
        let replaced = pending.changes.get(&key).cloned();
        let mut undo = match &replaced {
            Some(change) => change.undo.clone(),
            None => self.undo_of(cx, &key)?,
        };
        undo.write(by, || written(current.as_ref()), || written(after.as_ref()))?;
        let before = match &replaced {
            Some(change) => change.before.clone(),
            None => current,
        };
        pending.journal.push((key.clone(), replaced));
        pending.changes.insert(key, Change { before, after, undo });
        Ok(())
    }

    fn undo_of(&self, cx: &Cx<'_>, key: &K) -> io::Result<Undo> {
        let open = self.open.borrow();
        if open.is_empty() {
            return Ok(Undo::default());
        }
        Undo::read(cx.store, &self.undo, open.iter().copied(), &self.row_key(key)?[self.rows.len()..])
    }

    pub(super) fn insert(&self, cx: &Cx<'_>, row: R) -> Result<(), Refused> {
        let key = self.key_of(&row);
        if self.current(cx, &key)?.is_some() {
            return Err(WriteError::Exists { table: self.name }.into());
        }
        Ok(self.set(cx, Writer::Service, key, None, Some(row))?)
    }

    pub(super) fn upsert(&self, cx: &Cx<'_>, by: Writer, row: R) -> Result<(), Refused> {
        let key = self.key_of(&row);
        let current = self.current(cx, &key)?;
        Ok(self.set(cx, by, key, current, Some(row))?)
    }

    pub(super) fn update(&self, cx: &Cx<'_>, key: K, change: impl FnOnce(&mut R)) -> Result<(), Refused> {
        let Some(current) = self.current(cx, &key)? else {
            return Err(WriteError::Missing { table: self.name }.into());
        };
        let mut row = current.clone();
        change(&mut row);
        if self.key_of(&row) != key {
            return Err(WriteError::KeyChanged { table: self.name }.into());
        }
        Ok(self.set(cx, Writer::Service, key, Some(current), Some(row))?)
    }

    pub(super) fn delete(&self, cx: &Cx<'_>, key: K) -> Result<bool, Refused> {
        let current = self.current(cx, &key)?;
        let there = current.is_some();
        if there {
            self.set(cx, Writer::Service, key, current, None)?;
        }
        Ok(there)
    }

    fn row_key(&self, key: &K) -> io::Result<Vec<u8>> {
        let mut to = self.rows.clone();
        encode(key, &mut to)?;
        Ok(to)
    }

    fn stored(&self, cx: &Cx<'_>, key: &K) -> Result<Option<R>, PullError> {
        match cx.store.get(&self.row_key(key)?)? {
            Some(bytes) => Ok(Some(self.decode(&bytes)?)),
            None => Ok(None),
        }
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> io::Result<R> {
        let not_a_row = |error| format!("what is stored is no row of table `{}`: {error}", self.name);
        postcard::from_bytes(bytes).map_err(|error| io::Error::other(not_a_row(error)))
    }

    /// The rows of a way, in the order of the table's key.
    fn lookup(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<R>, PullError> {
        match way {
            Way::All => self.all(cx),
            Way::Index(id) if id != self.primary => self.by_index(cx, id, key),
            Way::Key | Way::Index(_) => {
                let key = key.downcast_ref().ok_or(PullError::NoWay)?;
                let row = self.stored(cx, key)?;
                row.iter().try_for_each(|_| cx.read_row())?;
                Ok(row.into_iter().collect())
            }
        }
    }

    fn all(&self, cx: &Cx<'_>) -> Result<Vec<R>, PullError> {
        let mut rows = Vec::new();
        pages(cx, &self.rows, |_, bytes| {
            cx.read_row()?;
            rows.push(self.decode(bytes)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn by_index(&self, cx: &Cx<'_>, id: IndexId, key: &dyn Any) -> Result<Vec<R>, PullError> {
        let indexes = self.indexes.borrow();
        let index = indexes.iter().find(|index| index.id == id).ok_or(PullError::NoWay)?;
        let mut prefix = index.prefix.clone();
        (index.encode)(key, &mut prefix)?;
        let mut rows = Vec::new();
        pages(cx, &prefix, |entry, _| {
            cx.read_row()?;
            let row = self.place_of(&entry[prefix.len()..]);
            let missing =
                || format!("an index of table `{}` has an entry for a row that is not there", self.name);
            let bytes = cx.store.get(&row)?.ok_or_else(|| io::Error::other(missing()))?;
            rows.push(self.decode(&bytes)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The entries of a row in the indexes.
    fn entries(&self, row: &R, row_key: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.indexes.borrow().iter().map(|index| self.entry(index, row, row_key)).collect()
    }

    fn entry(&self, index: &IndexOf<R>, row: &R, row_key: &[u8]) -> io::Result<Vec<u8>> {
        let mut entry = index.prefix.clone();
        (index.encode)(&*(index.key)(row), &mut entry)?;
        entry.extend(&row_key[self.rows.len()..]);
        Ok(entry)
    }

    /// Adds to a batch what makes one row of another, in the indexes too.
    pub(super) fn replace(
        &self,
        row_key: Vec<u8>,
        before: Option<&R>,
        after: Option<&R>,
        batch: &mut StoreBatch,
    ) -> io::Result<()> {
        let entries = |row: Option<&R>| row.map_or(Ok(Vec::new()), |row| self.entries(row, &row_key));
        let (gone, come) = (entries(before)?, entries(after)?);
        batch.deletes.extend(gone.iter().filter(|entry| !come.contains(entry)).cloned());
        let come = come.into_iter().filter(|entry| !gone.contains(entry));
        batch.puts.extend(come.map(|entry| (entry, Vec::new())));
        match written(after)? {
            Some(row) => batch.puts.push((row_key, row)),
            None if before.is_some() => batch.deletes.push(row_key),
            None => {}
        }
        Ok(())
    }

    /// Where the row with a key is, of which the bytes are given.
    pub(super) fn place_of(&self, key: &[u8]) -> Vec<u8> {
        [&self.rows, key].concat()
    }

    fn with_stored<T>(&self, work: impl FnOnce(&Stored<'_>) -> T) -> T {
        let entry = |name: &str, row_key: &[u8], row: &[u8]| {
            let indexes = self.indexes.borrow();
            let index = indexes.iter().find(|index| index.name == name);
            let index = index.ok_or_else(|| io::Error::other("an index is not declared"))?;
            self.entry(index, &self.decode(row)?, row_key)
        };
        let index = |name: &str| self.index_prefix(name);
        work(&Stored { name: self.name, rows: &self.rows, index: &index, entry: &entry })
    }

    fn declared(&self) -> Declared {
        let index = |index: &IndexOf<R>| DeclaredIndex { name: index.name.clone(), key: (index.shape)() };
        let indexes = self.indexes.borrow().iter().map(index).collect();
        Declared { row: shape_of::<R>(), key: shape_of::<K>(), indexes }
    }
}

/// A row as it is stored.
fn written<R: StoredRow>(row: Option<&R>) -> io::Result<Bytes> {
    row.map(|row| postcard::to_stdvec(row).map_err(io::Error::other)).transpose()
}

fn pages(
    cx: &Cx<'_>,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), PullError>,
) -> Result<(), PullError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = cx.store.scan(prefix, after.as_deref(), PAGE)?;
        for (key, value) in &page {
            visit(key, value)?;
        }
        match page.into_iter().nth(PAGE - 1) {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}

impl<K: RowKey, R: StoredRow> Staged for Table<K, R> {
    fn open(&self, store: &mut dyn TableStore) -> io::Result<()> {
        let filling = self.with_stored(|stored| stored.open(store, &self.declared()))?;
        self.filling.replace(filling);
        Ok(())
    }

    fn is_filled(&self) -> bool {
        self.filling.borrow().is_over()
    }

    fn fill(&self, store: &mut dyn TableStore) -> io::Result<bool> {
        let filling = &mut *self.filling.borrow_mut();
        Ok(self.with_stored(|stored| stored.fill_page(store, filling))?.is_some())
    }

    fn lacks(&self, id: IndexId) -> bool {
        let (indexes, filling) = (self.indexes.borrow(), self.filling.borrow());
        indexes.iter().any(|index| index.id == id && !filling.is_whole(&index.name))
    }

    fn accept(&self) {
        self.pending.borrow_mut().journal.clear();
    }

    fn refuse(&self) {
        let pending = &mut *self.pending.borrow_mut();
        for (key, replaced) in pending.journal.drain(..).rev() {
            match replaced {
                Some(change) => pending.changes.insert(key, change),
                None => pending.changes.remove(&key),
            };
        }
    }

    fn stage(&self, batch: &mut StoreBatch) -> Result<(), PullError> {
        let pending = self.pending.borrow();
        for (key, Change { before, after, undo }) in &pending.changes {
            let row_key = self.row_key(key)?;
            let (puts, deletes) = undo.changes(&self.undo, &row_key[self.rows.len()..]);
            for (epoch, entry, value) in puts {
                self.open.borrow_mut().insert(epoch);
                batch.puts.push((entry, value));
            }
            batch.deletes.extend(deletes);
            self.replace(row_key, before.as_ref(), after.as_ref(), batch)?;
        }
        Ok(())
    }

    fn forget(&self) {
        let pending = &mut *self.pending.borrow_mut();
        pending.changes.clear();
        pending.journal.clear();
    }

    fn go_on_from(&self, store: &mut dyn TableStore, epoch: Option<u64>) -> io::Result<()> {
        Table::go_on_from(self, store, epoch)
    }

    fn let_go(&self, store: &mut dyn TableStore, through: u64) -> io::Result<bool> {
        Table::let_go(self, store, through)
    }
}

impl<K: RowKey, R: StoredRow> Operator<K, R> for Table<K, R> {
    fn change(&self, _: &Cx<'_>) -> Result<Vec<Delta<K, R>>, PullError> {
        let changes = std::mem::take(&mut self.pending.borrow_mut().changes);
        let mut deltas = Vec::new();
        for (key, Change { before, after, .. }) in changes {
            if before != after {
                deltas.extend(before.map(|value| Delta { key: key.clone(), value, diff: -1 }));
                deltas.extend(after.map(|value| Delta { key, value, diff: 1 }));
            }
        }
        Ok(deltas)
    }

    fn pull(&self, cx: &Cx<'_>, way: Way, key: &dyn Any) -> Result<Vec<(K, R)>, PullError> {
        let rows = self.lookup(cx, way, key)?;
        Ok(rows.into_iter().map(|row| (self.key_of(&row), row)).collect())
    }
}

impl<K: RowKey, R: StoredRow> Part for Table<K, R> {
    fn inputs(&self) -> Vec<usize> {
        Vec::new()
    }

    fn serves(&self, _: &Graph, way: Way) -> bool {
        match way {
            Way::Key | Way::All => true,
            Way::Index(id) => id == self.primary || self.indexes.borrow().iter().any(|index| index.id == id),
        }
    }

    fn origins(&self, cx: &Cx<'_>, way: Way, key: &dyn Any, index: Way) -> Result<Vec<AnyKey>, PullError> {
        let rows = self.lookup(cx, way, key)?;
        match index {
            Way::All => Ok(vec![Box::new(())]),
            Way::Index(id) if id != self.primary => {
                let indexes = self.indexes.borrow();
                let index = indexes.iter().find(|index| index.id == id).ok_or(PullError::NoWay)?;
                Ok(rows.iter().map(|row| (index.key)(row)).collect())
            }
            Way::Key | Way::Index(_) => {
                Ok(rows.iter().map(|row| Box::new(self.key_of(row)) as AnyKey).collect())
            }
        }
    }

    fn table(&self) -> Option<&dyn Staged> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Why a write was not staged.
#[derive(Debug)]
pub(super) enum Refused {
    Write(WriteError),
    Pull(PullError),
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Refused::Write(error)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Pull(error.into())
    }
}

impl From<PullError> for Refused {
    fn from(error: PullError) -> Self {
        Refused::Pull(error)
    }
}

/// The table of a `Rel`.
pub(super) fn table_of<K: RowKey, R: StoredRow>(graph: &Graph, rel: Rel<K, R>) -> &Table<K, R> {
    let table = graph.part(rel.id).as_any().downcast_ref();
    table.expect("a `TableRel` has the types of the table that it was made for")
}
