//! Who waits for a key of a view: the first asks for all.

use super::error::ReadError;
use super::published::Rows;
use super::rel::RowKey;
use hashbrown::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

pub(super) type Answer<V> = Result<Rows<V>, ReadError>;

/// Those who wait, behind a lock, which a test chooses.
pub(super) struct Waiters<K, V, L = Mutex<Map<K, V>>> {
    map: L,
    types: std::marker::PhantomData<fn() -> (K, V)>,
}

pub(super) struct Map<K, V> {
    by_key: HashMap<K, Vec<oneshot::Sender<Answer<V>>>>,
    /// Nobody answers any more.
    closed: bool,
}

/// What is looked at by one at a time.
pub(super) trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Mutex::new(value)
    }

    fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether the one who waits has to ask for a replay.
pub(super) enum Waiting<V> {
    First(oneshot::Receiver<Answer<V>>),
    Behind(oneshot::Receiver<Answer<V>>),
    Closed,
}

impl<K: RowKey, V, L: Lock<Map<K, V>>> Waiters<K, V, L> {
    pub(super) fn new() -> Self {
        let map = L::new(Map { by_key: HashMap::new(), closed: false });
        Waiters { map, types: std::marker::PhantomData }
    }

    /// Waits for the answer to a key. Who is `First` must ask the region's thread for it, or give up for all.
    ///
    /// This wakes everyone: who is in the map before the thread takes the waiters of a key out is answered then; who comes
    /// after is first again. And the answer is as new as it must be: the thread takes them out in the same command in which it
    /// replays, and a write that was acknowledged before somebody began to wait is a command before it.
    pub(super) fn wait(&self, key: &K) -> Waiting<V> {
        let (sender, receiver) = oneshot::channel();
        self.map.with(|map| {
            if map.closed {
                return Waiting::Closed;
            }
            match map.by_key.get_mut(key) {
                Some(waiting) => {
                    waiting.push(sender);
                    Waiting::Behind(receiver)
                }
                None => {
                    map.by_key.insert(key.clone(), vec![sender]);
                    Waiting::First(receiver)
                }
            }
        })
    }

    /// Answers all who wait for a key.
    pub(super) fn answer(&self, key: &K, answer: &Answer<V>) {
        let waiting = self.map.with(|map| map.by_key.remove(key));
        for waiter in waiting.into_iter().flatten() {
            // Who does not wait any more has gone.
            let _ = waiter.send(answer.clone());
        }
    }

    /// Nobody is answered any more: who waits learns it, and who comes.
    pub(super) fn close(&self) {
        self.map.with(|map| {
            map.closed = true;
            map.by_key.clear();
        });
    }
}

/// Under a scheduler that tries many orders of the threads' steps, and notices when none can go on.
#[cfg(test)]
mod tests {
    use super::super::published::Entry;
    use super::*;
    use shuttle::future::block_on;
    use shuttle::sync::mpsc::{Receiver, Sender, channel};
    use shuttle::sync::{Arc, Mutex as Modelled};
    use shuttle::thread;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    const ORDERS: usize = 3000;

    impl<T> Lock<T> for Modelled<T> {
        fn new(value: T) -> Self {
            Modelled::new(value)
        }

        fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
            look(&mut self.lock().expect("nobody panics"))
        }
    }

    enum Command {
        Replay(u8),
        Write(u64),
        Evict(u8),
    }

    /// A view of a region whose only row, of each key, is the number of the last write.
    struct Region {
        waiters: Waiters<u8, u64, Modelled<Map<u8, u64>>>,
        published: Modelled<BTreeMap<u8, u64>>,
        acknowledged: Modelled<u64>,
        replays: Modelled<u64>,
    }

    fn rows(number: u64) -> Rows<u64> {
        let (used, place) = (AtomicBool::new(false), AtomicUsize::new(0));
        Rows(std::sync::Arc::new(Entry { rows: vec![number], used, place, bytes: 0 }))
    }

    impl Region {
        fn new() -> Arc<Region> {
            Arc::new(Region {
                waiters: Waiters::new(),
                published: Modelled::new(BTreeMap::new()),
                acknowledged: Modelled::new(0),
                replays: Modelled::new(0),
            })
        }

        /// What the region's thread does, until all who could ask have gone or it was told to end.
        fn run(&self, commands: &Receiver<Command>, most: usize) {
            let mut number = 0;
            for command in commands.iter().take(most) {
                match command {
                    Command::Replay(key) => {
                        let known = self.published.with(|published| published.get(&key).copied());
                        let replayed = known.unwrap_or_else(|| {
                            self.replays.with(|replays| *replays += 1);
                            self.published.with(|published| published.insert(key, number));
                            number
                        });
                        self.waiters.answer(&key, &Ok(rows(replayed)));
                    }
                    Command::Write(next) => {
                        number = next;
                        self.published.with(|published| published.values_mut().for_each(|row| *row = next));
                        self.acknowledged.with(|acknowledged| *acknowledged = next);
                    }
                    Command::Evict(key) => drop(self.published.with(|published| published.remove(&key))),
                }
            }
            self.waiters.close();
        }

        /// `View::get`: the number, or nothing if the region has ended.
        fn read(&self, commands: &Sender<Command>, key: u8) -> Option<u64> {
            if let Some(number) = self.published.with(|published| published.get(&key).copied()) {
                return Some(number);
            }
            let answer = match self.waiters.wait(&key) {
                Waiting::Closed => return None,
                Waiting::Behind(answer) => answer,
                Waiting::First(answer) => {
                    // If the region has ended, closing the view answers.
                    let _ = commands.send(Command::Replay(key));
                    answer
                }
            };
            block_on(answer).ok().map(|rows| rows.expect("nothing fails")[0])
        }
    }

    #[test]
    fn everyone_is_answered_and_sees_what_was_acknowledged_before() {
        shuttle::check_random(
            || {
                let (region, (sender, commands)) = (Region::new(), channel());
                let mut threads = Vec::new();
                for reader in 0..3 {
                    let (region, sender) = (region.clone(), sender.clone());
                    threads.push(thread::spawn(move || {
                        for key in [0, reader % 2, 0] {
                            let before = region.acknowledged.with(|number| *number);
                            let seen = region.read(&sender, key).expect("the region runs");
                            assert!(
                                seen >= before,
                                "a read shows every write that was acknowledged before it"
                            );
                        }
                    }));
                }
                let writing = sender.clone();
                threads.push(thread::spawn(move || {
                    for number in 1..4 {
                        writing.send(Command::Write(number)).expect("the region runs");
                        writing.send(Command::Evict(0)).expect("the region runs");
                    }
                }));
                drop(sender);
                region.run(&commands, usize::MAX);
                threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
            },
            ORDERS,
        );
    }

    #[test]
    fn a_key_that_stays_is_replayed_once_however_many_wait() {
        shuttle::check_random(
            || {
                let (region, (sender, commands)) = (Region::new(), channel());
                let readers = (0..4).map(|_| {
                    let (region, sender) = (region.clone(), sender.clone());
                    thread::spawn(move || region.read(&sender, 7).expect("the region runs"))
                });
                let readers: Vec<_> = readers.collect();
                drop(sender);
                region.run(&commands, usize::MAX);
                readers.into_iter().for_each(|reader| assert_eq!(reader.join().expect("it ends"), 0));
                assert_eq!(region.replays.with(|replays| *replays), 1);
            },
            ORDERS,
        );
    }

    #[test]
    fn who_waits_when_the_region_ends_learns_it() {
        shuttle::check_random(
            || {
                let (region, (sender, commands)) = (Region::new(), channel());
                let readers = (0..3).map(|key| {
                    let (region, sender) = (region.clone(), sender.clone());
                    thread::spawn(move || {
                        let _ = region.read(&sender, key % 2);
                    })
                });
                let readers: Vec<_> = readers.collect();
                drop(sender);
                // It ends in the midst of it.
                region.run(&commands, 1);
                readers.into_iter().for_each(|reader| reader.join().expect("nobody waits for ever"));
            },
            ORDERS,
        );
    }
}
