//! Objects in memory, for tests and simulation: it can be told when to crash and which writes fail.

use super::Storage;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects in memory. Clones are handles of the same.
///
/// Writes (puts, creates, deletes) are counted from 0 on, over all handles, so that a test can say which of them fails
/// and at which the machine crashes. What was answered `Ok` survives a crash.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Vec<u8>>,
    writes: u64,
    crash: Option<(u64, Fate)>,
    failures: HashMap<u64, (io::ErrorKind, bool)>,
    crashed: bool,
}

/// What becomes of a write during which the machine crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is there.
    Kept,
    /// Nothing of it is there.
    Lost,
    /// Of a put so many thousandths of its bytes are there, from its beginning. Of a create or a delete, which are whole at
    /// once, nothing.
    Torn(u16),
}

/// A write that was let through the gate: whether it takes effect, and what is answered.
struct Write {
    fate: Fate,
    answer: io::Result<()>,
}

impl MemoryStorage {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Crashes at that write: from then on every call fails, until [`MemoryStorage::restart`].
    pub fn crash_at(&self, write: u64, fate: Fate) {
        self.lock().crash = Some((write, fate));
    }

    /// Crashes now, between two writes.
    pub fn crash(&self) {
        self.lock().crashed = true;
    }

    /// Whether it has crashed and was not started again.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// What survived is there again, and no failure or crash is planned any more.
    pub fn restart(&self) {
        let mut inner = self.lock();
        inner.crashed = false;
        inner.crash = None;
        inner.failures.clear();
    }

    /// That write answers an error; if `kept`, after it has taken effect.
    pub fn fail_at(&self, write: u64, kind: io::ErrorKind, kept: bool) {
        self.lock().failures.insert(write, (kind, kept));
    }

    /// The writes there have been.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// All objects, whether or not it has crashed.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().objects.clone()
    }

    /// Another that has these objects.
    #[must_use]
    pub fn of(objects: BTreeMap<String, Vec<u8>>) -> Self {
        MemoryStorage { inner: Arc::new(Mutex::new(Inner { objects, ..Inner::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        if inner.crashed { Err(crashed()) } else { Ok(inner) }
    }
}

fn crashed() -> io::Error {
    io::Error::other("the storage has crashed")
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no `{name}`"))
}

impl Inner {
    /// Counts a write and says what becomes of it.
    fn write(&mut self) -> Write {
        let this = self.writes;
        self.writes += 1;
        if let Some((write, fate)) = self.crash
            && write == this
        {
            self.crashed = true;
            return Write { fate, answer: Err(crashed()) };
        }
        match self.failures.remove(&this) {
            Some((kind, kept)) => Write {
                fate: if kept { Fate::Kept } else { Fate::Lost },
                answer: Err(io::Error::new(kind, format!("write {this} was told to fail"))),
            },
            None => Write { fate: Fate::Kept, answer: Ok(()) },
        }
    }
}

impl Storage for MemoryStorage {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.running()?;
        let Write { fate, answer } = inner.write();
        let len = match fate {
            Fate::Kept => bytes.len(),
            Fate::Lost => return answer,
            Fate::Torn(thousandths) => bytes.len() * usize::from(thousandths.min(1000)) / 1000,
        };
        inner.objects.insert(name.to_owned(), bytes[..len].to_vec());
        answer
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.running()?;
        let Write { fate, answer } = inner.write();
        if inner.objects.contains_key(name) {
            answer?;
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there is a `{name}`")));
        }
        if fate == Fate::Kept {
            inner.objects.insert(name.to_owned(), bytes.to_vec());
        }
        answer
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.running()?.objects.get(name).cloned().ok_or_else(|| missing(name))
    }

    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        let inner = self.running()?;
        let object = inner.objects.get(name).ok_or_else(|| missing(name))?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(object.len());
        Ok(object[place(from)..place(from.saturating_add(len))].to_vec())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        Ok(self.running()?.objects.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let mut inner = self.running()?;
        let Write { fate, answer } = inner.write();
        if fate == Fate::Kept {
            inner.objects.remove(name);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_every_storage_does() {
        crate::checkpoint::storage::suite::check(&(Arc::new(MemoryStorage::new()) as Arc<dyn Storage>));
    }

    #[test]
    fn what_was_answered_survives_a_crash_and_what_was_being_put_may_be_torn() {
        for (fate, left) in [(Fate::Kept, Some(10)), (Fate::Lost, None), (Fate::Torn(500), Some(5))] {
            let storage = MemoryStorage::new();
            storage.put("a", b"whole").unwrap();
            storage.crash_at(1, fate);
            assert!(storage.put("b", &[7; 10]).is_err());
            assert!(storage.get("a").is_err(), "nothing answers after a crash");
            storage.restart();
            assert_eq!(storage.get("a").unwrap(), b"whole");
            assert_eq!(storage.get("b").ok().map(|bytes| bytes.len()), left);
        }
    }

    #[test]
    fn a_create_is_whole_or_not_there() {
        let storage = MemoryStorage::new();
        storage.crash_at(0, Fate::Torn(500));
        assert!(storage.create("a", b"bytes").is_err());
        storage.restart();
        assert!(storage.get("a").is_err());
    }

    #[test]
    fn a_write_that_fails_may_have_been_kept() {
        let storage = MemoryStorage::new();
        storage.fail_at(0, io::ErrorKind::StorageFull, false);
        storage.fail_at(1, io::ErrorKind::TimedOut, true);
        assert_eq!(storage.put("a", b"1").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(storage.create("b", b"2").unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(storage.list("").unwrap(), ["b"]);
        assert_eq!(storage.create("b", b"3").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(storage.writes(), 3);
    }
}
