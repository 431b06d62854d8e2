//! A table meets what it was when it was last open: other rows are refused, and a new index is filled, a page at a time between
//! what else the region's thread has to do. Writes keep it up to date meanwhile; what looks rows up by it waits until it is whole.
//!
//! What it was lies beside its rows: `TABLE 0 's'`, as postcard writes [`Declared`].

use super::store::{StoreBatch, TableStore};
use crate::checkpoint::shape;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// How many entries are written or deleted at once. Writes and reads come between.
const PAGE: usize = 4096;
/// After so many rows it is told how far it is.
const TOLD: usize = 1_000_000;

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

/// The indexes of a table that are not what they are to be, while they become it.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// What the store says.
    whole: Option<Declared>,
    /// To be filled.
    new: VecDeque<DeclaredIndex>,
    /// To be emptied.
    gone: VecDeque<String>,
    /// Up to where the first is filled, how many rows that are, and since when.
    cursor: Option<Vec<u8>>,
    rows: usize,
    began: Option<Instant>,
}

impl Filling {
    pub(super) fn is_over(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }

    pub(super) fn is_whole(&self, index: &str) -> bool {
        self.new.iter().all(|new| new.name != index)
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
    /// Makes the store that of the declaration, but for the indexes that are to be filled or emptied: these are answered.
    ///
    /// An index is known to the store only while it is whole: a crash on the way leaves it to the next start.
    pub(super) fn open(&self, store: &mut dyn TableStore, declared: &Declared) -> io::Result<Filling> {
        let Some(known) = self.known(store)? else {
            self.remember(store, declared)?;
            return Ok(Filling::default());
        };
        self.refuse("rows", &known.row, &declared.row)?;
        self.refuse("keys", &known.key, &declared.key)?;
        let is_in =
            |indexes: &[DeclaredIndex], index: &DeclaredIndex| indexes.iter().any(|other| other.is(index));
        let mut whole = known.clone();
        whole.indexes.retain(|index| is_in(&declared.indexes, index));
        if whole != known {
            self.remember(store, &whole)?;
        }
        let new: Vec<_> =
            declared.indexes.iter().filter(|index| !is_in(&known.indexes, index)).cloned().collect();
        // Writes add to them from now on. Nothing is there, if nothing was cut short.
        for index in &new {
            while self.clear_page(store, &index.name)? {}
        }
        let is_named = |index: &&DeclaredIndex| new.iter().any(|new| new.name == index.name);
        let gone = known.indexes.iter().filter(|index| !is_in(&declared.indexes, index));
        let gone = gone.filter(|index| !is_named(index)).map(|index| index.name.clone()).collect();
        Ok(Filling { whole: Some(whole), new: new.into(), gone, cursor: None, rows: 0, began: None })
    }

    /// Does some of what is to be done with indexes. One that became whole is answered.
    pub(super) fn fill_page(
        &self,
        store: &mut dyn TableStore,
        filling: &mut Filling,
    ) -> io::Result<Option<String>> {
        let Some(index) = filling.new.front() else {
            if let Some(gone) = filling.gone.front()
                && !self.clear_page(store, gone)?
            {
                filling.gone.pop_front();
            }
            return Ok(None);
        };
        let name = index.name.clone();
        let began = *filling.began.get_or_insert_with(Instant::now);
        let rows = store.scan(self.rows, filling.cursor.as_deref(), PAGE)?;
        if let Some((last, _)) = rows.last() {
            filling.cursor = Some(last.clone());
            let before = filling.rows;
            filling.rows += rows.len();
            let entry = |(key, row): &(Vec<u8>, Vec<u8>)| Ok(((self.entry)(&name, key, row)?, Vec::new()));
            let puts = rows.iter().map(entry).collect::<io::Result<_>>()?;
            store.write(StoreBatch { puts, deletes: Vec::new() })?;
            if filling.rows / TOLD > before / TOLD {
                let rate = rate(filling.rows, began);
                tracing::info!(
                    table = self.name,
                    index = name,
                    rows = filling.rows,
                    rate,
                    "filling an index"
                );
            }
            if rows.len() == PAGE {
                return Ok(None);
            }
        }
        let rate = rate(filling.rows, began);
        tracing::info!(table = self.name, index = name, rows = filling.rows, rate, "an index is filled");
        if let (Some(whole), Some(index)) = (&mut filling.whole, filling.new.pop_front()) {
            whole.indexes.push(index);
            self.remember(store, whole)?;
        }
        (filling.cursor, filling.rows, filling.began) = (None, 0, None);
        Ok(Some(name))
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

    /// Whether there may be more.
    fn clear_page(&self, store: &mut dyn TableStore, index: &str) -> io::Result<bool> {
        let entries = store.scan(&(self.index)(index), None, PAGE)?;
        let is_last = entries.len() < PAGE;
        if !entries.is_empty() {
            let deletes = entries.into_iter().map(|(entry, _)| entry).collect();
            store.write(StoreBatch { puts: Vec::new(), deletes })?;
        }
        Ok(!is_last)
    }
}

/// Rows a second.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rate(rows: usize, began: Instant) -> u64 {
    (rows as f64 / began.elapsed().as_secs_f64().max(1e-6)) as u64
}
