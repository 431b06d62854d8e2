//! What every storage has to do, as checks that are run over each of them.

use super::Storage;
use crate::checkpoint::manifest::{CommitError, Manifest, commit, list};
use crate::checkpoint::object::verify;
use crate::checkpoint::segment::{SegmentOf, encode};
use crate::checkpoint::{Delta, names, recovery};
use std::io;
use std::sync::Arc;

/// All of them, over a storage that is empty.
///
/// # Panics
/// If it does not do what it has to.
pub fn check(storage: &Arc<dyn Storage>) {
    what_is_put_is_there(&**storage);
    of_many_who_create_a_name_one_succeeds(&**storage);
    a_part_of_an_object_ends_where_the_object_ends(&**storage);
    parts_of_which_one_fails_leave_nothing(&**storage);
    an_object_in_large_parts_is_one(&**storage);
    what_is_not_there_is_not_found_and_deleted_without_complaint(&**storage);
    one_process_of_two_commits_an_epoch(storage);
}

fn listed(storage: &dyn Storage, prefix: &str) -> Vec<String> {
    let mut names = storage.list(prefix).expect("it can be listed");
    names.sort();
    names
}

fn what_is_put_is_there(storage: &dyn Storage) {
    assert_eq!(listed(storage, ""), [""; 0], "it is not empty");
    for (name, bytes) in [("deep/in/a", &b"first"[..]), ("deep/in/a", b"second"), ("b", b"other"), ("e", b"")]
    {
        storage.put(name, bytes).expect("it can be put");
    }
    assert_eq!(storage.get("deep/in/a").expect("it is there"), b"second");
    assert_eq!(storage.get("e").expect("it is there"), b"");
    assert_eq!(listed(storage, ""), ["b", "deep/in/a", "e"]);
    for (prefix, found) in
        [("deep/", &["deep/in/a"][..]), ("de", &["deep/in/a"]), ("deep/in/b", &[]), ("none/", &[])]
    {
        assert_eq!(listed(storage, prefix), found, "{prefix}");
    }
    for name in ["deep/in/a", "b", "e"] {
        storage.delete(name).expect("it can be deleted");
    }
    assert_eq!(listed(storage, ""), [""; 0]);
}

fn of_many_who_create_a_name_one_succeeds(storage: &dyn Storage) {
    let created: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8u8).map(|i| scope.spawn(move || storage.create("c/1", &[i; 100]))).collect();
        let created = |tried: io::Result<()>| match tried {
            Ok(()) => 1,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{error}");
                0
            }
        };
        tries.into_iter().map(|tried| created(tried.join().expect("it does not panic"))).sum()
    });
    assert_eq!(created, 1);
    let bytes = storage.get("c/1").expect("it is there");
    assert!(bytes.len() == 100 && bytes.iter().all(|byte| *byte == bytes[0]), "it is of several");
    storage.delete("c/1").expect("it can be deleted");
}

fn a_part_of_an_object_ends_where_the_object_ends(storage: &dyn Storage) {
    storage.put("r", b"0123456789").expect("it can be put");
    for (from, len, part) in [
        (2, 3, &b"234"[..]),
        (8, 5, b"89"),
        (8, u64::MAX, b"89"),
        (0, 10, b"0123456789"),
        (10, 1, b""),
        (99, 1, b""),
        (3, 0, b""),
    ] {
        assert_eq!(storage.get_range("r", from, len).expect("it is there"), part, "{from} {len}");
    }
    storage.delete("r").expect("it can be deleted");
}

fn parts_of_which_one_fails_leave_nothing(storage: &dyn Storage) {
    storage.put_parts("p", &mut [Ok(vec![1]), Ok(vec![2, 3])].into_iter()).expect("it can be put");
    assert_eq!(storage.get("p").expect("it is there"), [1, 2, 3]);
    let failing = [Ok(vec![1]), Err(io::Error::other("no more"))];
    let failed = storage.put_parts("q", &mut failing.into_iter()).expect_err("a part fails");
    assert_eq!(failed.to_string(), "no more");
    storage.delete("p").expect("it can be deleted");
    assert_eq!(listed(storage, ""), [""; 0]);
}

fn an_object_in_large_parts_is_one(storage: &dyn Storage) {
    let part = |number: u8| vec![number; (1 << 20) + 17];
    storage.put_parts("l", &mut (0..20).map(|number| Ok(part(number)))).expect("it can be put");
    let whole: Vec<u8> = (0..20).flat_map(part).collect();
    assert!(storage.get("l").expect("it is there") == whole, "it is another");
    let from = whole.len() as u64 - 1;
    assert_eq!(storage.get_range("l", from, 9).expect("it is there"), whole[whole.len() - 1..]);
    let failing =
        (0..20).map(|number| if number < 19 { Ok(part(number)) } else { Err(io::Error::other("no more")) });
    assert!(storage.put_parts("m", &mut { failing }).is_err());
    storage.delete("l").expect("it can be deleted");
    assert_eq!(listed(storage, ""), [""; 0]);
}

fn what_is_not_there_is_not_found_and_deleted_without_complaint(storage: &dyn Storage) {
    for name in ["n", "nowhere/n"] {
        for error in [storage.get(name), storage.get_range(name, 0, 1), storage.get_range(name, 5, 0)] {
            let error = error.expect_err("it is not there");
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        storage.delete(name).expect("it is no error");
    }
}

fn one_process_of_two_commits_an_epoch(storage: &Arc<dyn Storage>) {
    let manifest = |epoch, attempt| {
        let of = SegmentOf { flow: "F".into(), node: "n".into(), epochs: (epoch, epoch), groups: (0, 255) };
        let mut delta = Delta::default();
        delta.written.push(7, 0, |to| to.push(1), |to| to.push(u8::try_from(attempt).expect("it is small")));
        let name = names::segment(epoch, "n", 0, attempt);
        let (bytes, segment) = encode(name, of, delta);
        storage.put(&segment.object.name, &bytes).expect("it can be put");
        verify(&**storage, &segment.object).expect("it is whole");
        let mut manifest = Manifest { flow: "F".into(), epoch, attempt, ..Manifest::default() };
        manifest.stages.push(crate::checkpoint::manifest::StageAt {
            node: "n".into(),
            segments: vec![segment],
            ..<_>::default()
        });
        manifest
    };
    let (first, zombie) = (manifest(1, 7), manifest(1, 8));
    assert!(commit(&**storage, &first).is_ok());
    assert!(commit(&**storage, &first).is_ok(), "to try again does no harm");
    assert!(matches!(commit(&**storage, &zombie), Err(CommitError::Fenced { epoch: 1, theirs: 1 })));
    assert!(commit(&**storage, &manifest(2, 7)).is_ok());
    assert_eq!(list(&**storage).expect("it can be listed"), [2, 1]);
    let recovered = recovery::latest(Arc::clone(storage)).expect("it is whole").expect("there is one");
    assert_eq!((recovered.manifest.epoch, recovered.manifest.attempt), (2, 7));
    for name in listed(&**storage, "") {
        storage.delete(&name).expect("it can be deleted");
    }
}
