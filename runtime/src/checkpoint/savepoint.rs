//! A committed epoch in one file, to be kept, moved to another machine, or begun from elsewhere.
//!
//! The file is `psdfsave`, a version, and for each object of the epoch its name, its length, its bytes and their checksum;
//! the manifest is the last. Then the checksum of all. What is in it is the same on every machine.

use super::manifest::Manifest;
use super::names;
use super::recovery::{self, RecoveryError};
use super::storage::Storage;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: [u8; 8] = *b"psdfsave";
const VERSION: u16 = 1;
/// A name is not longer than this.
const LONGEST_NAME: u64 = 1 << 12;
/// So much is read at a time, whatever a length says.
const CHUNK: u64 = 1 << 20;

/// A savepoint could not be written or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum SavepointError {
    /// Nothing is committed that could be saved.
    Nothing,
    /// What is stored cannot be read.
    Store(RecoveryError),
    /// There is an epoch already where the savepoint was to go.
    NotEmpty,
    /// The file is none, or is damaged; what.
    Damaged(String),
    /// The file or the storage failed.
    Io(io::Error),
}

impl fmt::Display for SavepointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SavepointError::Nothing => f.write_str("no epoch is committed, so there is nothing to save"),
            SavepointError::Store(error) => error.fmt(f),
            SavepointError::NotEmpty => {
                f.write_str("a flow is stored there already; a savepoint goes into an empty store")
            }
            SavepointError::Damaged(what) => write!(f, "the savepoint cannot be used: {what}"),
            SavepointError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SavepointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SavepointError::Store(error) => Some(error),
            SavepointError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for SavepointError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return SavepointError::Damaged("it ends too soon".to_owned());
        }
        SavepointError::Io(error)
    }
}

/// Adds up all that passes.
struct Summed<F> {
    file: F,
    sum: Xxh3,
}

impl<F: Write> Summed<F> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)
    }
}

impl<F: Read> Summed<F> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.sum.update(&bytes);
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// So many bytes, or as many as there are.
    fn bytes(&mut self, mut len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while len > 0 {
            let chunk = len.min(CHUNK);
            let read = self.file.by_ref().take(chunk).read_to_end(&mut bytes)?;
            if read as u64 != chunk {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            len -= chunk;
        }
        self.sum.update(&bytes);
        Ok(bytes)
    }
}

/// Writes the newest committed epoch of a store into a file, and answers its number.
///
/// # Errors
/// See [`SavepointError`]. If the flow runs meanwhile it may let go of what is being read: then try again.
pub fn export_savepoint(storage: Arc<dyn Storage>, to: impl Write) -> Result<u64, SavepointError> {
    let recovered = recovery::latest(Arc::clone(&storage)).map_err(SavepointError::Store)?;
    let manifest = &recovered.ok_or(SavepointError::Nothing)?.manifest;
    let objects: Vec<&str> = manifest.objects().map(|object| object.name.as_str()).collect();
    let mut file = Summed { file: to, sum: Xxh3::new() };
    file.put(&MAGIC)?;
    file.put(&VERSION.to_le_bytes())?;
    file.put(&(objects.len() as u64 + 1).to_le_bytes())?;
    for name in objects {
        put_object(&mut file, name, &storage.get(name)?)?;
    }
    put_object(&mut file, &names::manifest(manifest.epoch), &manifest.encode()?)?;
    let sum = file.sum.digest();
    file.file.write_all(&sum.to_le_bytes())?;
    file.file.flush()?;
    Ok(manifest.epoch)
}

fn put_object(file: &mut Summed<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    file.put(&(name.len() as u64).to_le_bytes())?;
    file.put(name.as_bytes())?;
    file.put(&(bytes.len() as u64).to_le_bytes())?;
    file.put(bytes)?;
    file.put(&xxh3_64(bytes).to_le_bytes())
}

/// Puts a savepoint into an empty store, and answers its epoch: a flow that is started there goes on from it.
///
/// # Errors
/// See [`SavepointError`]. Then no flow goes on from there, though some objects may be stored.
pub fn import_savepoint(storage: &dyn Storage, from: impl Read) -> Result<u64, SavepointError> {
    if !storage.list(names::MANIFESTS)?.is_empty() {
        return Err(SavepointError::NotEmpty);
    }
    let damaged = |what: &str| SavepointError::Damaged(what.to_owned());
    let mut file = Summed { file: from, sum: Xxh3::new() };
    if file.take()? != MAGIC {
        return Err(damaged("it is no savepoint of psdf"));
    }
    if u16::from_le_bytes(file.take()?) > VERSION {
        return Err(damaged("it is of a later version of psdf"));
    }
    let count = file.number()?;
    let mut manifest = None;
    for _ in 0..count {
        let len = file.number()?;
        let name =
            Some(len).filter(|&len| len <= LONGEST_NAME).ok_or_else(|| damaged("a name is too long"))?;
        let name = String::from_utf8(file.bytes(name)?).map_err(|_| damaged("a name is no text"))?;
        let len = file.number()?;
        let bytes = file.bytes(len)?;
        if file.number()? != xxh3_64(&bytes) {
            return Err(SavepointError::Damaged(format!("`{name}` is damaged")));
        }
        let epoch = names::epoch(&name).ok_or_else(|| damaged("an object has a name of its own"))?;
        if name.starts_with(names::MANIFESTS) {
            let whole = Manifest::decode(epoch, &bytes);
            whole.map_err(|error| SavepointError::Damaged(error.to_string()))?;
            manifest = Some((name, bytes, epoch));
        } else {
            storage.put(&name, &bytes)?;
        }
    }
    let sum = file.sum.digest();
    let mut told = [0; 8];
    file.file.read_exact(&mut told)?;
    if u64::from_le_bytes(told) != sum {
        return Err(damaged("its checksum is another"));
    }
    let (name, bytes, epoch) = manifest.ok_or_else(|| damaged("it has no manifest"))?;
    storage.create(&name, &bytes)?;
    Ok(epoch)
}
