//! Under which names the objects of a flow are stored.
//!
//! A name begins with the epoch in which its object can first be named by a manifest, so that [`super::garbage`] can tell
//! what is old from names alone. None is stored before the epoch before that is committed, so that a missing manifest is
//! seen. A name ends with a number of the process, so that one that was declared dead and is not cannot write over what
//! another has committed.

use xxhash_rust::xxh3::xxh3_64;

/// Where manifests are.
pub const MANIFESTS: &str = "manifests/";
/// Where segments are.
pub const SEGMENTS: &str = "segments/";
/// Where records of outputs are that wait for their epoch to be committed.
pub const HELD: &str = "held/";

/// The name of the manifest of an epoch.
#[must_use]
pub fn manifest(epoch: u64) -> String {
    format!("{MANIFESTS}{epoch:020}")
}

/// The name of the segment of a shard. `process` is a number that no other process has.
#[must_use]
pub fn segment(epoch: u64, node: &str, shard: usize, process: u64) -> String {
    format!("{SEGMENTS}{epoch:020}-{}-{shard}-{process:016x}.seg", word(node))
}

/// The name of a segment that is a part of what a shard stores in an epoch, because it is too much to be held in memory: the
/// number of the part. What is left is under the name of the [`segment`].
#[must_use]
pub fn part(epoch: u64, node: &str, shard: usize, part: usize, process: u64) -> String {
    format!("{SEGMENTS}{epoch:020}-{}-{shard}.{part}-{process:016x}.seg", word(node))
}

/// The name of a segment into which those of the epochs `merged` are merged. `epoch` is the next to be committed when
/// that begins.
#[must_use]
pub fn merged(epoch: u64, node: &str, merged: (u64, u64), process: u64) -> String {
    format!("{SEGMENTS}{epoch:020}-{}-{}to{}-{process:016x}.seg", word(node), merged.0, merged.1)
}

/// The name of the records of an output that wait for an epoch.
#[must_use]
pub fn held(epoch: u64, output: &str, process: u64) -> String {
    format!("{HELD}{epoch:020}-{}-{process:016x}", word(output))
}

/// The epoch in a name; `None` if it is not one of these.
#[must_use]
pub fn epoch(name: &str) -> Option<u64> {
    let rest = [MANIFESTS, SEGMENTS, HELD].iter().find_map(|folder| name.strip_prefix(folder))?;
    let digits = rest.get(..20).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let end = rest.as_bytes().get(20);
    if end.is_some_and(|&byte| byte != b'-') || end.is_some() == name.starts_with(MANIFESTS) {
        return None;
    }
    digits.parse().ok()
}

/// A node's name as a part of a file's: with a hash, because some file systems take `a` for `A`, and none takes more than
/// 255 bytes.
fn word(node: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' };
    let readable: String = node.chars().map(plain).take(80).collect();
    format!("{readable}-{:08x}", xxh3_64(node.as_bytes()) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_epoch() {
        assert_eq!(epoch(&manifest(7)), Some(7));
        assert_eq!(epoch(&segment(u64::MAX, "day.hourly", 3, 1)), Some(u64::MAX));
        assert_eq!(epoch(&part(8, "hourly", 3, 2, 1)), Some(8));
        assert_eq!(epoch(&merged(12, "hourly", (3, 11), 1)), Some(12));
        assert_eq!(epoch(&held(5, "alerts", 1)), Some(5));
    }

    #[test]
    fn what_is_not_ours_has_no_epoch() {
        for name in [
            "manifests/7",
            "manifests/00000000000000000007-x",
            "notes/00000000000000000007-x",
            "",
            "segments/",
        ] {
            assert_eq!(epoch(name), None, "{name}");
        }
        assert_eq!(epoch("segments/99999999999999999999-x"), None);
        assert_eq!(epoch("segments/00000000000000000007"), None);
    }

    #[test]
    fn different_nodes_have_different_names_even_where_case_does_not_count() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let names = ["a", "A", "a.b", "a_b", "größe", &long, &longer]
            .map(|node| segment(1, node, 0, 0).to_lowercase());
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(names.iter().all(|name| name.len() < 200 && name.is_ascii()));
    }
}
