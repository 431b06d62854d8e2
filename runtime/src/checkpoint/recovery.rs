//! Reading what was committed: the newest epoch that is whole, and the entries of its stages.

use super::layers::GroupState;
use super::manifest::{self, Manifest};
use super::names;
use super::object::{self, ObjectError};
use super::segment::Segment;
use super::storage::Storage;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The epoch from which a flow goes on. All of it has been read and found whole.
pub struct Recovered {
    /// What it consists of.
    pub manifest: Manifest,
    /// The number of the next epoch. It is above that of every manifest there is: of those that are newer and damaged too,
    /// so that what is left of them stays where it is.
    pub next_epoch: u64,
    /// Newer epochs that were passed over because they are damaged, newest first.
    pub passed_over: Vec<Damage>,
    storage: Arc<dyn Storage>,
    stages: Vec<Vec<Segment>>,
}

/// What is wrong with an epoch.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The epoch.
    pub epoch: u64,
    /// The object, and what is wrong with it.
    pub error: ObjectError,
}

/// A flow cannot go on from what is stored.
#[derive(Clone, Debug)]
pub enum RecoveryError {
    /// There are epochs, and each is damaged.
    Damaged {
        /// What is wrong with each, newest first; there is at least one.
        epochs: Vec<Damage>,
    },
    /// An object was whole when the epoch was chosen, and is damaged now.
    Changed(ObjectError),
    /// An object is of a later version of psdf. An older epoch is not taken for it: that would undo what is committed.
    Version(ObjectError),
    /// An object could not be read. An older epoch is not taken for it: it may be whole.
    Io(ObjectError),
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryError::Damaged { epochs } => {
                f.write_str("no epoch that is stored is whole")?;
                for damage in epochs {
                    write!(f, "; epoch {}: {}", damage.epoch, damage.error)?;
                }
                f.write_str(
                    "; bring the named objects back from a copy, or move the whole directory away to begin without state",
                )
            }
            RecoveryError::Changed(error) => write!(f, "{error}, and was whole a moment ago; start again"),
            RecoveryError::Version(error) => {
                write!(f, "{error}; start the version of the program that wrote it, or a later one")
            }
            RecoveryError::Io(error) => write!(
                f,
                "{error}; start again when it can be read; if it never can, delete it, and the epoch before is taken"
            ),
        }
    }
}

impl std::error::Error for RecoveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecoveryError::Damaged { epochs } => {
                epochs.first().map(|damage| &damage.error as &(dyn std::error::Error + 'static))
            }
            RecoveryError::Changed(error) | RecoveryError::Version(error) | RecoveryError::Io(error) => {
                Some(error)
            }
        }
    }
}

impl From<ObjectError> for RecoveryError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Damaged { .. } => RecoveryError::Changed(error),
            ObjectError::Version { .. } => RecoveryError::Version(error),
            ObjectError::Io { .. } => RecoveryError::Io(error),
        }
    }
}

/// The newest epoch that is whole: its manifest and every object that it names are read from beginning to end. `None`
/// where nothing was ever committed. An epoch whose manifest is gone was committed too, where there are objects of later
/// ones.
///
/// Each epoch that is passed over is reported as a `tracing` error.
///
/// # Errors
/// If there are epochs and none is whole, or if one cannot be read or is of a later version.
pub fn latest(storage: Arc<dyn Storage>) -> Result<Option<Recovered>, RecoveryError> {
    let epochs = manifest::list(storage.as_ref())
        .map_err(|error| RecoveryError::Io(ObjectError::reading(names::MANIFESTS, error)))?;
    let newest = epochs.first().copied().unwrap_or(0);
    let mut passed_over = Vec::new();
    let lost = lost_manifest(storage.as_ref(), newest)?;
    passed_over.extend(lost.map(|epoch| Damage {
        epoch,
        error: ObjectError::damaged(&names::manifest(epoch), "it is missing, and later objects are there"),
    }));
    if epochs.is_empty() && passed_over.is_empty() {
        return Ok(None);
    }
    let next_epoch = lost.unwrap_or(newest).saturating_add(1);
    for epoch in epochs {
        match whole(storage.as_ref(), epoch) {
            Ok((manifest, stages)) => {
                report(&passed_over, epoch);
                return Ok(Some(Recovered { manifest, next_epoch, passed_over, storage, stages }));
            }
            Err(error @ ObjectError::Damaged { .. }) => passed_over.push(Damage { epoch, error }),
            Err(error) => return Err(error.into()),
        }
    }
    Err(RecoveryError::Damaged { epochs: passed_over })
}

