//! What a committed epoch consists of, and how it is committed.

use super::names;
use super::object::ObjectError;
use super::storage::Storage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of every manifest.
pub const MAGIC: [u8; 8] = *b"psdfmani";
/// The version of the format that is written. All before it can be read.
pub const VERSION: u16 = 1;

/// A committed epoch: everything needed to go on from its barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The flow's name.
    pub flow: String,
    /// The number of the epoch; the first is 1.
    pub epoch: u64,
    /// A number that no other process has, which tells whose manifest it is.
    pub attempt: u64,
    /// Whether the flow came to its end with this epoch.
    pub finished: bool,
    /// Where the inputs stand.
    pub inputs: Vec<InputAt>,
    /// Where the outputs stand.
    pub outputs: Vec<OutputAt>,
    /// The stages.
    pub stages: Vec<StageAt>,
}

/// An input at a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputAt {
    /// Its name.
    pub name: String,
    /// How far its records are part of the epoch: of a source in its own measure, of a pushed input in records.
    pub position: u64,
}

/// An output at a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputAt {
    /// Its name.
    pub name: String,
    /// The records that have come to it, since the flow first began.
    pub records: u64,
    /// What the sink has prepared, in words of its own.
    pub prepared: Vec<u8>,
    /// The records of this epoch, where they are held until it is committed and there is no sink that has prepared them.
    pub held: Option<ObjectRef>,
}

/// A stage at a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageAt {
    /// The node that the stage begins with, led by the names of the flows that it stands in.
    pub node: String,
    /// Its shards.
    pub shards: Vec<ShardAt>,
    /// Its state, oldest first: what a later segment says holds.
    pub segments: Vec<SegmentRef>,
    /// How its state is written; `None` if it keeps none by key.
    pub schema: Option<StateSchema>,
}

/// A shard of a stage at a barrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardAt {
    /// Its watermark, in microseconds.
    pub watermark: i64,
    /// Whether it has ended.
    pub ended: bool,
    /// What it has heard of each that feeds it, in the order in which they are wired.
    pub senders: Vec<SenderAt>,
    /// Its `event_time` clocks: the watermark and the last that was put into the stream, each in microseconds.
    pub clocks: Vec<(i64, i64)>,
}

/// What a shard has heard of one that feeds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderAt {
    /// The stage, by its node, or the input.
    pub from: String,
    /// The watermark, in microseconds.
    pub watermark: i64,
    /// 0: active, 1: idle, 2: ended.
    pub status: u8,
}

/// A stored object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its name in the storage.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// xxh3 of all of it.
    pub checksum: u64,
}

/// A stored segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The object.
    pub object: ObjectRef,
    /// The first and the last epoch whose changes it holds.
    pub epochs: (u64, u64),
    /// The first and the last key group that it speaks of.
    pub groups: (u8, u8),
    /// The entries written in it.
    pub entries: u64,
}

/// How the state of a node is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSchema {
    /// The fields of the key.
    pub key: Vec<FieldSchema>,
    /// How the key is written, in words.
    pub key_shape: String,
    /// The fields of the state.
    pub fields: Vec<FieldSchema>,
}

/// A field of a key or a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSchema {
    /// Its name.
    pub name: String,
    /// Its type, as it was declared.
    pub ty: String,
    /// How it is written, in words; empty for a field of a key.
    pub shape: String,
}

impl Manifest {
    /// Its bytes.
    ///
    /// # Errors
    /// If they cannot be made, which is a mistake in psdf.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let mut bytes = postcard::to_extend(self, bytes).map_err(io::Error::other)?;
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// The manifest of an epoch from its bytes.
    ///
    /// # Errors
    /// If they are damaged, or of a later version.
    pub fn decode(epoch: u64, bytes: &[u8]) -> Result<Manifest, ObjectError> {
        let name = names::manifest(epoch);
        let damaged = |what: &str| ObjectError::damaged(&name, what);
        let Some((body, checksum)) = bytes.split_last_chunk::<8>() else {
            return Err(damaged("it is too short to be a manifest"));
        };
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(damaged("its checksum differs"));
        }
        let head = body.strip_prefix(&MAGIC).and_then(|rest| rest.split_first_chunk::<2>());
        let (version, payload) = head.ok_or_else(|| damaged("it is no manifest"))?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(ObjectError::Version { object: name, version });
        }
        match postcard::take_from_bytes::<Manifest>(payload) {
            Ok((manifest, [])) if manifest.epoch == epoch => Ok(manifest),
            Ok((manifest, [])) => Err(damaged(&format!("it is that of epoch {}", manifest.epoch))),
            Ok(_) => Err(damaged("it goes on behind its end")),
            Err(error) => Err(damaged(&format!("it cannot be read: {error}"))),
        }
    }

    /// The objects that it names.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        let segments = self.stages.iter().flat_map(|stage| &stage.segments).map(|segment| &segment.object);
        segments.chain(self.outputs.iter().filter_map(|output| output.held.as_ref()))
    }
}

