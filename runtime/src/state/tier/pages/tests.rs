//! Pages against a plain map, on disks that fail.

use super::super::{DiskTier, MemoryTier, TierStore};
use super::*;
use std::collections::BTreeMap;

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

fn hash(key: u64) -> u32 {
    xxhash_rust::xxh3::xxh3_64(&key.to_le_bytes()) as u32
}

fn put_number(pages: &mut Pages, table: TableAt, hash: u32, key: u64, rest: &[u8]) {
    pages.put(table, hash, false, |to| to.extend(key.to_le_bytes()), |to| to.extend(rest));
}

#[test]
fn pages_are_well_filled_and_cost_little_memory() {
    let path = std::env::temp_dir().join(format!("psdf-pages-{}", std::process::id()));
    let store = DiskTier::open(&path).unwrap();
    let mut pages = Pages::new(store.open("a").unwrap(), 1 << 20);
    let table = pages.open();
    for key in 0..200_000u64 {
        put_number(&mut pages, table, hash(key), key, &[7; 30]);
        while pages.has_to_write() {
            pages.write_one().unwrap();
        }
    }
    let (in_pages, on_disk) = (200_000 * (8 + 30 + 6), pages.on_disk() as usize);
    assert!(on_disk < in_pages * 2, "{on_disk} bytes for {in_pages}");
    assert!(pages.index < 200_000 * 3, "{} bytes of memory", pages.index);
    std::fs::remove_dir_all(&path).unwrap();
}

/// Against a plain map. `hashes`: as many there are, so that with few of them keys collide.
fn agrees(seed: u64, hashes: u64, limit: usize, fails: bool) {
    let store = MemoryTier::new();
    let mut pages = Pages::new(store.open("a").unwrap(), limit);
    let mut random = random(seed);
    let hash = |key: u64| (u64::from(hash(key)) % hashes) as u32;
    let (mut tables, mut maps) = (Vec::new(), Vec::<BTreeMap<u64, Vec<u8>>>::new());
    for _ in 0..3 {
        tables.push(pages.open());
        maps.push(BTreeMap::new());
    }
    let mut taken = Vec::new();
    for step in 0..6_000u64 {
        let (at, key) = (random(3) as usize, random(1 + step / 5));
        let (table, map) = (tables[at], &mut maps[at]);
        if fails && random(3) == 0 {
            store.fail(1);
        }
        // What fails is asked for again.
        let found = loop {
            if let Ok(found) = pages.take(table, hash(key), &key.to_le_bytes(), &mut taken) {
                break found.map(|_| taken.clone());
            }
        };
        assert_eq!(found, map.remove(&key), "seed {seed}, step {step}");
        if random(3) > 0 {
            let longest = if random(50) == 0 { 5_000 } else { 40 };
            let value = vec![step as u8; random(longest) as usize];
            put_number(&mut pages, table, hash(key), key, &value);
            map.insert(key, value);
        }
        while pages.has_to_write() {
            if pages.write_one().is_err() && random(2) == 0 {
                break;
            }
        }
        if random(500) == 0 {
            store.fail(0);
            let mut seen = BTreeMap::new();
            for number in 0.. {
                let see = |_, key: &[u8], rest: &[u8]| {
                    let key = u64::from_le_bytes(key.try_into().expect("it has eight bytes"));
                    assert!(seen.insert(key, rest.to_vec()).is_none(), "an entry is in one page");
                };
                if !pages.load(table, number).unwrap() {
                    break;
                }
                pages.show(table, number, see).unwrap();
            }
            assert_eq!(seen, *map, "seed {seed}, step {step}");
        }
        if random(1_000) == 0 {
            pages.close(table);
            tables[at] = pages.open();
            map.clear();
        }
    }
    tables.into_iter().for_each(|table| pages.close(table));
    assert!(store.is_empty());
    assert_eq!((pages.waiting(), pages.index()), (0, 0));
}

#[test]
fn what_is_put_is_there_until_it_is_taken() {
    for seed in 1..=4 {
        agrees(seed, 1 << 32, 0, false);
        agrees(seed, 1 << 32, 10_000, false);
    }
}

#[test]
fn keys_whose_hashes_are_the_same_are_told_apart() {
    agrees(1, 1, 1_000, false);
    agrees(2, 7, 1_000, false);
}

#[test]
fn what_fails_can_be_asked_for_again_and_nothing_is_lost() {
    for seed in 1..=4 {
        agrees(seed, 1 << 32, 1_000, true);
    }
}

#[test]
fn a_page_that_is_damaged_is_told() {
    let (mut page, mut entry, mut block) = (Vec::new(), Vec::new(), NewBlock::default());
    record::make(7, |to| to.extend(b"key"), |to| to.extend(b"rest"), &mut entry);
    block.push(7, records(&entry).next().unwrap().unwrap().entry);
    block.put(3, &mut page);
    assert!(Block::open(&page).unwrap().find(7, b"key", |_| false).unwrap().is_some());
    for place in 0..page.len() {
        page[place] ^= 1;
        assert!(Block::open(&page).is_err());
        page[place] ^= 1;
    }
}

#[test]
fn keys_of_any_length_are_found_again() {
    let store = MemoryTier::new();
    let mut pages = Pages::new(store.open("a").unwrap(), 0);
    let (table, mut taken) = (pages.open(), Vec::new());
    for len in [0, 1, 127, 128, 129, 20_000] {
        let key = vec![b'a'; len];
        pages.put(table, 5, false, |to| to.extend(&key), |to| to.push(len as u8));
        for _ in 0..2 {
            assert!(pages.take(table, 5, &key, &mut taken).unwrap().is_some());
            assert_eq!(taken, [len as u8]);
            pages.put(table, 5, false, |to| to.extend(&key), |to| to.push(len as u8));
            while pages.has_to_write() {
                pages.write_one().unwrap();
            }
        }
    }
}
