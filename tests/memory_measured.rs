//! What a node's entries are counted as, against what they really take: by an allocator that counts.
//!
//! One test, because the allocator counts what all threads do.

use cap::Cap;
use psdf::dataflow;
use psdf::storage::MemoryTier;
use std::alloc::System;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

dataflow! {
    flow Numbers {
        input keys: u64;
        output node = keys -> key_by(key: u64 = |key| *key)
            -> fold(u64 = 0, |sum, key| *sum += key) keep forever, memory 1 GiB -> filter(|sum| sum.key == u64::MAX);
    }
}

/// A word of its own for each key.
fn word(key: u64) -> String {
    format!("{key:0>width$}", width = 10 + usize::try_from(key % 30).unwrap_or(0))
}

dataflow! {
    flow Words {
        input keys: u64;
        output node = keys -> key_by(word: String = |key| word(*key))
            -> fold((String, [u64; 4]) = (String::new(), [0; 4]), |all, key| {
                all.0 = word(*key);
                all.1[1] += key;
            }) keep forever, memory 1 GiB -> filter(|sum| sum.value.1[0] > 0) -> map(|sum| sum.value.1[0]);
    }
}

dataflow! {
    flow Lists {
        input keys: u64;
        output node = keys -> key_by(key: u64 = |key| *key % 10_000)
            -> fold(Vec<String> = Vec::new(), |all, key| all.push(word(*key))) keep forever, memory 1 GiB
            -> filter(|sum| sum.key == u64::MAX) -> map(|sum| sum.key);
    }
}

/// What is counted, and what is allocated, when so many keys have come.
macro_rules! measured {
    ($flow:ident, $keys:expr) => {{
        let folder: PathBuf =
            std::env::temp_dir().join(format!("psdf-measured-{}-{}", $flow::GRAPH.flow, std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let builder = $flow {}.builder().durable(&folder).tier_in(MemoryTier::new());
        let (flow, mut inline) = builder.inline().unwrap();
        let before = ALLOCATED.allocated();
        for first in (0..$keys).step_by(1_000) {
            inline.block_on(flow.keys.send_batch((first..first + 1_000).collect())).unwrap();
            inline.run();
        }
        let allocated = ALLOCATED.allocated() - before;
        let counts = flow.control.watch().counts();
        let counted = counts.iter().find(|counts| counts.node == "node").unwrap().memory.bytes_in_memory;
        drop((flow, inline));
        drop(std::fs::remove_dir_all(&folder));
        let ratio = allocated as f64 / counted as f64;
        println!("{}: {allocated} bytes allocated, {counted} counted: {ratio:.2}", $flow::GRAPH.flow);
        ratio
    }};
}

#[test]
fn entries_are_counted_as_what_they_take_give_or_take_a_quarter() {
    // What is allocated is up to 16 bytes less for each than what the allocator takes for it, which is counted.
    for ratio in [measured!(Numbers, 100_000), measured!(Words, 40_000), measured!(Lists, 100_000)] {
        assert!((0.75..1.25).contains(&ratio), "{ratio}");
    }
}
