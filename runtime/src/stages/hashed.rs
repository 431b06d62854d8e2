//! A batch with the hashes of its keys, some records ahead of their use.

use crate::record::Keyed;
use std::hash::{BuildHasher, Hash};
use std::vec;

/// As many misses as a core can have on their way, a few times over.
const AHEAD: usize = 64;

/// A batch in chunks whose keys are hashed before any of them is looked up: then the table can be asked to bring
/// their places into the cache together (see `KeyedTable::touch`).
pub(super) struct Hashed<K, A, P> {
    items: vec::IntoIter<Keyed<K, A, P>>,
    hashes: [u64; AHEAD],
    loaded: usize,
    used: usize,
}

impl<K: Hash, A, P> Hashed<K, A, P> {
    pub(super) fn new(items: Vec<Keyed<K, A, P>>) -> Self {
        Hashed { items: items.into_iter(), hashes: [0; AHEAD], loaded: 0, used: 0 }
    }

    /// Hashes the keys of the next chunk; whether there is one.
    pub(super) fn load(&mut self, hasher: &impl BuildHasher) -> bool {
        let chunk = self.items.as_slice();
        self.loaded = chunk.len().min(AHEAD);
        self.used = 0;
        for (hash, keyed) in self.hashes.iter_mut().zip(chunk) {
            *hash = hasher.hash_one(&keyed.key);
        }
        self.loaded > 0
    }

    /// The hashes of the chunk just loaded.
    pub(super) fn ahead(&self) -> impl Iterator<Item = (u64, &K)> {
        self.hashes[..self.loaded].iter().copied().zip(self.items.as_slice().iter().map(|keyed| &keyed.key))
    }

    /// The next record of the chunk.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(u64, Keyed<K, A, P>)> {
        if self.used == self.loaded {
            return None;
        }
        let hash = self.hashes[self.used];
        self.used += 1;
        Some((hash, self.items.next()?))
    }
}
