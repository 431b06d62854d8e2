//! A process that writes tables to disk and is killed, again and again: exactly what was acknowledged is there.
//!
//! This program is also the one that is killed. It tells of each write before it begins and after it was acknowledged; so
//! of each of its writers one write at the most may be there or not, and that one whole or not at all.

use psdf_runtime::tables::{
    FjallTables, Keep, Region, RegionSettings, Running, Table, TableStore, View, WriteBatch,
};
use psdf_runtime::testing::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const WRITERS: u64 = 4;
const IDS: u64 = 50;
const ACCOUNTS: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Booked {
    account: u64,
    amount: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    account: u64,
    amount: u64,
    /// Some of them are long, so that the store has to write its files anew while it is killed.
    text: String,
}

impl Entry {
    fn new(id: u64, Booked { account, amount }: Booked) -> Entry {
        let letters = if amount.is_multiple_of(8) { 60_000 } else { amount % 90 };
        let letter = char::from(b'a' + u8::try_from(amount % 26).expect("it is small"));
        Entry {
            id,
            account,
            amount,
            text: letter.to_string().repeat(usize::try_from(letters).expect("so is this")),
        }
    }

    fn booked(&self) -> Booked {
        Booked { account: self.account, amount: self.amount }
    }
}

struct Books {
    running: Running,
    entries: Table<u64, Entry>,
    by_account: View<u64, Entry>,
}

fn books(dir: &Path) -> Books {
    let mut region = Region::new("Books");
    let entries = region.table("entries", |entry: &Entry| entry.id);
    let account = region.index(&entries, "by_account", |entry: &Entry| entry.account);
    let grouped = region.rekey("grouped", entries, account, |entry| entry.account);
    let by_account = region.view("by_account", grouped, Keep::default(), None);
    let store = FjallTables::open(dir).expect("it can be opened again after each kill");
    let running = region.start(store, RegionSettings::default()).expect("it is sound");
    Books { entries: running.table(entries), by_account: running.view(by_account), running }
}

/// One write: what each of its rows is to be.
type Rows = BTreeMap<u64, Option<Booked>>;

fn random_write(rng: &mut Rng, writer: u64) -> Rows {
    let mut row = || {
        let booked = Booked { account: rng.below(ACCOUNTS), amount: rng.below(1_000_000) };
        (writer * IDS + rng.below(IDS), (!rng.one_in(4)).then_some(booked))
    };
    let (one, other) = (row(), row());
    if rng.one_in(3) { Rows::from([one, other]) } else { Rows::from([one]) }
}

fn spelt(rows: &Rows) -> String {
    let spelt = |(id, booked): (&u64, &Option<Booked>)| match booked {
        Some(Booked { account, amount }) => format!(" {id}:{account}:{amount}"),
        None => format!(" {id}"),
    };
    rows.iter().map(spelt).collect()
}

fn read(spelt: &str) -> Rows {
    let row = |row: &str| {
        let numbers: Vec<u64> = row.split(':').map(|number| number.parse().expect("a number")).collect();
        match numbers[..] {
            [id] => (id, None),
            [id, account, amount] => (id, Some(Booked { account, amount })),
            _ => unreachable!("a row is spelt {row}"),
        }
    };
    spelt.split_whitespace().map(row).collect()
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the one that kills listens");
}

async fn write_for_ever(entries: Table<u64, Entry>, writer: u64, seed: u64) {
    let mut rng = Rng::new(seed);
    loop {
        let rows = random_write(&mut rng, writer);
        tell(&format!("begin {writer}{}", spelt(&rows)));
        let mut batch = WriteBatch::new();
        for (id, booked) in rows {
            match booked {
                Some(booked) => batch.upsert(&entries, Entry::new(id, booked)),
                None => batch.delete(&entries, id),
            };
        }
        batch.commit().await.expect("the disk takes it");
        tell(&format!("done {writer}"));
    }
}