/// The epochs of which there is a manifest, whole or not, newest first.
///
/// # Errors
/// If the storage cannot be listed.
pub fn list(storage: &dyn Storage) -> io::Result<Vec<u64>> {
    let names = storage.list(names::MANIFESTS)?;
    let mut epochs: Vec<u64> = names.iter().filter_map(|name| names::epoch(name)).collect();
    epochs.sort_unstable_by(|a, b| b.cmp(a));
    epochs.dedup();
    Ok(epochs)
}

/// An epoch is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number.
    pub epoch: u64,
}

/// An epoch is not known to be committed.
#[derive(Clone, Debug)]
pub enum CommitError {
    /// Another process has the flow: this one stops, and commits nothing more.
    Fenced {
        /// The epoch that this one would have committed.
        epoch: u64,
        /// The epoch that another has.
        theirs: u64,
    },
    /// The storage failed, and the epoch may be committed or not: [`commit`] is called again with the same manifest.
    Io {
        /// The epoch.
        epoch: u64,
        /// Why.
        error: Arc<io::Error>,
    },
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Fenced { epoch, theirs } => write!(
                f,
                "epoch {epoch} was not committed, because another process runs the same flow from the same place and \
                 has epoch {theirs}; this one must stop"
            ),
            CommitError::Io { epoch, error } => {
                write!(
                    f,
                    "whether epoch {epoch} is committed is not known, and it has to be tried again: {error}"
                )
            }
        }
    }
}

impl std::error::Error for CommitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CommitError::Fenced { .. } => None,
            CommitError::Io { error, .. } => Some(error.as_ref()),
        }
    }
}

/// Commits an epoch: creates its manifest. All objects that it names have been stored.
///
/// It may be called any number of times with the same manifest, and answers `Ok` if that is the one that is there.
///
/// # Errors
/// See [`CommitError`].
pub fn commit(storage: &dyn Storage, manifest: &Manifest) -> Result<Committed, CommitError> {
    let epoch = manifest.epoch;
    let failed = |error| CommitError::Io { epoch, error: Arc::new(error) };
    let name = names::manifest(epoch);
    let bytes = manifest.encode().map_err(failed)?;
    match storage.create(&name, &bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if storage.get(&name).map_err(failed)? != bytes {
                return Err(CommitError::Fenced { epoch, theirs: epoch });
            }
        }
        Err(error) => return Err(failed(error)),
    }
    // A process that has slept for long may find its name free, because the one that took its place has come so far
    // that it has deleted what it created there. But then that one's newest are there.
    match list(storage).map_err(failed)?.first() {
        Some(&newest) if newest > epoch => Err(CommitError::Fenced { epoch, theirs: newest }),
        _ => Ok(Committed { epoch }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::storage::MemoryStorage;

    fn manifest(epoch: u64, attempt: u64) -> Manifest {
        Manifest { flow: "Orders".into(), epoch, attempt, ..Manifest::default() }
    }

    #[test]
    fn of_two_processes_one_commits_an_epoch() {
        let storage = MemoryStorage::new();
        assert!(commit(&storage, &manifest(1, 7)).is_ok());
        assert!(matches!(
            commit(&storage, &manifest(1, 8)),
            Err(CommitError::Fenced { epoch: 1, theirs: 1 })
        ));
    }

    #[test]
    fn an_epoch_whose_commit_seemed_to_fail_is_committed_when_it_is_tried_again() {
        for kept in [true, false] {
            let storage = MemoryStorage::new();
            storage.fail_at(0, io::ErrorKind::TimedOut, kept);
            assert!(matches!(commit(&storage, &manifest(1, 7)), Err(CommitError::Io { epoch: 1, .. })));
            assert_eq!(commit(&storage, &manifest(1, 7)).ok(), Some(Committed { epoch: 1 }));
            assert!(matches!(commit(&storage, &manifest(1, 8)), Err(CommitError::Fenced { .. })));
        }
    }

    #[test]
    fn a_process_that_slept_is_fenced_even_where_its_name_is_free_again() {
        let storage = MemoryStorage::new();
        assert!(commit(&storage, &manifest(5, 8)).is_ok());
        assert!(matches!(
            commit(&storage, &manifest(2, 7)),
            Err(CommitError::Fenced { epoch: 2, theirs: 5 })
        ));
    }

    #[test]
    fn a_manifest_of_a_later_version_is_not_taken_for_a_damaged_one() {
        let mut bytes = manifest(1, 7).encode().unwrap();
        bytes.truncate(bytes.len() - 8);
        bytes[8] = 9;
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        assert!(matches!(Manifest::decode(1, &bytes), Err(ObjectError::Version { version: 9, .. })));
    }

    #[test]
    fn a_manifest_under_the_name_of_another_epoch_is_damage() {
        let bytes = manifest(1, 7).encode().unwrap();
        assert_eq!(Manifest::decode(1, &bytes).ok(), Some(manifest(1, 7)));
        assert!(matches!(Manifest::decode(2, &bytes), Err(ObjectError::Damaged { .. })));
    }
}
