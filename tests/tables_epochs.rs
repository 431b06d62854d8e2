//! Streams that lead into tables of a durable flow: whatever crashes, a table holds each record's rows once.

use psdf::dataflow;
use psdf::testing::{Point, simulate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which start of the flow made it is part of the key: a row of a start that a crash undid would stay beside the one that
/// came again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Line {
    id: u64,
    start: u64,
    account: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Account {
    account: u64,
    lines: u64,
    start: u64,
}

static STARTS: AtomicU64 = AtomicU64::new(0);

dataflow! {
    /// Lines of a ledger and what they come to, in tables beside a stream.
    flow Ledger {
        /// Which start of the flow this is.
        param start: u64;

        input bookings: (u64, u64);
        input others: (u64, u64);

        lines = bookings -> map(|(id, account): (u64, u64)| Line { id, start, account });
        more = others -> map(|(id, account): (u64, u64)| Line { id, start, account });
        lines -> into lines_of;
        more -> into lines_of;
        counted = lines
            -> key_by(account: u64 = |line| line.account)
            -> aggregate { lines: u64 = count() } keep forever;
        counted -> map(|counted| Account { account: counted.account, lines: counted.lines, start }) -> into accounts;
        output lines;

        table lines_of: Line { key (id, start); index by_account: account; }
        table accounts: Account { key account; }
        view of_account = lines_of -> rekey(by_account) keep forever, memory 4 keys;
    }
}

fn start() -> Ledger {
    Ledger { start: STARTS.fetch_add(1, Ordering::Relaxed) }
}

fn bookings(from: u64, n: u64) -> Vec<(u64, u64)> {
    (from..from + n).map(|id| (id, id * 7 % 5)).collect()
}

fn check(outcome: &psdf::testing::Simulated) {
    let mut lines: Vec<(u64, u64)> =
        outcome.rows::<Line>("lines_of").iter().map(|line| (line.id, line.account)).collect();
    lines.sort_unstable();
    assert_eq!(lines, [bookings(0, 60), bookings(100, 40)].concat(), "each record has one row");
    let mut starts: BTreeMap<u64, u64> = BTreeMap::new();
    for line in outcome.output::<Line>("lines") {
        assert!(starts.insert(line.id, line.start).is_none());
    }
    for line in outcome.rows::<Line>("lines_of").iter().filter(|line| line.id < 100) {
        assert_eq!(starts[&line.id], line.start, "tables and outputs are of the same epochs");
    }
    for account in outcome.rows::<Account>("accounts") {
        let lines = bookings(0, 60).iter().filter(|(_, of)| *of == account.account).count();
        assert_eq!(account.lines, lines as u64);
    }
    assert_eq!(outcome.rows::<Account>("accounts").len(), 5);
}

#[test]
fn what_streams_led_into_tables_is_there_once_whatever_crashes() {
    let crashes = std::cell::Cell::new(0);
    simulate(start)
        .input("bookings", bookings(0, 60))
        .input("others", bookings(100, 40))
        .collect::<Line>("lines")
        .seeds(0..150)
        .crash_anywhere()
        .check(|outcome| {
            crashes.set(crashes.get() + outcome.crashes);
            check(outcome);
        });
    assert!(crashes.get() > 150, "{} crashes", crashes.get());
}

#[test]
fn a_write_to_a_table_that_fails_is_kept_or_not_and_comes_again() {
    let crashes = std::cell::Cell::new(0);
    for then in Point::ALL {
        simulate(start)
            .input("bookings", bookings(0, 60))
            .input("others", bookings(100, 40))
            .collect::<Line>("lines")
            .seeds(0..20)
            .fail_at(&[Point::Rows, then])
            .check(|outcome| {
                crashes.set(crashes.get() + outcome.crashes);
                check(outcome);
            });
    }
    assert!(crashes.get() > 150, "{} crashes", crashes.get());
}

#[test]
fn a_stream_into_a_table_is_promised_once() {
    let builder = start().builder().durable_in(psdf::testing::MemoryStorage::new());
    let promised: Vec<String> = builder.guarantees().iter().map(ToString::to_string).collect();
    assert!(promised.iter().any(|promised| promised.contains("exactly once")), "{promised:?}");
    let builder = start().builder();
    assert!(builder.guarantees().iter().all(|promised| promised.to_string().contains("at most once")));
}

#[cfg(feature = "tables")]
mod killed {
    //! The same with a process that is killed, and tables on disk. This program is also the one that is killed.

    use super::Line;
    use psdf::dataflow;
    use psdf::testing::Rng;
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    const RECORDS: u64 = 3000;
    const ACCOUNTS: u64 = 7;

    dataflow! {
        flow Book {
            /// Which start of the flow this is.
            param start: u64;
            input bookings: (u64, u64);
            bookings -> map(|(id, account): (u64, u64)| {
                if id % 50 == 0 {
                    println!("at {id}");
                }
                Line { id, start, account }
            }) -> into lines_of;
            table lines_of: Line { key (id, start); index by_account: account; }
            view of_account = lines_of -> rekey(by_account) keep forever, memory 3 keys;
        }
    }

    fn started(dir: &Path, start: u64) -> book::Handle {
        let given = (0..RECORDS).map(|id| (id, id % ACCOUNTS));
        let builder = Book { start }.builder().bookings_from(psdf::sources::iter(given)).durable(dir);
        builder.batch_limit(20).checkpoint_every(Duration::from_millis(5)).spawn().expect("it goes on")
    }

    #[tokio::test]
    async fn the_one_that_is_killed() {
        let Ok(told) = std::env::var("PSDF_TABLES_KILLED") else { return };
        let (start, dir) = told.split_once(' ').expect("a number and a directory");
        let flow = started(Path::new(dir), start.parse().expect("a number"));
        flow.finish().await.expect("it comes to its end");
    }

    #[tokio::test]
    async fn after_kills_each_record_has_one_row() {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tables-of-streams-killed");
        let _ = std::fs::remove_dir_all(&dir);
        let (mut rng, mut kills) = (Rng::new(11), 0);
        loop {
            let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
            command.args(["--exact", "killed::the_one_that_is_killed", "--nocapture"]);
            command.env("PSDF_TABLES_KILLED", format!("{kills} {}", dir.display())).stdout(Stdio::piped());
            let mut child = command.spawn().expect("it can be started");
            let lines =
                BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
            let mut left = 1 + rng.below(12);
            for _ in lines.filter(|line| line.starts_with("at ")) {
                left -= 1;
                if left == 0 && kills < 20 {
                    child.kill().expect("it runs");
                    break;
                }
                left = left.max(1);
            }
            let ended = child.wait().expect("it was started");
            if ended.success() {
                break;
            }
            kills += 1;
        }
        assert!(kills > 5, "{kills} kills");
        let flow = started(&dir, 1000);
        let mut ids: Vec<u64> = flow.lines_of.all().await.unwrap().iter().map(|line| line.id).collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..RECORDS), "each record has one row");
        for account in 0..ACCOUNTS {
            let lines = flow.of_account.get(&account).await.unwrap().len() as u64;
            assert_eq!(lines, (0..RECORDS).filter(|id| id % ACCOUNTS == account).count() as u64);
        }
        flow.finish().await.unwrap();
    }
}
