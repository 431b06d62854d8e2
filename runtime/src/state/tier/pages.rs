//! Entries that are not in memory: in pages by the hashes of their keys, and those that came last still beside their page.
//!
//! A table has a directory (extendible hashing): the low bits of a hash choose a page, and a page that has grown too large
//! becomes two. What comes waits in memory beside its page; when too much waits, a page for which much waits is written anew.
//! What is taken out of a page is marked beside it, and is left out when the page is written the next time.
//!
//! A page is large, so that little is to be known of each entry in memory and much of it is new when it is written; it has
//! blocks, by the highest bits of hashes, so that little is to be read for one entry.

#[cfg(test)]
mod tests;

use super::record::{self, Block, CHECKSUM, NewBlock, find, page_size, records, seal, unseal};
use super::{PageAt, TierPages};
use crate::state::marks::Bits;
use std::io;
use std::ops::Range;

/// The pages that are looked at for the one to be written: many wait for the one that is found, at the price of few looks.
const LOOKED_AT: usize = 32;
/// What waits beside a page grows by so many bytes.
const STEP: usize = 192;
/// No directory has more than two to the power of this.
const DEEPEST: u8 = 28;
/// Buffers that were needed for large entries do not stay so large.
const BUFFER: usize = 1 << 16;

/// The entries of one shard of a stage that are not in memory.
pub(in crate::state) struct Pages {
    store: Box<dyn TierPages>,
    tables: Vec<Option<Directory>>,
    /// The table and the page that are looked at next.
    hand: (usize, usize),
    /// The bytes that wait, and of them as many as may.
    waiting: usize,
    limit: usize,
    /// What directories take of memory.
    index: usize,
    /// Whether no page may become two, because somebody goes through all of them.
    is_still: bool,
    /// The page that so much waits for that looking through it takes long.
    long: Option<(usize, usize)>,
    read: Vec<u8>,
    entry: Vec<u8>,
    /// What a page that is written anew is made of, and the page.
    blocks: Vec<NewBlock>,
    written: Vec<u8>,
}

struct Directory {
    depth: u8,
    /// For each value of so many bits of a hash the page.
    places: Vec<u32>,
    pages: Vec<Page>,
    /// The pages with entries that have changed since the last barrier, and before it and were not copied since.
    changed: Bits,
    due: Bits,
    len: usize,
}

/// The blocks of a page, as a power of two.
const BLOCK_BITS: u32 = 4;
const BLOCKS: usize = 1 << BLOCK_BITS;

/// Which of a page's blocks a hash belongs to: by other bits than those that choose the page.
fn block_of(hash: u32) -> usize {
    (hash >> (u32::BITS - BLOCK_BITS)) as usize
}

/// A page, and what is known of it in memory.
#[derive(Default)]
struct Page {
    at: Option<PageAt>,
    /// The bits of a hash that its entries have in common.
    depth: u8,
    /// How many entries are written, and how many of those were not taken out.
    written: u32,
    live: u32,
    /// Where each block ends; it begins where the one before it does.
    ends: [u32; BLOCKS],
    /// What is in each block: keys that are new are not looked for on the disk.
    filters: [Filter; BLOCKS],
    /// Which were taken out; empty where none was.
    taken: Vec<u64>,
    /// What came since it was written.
    waiting: Vec<u8>,
    /// A bit for the hash of each that waits or has waited: most keys are looked for that do not.
    has_waited: u64,
}

/// A Bloom filter.
type Filter = [u64; 2];

/// The bits of a hash in a filter.
fn bits_of(hash: u32) -> [(usize, u64); 3] {
    let mixed = mixed(hash);
    [0, 7, 14].map(|shift| ((mixed >> (shift + 6) & 1) as usize, 1 << (mixed >> shift & 63)))
}

fn waiting_bit(hash: u32) -> u64 {
    1 << (mixed(hash) >> 26)
}

fn mixed(hash: u32) -> u32 {
    let mut mixed = hash;
    for factor in [0x85eb_ca6b, 0xc2b2_ae35] {
        mixed = (mixed ^ mixed >> 15).wrapping_mul(factor);
    }
    mixed ^ mixed >> 16
}

impl Page {
    /// Where a block is in the page.
    fn block(&self, block: usize) -> Range<u32> {
        block.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[block]
    }

