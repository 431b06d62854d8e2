//! A batch whose keys are looked up some records ahead of their use.

use crate::record::{Key, Keyed};
use crate::state::{KeyedTable, Place};
use std::hash::BuildHasher;
use std::vec;

/// As many misses as a core can have on their way, a few times over.
const AHEAD: usize = 64;

/// A batch in chunks: the keys of a chunk are hashed and looked up together, so that they wait for memory together;
/// with the work on the records in between, each would wait alone.
pub(super) struct Hashed<K, A, P> {
    items: vec::IntoIter<Keyed<K, A, P>>,
    places: [Place; AHEAD],
    loaded: usize,
}

impl<K: Key, A, P> Hashed<K, A, P> {
    pub(super) fn new(items: Vec<Keyed<K, A, P>>) -> Self {
        Hashed { items: items.into_iter(), places: [Place::default(); AHEAD], loaded: 0 }
    }

    /// Hashes the keys of the next chunk; whether there is one.
    pub(super) fn load(&mut self, hasher: &impl BuildHasher) -> bool {
        let chunk = self.items.as_slice();
        self.loaded = chunk.len().min(AHEAD);
        for (place, keyed) in self.places.iter_mut().zip(chunk) {
            *place = Place::of_hash(hasher.hash_one(&keyed.key));
        }
        self.loaded > 0
    }

    /// Looks the keys of the chunk just loaded up in the table where their values will be changed.
    pub(super) fn locate<V>(&mut self, table: &mut KeyedTable<K, V>) {
        if table.is_worth_locating() {
            let keys = self.items.as_slice().iter().map(|keyed| &keyed.key);
            table.locate(&mut self.places[..self.loaded], keys);
        }
    }

    /// The records of the chunk just loaded.
    pub(super) fn chunk(&self) -> &[Keyed<K, A, P>] {
        &self.items.as_slice()[..self.loaded]
    }

    /// Takes the records of the chunk, each with the place of its key.
    #[inline(always)]
    pub(super) fn take_chunk(&mut self) -> impl Iterator<Item = (Place, Keyed<K, A, P>)> {
        self.places[..self.loaded].iter().copied().zip(self.items.by_ref())
    }
}
