//! How entries lie in a page, and how they wait for one.
//!
//! While they wait they come one after the other: hash, length, length of the key, key, and what belongs to the key. In a page their hashes
//! come first, so that one is found without looking at the others.

use std::io;
use xxhash_rust::xxh3::xxh3_64;

/// An entry as it is in a page, or on its way to one.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) hash: u32,
    pub(super) key: &'a [u8],
    pub(super) rest: &'a [u8],
    /// All of it, and where it begins.
    pub(super) whole: &'a [u8],
    pub(super) at: usize,
}

/// Seven bits to a byte.
pub(in crate::state) fn put_len(mut len: usize, to: &mut Vec<u8>) {
    while len >= 0x80 {
        to.push(len as u8 | 0x80);
        len >>= 7;
    }
    to.push(len as u8);
}

#[inline]
pub(in crate::state) fn take_len<'a>(from: &mut &'a [u8]) -> Option<usize> {
    let mut len = 0;
    for shift in (0..usize::BITS - 7).step_by(7) {
        let (&byte, rest): (&u8, &'a [u8]) = from.split_first()?;
        *from = rest;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(len);
        }
    }
    None
}

/// Adds an entry whose key and rest are these, one after the other.
pub(super) fn put(hash: u32, key: &[u8], rest: &[u8], to: &mut Vec<u8>) {
    let at = to.len();
    to.extend_from_slice(&hash.to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    put_len(key.len(), to);
    to.extend_from_slice(key);
    to.extend_from_slice(rest);
    let len = (to.len() - at - 8) as u32;
    to[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
}

/// Entries that wait, or are on their way to a page.
pub(super) fn records(page: &[u8]) -> impl Iterator<Item = io::Result<Record<'_>>> {
    let mut left = page;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let at = page.len() - left.len();
        let record = next(&mut left, page, at);
        if record.is_none() {
            left = &[];
        }
        Some(record.ok_or_else(damaged))
    })
}

#[inline]
fn next<'a>(left: &mut &'a [u8], page: &'a [u8], at: usize) -> Option<Record<'a>> {
    let (hash, rest) = left.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (mut entry, after) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *left = after;
    let whole = &page[at..page.len() - after.len()];
    let key = take_len(&mut entry)?;
    let (key, rest) = entry.split_at_checked(key)?;
    Some(Record { hash: u32::from_le_bytes(*hash), key, rest, whole, at })
}

/// Finds an entry among those that wait.
pub(super) fn find<'a>(waiting: &'a [u8], hash: u32, key: &[u8]) -> io::Result<Option<Record<'a>>> {
    let mut at = 0;
    while let Some((held, rest)) = waiting[at..].split_first_chunk::<4>() {
        if u32::from_le_bytes(*held) == hash {
            let record = next(&mut &waiting[at..], waiting, at).ok_or_else(damaged)?;
            if record.key == key {
                return Ok(Some(record));
            }
        }
        let (len, _) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        at += 8 + u32::from_le_bytes(*len) as usize;
    }
    Ok(None)
}

pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a page is not what was written")
}

/// A page: its checksum, how many entries there are, their hashes, where each of them ends, and then the entries, with the
/// length of the key, the key, and what belongs to it. All numbers have 32 bits.
pub(super) struct Page<'a> {
    hashes: &'a [[u8; 4]],
    ends: &'a [[u8; 4]],
    entries: &'a [u8],
}

/// In front of a page.
pub(super) const CHECKSUM: usize = 8;
/// That, and how many entries there are.
const HEAD: usize = CHECKSUM + 4;

/// About as many bytes as a page has of so many entries, which take so many while they wait.
pub(super) fn page_size(waiting: usize, entries: usize) -> usize {
    // Beside each is as much as while it waits.
    HEAD + waiting.max(8 * entries)
}

/// Makes a page of entries; how many there are.
pub(super) fn make_page(from: &[u8], page: &mut Vec<u8>) -> io::Result<u32> {
    let count = records(from).count();
    page.clear();
    page.resize(HEAD + 8 * count, 0);
    let entries = page.len();
    for (place, record) in records(from).enumerate() {
        let record = record?;
        put_len(record.key.len(), page);
        page.extend_from_slice(record.key);
        page.extend_from_slice(record.rest);
        let end = (page.len() - entries) as u32;
        page[HEAD + 4 * place..][..4].copy_from_slice(&record.hash.to_le_bytes());
        page[HEAD + 4 * (count + place)..][..4].copy_from_slice(&end.to_le_bytes());
    }
    page[CHECKSUM..HEAD].copy_from_slice(&(count as u32).to_le_bytes());
    seal(page);
    Ok(count as u32)
}

/// Writes the checksum of what comes behind it.
pub(super) fn seal(page: &mut [u8]) {
    let checksum = xxh3_64(&page[CHECKSUM..]);
    page[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// What was sealed.
pub(super) fn unseal(page: &[u8]) -> io::Result<&[u8]> {
    let (checksum, rest) = page.split_first_chunk::<CHECKSUM>().ok_or_else(damaged)?;
    if u64::from_le_bytes(*checksum) == xxh3_64(rest) { Ok(rest) } else { Err(damaged()) }
}

impl<'a> Page<'a> {
    pub(super) fn open(page: &'a [u8]) -> io::Result<Page<'a>> {
        let opened = || {
            let (count, rest) = unseal(page).ok()?.split_first_chunk::<4>()?;
            let numbers = (u32::from_le_bytes(*count) as usize).checked_mul(8)?;
            let (numbers, entries) = rest.split_at_checked(numbers)?;
            let (numbers, _) = numbers.as_chunks::<4>();
            let (hashes, ends) = numbers.split_at(numbers.len() / 2);
            Some(Page { hashes, ends, entries })
        };
        opened().ok_or_else(damaged)
    }

    fn at(&self, place: usize) -> Option<(&'a [u8], &'a [u8])> {
        let end = |place: usize| Some(u32::from_le_bytes(*self.ends.get(place)?) as usize);
        let begin = if place == 0 { 0 } else { end(place - 1)? };
        let mut entry = self.entries.get(begin..end(place)?)?;
        let key = take_len(&mut entry)?;
        entry.split_at_checked(key)
    }

    /// Finds an entry: its place, and what belongs to its key.
    pub(super) fn find(
        &self,
        hash: u32,
        key: &[u8],
        is_taken: impl Fn(usize) -> bool,
    ) -> io::Result<Option<(usize, &'a [u8])>> {
        let hash = hash.to_le_bytes();
        let mut from = 0;
        while let Some(further) = self.hashes[from..].iter().position(|held| *held == hash) {
            let place = from + further;
            let (held, rest) = self.at(place).ok_or_else(damaged)?;
            if held == key && !is_taken(place) {
                return Ok(Some((place, rest)));
            }
            from = place + 1;
        }
        Ok(None)
    }

    /// Adds the entries to others that wait, but for those that were taken.
    pub(super) fn gather(&self, to: &mut Vec<u8>, is_taken: impl Fn(usize) -> bool) -> io::Result<()> {
        for place in (0..self.hashes.len()).filter(|&place| !is_taken(place)) {
            let (key, rest) = self.at(place).ok_or_else(damaged)?;
            put(u32::from_le_bytes(self.hashes[place]), key, rest, to);
        }
        Ok(())
    }
}