    fn may_have(&self, hash: u32) -> bool {
        let filter = &self.filters[block_of(hash)];
        bits_of(hash).iter().all(|&(word, bit)| filter[word] & bit != 0)
    }

    fn is_taken(&self, place: usize) -> bool {
        self.taken.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn take(&mut self, place: usize) {
        if self.taken.is_empty() {
            self.taken = vec![0; self.written.div_ceil(64) as usize];
        }
        self.taken[place / 64] |= 1 << (place % 64);
        self.live -= 1;
    }

    /// Takes what waits.
    fn take_waiting(&mut self) -> Vec<u8> {
        self.has_waited = 0;
        std::mem::take(&mut self.waiting)
    }

    /// It is this, beside what waits.
    fn is_written(&mut self, Written { at, entries, ends, filters }: Written) {
        (self.at, self.ends, self.filters) = (at, ends, filters);
        (self.written, self.live) = (entries, entries);
        self.taken = Vec::new();
    }

    /// Shows what is in the page, and then what waits, each as a hash and an entry.
    fn each(&self, page: &[u8], mut see: impl FnMut(u32, &[u8]) -> io::Result<()>) -> io::Result<()> {
        for block in 0..BLOCKS {
            let at = self.block(block);
            if !at.is_empty() {
                let block = page.get(at.start as usize..at.end as usize).ok_or_else(record::damaged)?;
                Block::open(block)?.each(|place| self.is_taken(place), &mut see)?;
            }
        }
        for record in records(&self.waiting) {
            let record = record?;
            see(record.hash, record.entry)?;
        }
        Ok(())
    }

    /// About the bytes that it will have, and its entries, when it is written with what waits.
    fn grown(&self) -> (usize, usize) {
        let waiting = records(&self.waiting).count();
        let written = self.at.map_or(0, |at| u64::from(at.len) * u64::from(self.live));
        let live = written / u64::from(self.written.max(1));
        (page_size(self.waiting.len(), waiting) + live as usize, self.live as usize + waiting)
    }
}

/// A page that has been written; none if it has no entries.
#[derive(Default)]
struct Written {
    at: Option<PageAt>,
    entries: u32,
    ends: [u32; BLOCKS],
    filters: [Filter; BLOCKS],
}

impl Written {
    fn write(store: &mut dyn TierPages, blocks: &[NewBlock], page: &mut Vec<u8>) -> io::Result<Written> {
        let mut written = Written::default();
        page.clear();
        for (place, block) in blocks.iter().enumerate() {
            for (word, bit) in block.hashes().flat_map(bits_of) {
                written.filters[place][word] |= bit;
            }
            block.put(written.entries, page);
            written.entries += block.len();
            written.ends[place] = page.len() as u32;
        }
        if written.entries > 0 {
            written.at = Some(store.write(page)?);
        }
        Ok(written)
    }
}

/// What the directory costs for a page: with what marks what was taken out, and two bits.
const PER_PAGE: usize = size_of::<Page>() + 48;

impl Directory {
    fn new() -> Directory {
        let (mut changed, mut due) = (Bits::default(), Bits::default());
        changed.fit(1);
        due.fit(1);
        Directory { depth: 0, places: vec![0], pages: vec![Page::default()], changed, due, len: 0 }
    }

    fn number_of(&self, hash: u32) -> usize {
        self.places[hash as usize & (self.places.len() - 1)] as usize
    }

    fn cost(&self) -> usize {
        self.pages.capacity() * PER_PAGE + self.places.capacity() * size_of::<u32>()
    }

    /// By how many bits more pages of so many may be divided: not by many where it is the keys' fault that they are so large,
    /// because their hashes are the same.
    fn bits_left(&self, depth: u8) -> u8 {
        let deepest = (usize::BITS - self.len.leading_zeros() + 3) as u8;
        deepest.min(DEEPEST).saturating_sub(depth)
    }

    /// Makes pages beside one, for hashes that have so many bits in common with this, by so many more.
    fn divide(&mut self, hash: u32, depth: u8, bits: u8) {
        for bit in depth..depth + bits {
            for part in 0..1u32 << (bit - depth) {
                self.add_beside(hash | part << depth, bit);
            }
        }
    }

