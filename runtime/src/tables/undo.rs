//! What to put back where a stream has written a row that no epoch is committed with yet.
//!
//! What streams lead into a table is written at once, so views show it. With a row goes, in the same batch of the store, what
//! the row was before: a start from an epoch puts back what was written after it, and the stream's records come again.
//!
//! ```text
//! TABLE 0 'u' EPOCH 0 key -> 0, or 1 and the row
//! ```
//!
//! `EPOCH`, 8 bytes big-endian, is the last that was over for the stream when it wrote. An entry says: without all that
//! streams have written after this epoch, the row would be that. What a service writes stands whatever becomes of
//! streams, so it leaves no entry of its row.

use super::store::TableStore;
use std::io;

/// A row as it is stored; `None` where there is none.
pub(super) type Bytes = Option<Vec<u8>>;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// A service, by a handle.
    Service,
    /// A stream that cannot come again.
    Stream,
    /// A stream of a durable flow, for which this epoch is over and the next is not.
    StreamAfter(u64),
}

/// The entries of a row, in the order of their epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Undo {
    entries: Vec<Entry>,
    /// The epochs of which the store has an entry.
    stored: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    epoch: u64,
    before: Bytes,
    is_stored: bool,
}

impl Undo {
    /// What the store has, where it may have something of these epochs.
    pub(super) fn read(
        store: &dyn TableStore,
        place: &Place,
        epochs: impl Iterator<Item = u64>,
        key: &[u8],
    ) -> io::Result<Undo> {
        let mut undo = Undo::default();
        for epoch in epochs {
            if let Some(value) = store.get(&place.entry(epoch, key))? {
                undo.stored.push(epoch);
                undo.entries.push(Entry { epoch, before: before(value)?, is_stored: true });
            }
        }
        Ok(undo)
    }

    /// A row is written. `now` is what it was so far.
    pub(super) fn write(
        &mut self,
        by: Writer,
        now: impl FnOnce() -> io::Result<Bytes>,
        next: impl Fn() -> io::Result<Bytes>,
    ) -> io::Result<()> {
        let Writer::StreamAfter(epoch) = by else {
            self.entries.clear();
            return Ok(());
        };
        let place = self.entries.partition_point(|entry| entry.epoch < epoch);
        let before = match self.entries.get(place) {
            Some(entry) if entry.epoch == epoch => None,
            // Another stream was in a later epoch already: without it and this, the row is what it was before that.
            Some(entry) => Some(entry.before.clone()),
            None => Some(now()?),
        };
        if let Some(before) = before {
            self.entries.insert(place, Entry { epoch, before, is_stored: false });
        }
        // This stays where only what came after later epochs goes.
        for entry in &mut self.entries[place + 1..] {
            entry.before = next()?;
            entry.is_stored = false;
        }
        Ok(())
    }

    /// What is to be written for a row, and deleted.
    pub(super) fn changes<'a>(
        &'a self,
        place: &'a Place,
        key: &'a [u8],
    ) -> (impl Iterator<Item = (u64, Vec<u8>, Vec<u8>)> + 'a, impl Iterator<Item = Vec<u8>> + 'a) {
        let new = self.entries.iter().filter(|entry| !entry.is_stored);
        let puts = new.map(|entry| (entry.epoch, place.entry(entry.epoch, key), value(&entry.before)));
        let is_gone = |epoch: &&u64| self.entries.iter().all(|entry| entry.epoch != **epoch);
        (puts, self.stored.iter().filter(is_gone).map(|&epoch| place.entry(epoch, key)))
    }
}

fn value(before: &Bytes) -> Vec<u8> {
    before.as_ref().map_or_else(|| vec![0], |row| [&[1], &row[..]].concat())
}

/// What an entry says.
pub(super) fn before(value: Vec<u8>) -> io::Result<Bytes> {
    match value.split_first() {
        Some((0, [])) => Ok(None),
        Some((1, row)) => Ok(Some(row.to_vec())),
        _ => Err(io::Error::other("what a stream's row has replaced cannot be read")),
    }
}

/// Where the entries of a table are.
#[derive(Debug)]
pub(super) struct Place {
    prefix: Vec<u8>,
}

