//! What of a store is known to be damaged while its flow runs: its epochs are none to fall back on.

use crate::checkpoint::manifest::Manifest;
use std::collections::HashSet;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Damaged {
    epochs: HashSet<u64>,
    objects: HashSet<String>,
}

impl Damaged {
    /// Those epochs were passed over when the flow began.
    pub(super) fn passed_over(epochs: impl Iterator<Item = u64>) -> Self {
        Damaged { epochs: epochs.collect(), objects: HashSet::new() }
    }

    /// An object is found damaged; whether that is new.
    pub(super) fn found(&mut self, object: &str) -> bool {
        self.objects.insert(object.to_owned())
    }

    /// Whether an epoch is known to be damaged, of which nothing has to be read for that.
    pub(super) fn has_epoch(&self, epoch: u64) -> bool {
        self.epochs.contains(&epoch)
    }

    /// Whether an epoch is damaged, since it names a damaged object.
    pub(super) fn has(&mut self, manifest: &Manifest) -> bool {
        let is_damaged = manifest.objects().any(|object| self.objects.contains(&object.name));
        if is_damaged {
            self.epochs.insert(manifest.epoch);
        }
        is_damaged
    }
}
