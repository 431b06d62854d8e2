//! A tier on local disk: a file of pages for each shard of a stage.
//!
//! A page begins at a multiple of 4 KiB and is never written over: the next one takes the place of one that was let go, so
//! the file is about as large as what is in it, and there is nothing to clean up. Nothing is synced, because nothing of
//! it is read after a crash. What keeps reading fast is that the system caches the file.

use super::{PageAt, TierPages, TierStore};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a page's place and size are a multiple of.
const UNIT: usize = 4096;

/// A [`TierStore`] in a directory on a local disk.
#[derive(Debug)]
pub struct DiskTier {
    path: PathBuf,
}

impl DiskTier {
    /// Empties the directory, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be emptied or made.
    pub fn open(path: &Path) -> io::Result<DiskTier> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        std::fs::create_dir_all(path)?;
        Ok(DiskTier { path: path.to_owned() })
    }
}

impl TierStore for DiskTier {
    fn open(&self, name: &str) -> io::Result<Box<dyn TierPages>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(Pages { file, end: 0, free: BTreeMap::new(), padded: Vec::new() }))
    }
}

struct Pages {
    file: File,
    /// The first unit that was never used.
    end: u32,
    /// Places that were let go, by their size in units. The last to come is the first to go: the system still caches it.
    free: BTreeMap<usize, Vec<u32>>,
    padded: Vec<u8>,
}

/// The units that a page of so many bytes has: so few sizes that one which is let go soon fits another.
fn units(bytes: usize) -> usize {
    let units = bytes.div_ceil(UNIT);
    if units <= 8 { units } else { units.next_power_of_two() }
}

impl Pages {
    fn let_go(&mut self, units: usize, place: u32) {
        self.free.entry(units).or_default().push(place);
    }
}

impl TierPages for Pages {
    fn write(&mut self, page: &[u8]) -> io::Result<PageAt> {
        let too_much = || io::Error::from(io::ErrorKind::FileTooLarge);
        let len = u32::try_from(page.len()).map_err(|_| too_much())?;
        let units = units(page.len());
        let (place, end) = match self.free.get_mut(&units).and_then(Vec::pop) {
            Some(place) => (place, self.end),
            None => {
                let added = u32::try_from(units).ok().and_then(|units| self.end.checked_add(units));
                (self.end, added.ok_or_else(too_much)?)
            }
        };
        // Whole units, or the system would have to read what is around them.
        self.padded.clear();
        self.padded.extend_from_slice(page);
        self.padded.resize(units * UNIT, 0);
        if let Err(error) = write_at(&mut self.file, &self.padded, u64::from(place) * UNIT as u64) {
            if end == self.end {
                self.let_go(units, place);
            }
            return Err(error);
        }
        self.end = end;
        self.padded.shrink_to(16 * UNIT);
        Ok(PageAt { place, len })
    }

    fn read(&mut self, at: PageAt, part: Range<u32>, into: &mut Vec<u8>) -> io::Result<()> {
        into.resize(part.len(), 0);
        read_at(&mut self.file, into, u64::from(at.place) * UNIT as u64 + u64::from(part.start))
    }

    fn free(&mut self, at: PageAt) {
        self.let_go(units(at.len as usize), at.place);
    }

    fn best(&self) -> usize {
        // Read in parts of about a unit.
        4 * UNIT
    }

    fn bytes(&self) -> u64 {
        u64::from(self.end) * UNIT as u64
    }
}

#[cfg(unix)]
fn write_at(file: &mut File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_at(file: &mut File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(not(unix))]
fn write_at(file: &mut File, bytes: &[u8], at: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(at))?;
    io::Write::write_all(file, bytes)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, into: &mut [u8], at: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(at))?;
    io::Read::read_exact(file, into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_let_go_and_its_place_is_used_again() {
        let path = std::env::temp_dir().join(format!("psdf-tier-{}", std::process::id()));
        let store = DiskTier::open(&path).unwrap();
        let mut pages = store.open("a").unwrap();
        let bytes = |n: u8| vec![n; usize::from(n) * 1_000];
        let at: Vec<PageAt> = (0..100).map(|n| pages.write(&bytes(n)).unwrap()).collect();
        let size = pages.bytes();
        let mut read = Vec::new();
        for (n, &at) in (0..100).zip(&at) {
            pages.read(at, 0..at.len, &mut read).unwrap();
            assert_eq!(read, bytes(n));
            if n % 2 == 1 {
                pages.free(at);
            }
        }
        for n in (1..100).step_by(2) {
            pages.write(&bytes(n)).unwrap();
        }
        for n in (0..100).step_by(2) {
            pages.read(at[usize::from(n)], 0..at[usize::from(n)].len, &mut read).unwrap();
            assert_eq!(read, bytes(n));
        }
        assert_eq!(pages.bytes(), size, "what was let go made room");
        assert!(store.open("a").is_err(), "of a name there is one");
        drop(pages);
        let store = DiskTier::open(&path).unwrap();
        assert_eq!(store.open("a").unwrap().bytes(), 0, "a start finds nothing");
        std::fs::remove_dir_all(&path).unwrap();
    }
}
