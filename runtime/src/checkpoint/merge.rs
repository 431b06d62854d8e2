//! Merging segments, so that a stage has few of them, whatever the number of epochs.

use super::layers::GroupState;
use super::manifest::SegmentRef;
use super::object::ObjectError;
use super::segment::{Dropped, Segment, SegmentOf, SegmentWriter};
use super::storage::Storage;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A stage has no more segments than these when it has been merged, and as many more as it has shards before that.
pub const SEGMENTS: usize = 12;

/// Which of a stage's segments, oldest first, to merge into one now; `None` while there are few.
///
/// All from some place to the newest, so that older ones, which are the largest, are seldom read: the place where a segment
/// is smallest against all that come after it (Mathieu et al., "Bigtable merge compaction", 2014, study this family). A
/// byte is written again when it moves to an earlier place, of which there are [`SEGMENTS`], so that is seldom more often
/// than the logarithm of the state's size over that of an epoch's changes.
#[must_use]
pub fn what_to_merge(segments: &[SegmentRef]) -> Option<Range<usize>> {
    if segments.len() <= SEGMENTS {
        return None;
    }
    let mut after: u64 = segments[SEGMENTS..].iter().map(|segment| segment.object.bytes).sum();
    let mut best: Option<(usize, f64)> = None;
    for place in (0..SEGMENTS).rev() {
        let bytes = segments[place].object.bytes;
        let ratio = bytes as f64 / after.max(1) as f64;
        if best.is_none_or(|(_, least)| ratio <= least) {
            best = Some((place, ratio));
        }
        after = after.saturating_add(bytes);
    }
    best.map(|(place, _)| place..segments.len())
}

/// Segments that are one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The names of those that were merged, oldest first.
    pub from: Vec<String>,
    /// The one that says the same.
    pub into: SegmentRef,
}

impl Merged {
    /// Puts the merged segment in place of those that it was made of. `false`, and nothing has changed, if they are not all
    /// there in a row.
    pub fn apply(&self, segments: &mut Vec<SegmentRef>) -> bool {
        let Some(first) = segments.iter().position(|segment| Some(&segment.object.name) == self.from.first())
        else {
            return false;
        };
        let end = first + self.from.len();
        let these = segments.get(first..end).unwrap_or_default().iter().map(|segment| &segment.object.name);
        if !these.eq(&self.from) {
            return false;
        }
        segments.splice(first..end, [self.into.clone()]);
        true
    }
}

/// Segments could not be merged. They stay as they are.
#[derive(Clone, Debug)]
pub enum MergeError {
    /// One of them is damaged or cannot be read: the state that is stored cannot be restored any more, while what the flow
    /// has in memory is right.
    Read(ObjectError),
    /// The merged segment could not be stored.
    Write {
        /// Its name.
        object: String,
        /// Why.
        error: Arc<io::Error>,
    },
    /// There was nothing to merge.
    Nothing,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MergeError::Read(error) => {
                write!(f, "segments could not be merged and stay as they are: {error}")
            }
            MergeError::Write { object, error } => {
                write!(f, "segments could not be merged into `{object}` and stay as they are: {error}")
            }
            MergeError::Nothing => f.write_str("there are no segments to merge"),
        }
    }
}

impl std::error::Error for MergeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MergeError::Read(error) => Some(error),
            MergeError::Write { error, .. } => Some(error.as_ref()),
            MergeError::Nothing => None,
        }
    }
}

/// Merges those segments of a stage into one, which is stored under `name` ([`super::names::merged`]). One key group is in
/// memory at a time, if the storage takes parts as they come. No manifest names the result yet.
///
/// # Errors
/// See [`MergeError`]. Something may be stored under `name`.
pub fn merge(
    storage: &dyn Storage,
    segments: &[SegmentRef],
    range: Range<usize>,
    name: String,
) -> Result<Merged, MergeError> {
    let is_oldest = range.start == 0;
    let references = segments.get(range).unwrap_or_default();
    let opened =
        references.iter().map(|segment| Segment::open(storage, segment)).collect::<Result<Vec<_>, _>>();
    let opened = opened.map_err(MergeError::Read)?;
    let of = together(&opened).ok_or(MergeError::Nothing)?;
    let mut parts = Parts::new(storage, &opened, of, is_oldest, name.clone());
    let stored = storage.put_parts(&name, &mut parts);
    if let Some(error) = parts.failed {
        return Err(MergeError::Read(error));
    }
    stored.map_err(|error| MergeError::Write { object: name.clone(), error: Arc::new(error) })?;
    let into = parts.into.ok_or_else(|| {
        let error = Arc::new(io::Error::other("the storage did not take all parts"));
        MergeError::Write { object: name, error }
    })?;
    Ok(Merged { from: references.iter().map(|segment| segment.object.name.clone()).collect(), into })
}

fn together(segments: &[Segment]) -> Option<SegmentOf> {
    let mut all = segments.first()?.of().clone();
    for segment in segments {
        let of = segment.of();
        all.epochs = (all.epochs.0.min(of.epochs.0), all.epochs.1.max(of.epochs.1));
        all.groups = (all.groups.0.min(of.groups.0), all.groups.1.max(of.groups.1));
    }
    Some(all)
}

