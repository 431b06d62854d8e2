//! How entries lie in a page, and how they wait for one.
//!
//! While they wait they come one after the other: hash, length, length of the key, key, and what belongs to the key. A page is
//! a few blocks, each of which can be read by itself; in a block the hashes come first, so that an entry is found without
//! looking at the others.

use std::io;
use xxhash_rust::xxh3::xxh3_64;

/// An entry that waits.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) hash: u32,
    /// As it is in a page.
    pub(super) entry: &'a [u8],
    /// Where it begins, and where the next does.
    pub(super) at: usize,
    pub(super) end: usize,
}

/// Before an entry that waits: its hash and its length.
const HEAD_OF_ONE: usize = 8;

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

/// Makes an entry, in place of what is in `to`.
pub(super) fn make(
    hash: u32,
    key: impl FnOnce(&mut Vec<u8>),
    rest: impl FnOnce(&mut Vec<u8>),
    to: &mut Vec<u8>,
) {
    // Most keys are so short that their length is a byte.
    const KEY: usize = HEAD_OF_ONE + 1;
    to.clear();
    to.resize(KEY, 0);
    key(to);
    let len = to.len() - KEY;
    if len < 0x80 {
        to[HEAD_OF_ONE] = len as u8;
    } else {
        let mut lens = Vec::new();
        put_len(len, &mut lens);
        to.splice(HEAD_OF_ONE..KEY, lens);
    }
    rest(to);
    let len = (to.len() - HEAD_OF_ONE) as u32;
    to[..4].copy_from_slice(&hash.to_le_bytes());
    to[4..HEAD_OF_ONE].copy_from_slice(&len.to_le_bytes());
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
    let (entry, after) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *left = after;
    Some(Record { hash: u32::from_le_bytes(*hash), entry, at, end: page.len() - after.len() })
}

/// The key of an entry, and what belongs to it.
#[inline]
pub(super) fn parts(mut entry: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let key = take_len(&mut entry).ok_or_else(damaged)?;
    entry.split_at_checked(key).ok_or_else(damaged)
}

/// Finds an entry among those that wait: where it lies, and what belongs to its key.
pub(super) fn find<'a>(
    waiting: &'a [u8],
    hash: u32,
    key: &[u8],
) -> io::Result<Option<(std::ops::Range<usize>, &'a [u8])>> {
    let mut at = 0;
    while let Some((held, rest)) = waiting[at..].split_first_chunk::<4>() {
        if u32::from_le_bytes(*held) == hash {
            let record = next(&mut &waiting[at..], waiting, at).ok_or_else(damaged)?;
            let (held, rest) = parts(record.entry)?;
            if held == key {
                return Ok(Some((record.at..record.end, rest)));
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

/// A block of a page: its checksum, how many entries the blocks before it have and how many it has, their hashes, where each of
/// them ends, and then the entries, with the length of the key, the key, and what belongs to it. All numbers have 32 bits.
pub(super) struct Block<'a> {
    first: usize,
    hashes: &'a [[u8; 4]],
    ends: &'a [[u8; 4]],
    entries: &'a [u8],
}

/// In front of a block.
pub(super) const CHECKSUM: usize = 8;
/// That, and how many entries there are before it and in it.
const HEAD: usize = CHECKSUM + 8;

/// About as many bytes as entries have in a page that take so many while they wait.
pub(super) fn page_size(waiting: usize, entries: usize) -> usize {
    // Beside each is as much as while it waits.
    HEAD + waiting.max(HEAD_OF_ONE * entries)
}

/// A block that is being made.
#[derive(Default)]
pub(super) struct NewBlock {
    hashes: Vec<u8>,
    ends: Vec<u8>,
    entries: Vec<u8>,
}

impl NewBlock {
    pub(super) fn clear(&mut self, buffer: usize) {
        for bytes in [&mut self.hashes, &mut self.ends, &mut self.entries] {
            bytes.clear();
            bytes.shrink_to(buffer);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, hash: u32, entry: &[u8]) {
        self.entries.extend_from_slice(entry);
        self.hashes.extend_from_slice(&hash.to_le_bytes());
        self.ends.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
    }

    pub(super) fn len(&self) -> u32 {
        (self.hashes.len() / 4) as u32
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = u32> {
        self.hashes.as_chunks::<4>().0.iter().map(|hash| u32::from_le_bytes(*hash))
    }

    /// Puts it at the end of a page, which has so many entries. One without entries is nothing.
    pub(super) fn put(&self, first: u32, page: &mut Vec<u8>) {
        if self.hashes.is_empty() {
            return;
        }
        let begin = page.len();
        page.extend_from_slice(&[0; CHECKSUM]);
        page.extend_from_slice(&first.to_le_bytes());
        page.extend_from_slice(&self.len().to_le_bytes());
        for bytes in [&self.hashes, &self.ends, &self.entries] {
            page.extend_from_slice(bytes);
        }
        seal(&mut page[begin..]);
    }
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

impl<'a> Block<'a> {
    pub(super) fn open(block: &'a [u8]) -> io::Result<Block<'a>> {
        let opened = || {
            let (first, rest) = unseal(block).ok()?.split_first_chunk::<4>()?;
            let (count, rest) = rest.split_first_chunk::<4>()?;
            let numbers = (u32::from_le_bytes(*count) as usize).checked_mul(8)?;
            let (numbers, entries) = rest.split_at_checked(numbers)?;
            let (numbers, _) = numbers.as_chunks::<4>();
            let (hashes, ends) = numbers.split_at(numbers.len() / 2);
            Some(Block { first: u32::from_le_bytes(*first) as usize, hashes, ends, entries })
        };
        opened().ok_or_else(damaged)
    }

    fn at(&self, place: usize) -> Option<&'a [u8]> {
        let end = |place: usize| Some(u32::from_le_bytes(*self.ends.get(place)?) as usize);
        let begin = if place == 0 { 0 } else { end(place - 1)? };
        self.entries.get(begin..end(place)?)
    }

    /// Finds an entry: its place in the page, and what belongs to its key.
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
            let (held, rest) = parts(self.at(place).ok_or_else(damaged)?)?;
            if held == key && !is_taken(self.first + place) {
                return Ok(Some((self.first + place, rest)));
            }
            from = place + 1;
        }
        Ok(None)
    }

    /// Shows the entries but for those that were taken.
    pub(super) fn each(
        &self,
        is_taken: impl Fn(usize) -> bool,
        mut see: impl FnMut(u32, &'a [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for (place, hash) in self.hashes.iter().enumerate() {
            if !is_taken(self.first + place) {
                see(u32::from_le_bytes(*hash), self.at(place).ok_or_else(damaged)?)?;
            }
        }
        Ok(())
    }
}
