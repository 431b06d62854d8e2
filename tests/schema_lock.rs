//! The lock file of a flow's stored state: what it says, and what is said when the state is another.

use psdf::testing::assert_state_schema;
use psdf::{Timestamp, dataflow};
use std::panic::catch_unwind;
use std::path::PathBuf;

mod first {
    use super::*;

    dataflow! {
        pub flow Traffic {
            input views: (String, u32);
            timed = views -> event_time(|view| Timestamp::from_secs(i64::from(view.1)), lateness 1 s);
            pages = timed -> key_by(page: String = |view| view.0.clone(), hour: u32 = |view| view.1 / 3600);
            views_per_hour = pages -> tumbling(1 hour) -> aggregate { n: u64 = count(), mean: f64 = mean(|view| view.1) };
            totals = pages -> stateful(u64) {
                state { hours: u32 = 0, gone: Option<bool> = None, seconds: u64 = 0, kept: f64 = 0.0 } keep forever;
                |state, _, out| out.emit(u64::from(state.hours))
            };
            left = pages -> dedup keep forever;
            output views_per_hour;
            output totals: u64;
            output left;
        }
    }
}

mod second {
    use super::*;

    dataflow! {
        pub flow Traffic {
            param limit: u64;
            input views: (String, u32);
            timed = views -> event_time(|view| Timestamp::from_secs(i64::from(view.1)), lateness 1 s);
            pages = timed -> key_by(page: String = |view| view.0.clone(), hour: u32 = |view| view.1 / 3600);
            #[formerly(views_per_hour)]
            hourly = pages -> tumbling(1 hour) -> aggregate { #[formerly(n)] count: u64 = count(), mean: f64 = mean(|view| view.1) };
            totals = pages -> stateful(u64) {
                state {
                    new: u64 = 7,
                    #[formerly(seconds)]
                    sum: u64 = 0,
                    #[migrate(from = u32, |hours| u64::from(hours))]
                    hours: u64 = 0,
                    kept: f64 = 0.0,
                }
                keep forever;
                |state, _, out| out.emit(state.hours.min(limit))
            };
            left = pages -> dedup keep forever;
            least = pages -> aggregate { least: u32 = min(|view| view.1) } keep forever;
            output hourly;
            output totals: u64;
            output left;
            output least;
        }
    }
}

mod careless {
    use super::*;

    dataflow! {
        pub flow Traffic {
            input views: (String, u32);
            timed = views -> event_time(|view| Timestamp::from_secs(i64::from(view.1)), lateness 1 s);
            pages = timed -> key_by(page: String = |view| view.0.clone());
            hourly = pages -> tumbling(1 hour) -> aggregate { n: u64 = count(), mean: f64 = mean(|view| view.1) };
            totals = timed -> key_by(page: String = |view| view.0.clone(), hour: u32 = |view| view.1 / 3600) -> stateful(u64) {
                state { hours: u64 = 0, gone: Option<bool> = None, seconds: u64 = 0, kept: f64 = 0.0 } keep forever;
                |state, _, out| out.emit(state.hours)
            };
            left = pages -> dedup keep forever;
            output hourly;
            output totals: u64;
            output left;
        }
    }
}

/// A path for a lock file, where there is none.
fn path(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-schema-{test}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn message(assert: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(assert).expect_err("the state is another");
    *panic.downcast::<String>().expect("its message is a text")
}

#[test]
fn the_lock_file_lists_what_is_stored_by_node() {
    let path = path("lists");
    assert_state_schema(|| first::Traffic, &path);
    let expected = "\
# The stored state of flow `Traffic`. A test compares: PSDF_UPDATE_SCHEMA=1 writes it anew.

left[page]: String
left[hour]: u32
left[] = (text, u32)
left = ()

totals[page]: String
totals[hour]: u32
totals[] = (text, u32)
totals.hours: u32 = u32
totals.gone: Option<bool> = option bool
totals.seconds: u64 = u64
totals.kept: f64 = f64

views_per_hour[page]: String
views_per_hour[hour]: u32
views_per_hour[] = (text, u32)
views_per_hour.n: u64 = u64
views_per_hour.mean: f64 = <Mean>{sum: f64, count: u64}
";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn state_that_is_what_the_file_says_is_accepted() {
    let path = path("same");
    for _ in 0..3 {
        assert_state_schema(|| first::Traffic, &path);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn changes_that_are_declared_are_told_as_compatible() {
    let path = path("declared");
    assert_state_schema(|| first::Traffic, &path);
    let lock = path.clone();
    let said = message(move || assert_state_schema(|| second::Traffic { limit: 9 }, &lock));
    let expected = format!(
        "the stored state of flow `Traffic` is not what {} says:

  ok      hourly: goes on from the state of `views_per_hour`
  ok      hourly.count: was `n`
  ok      least: a new node, which begins without state
  ok      totals.new: new, and begins with its default
  ok      totals.sum: was `seconds`
  ok      totals.hours: `u32` became `u64`, migrated
  ok      totals.gone: gone, and what is stored of it is dropped

this version goes on from state that is stored as the file says. If that is meant, write the file anew with \
         PSDF_UPDATE_SCHEMA=1, and commit it.",
        path.display()
    );
    assert_eq!(said, expected);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn changes_that_nothing_declares_are_told_as_refused() {
    let path = path("careless");
    assert_state_schema(|| first::Traffic, &path);
    let lock = path.clone();
    let said = message(move || assert_state_schema(|| careless::Traffic, &lock));
    let refused: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  REFUSED ")).collect();
    let begins = |with: &str| refused.iter().any(|line| line.starts_with(with));
    assert_eq!(refused.len(), 3, "{said}");
    assert!(begins(
        "left: the state of node `left` is stored by the key (page: String, hour: u32), and its key is (page: String)"
    ));
    assert!(
        begins(
            "totals: the field `hours` of the state of node `totals` is stored as `u32`, and is `u64` now"
        ),
        "{said}"
    );
    assert!(begins("views_per_hour: this node is gone; if another goes on from its state"), "{said}");
    assert!(said.contains("  ok      hourly: a new node"), "{said}");
    assert!(said.contains("refuses to start"), "{said}");
    std::fs::remove_file(path).unwrap();
}
