//! Object stores do what every storage of checkpoints does.

#![allow(clippy::unwrap_used)]

use psdf_cluster::objects::Objects;
use psdf_runtime::checkpoint::storage::{Storage, suite};
use std::sync::Arc;

#[test]
fn memory_does_what_every_storage_does() {
    suite::check(&(Arc::new(Objects::memory().unwrap()) as Arc<dyn Storage>));
}

#[test]
fn a_prefix_hides_what_is_elsewhere() {
    let objects = Objects::memory().unwrap().within("jobs/traffic").unwrap();
    suite::check(&(Arc::new(objects) as Arc<dyn Storage>));
}

#[test]
fn a_directory_does_what_every_storage_does() {
    let path = std::env::temp_dir().join(format!("psdf-objects-{}", std::process::id()));
    suite::check(&(Arc::new(Objects::directory(&path).unwrap()) as Arc<dyn Storage>));
    std::fs::remove_dir_all(path).unwrap();
}
