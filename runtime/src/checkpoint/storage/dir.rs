//! Objects as files in a directory.

use super::Storage;
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files in a directory; `/` in a name is a subdirectory.
///
/// A file is written under a temporary name, synced, and then renamed ([`Storage::put`]) or linked
/// ([`Storage::create`]), and its directory synced: so none is ever seen in part. It needs a file system with hard links
/// whose sync reaches the disk.
#[derive(Debug)]
pub struct DirStorage {
    root: PathBuf,
    /// A process that was declared dead may still write to the directory, and in containers both have number 1.
    own: u64,
    temporaries: AtomicU64,
}

/// Names of files that are being written end so.
const TEMPORARY: &str = ".tmp";

/// An error with the path that it is of.
#[derive(Debug)]
struct AtPath {
    doing: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for AtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.doing, self.path.display(), self.error)
    }
}

impl std::error::Error for AtPath {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> io::Error + 'a {
    move |error| io::Error::new(error.kind(), AtPath { doing, path: path.to_owned(), error })
}

impl DirStorage {
    /// Opens a directory, or makes it. What a process that crashed was writing there is deleted, so only the process that
    /// runs the flow opens it.
    ///
    /// # Errors
    /// If it cannot be made, read or cleaned.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let storage = Self::open_shared(path)?;
        storage.clean(&storage.root)?;
        Ok(storage)
    }

    /// Opens a directory that other processes write to at the same time, or makes it. Nothing in it is deleted: what one of
    /// them that crashed was writing stays until the directory is [opened](DirStorage::open) by one alone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open_shared(path: impl Into<PathBuf>) -> io::Result<Self> {
        let root = path.into();
        make_directory(&root)?;
        let own = RandomState::new().build_hasher().finish();
        Ok(DirStorage { root, own, temporaries: AtomicU64::new(0) })
    }

    fn clean(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory).map_err(at("list", directory))? {
            let entry = entry.map_err(at("list", directory))?;
            let path = entry.path();
            if entry.file_type().map_err(at("look at", &path))?.is_dir() {
                self.clean(&path)?;
            } else if is_temporary(&entry.file_name().to_string_lossy()) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
        if !name.split('/').all(plain) || is_temporary(name) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{name}` is no name for an object"),
            ));
        }
        Ok(self.root.join(name))
    }

    /// Writes a temporary file beside `path`, synced.
    fn write_beside(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Temporary> {
        let directory = path.parent().unwrap_or(&self.root);
        make_directory(directory)?;
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let beside = directory.join(format!(".{:016x}-{number}{TEMPORARY}", self.own));
        let mut file = File::create_new(&beside).map_err(at("create", &beside))?;
        let temporary = Temporary { path: beside };
        write(&mut file)?;
        file.sync_all().map_err(at("sync", path))?;
        Ok(temporary)
    }

    fn list_under(
        &self,
        directory: &Path,
        inside: &str,
        prefix: &str,
        names: &mut Vec<String>,
    ) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(at("list", directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(at("list", directory))?;
            let Ok(file_name) = entry.file_name().into_string() else { continue };
            let name = format!("{inside}{file_name}");
            if entry.file_type().map_err(at("look at", &entry.path()))?.is_dir() {
                let inside = format!("{name}/");
                if inside.starts_with(prefix) || prefix.starts_with(&inside) {
                    self.list_under(&entry.path(), &inside, prefix, names)?;
                }
            } else if name.starts_with(prefix) && !is_temporary(&name) {
                names.push(name);
            }
        }
        Ok(())
    }
}

/// A file that is deleted when it is not renamed.
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is none. What cannot be deleted now is when the directory is opened again.
        let _ = fs::remove_file(&self.path);
    }
}

impl Storage for DirStorage {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let temporary = self.write_beside(&path, |file| file.write_all(bytes).map_err(at("write", &path)))?;
        put_in_place(&temporary, &path)
    }

    fn put_parts(&self, name: &str, parts: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<()> {
        let path = self.path(name)?;
        let write_all = |file: &mut File| {
            for part in parts {
                file.write_all(&part?).map_err(at("write", &path))?;
            }
            Ok(())
        };
        let temporary = self.write_beside(&path, write_all)?;
        put_in_place(&temporary, &path)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let temporary = self.write_beside(&path, |file| file.write_all(bytes).map_err(at("write", &path)))?;
        fs::hard_link(&temporary.path, &path).map_err(at("create", &path))?;
        sync_directory_of(&path)
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        fs::read(&path).map_err(at("read", &path))
    }

    fn get_range(&self, name: &str, from: u64, len: u64) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(len).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(at("read", &path))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.list_under(&self.root, "", prefix, &mut names)?;
        Ok(names)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        remove(&self.path(name)?)
    }
}

fn put_in_place(temporary: &Temporary, path: &Path) -> io::Result<()> {
    fs::rename(&temporary.path, path).map_err(at("write", path))?;
    sync_directory_of(path)
}

fn is_temporary(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(at("delete", path)),
    }
}

/// Makes a directory and those above it, each synced into its own, so that a crash does not take it with what it holds.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_directory(above)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        done => done.map_err(at("create", path))?,
    }
    sync_directory_of(path)
}

/// Only then has a new name reached the disk.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Ok(()),
    };
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at("sync", directory))
}

/// Elsewhere a directory cannot be opened; the file system keeps names in its journal.
#[cfg(not(unix))]
fn sync_directory_of(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, deleted at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(of: &str) -> Self {
            let path = std::env::temp_dir().join(format!("psdf-{of}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Scratch(path)
        }

        fn open(&self) -> DirStorage {
            DirStorage::open(&self.0).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listed(storage: &DirStorage, prefix: &str) -> Vec<String> {
        let mut names = storage.list(prefix).unwrap();
        names.sort();
        names
    }

    #[test]
    fn it_does_what_every_storage_does() {
        let scratch = Scratch::new("suite");
        let storage: std::sync::Arc<dyn Storage> = std::sync::Arc::new(scratch.open());
        crate::checkpoint::storage::suite::check(&storage);
    }

    #[test]
    fn what_is_put_is_there_for_the_next_who_opens_it() {
        let scratch = Scratch::new("put");
        let storage = scratch.open();
        storage.put("deep/in/a", b"first").unwrap();
        storage.put("deep/in/a", b"second").unwrap();
        storage.put("b", b"other").unwrap();
        drop(storage);
        let storage = scratch.open();
        assert_eq!(storage.get("deep/in/a").unwrap(), b"second");
        assert_eq!(listed(&storage, ""), ["b", "deep/in/a"]);
        assert_eq!(listed(&storage, "deep/"), ["deep/in/a"]);
        assert_eq!(listed(&storage, "de"), ["deep/in/a"]);
        assert_eq!(listed(&storage, "deep/in/b"), [""; 0]);
        assert_eq!(listed(&storage, "none/"), [""; 0]);
    }

    #[test]
    fn of_many_who_create_a_name_one_succeeds() {
        let scratch = Scratch::new("create");
        let storage = scratch.open();
        let created: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8u8)
                .map(|i| {
                    scope.spawn({
                        let storage = &storage;
                        move || storage.create("m/1", &[i; 100])
                    })
                })
                .collect();
            tries
                .into_iter()
                .map(|tried| tried.join().unwrap())
                .map(|tried| match tried {
                    Ok(()) => 1,
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
                        0
                    }
                })
                .sum()
        });
        assert_eq!(created, 1);
        let bytes = storage.get("m/1").unwrap();
        assert!(bytes.len() == 100 && bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(fs::read_dir(scratch.0.join("m")).unwrap().count(), 1, "temporary files are left");
    }

    #[test]
    fn a_part_of_an_object_ends_where_the_object_ends() {
        let scratch = Scratch::new("range");
        let storage = scratch.open();
        storage.put("a", b"0123456789").unwrap();
        assert_eq!(storage.get_range("a", 2, 3).unwrap(), b"234");
        assert_eq!(storage.get_range("a", 8, u64::MAX).unwrap(), b"89");
        assert_eq!(storage.get_range("a", 99, 1).unwrap(), b"");
    }

    #[test]
    fn what_a_crash_left_half_written_is_gone_when_the_directory_is_opened() {
        let scratch = Scratch::new("crash");
        scratch.open().put("segments/a", b"whole").unwrap();
        let left = scratch.0.join("segments/.1-0.tmp");
        fs::write(&left, b"ha").unwrap();
        let storage = scratch.open();
        assert!(!left.exists());
        assert_eq!(listed(&storage, ""), ["segments/a"]);
    }

    #[test]
    fn a_directory_that_is_shared_keeps_what_another_is_writing() {
        let scratch = Scratch::new("shared");
        scratch.open();
        let writing = scratch.0.join(".1-0.tmp");
        fs::write(&writing, b"ha").unwrap();
        let storage = DirStorage::open_shared(&scratch.0).unwrap();
        assert!(writing.exists());
        assert_eq!(listed(&storage, ""), [""; 0]);
    }

    #[test]
    fn parts_of_which_one_fails_leave_nothing() {
        let scratch = Scratch::new("parts");
        let storage = scratch.open();
        storage.put_parts("a", &mut [Ok(vec![1]), Ok(vec![2, 3])].into_iter()).unwrap();
        assert_eq!(storage.get("a").unwrap(), [1, 2, 3]);
        let failed = storage.put_parts("b", &mut [Ok(vec![1]), Err(io::Error::other("no more"))].into_iter());
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_path() {
        let scratch = Scratch::new("errors");
        let storage = scratch.open();
        let error = storage.get("manifests/7").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("manifests/7"), "{error}");
        storage.delete("manifests/7").unwrap();
        for name in ["", "../a", "a//b", "/a", "a/", "a.tmp", "a/./b"] {
            assert_eq!(storage.put(name, b"").unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }
}