impl Place {
    pub(super) fn new(table: &str) -> Place {
        Place { prefix: [table.as_bytes(), b"\0u"].concat() }
    }

    /// Where those of an epoch begin.
    pub(super) fn epoch(&self, epoch: u64) -> Vec<u8> {
        // The byte after the number sets an entry whose key is of no bytes off from where the epoch begins.
        [&self.prefix[..], &epoch.to_be_bytes(), &[0]].concat()
    }

    fn entry(&self, epoch: u64, key: &[u8]) -> Vec<u8> {
        let mut entry = self.epoch(epoch);
        entry.extend(key);
        entry
    }

    /// The key of an entry's row.
    pub(super) fn key<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        entry.get(self.prefix.len() + 9..).unwrap_or_default()
    }

    /// The epochs of which there are entries, in order.
    pub(super) fn epochs(&self, store: &dyn TableStore) -> io::Result<Vec<u64>> {
        let mut epochs = Vec::new();
        let mut after = self.prefix.clone();
        while let Some((entry, _)) = store.scan(&self.prefix, Some(&after), 1)?.pop() {
            let bytes =
                entry.get(self.prefix.len()..self.prefix.len() + 8).and_then(|bytes| bytes.try_into().ok());
            let epoch = bytes.map(u64::from_be_bytes);
            let epoch = epoch.ok_or_else(|| io::Error::other("an entry of a stream's row has no epoch"))?;
            epochs.push(epoch);
            let Some(next) = epoch.checked_add(1) else { break };
            after = [&self.prefix[..], &next.to_be_bytes()].concat();
        }
        Ok(epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(undo: &mut Undo, by: Writer, row: &mut u8, next: u8) {
        undo.write(by, || Ok(Some(vec![*row])), || Ok(Some(vec![next]))).unwrap();
        *row = next;
    }

    /// What the row is after a start from an epoch.
    fn restored(undo: &Undo, epoch: u64, row: u8) -> u8 {
        let entry = undo.entries.iter().find(|entry| entry.epoch >= epoch);
        entry.map_or(row, |entry| entry.before.as_ref().unwrap()[0])
    }

    #[test]
    fn a_start_from_an_epoch_takes_back_what_streams_wrote_after_it_and_nothing_else() {
        let (mut undo, mut row) = (Undo::default(), 1);
        write(&mut undo, Writer::StreamAfter(4), &mut row, 2);
        write(&mut undo, Writer::StreamAfter(4), &mut row, 3);
        write(&mut undo, Writer::StreamAfter(5), &mut row, 4);
        assert_eq!([4, 5, 6].map(|epoch| restored(&undo, epoch, row)), [1, 3, 4]);
    }

    #[test]
    fn a_stream_that_is_behind_writes_below_one_that_is_ahead() {
        let (mut undo, mut row) = (Undo::default(), 1);
        write(&mut undo, Writer::StreamAfter(5), &mut row, 2);
        write(&mut undo, Writer::StreamAfter(4), &mut row, 3);
        assert_eq!([4, 5, 6].map(|epoch| restored(&undo, epoch, row)), [1, 3, 3]);
    }

    #[test]
    fn what_a_service_writes_is_never_taken_back() {
        let (mut undo, mut row) = (Undo::default(), 1);
        write(&mut undo, Writer::StreamAfter(4), &mut row, 2);
        write(&mut undo, Writer::Service, &mut row, 3);
        assert_eq!(restored(&undo, 4, row), 3);
        write(&mut undo, Writer::StreamAfter(5), &mut row, 4);
        assert_eq!([4, 5].map(|epoch| restored(&undo, epoch, row)), [3, 3]);
    }

    #[test]
    fn epochs_are_found_whatever_the_keys() {
        let (place, mut store) = (Place::new("t"), super::super::store::MemoryTables::new());
        let entries = [(3, vec![]), (3, vec![255; 9]), (4, vec![0]), (9, vec![])];
        let puts = entries.map(|(epoch, key)| (place.entry(epoch, &key), vec![0]));
        store.write(super::super::store::StoreBatch { puts: puts.to_vec(), deletes: Vec::new() }).unwrap();
        assert_eq!(place.epochs(&store).unwrap(), [3, 4, 9]);
    }
}
