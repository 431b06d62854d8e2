//! A table meets what it was when it was last open: other rows are refused, and a new index is filled.
//!
//! What it was lies beside its rows: `TABLE 0 's'`, as postcard writes [`Declared`].

use super::store::{StoreBatch, TableStore};
use crate::checkpoint::shape;
use serde::{Deserialize, Serialize};
use std::io;

/// How many entries are written or deleted at once.
const PAGE: usize = 1000;

/// What of a table's declaration its store depends on: how its types are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) row: String,
    pub(super) key: String,
    pub(super) indexes: Vec<DeclaredIndex>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DeclaredIndex {
    pub(super) name: String,
    pub(super) key: String,
}

impl DeclaredIndex {
    fn is(&self, other: &DeclaredIndex) -> bool {
        self.name == other.name && shape::same(&self.key, &other.key)
    }
}

/// What the store has of a table.
pub(super) struct Stored<'a> {
    pub(super) name: &'static str,
    pub(super) rows: &'a [u8],
    /// Where the entries of an index begin.
    pub(super) index: &'a dyn Fn(&str) -> Vec<u8>,
    /// The entry of a row, of which key and value in the store are given, in an index.
    pub(super) entry: &'a Entry<'a>,
}

type Entry<'a> = dyn Fn(&str, &[u8], &[u8]) -> io::Result<Vec<u8>> + 'a;

impl Stored<'_> {
    /// Makes the store that of the declaration.
    ///
    /// An index is known to the store only while it is whole: a crash on the way leaves it to the next start.
    pub(super) fn open(&self, store: &mut dyn TableStore, declared: &Declared) -> io::Result<()> {
        let Some(known) = self.known(store)? else { return self.remember(store, declared) };
        self.refuse("rows", &known.row, &declared.row)?;
        self.refuse("keys", &known.key, &declared.key)?;
        let is_in =
            |indexes: &[DeclaredIndex], index: &DeclaredIndex| indexes.iter().any(|other| other.is(index));
        let mut whole = known.clone();
        whole.indexes.retain(|index| is_in(&declared.indexes, index));
        if whole != known {
            self.remember(store, &whole)?;
        }
        let gone = known.indexes.iter().filter(|index| !is_in(&declared.indexes, index));
        let new: Vec<_> = declared.indexes.iter().filter(|index| !is_in(&known.indexes, index)).collect();
        for index in gone.chain(new.iter().copied()) {
            self.clear(store, &index.name)?;
        }
        for index in new {
            self.fill(store, &index.name)?;
        }
        if whole == *declared { Ok(()) } else { self.remember(store, declared) }
    }

    fn refuse(&self, what: &str, known: &str, declared: &str) -> io::Result<()> {
        if shape::same(known, declared) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "the {what} of table `{}` are stored as `{known}`, and this version of the flow declares `{declared}`; give the \
             table another name and move what it holds",
            self.name
        )))
    }

    fn known(&self, store: &dyn TableStore) -> io::Result<Option<Declared>> {
        let damaged = |error| format!("what the store says of table `{}` cannot be read: {error}", self.name);
        let read =
            |bytes: Vec<u8>| postcard::from_bytes(&bytes).map_err(|error| io::Error::other(damaged(error)));
        store.get(&self.place())?.map(read).transpose()
    }

    fn remember(&self, store: &mut dyn TableStore, declared: &Declared) -> io::Result<()> {
        let bytes = postcard::to_stdvec(declared).map_err(io::Error::other)?;
        store.write(StoreBatch { puts: vec![(self.place(), bytes)], deletes: Vec::new() })
    }

    fn place(&self) -> Vec<u8> {
        [self.name.as_bytes(), b"\0s"].concat()
    }

    fn clear(&self, store: &mut dyn TableStore, index: &str) -> io::Result<()> {
        loop {
            let entries = store.scan(&(self.index)(index), None, PAGE)?;
            if entries.is_empty() {
                return Ok(());
            }
            let deletes = entries.into_iter().map(|(entry, _)| entry).collect();
            store.write(StoreBatch { puts: Vec::new(), deletes })?;
        }
    }

    fn fill(&self, store: &mut dyn TableStore, index: &str) -> io::Result<()> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = store.scan(self.rows, after.as_deref(), PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(last.clone());
            let entry = |(key, row): &(Vec<u8>, Vec<u8>)| Ok(((self.entry)(index, key, row)?, Vec::new()));
            let puts = rows.iter().map(entry).collect::<io::Result<_>>()?;
            store.write(StoreBatch { puts, deletes: Vec::new() })?;
        }
    }
}