    /// Makes a page for those hashes that agree with one in so many bits, but not in the next.
    fn add_beside(&mut self, hash: u32, depth: u8) {
        if depth == self.depth {
            self.places.extend_from_within(..);
            self.depth += 1;
        }
        let (number, added) = (self.number_of(hash), self.pages.len());
        self.pages[number].depth = depth + 1;
        // Not doubled: half of it would be empty.
        if self.pages.len() == self.pages.capacity() {
            self.pages.reserve_exact(1 + self.pages.len() / 8);
        }
        self.pages.push(Page { depth: depth + 1, ..Page::default() });
        let first = (hash | 1 << depth) as usize;
        for place in (first..self.places.len()).step_by(2 << depth) {
            self.places[place] = added as u32;
        }
        for bits in [&mut self.changed, &mut self.due] {
            bits.fit(added + 1);
            if bits.has(number) {
                bits.set(added);
            }
        }
    }
}

/// Where a table's entries are, in [`Pages`].
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct TableAt(usize);

/// An entry has been found.
pub(in crate::state) struct Found {
    /// Whether there are changes in its page that are still to be copied.
    pub(in crate::state) is_due: bool,
}

impl Pages {
    pub(in crate::state) fn new(store: Box<dyn TierPages>, limit: usize) -> Pages {
        Pages {
            store,
            tables: Vec::new(),
            hand: (0, 0),
            waiting: 0,
            limit,
            index: 0,
            is_still: false,
            long: None,
            read: Vec::new(),
            entry: Vec::new(),
            blocks: Vec::new(),
            written: Vec::new(),
        }
    }

    /// What directories take of memory.
    pub(in crate::state) fn index(&self) -> usize {
        self.index
    }

    /// What of memory waits to be written.
    pub(in crate::state) fn waiting(&self) -> usize {
        self.waiting
    }

    /// What it takes of the disk.
    pub(in crate::state) fn on_disk(&self) -> u64 {
        self.store.bytes()
    }

    /// Whether more waits than may: so many times as much.
    pub(in crate::state) fn is_full(&self, times: usize) -> bool {
        self.waiting > self.limit.saturating_mul(times)
    }

    /// Whether a page is to be written.
    pub(in crate::state) fn has_to_write(&self) -> bool {
        self.is_full(1) || self.long.is_some()
    }

    pub(in crate::state) fn open(&mut self) -> TableAt {
        let directory = Directory::new();
        self.index += directory.cost();
        let free = self.tables.iter().position(Option::is_none);
        let place = free.unwrap_or(self.tables.len());
        if place == self.tables.len() {
            self.tables.push(None);
        }
        self.tables[place] = Some(directory);
        TableAt(place)
    }

    pub(in crate::state) fn close(&mut self, TableAt(table): TableAt) {
        let Some(directory) = self.tables[table].take() else { return };
        self.long = None;
        self.index -= directory.cost();
        for page in directory.pages {
            self.waiting -= page.waiting.capacity();
            page.at.into_iter().for_each(|at| self.store.free(at));
        }
    }

    fn table(&mut self, TableAt(table): TableAt) -> &mut Directory {
        self.tables[table].as_mut().expect("a table that is closed is not used")
    }

    /// Adds an entry, which is not there.
    pub(in crate::state) fn put(
        &mut self,
        table: TableAt,
        hash: u32,
        has_changed: bool,
        key: impl FnOnce(&mut Vec<u8>),
        rest: impl FnOnce(&mut Vec<u8>),
    ) {
        record::make(hash, key, rest, &mut self.entry);
        let directory = self.tables[table.0].as_mut().expect("a table that is closed is not used");
        let number = directory.number_of(hash);
        if has_changed {
            directory.changed.set(number);
        }
        directory.len += 1;
        let page = &mut directory.pages[number];
        let waiting = &mut page.waiting;
        self.waiting -= waiting.capacity();
        let more = self.entry.len();
        if waiting.capacity() - waiting.len() < more {
            waiting.reserve_exact(more.next_multiple_of(STEP));
        }
        waiting.extend_from_slice(&self.entry);
        page.has_waited |= waiting_bit(hash);
        self.waiting += waiting.capacity();
        if waiting.len() > self.store.best() / 2 {
            self.long = Some((table.0, number));
        }
    }

