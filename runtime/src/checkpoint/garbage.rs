//! Which stored objects are of no use any more.

use super::manifest::Manifest;
use super::names;
use std::collections::HashSet;

/// Of the names that are listed, those to delete. `kept` are the manifests to keep, among them the newest that is committed;
/// where there are none, nothing is deleted.
///
/// What is deleted belongs to an epoch up to the oldest that is kept, and no kept manifest names it. So what is being made
/// for the next epoch stays, as does what another process, which has taken this one's place, has made since then.
/// `making` are names of merged segments that are being made or that no manifest names yet: merging may take many epochs.
/// What has no name of ours is left alone.
#[must_use]
pub fn garbage(listed: &[String], kept: &[Manifest], making: &HashSet<String>) -> Vec<String> {
    let Some(oldest) = kept.iter().map(|manifest| manifest.epoch).min() else { return Vec::new() };
    let manifests: HashSet<String> = kept.iter().map(|manifest| names::manifest(manifest.epoch)).collect();
    let named: HashSet<&str> =
        kept.iter().flat_map(Manifest::objects).map(|object| object.name.as_str()).collect();
    let is_garbage = |name: &&String| {
        names::epoch(name).is_some_and(|epoch| epoch <= oldest)
            && !named.contains(name.as_str())
            && !manifests.contains(*name)
            && !making.contains(*name)
    };
    listed.iter().filter(is_garbage).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::manifest::{ObjectRef, OutputAt, SegmentRef, StageAt};

    fn object(name: &str) -> ObjectRef {
        ObjectRef { name: name.to_owned(), ..ObjectRef::default() }
    }

    fn manifest(epoch: u64, segments: &[&String], held: Option<&String>) -> Manifest {
        let segment = |name: &&String| SegmentRef { object: object(name), ..SegmentRef::default() };
        Manifest {
            epoch,
            stages: vec![StageAt { segments: segments.iter().map(segment).collect(), ..StageAt::default() }],
            outputs: vec![OutputAt { held: held.map(|name| object(name)), ..OutputAt::default() }],
            ..Manifest::default()
        }
    }

    #[test]
    fn what_is_old_and_no_kept_manifest_names_goes() {
        let segment = |epoch| names::segment(epoch, "hourly", 0, 1);
        let merged = names::merged(9, "hourly", (1, 6), 1);
        let held = names::held(7, "alerts", 1);
        let kept = [manifest(8, &[&segment(1), &segment(8)], None), manifest(7, &[&segment(1)], Some(&held))];
        let stay = [
            segment(1),
            segment(8),
            segment(9),
            held,
            merged,
            names::manifest(7),
            names::manifest(8),
            names::manifest(9),
            "notes.txt".to_owned(),
        ];
        let go =
            [segment(2), segment(7), names::held(6, "alerts", 1), names::manifest(6), names::manifest(1)];
        let listed: Vec<String> = stay.iter().chain(&go).cloned().collect();
        assert_eq!(garbage(&listed, &kept, &HashSet::new()), go);
    }

    #[test]
    fn what_is_being_made_stays_however_long_it_takes() {
        let merged = names::merged(3, "hourly", (1, 2), 1);
        let kept = [manifest(8, &[], None), manifest(9, &[], None)];
        let listed = [merged.clone()];
        assert_eq!(garbage(&listed, &kept, &HashSet::from([merged.clone()])), [""; 0]);
        assert_eq!(garbage(&listed, &kept, &HashSet::new()), [merged]);
    }

    #[test]
    fn nothing_goes_while_nothing_is_committed() {
        assert_eq!(garbage(&[names::segment(1, "hourly", 0, 1)], &[], &HashSet::new()), [""; 0]);
    }
}