/// An epoch that another process has found to be the newest that is whole.
///
/// # Errors
/// If it is not whole here, or cannot be read.
pub fn at(storage: Arc<dyn Storage>, epoch: u64) -> Result<Recovered, RecoveryError> {
    let (manifest, stages) = whole(storage.as_ref(), epoch)?;
    let next_epoch = epoch.saturating_add(1);
    Ok(Recovered { manifest, next_epoch, passed_over: Vec::new(), storage, stages })
}

/// The newest epoch that must have been committed, where its manifest is not among those that are there: nothing is stored
/// for an epoch before the one before it is committed.
fn lost_manifest(storage: &dyn Storage, newest: u64) -> Result<Option<u64>, RecoveryError> {
    let mut committed = newest;
    for folder in [names::SEGMENTS, names::HELD] {
        let listed = storage.list(folder);
        let listed = listed.map_err(|error| RecoveryError::Io(ObjectError::reading(folder, error)))?;
        let begun = listed.iter().filter_map(|name| names::epoch(name)).max();
        committed = committed.max(begun.map_or(0, |epoch| epoch.saturating_sub(1)));
    }
    Ok((committed > newest).then_some(committed))
}

fn report(passed_over: &[Damage], taken: u64) {
    for damage in passed_over {
        tracing::error!(
            epoch = damage.epoch,
            taken,
            "the stored epoch {} is damaged and the flow goes on from epoch {taken}: {}; what came after epoch {taken} is \
             processed again, and outputs may deliver it a second time",
            damage.epoch,
            damage.error
        );
    }
}

fn whole(storage: &dyn Storage, epoch: u64) -> Result<(Manifest, Vec<Vec<Segment>>), ObjectError> {
    let name = names::manifest(epoch);
    let bytes = storage.get(&name).map_err(|error| ObjectError::reading(&name, error))?;
    let manifest = Manifest::decode(epoch, &bytes)?;
    for object in manifest.objects() {
        object::verify(storage, object)?;
    }
    let mut stages = Vec::with_capacity(manifest.stages.len());
    for stage in &manifest.stages {
        let mut segments = Vec::with_capacity(stage.segments.len());
        for reference in &stage.segments {
            let segment = Segment::open(storage, reference)?;
            if (&segment.of().flow, &segment.of().node) != (&manifest.flow, &stage.node) {
                return Err(ObjectError::damaged(
                    segment.name(),
                    "it is of another node than the manifest says",
                ));
            }
            segments.push(segment);
        }
        stages.push(segments);
    }
    Ok((manifest, stages))
}

impl Recovered {
    /// The entries of a stage, by its node, in some key groups: group by group, of which one is in memory at a time. None
    /// where the node was not there or had no state.
    ///
    /// Shards read theirs at the same time.
    pub fn entries(
        &self,
        node: &str,
        groups: RangeInclusive<u8>,
    ) -> impl Iterator<Item = Result<GroupState, RecoveryError>> {
        let stage = self.manifest.stages.iter().position(|stage| stage.node == node);
        let segments = stage.map_or(&[][..], |stage| &self.stages[stage]);
        groups.filter(|_| !segments.is_empty()).map(|group| {
            GroupState::read(self.storage.as_ref(), segments, group).map_err(RecoveryError::from)
        })
    }

    /// Where it is stored.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl fmt::Debug for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovered")
            .field("flow", &self.manifest.flow)
            .field("epoch", &self.manifest.epoch)
            .field("next_epoch", &self.next_epoch)
            .field("passed_over", &self.passed_over)
            .finish_non_exhaustive()
    }
}