    /// Takes an entry out: what was put beside its key.
    pub(in crate::state) fn take(
        &mut self,
        table: TableAt,
        hash: u32,
        key: &[u8],
        into: &mut Vec<u8>,
    ) -> io::Result<Option<Found>> {
        let directory = self.tables[table.0].as_mut().expect("a table that is closed is not used");
        let number = directory.number_of(hash);
        let found = Found { is_due: directory.due.has(number) };
        let page = &mut directory.pages[number];
        if page.has_waited & waiting_bit(hash) != 0
            && let Some((taken, rest)) = find(&page.waiting, hash, key)?
        {
            into.clear();
            into.extend_from_slice(rest);
            page.waiting.drain(taken);
            if page.waiting.is_empty() {
                self.waiting -= page.take_waiting().capacity();
            }
            directory.len -= 1;
            return Ok(Some(found));
        }
        let Some(at) = page.at.filter(|_| page.may_have(hash)) else { return Ok(None) };
        self.store.read(at, page.block(block_of(hash)), &mut self.read)?;
        let found_in = Block::open(&self.read)?.find(hash, key, |place| page.is_taken(place))?;
        let Some((place, rest)) = found_in else { return Ok(None) };
        into.clear();
        into.extend_from_slice(rest);
        page.take(place);
        if page.live == 0 {
            page.is_written(Written::default());
            self.store.free(at);
        }
        directory.len -= 1;
        Ok(Some(found))
    }

    /// Writes a page for which much waits. If that fails, all is as it was.
    pub(in crate::state) fn write_one(&mut self) -> io::Result<()> {
        if let Some((table, number)) = self.long.or_else(|| self.fullest()) {
            self.write(table, number)?;
        }
        self.long = None;
        Ok(())
    }

    /// Of some pages that the hand comes by, the one for which most waits.
    fn fullest(&mut self) -> Option<(usize, usize)> {
        let (mut fullest, mut most, mut looked_at, mut rounds) = (None, 0, 0, 0);
        while rounds < 2 && (looked_at < LOOKED_AT || fullest.is_none()) {
            let here = self.hand;
            let Some(directory) = self.tables.get(here.0) else {
                self.hand = (0, 0);
                rounds += 1;
                continue;
            };
            let Some(page) = directory.as_ref().and_then(|directory| directory.pages.get(here.1)) else {
                self.hand = (here.0 + 1, 0);
                continue;
            };
            self.hand.1 += 1;
            looked_at += 1;
            if page.waiting.len() > most {
                (fullest, most) = (Some(here), page.waiting.len());
            }
        }
        fullest
    }

    fn write(&mut self, table: usize, number: usize) -> io::Result<()> {
        let directory = self.tables[table].as_mut().expect("a table that is closed is not used");
        let (page, store) = (&directory.pages[number], &mut *self.store);
        let (depth, mut bits, mut hash) = (page.depth, 0, 0);
        if !self.is_still {
            let (size, entries) = page.grown();
            let most = directory.bits_left(depth);
            while bits < most && size >> bits > store.best() && entries >> bits > 1 {
                bits += 1;
            }
        }
        let parts = 1 << bits;
        self.blocks.resize_with(parts * BLOCKS, NewBlock::default);
        self.blocks.iter_mut().for_each(|block| block.clear(BUFFER));
        if let Some(at) = page.at {
            store.read(at, 0..at.len, &mut self.read)?;
        }
        page.each(&self.read, |of, entry| {
            hash = of & ((1 << depth) - 1);
            let part = (of >> depth) as usize & (parts - 1);
            self.blocks[part * BLOCKS + block_of(of)].push(of, entry);
            Ok(())
        })?;
        // All are there before anything is known of them.
        let written = write_all(store, &self.blocks, &mut self.written)?;
        let page = &mut directory.pages[number];
        self.waiting -= page.take_waiting().capacity();
        page.at.into_iter().for_each(|at| store.free(at));
        self.index -= directory.cost();
        directory.divide(hash, depth, bits);
        self.index += directory.cost();
        for (part, written) in (0u32..).zip(written) {
            let number = if bits == 0 { number } else { directory.number_of(hash | part << depth) };
            directory.pages[number].is_written(written);
        }
        self.blocks.truncate(2 * BLOCKS);
        let buffers = [&mut self.written, &mut self.read, &mut self.entry];
        buffers.into_iter().for_each(|buffer| buffer.shrink_to(BUFFER));
        Ok(())
    }

