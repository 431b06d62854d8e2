//! Readers, writers and evictions on real threads: no torn read, no lost wake-up, and everyone reads what they wrote.

use psdf_runtime::graph::Budget;
use psdf_runtime::tables::{
    Functions, Keep, MemoryTables, Peek, Region, RegionSettings, Retracted, Running, Table, View,
};
use psdf_runtime::testing::Rng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ACCOUNTS: u64 = 64;
const WRITERS: u64 = 4;
/// Nothing here takes a second: what takes this long waits for a wake-up that was lost.
const LOST: Duration = Duration::from_secs(60);

/// A row of which each part says what the others must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    account: u64,
    amount: u64,
    checksum: u64,
}

impl Entry {
    fn new(id: u64, account: u64, amount: u64) -> Entry {
        Entry { id, account, amount, checksum: checksum(id, account, amount) }
    }

    fn is_whole(&self) -> bool {
        self.checksum == checksum(self.id, self.account, self.amount)
    }
}

fn checksum(id: u64, account: u64, amount: u64) -> u64 {
    (id ^ account.rotate_left(20) ^ amount.rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What an account's rows make: how many there are, their sum, and a checksum of all.
type Account = (u64, u64, u64);

struct Bank {
    running: Running,
    entries: Table<u64, Entry>,
    rows: View<u64, Entry>,
    accounts: View<u64, Account>,
}

fn bank(budget: Option<Budget>) -> Bank {
    let keep = Keep { budget };
    let mut region = Region::new("Bank");
    let entries = region.table("entries", |entry: &Entry| entry.id);
    let by_account = region.index(&entries, "by_account", |entry: &Entry| entry.account);
    let grouped = region.rekey("grouped", entries, by_account, |entry| entry.account);
    let functions = Functions {
        init: Box::new(|_| (0, 0, 0)),
        add: Box::new(|(count, sum, all): &mut Account, entry: &Entry| {
            (*count, *sum, *all) = (*count + 1, *sum + entry.amount, all.wrapping_add(entry.checksum));
        }),
        retract: Box::new(|(count, sum, all), entry| {
            (*count, *sum, *all) = (*count - 1, *sum - entry.amount, all.wrapping_sub(entry.checksum));
            Retracted::Done
        }),
        finish: Box::new(|_, state| *state),
        heap: Box::new(|_| 0),
        ordered: false,
    };
    let totals = region.aggregate("totals", grouped, functions, keep);
    let rows = region.view("rows", grouped, keep, None);
    let accounts = region.view("accounts", totals, keep, None);
    let running = region.start(MemoryTables::new(), RegionSettings::default()).expect("it is sound");
    Bank {
        entries: running.table(entries),
        rows: running.view(rows),
        accounts: running.view(accounts),
        running,
    }
}

/// Each writer has its own entries, in accounts that all share: what it has written it finds, whatever the others do.
async fn write_and_read_back(bank: Arc<Bank>, writer: u64, rounds: u64) {
    let mut rng = Rng::new(writer);
    for round in 0..rounds {
        let id = writer * 1_000 + rng.below(40);
        let entry = Entry::new(id, rng.below(ACCOUNTS), round);
        if rng.one_in(4) {
            bank.entries.delete(id).await.expect("it can be written");
            let rows = bank.rows.get(&entry.account).await.expect("it can be read");
            assert!(rows.iter().all(|row| row.id != id), "a row that was deleted is read");
        } else {
            bank.entries.upsert(entry.clone()).await.expect("it can be written");
            let rows = bank.rows.get(&entry.account).await.expect("it can be read");
            assert!(rows.contains(&entry), "a row that was written is not read");
            if let Peek::Rows(rows) = bank.rows.peek(&entry.account) {
                assert!(rows.contains(&entry), "a row that was written is not peeked at");
            }
        }
    }
}

async fn read(bank: Arc<Bank>, seed: u64, running: Arc<AtomicU64>) {
    let mut rng = Rng::new(seed);
    while running.load(Ordering::Relaxed) > 0 {
        // A hit waits for nothing, so a task that only reads would keep its thread to itself.
        tokio::task::yield_now().await;
        let account = rng.below(ACCOUNTS);
        let rows = bank.rows.get(&account).await.expect("it can be read");
        assert!(rows.iter().all(|row| row.is_whole() && row.account == account), "a torn row");
        let total = bank.accounts.get(&account).await.expect("it can be read");
        assert!(total.len() <= 1, "an account has one total");
        if rng.one_in(8) {
            // One that gives up must not take the answer away from those that wait behind it.
            let other = rng.below(ACCOUNTS);
            let given_up = bank.rows.get(&other);
            tokio::select! {
                biased;
                _ = given_up => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

async fn evict(bank: Arc<Bank>, running: Arc<AtomicU64>) {
    let mut rng = Rng::new(99);
    while running.load(Ordering::Relaxed) > 0 {
        bank.rows.evict(rng.below(ACCOUNTS)).await;
        bank.accounts.evict(rng.below(ACCOUNTS)).await;
    }
}

async fn all_at_once(budget: Option<Budget>) {
    let bank = Arc::new(bank(budget));
    let writing = Arc::new(AtomicU64::new(WRITERS));
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let (bank, writing) = (bank.clone(), writing.clone());
        tasks.push(tokio::spawn(async move {
            let written = tokio::time::timeout(LOST, write_and_read_back(bank, writer, 400)).await;
            writing.fetch_sub(1, Ordering::Relaxed);
            written.expect("no wake-up is lost");
        }));
    }
    for reader in 0..4 {
        tasks.push(tokio::spawn(read(bank.clone(), 100 + reader, writing.clone())));
    }
    tasks.push(tokio::spawn(evict(bank.clone(), writing)));
    let done = async {
        for task in tasks {
            task.await.expect("no task panics");
        }
    };
    tokio::time::timeout(LOST, done).await.expect("no wake-up is lost");

    let rows = bank.entries.all().await.expect("it can be read");
    for account in 0..ACCOUNTS {
        let of_account = || rows.iter().filter(|row| row.account == account);
        let read = bank.rows.get(&account).await.expect("it can be read");
        assert_eq!(read.len(), of_account().count());
        let sum = of_account().map(|row| row.amount).sum::<u64>();
        let all = of_account().fold(0u64, |all, row| all.wrapping_add(row.checksum));
        let total = bank.accounts.get(&account).await.expect("it can be read");
        let right = (of_account().count() as u64, sum, all);
        assert_eq!(total[..], if right.0 > 0 { vec![right] } else { vec![] });
    }
    bank.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_all_in_memory() {
    all_at_once(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_room_for_a_few_keys() {
    all_at_once(Some(Budget::Keys(8))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_no_room() {
    all_at_once(Some(Budget::Bytes(0))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_wait_for_a_key_it_is_recomputed_once() {
    let bank = Arc::new(bank(None));
    bank.entries.insert(Entry::new(1, 7, 3)).await.unwrap();
    // The region's thread is kept from its work until all of them wait.
    let (go, gate) = std::sync::mpsc::channel();
    let held = {
        let entries = bank.entries.clone();
        tokio::spawn(async move {
            entries.update(1, move |_| gate.recv().expect("the test opens the gate")).await
        })
    };
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let bank = bank.clone();
            tokio::spawn(async move { bank.rows.get(&7).await.map(|rows| rows.len()) })
        })
        .collect();
    while bank.rows.stats().misses < 50 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap(), 1);
    }
    held.await.unwrap().unwrap();
    assert_eq!(bank.rows.stats().replays, 1);
}
