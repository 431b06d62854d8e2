//! What a view has been asked and holds.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a view has been asked since the start, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewStats {
    /// Reads that found their key in memory, if only to learn that it has no rows.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// How often a key was recomputed: fewer than `misses` where several waited for one.
    pub replays: u64,
    /// Keys that went: for want of room, or because they were evicted by hand, or below another key that went.
    pub evictions: u64,
    /// Changes that came as far as the view, of keys that were not in memory. Most end higher up, where it is known already
    /// that nothing below has the key.
    pub holes_dropped: u64,
    /// Keys in memory.
    pub keys: u64,
    /// What they take, in bytes, as far as it can be known.
    pub bytes: u64,
}

/// Among how many cache lines a counter is spread that all readers count on.
const LINES: usize = 16;

/// A counter that threads do not take from each other.
#[derive(Default)]
pub(super) struct Spread([Line; LINES]);

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

impl Spread {
    #[inline]
    pub(super) fn count(&self) {
        self.0[place()].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|line| line.0.load(Ordering::Relaxed)).sum()
    }
}

fn place() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % LINES);
    }
    PLACE.get()
}