fn be_killed(dir: &Path, seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("it can be built");
    runtime.block_on(async {
        let books = books(dir);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                tokio::spawn(write_for_ever(books.entries.clone(), writer, seed * WRITERS + writer))
            })
            .collect();
        for writer in writers {
            writer.await.expect("it never ends");
        }
    });
}

/// Starts a process, kills it after so many writes, and takes down what it told.
fn kill_one(dir: &Path, seed: u64, writes: u64, known: &mut Rows, begun: &mut [Option<Rows>]) {
    let program = std::env::current_exe().expect("a test has a path");
    let mut command = Command::new(program);
    command.arg("be-killed").arg(dir).arg(seed.to_string()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut done = 0;
    for line in lines.map_while(Result::ok) {
        match line.split_once(' ').expect("a word and a number") {
            ("begin", told) => {
                let (writer, rows) = told.split_once(' ').expect("a number and rows");
                begun[writer.parse::<usize>().expect("a number")] = Some(read(rows));
            }
            ("done", writer) => {
                known.extend(begun[writer.parse::<usize>().expect("a number")].take().expect("it was begun"));
                done += 1;
                if done == writes {
                    child.kill().expect("it runs");
                }
            }
            (word, _) => unreachable!("it told {word}"),
        }
    }
    child.wait().expect("it was killed");
    assert!(done >= writes, "it ended by itself");
}

/// What is there, which is what was acknowledged, with or without what was under way.
async fn check(dir: &Path, known: &mut Rows, begun: &mut [Option<Rows>]) {
    let books = books(dir);
    let rows = books.entries.all().await.expect("it can be read");
    let found: BTreeMap<u64, Booked> = rows.iter().map(|row| (row.id, row.booked())).collect();
    for (writer, begun) in (0..).zip(begun) {
        let of_writer = |id: &u64| id / IDS == writer;
        let state = |rows: &Rows| -> BTreeMap<u64, Booked> {
            rows.iter()
                .filter(|(id, _)| of_writer(id))
                .filter_map(|(id, booked)| Some((*id, (*booked)?)))
                .collect()
        };
        let found: BTreeMap<u64, Booked> =
            found.iter().filter(|(id, _)| of_writer(id)).map(|(id, booked)| (*id, *booked)).collect();
        if found != state(known) {
            known.extend(
                begun.take().expect("nothing was under way, and what is there is not what was acknowledged"),
            );
            assert_eq!(found, state(known), "a write is there in part, or one that was acknowledged is not");
        }
        *begun = None;
    }
    assert!(rows.iter().all(|row| *row == Entry::new(row.id, row.booked())), "a row is not what was written");
    for account in 0..ACCOUNTS {
        let indexed = books.by_account.get(&account).await.expect("each entry of the index has its row");
        let right: Vec<_> = rows.iter().filter(|row| row.account == account).cloned().collect();
        assert_eq!(indexed[..], right[..], "an index and its table do not agree");
    }
    books.running.stop().await;
    let entries = FjallTables::open(dir).expect("it was closed").scan(b"entries\0i", None, usize::MAX);
    assert_eq!(entries.expect("it can be read").len(), rows.len(), "an index has entries that no row has");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, dir, seed] = &arguments[..]
        && what == "be-killed"
    {
        return be_killed(Path::new(dir), seed.parse().expect("a number"));
    }
    // `PSDF_KILLS`, or 40 times.
    let kills = std::env::var("PSDF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(40);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tables-killed");
    let _ = std::fs::remove_dir_all(&dir);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it can be built");
    let (mut rng, mut known) = (Rng::new(7), Rows::new());
    for seed in 0..kills {
        let mut begun = vec![None; usize::try_from(WRITERS).expect("there are a few")];
        kill_one(&dir, seed, 1 + rng.below(300), &mut known, &mut begun);
        runtime.block_on(check(&dir, &mut known, &mut begun));
    }
    println!("killed {kills} times: exactly the acknowledged writes are there, and indexes agree");
}
