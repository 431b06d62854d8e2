//! How an entry lies in a page: its hash, two lengths, its key, and what belongs to the key.

use std::io;

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
    to.extend_from_slice(&hash.to_le_bytes());
    put_len(key.len(), to);
    put_len(rest.len(), to);
    to.extend_from_slice(key);
    to.extend_from_slice(rest);
}

/// The entries of a page.
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
    *left = rest;
    let (key, rest) = (take_len(left)?, take_len(left)?);
    let (key, after) = left.split_at_checked(key)?;
    let (rest, after) = after.split_at_checked(rest)?;
    *left = after;
    let whole = &page[at..page.len() - after.len()];
    Some(Record { hash: u32::from_le_bytes(*hash), key, rest, whole, at })
}

pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a page is not what was written")
}