    /// Reads a page, if there is one of that number, so that its entries can be [shown](Pages::show).
    pub(in crate::state) fn load(&mut self, table: TableAt, number: usize) -> io::Result<bool> {
        let directory = self.tables[table.0].as_ref().expect("a table that is closed is not used");
        let Some(page) = directory.pages.get(number) else { return Ok(false) };
        if let Some(at) = page.at {
            self.store.read(at, 0..at.len, &mut self.read)?;
        }
        Ok(true)
    }

    /// Shows the entries of the page that was loaded last, each with its hash.
    ///
    /// # Errors
    /// If it is damaged: some were shown then.
    pub(in crate::state) fn show(
        &self,
        table: TableAt,
        number: usize,
        mut see: impl FnMut(u32, &[u8], &[u8]),
    ) -> io::Result<()> {
        let directory = self.tables[table.0].as_ref().expect("a table that is closed is not used");
        directory.pages[number].each(&self.read, |hash, entry| {
            let (key, rest) = record::parts(entry)?;
            see(hash, key, rest);
            Ok(())
        })
    }

    /// Whether there are changes in a page that are still to be copied.
    pub(in crate::state) fn is_due(&mut self, table: TableAt, number: usize) -> bool {
        self.table(table).due.has(number)
    }

    /// Lets the entries of a page go; as many as there were.
    pub(in crate::state) fn clear(&mut self, table: TableAt, number: usize) -> usize {
        let directory = self.tables[table.0].as_mut().expect("a table that is closed is not used");
        let page = &mut directory.pages[number];
        let waiting = page.take_waiting();
        self.waiting -= waiting.capacity();
        let entries = page.live as usize + records(&waiting).count();
        page.at.into_iter().for_each(|at| self.store.free(at));
        page.is_written(Written::default());
        directory.len -= entries;
        directory.changed.take(number);
        directory.due.take(number);
        entries
    }

    /// Whether from here on no page becomes two.
    pub(in crate::state) fn keep_still(&mut self, still: bool) {
        self.is_still = still;
    }

    /// A barrier: what has changed is to be copied. What was to be copied has been.
    pub(in crate::state) fn begin_snapshot(&mut self, table: TableAt) {
        let directory = self.table(table);
        std::mem::swap(&mut directory.changed, &mut directory.due);
    }

    /// The next page with changes that are to be copied.
    pub(in crate::state) fn next_due(&mut self, table: TableAt, from: usize) -> Option<usize> {
        self.table(table).due.next(from)
    }

    /// A page's changes are copied.
    pub(in crate::state) fn copied(&mut self, table: TableAt, number: usize) {
        self.table(table).due.take(number);
    }

    /// Keeps a page of something else; see [`Pages::read_other`].
    pub(in crate::state) fn write_other(&mut self, page: &[u8]) -> io::Result<PageAt> {
        let sealed = &mut self.written;
        sealed.clear();
        sealed.extend_from_slice(&[0; CHECKSUM]);
        sealed.extend_from_slice(page);
        seal(sealed);
        self.store.write(sealed)
    }

    pub(in crate::state) fn read_other(&mut self, at: PageAt, into: &mut Vec<u8>) -> io::Result<()> {
        self.store.read(at, 0..at.len, into)?;
        unseal(into)?;
        into.drain(..CHECKSUM);
        Ok(())
    }

    pub(in crate::state) fn free_other(&mut self, at: PageAt) {
        self.store.free(at);
    }

    /// As many bytes as a page of something else should have.
    pub(in crate::state) fn best(&self) -> usize {
        self.store.best() / 4 - CHECKSUM
    }
}

/// Writes pages, each of some blocks. If one fails none is there.
fn write_all(store: &mut dyn TierPages, blocks: &[NewBlock], page: &mut Vec<u8>) -> io::Result<Vec<Written>> {
    let mut written = Vec::with_capacity(blocks.len() / BLOCKS);
    for blocks in blocks.chunks(BLOCKS) {
        match Written::write(store, blocks, page) {
            Ok(part) => written.push(part),
            Err(error) => {
                written.iter().filter_map(|part: &Written| part.at).for_each(|at| store.free(at));
                return Err(error);
            }
        }
    }
    Ok(written)
}