/// The merged segment, a key group at a time.
struct Parts<'a> {
    storage: &'a dyn Storage,
    segments: &'a [Segment],
    name: String,
    /// Nothing lies below the oldest segment, so there is nothing to be removed from it.
    is_oldest: bool,
    groups: std::ops::RangeInclusive<u8>,
    writer: Option<SegmentWriter>,
    started: Vec<u8>,
    dropped: BTreeMap<i64, Vec<Dropped>>,
    into: Option<SegmentRef>,
    failed: Option<ObjectError>,
}

impl<'a> Parts<'a> {
    fn new(
        storage: &'a dyn Storage,
        segments: &'a [Segment],
        of: SegmentOf,
        is_oldest: bool,
        name: String,
    ) -> Self {
        let groups = of.groups.0..=of.groups.1;
        let mut started = Vec::new();
        let writer = Some(SegmentWriter::begin(of, &mut started));
        let (dropped, into, failed) = (BTreeMap::new(), None, None);
        Parts { storage, segments, name, is_oldest, groups, writer, started, dropped, into, failed }
    }

    fn group(&mut self, state: &GroupState, to: &mut Vec<u8>) {
        let group = state.group();
        let Some(writer) = &mut self.writer else { return };
        let removed = state.removed().filter(|_| !self.is_oldest);
        writer.group(group, removed, state.entries(), to);
        for table in state.dropped().filter(|_| !self.is_oldest) {
            let ranges = self.dropped.entry(table).or_default();
            match ranges.last_mut() {
                Some(range) if u16::from(range.last) + 1 == u16::from(group) => range.last = group,
                _ => ranges.push(Dropped { table, first: group, last: group }),
            }
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut part = std::mem::take(&mut self.started);
        while part.is_empty() {
            let Some(group) = self.groups.next() else {
                let dropped = std::mem::take(&mut self.dropped).into_values().flatten().collect();
                let segment = self.writer.take()?.finish(self.name.clone(), dropped, &mut part);
                self.into = Some(segment);
                break;
            };
            match GroupState::read(self.storage, self.segments, group) {
                Ok(state) => self.group(&state, &mut part),
                Err(error) => {
                    let answer = io::Error::other(error.clone());
                    self.failed = Some(error);
                    self.writer = None;
                    return Some(Err(answer));
                }
            }
        }
        Some(Ok(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::manifest::ObjectRef;

    fn of_bytes(name: usize, bytes: u64) -> SegmentRef {
        let object = ObjectRef { name: name.to_string(), bytes, checksum: 0 };
        SegmentRef { object, ..SegmentRef::default() }
    }

    /// Epochs of `shards` segments each; the most segments there were, and the bytes written for each byte that came.
    fn run(epochs: usize, shards: usize, bytes: impl Fn(usize) -> u64) -> (usize, f64) {
        let mut segments: Vec<SegmentRef> = Vec::new();
        let (mut most, mut came, mut written) = (0, 0, 0);
        for epoch in 0..epochs {
            for shard in 0..shards {
                segments.push(of_bytes(epoch * shards + shard, bytes(epoch)));
                came += bytes(epoch);
                written += bytes(epoch);
            }
            most = most.max(segments.len());
            while let Some(range) = what_to_merge(&segments) {
                let all: u64 = segments[range.clone()].iter().map(|segment| segment.object.bytes).sum();
                written += all;
                segments.splice(range, [of_bytes(usize::MAX - epoch, all)]);
            }
        }
        (most, written as f64 / came as f64)
    }

    #[test]
    fn segments_stay_few_and_each_byte_is_written_seldom() {
        for (epochs, shards) in [(10_000, 1), (10_000, 4), (1000, 16)] {
            for sizes in
                [|_| 1000, |epoch: usize| 1 << (epoch * 7 % 17), |epoch| if epoch == 0 { 1 << 40 } else { 1 }]
            {
                let (most, amplification) = run(epochs, shards, sizes);
                assert!(most <= SEGMENTS + shards, "{most} segments of {shards} shards");
                let logarithm = (epochs as f64).log2();
                assert!(amplification < logarithm, "{amplification} of {epochs} epochs, {shards} shards");
            }
        }
    }

    #[test]
    fn a_large_old_segment_is_left_alone() {
        let mut segments = vec![of_bytes(0, 1 << 30)];
        segments.extend((1..=SEGMENTS).map(|name| of_bytes(name, 1000)));
        assert_eq!(what_to_merge(&segments), Some(1..SEGMENTS + 1));
        assert_eq!(what_to_merge(&segments[..SEGMENTS]), None);
    }

    #[test]
    fn a_merged_segment_takes_the_place_of_its_own_and_of_no_others() {
        let mut segments: Vec<_> = (0..4).map(|name| of_bytes(name, 1)).collect();
        let merged = |from: &[&str]| Merged {
            from: from.iter().map(|&name| name.to_owned()).collect(),
            into: of_bytes(9, 2),
        };
        for wrong in [&["1", "3"][..], &["3", "4"], &["7"], &[]] {
            assert!(!merged(wrong).apply(&mut segments));
        }
        assert!(merged(&["1", "2"]).apply(&mut segments));
        assert_eq!(segments, [of_bytes(0, 1), of_bytes(9, 2), of_bytes(3, 1)]);
    }
}
