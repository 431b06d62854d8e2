//! A durable flow goes on from its last checkpoint, on as many workers as there are then, and in the other host.

#[path = "support/shops.rs"]
mod shops;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use psdf_cluster::config::Config;
use psdf_cluster::seat::Seat;
use psdf_cluster::stop::Stop;
use psdf_cluster::{ClusterError, Job};

use crate::shops::{Halt, Sales, Shops, lines, till, written};

const SALES: u64 = 12_000;

/// Where a part of a flow's life takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Embedded { shards: usize },
    Cluster { processes: usize, workers: usize },
}

/// An empty directory.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("psdf-cluster-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a place for files");
    path
}

/// Runs the flow until each partition is where it is to halt, or to its end.
fn live(place: Place, directory: &Path, partitions: usize, until: Option<usize>) {
    match place {
        Place::Embedded { shards } => live_embedded(shards, directory, until),
        Place::Cluster { processes, workers } => {
            live_in_cluster(processes, workers, directory, partitions, until);
        }
    }
}

fn live_embedded(shards: usize, directory: &Path, until: Option<usize>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let halted = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&halted);
        let halt: Halt = Arc::new(move || notify.notify_one());
        let sales = Sales { sales: till(0, 1, SALES), at: 0, halt: until.map(|end| (end, halt)), pace: None };
        let flow = Shops {}
            .builder()
            .shards(shards)
            .durable(directory.join("store"))
            .checkpoint_every(Duration::from_millis(50))
            .sales_from(sales)
            .lines_to(lines(directory))
            .spawn()
            .expect("the flow starts");
        if until.is_some() {
            halted.notified().await;
            flow.stop_with_checkpoint().await.expect("it is durable");
        } else {
            flow.finish().await.expect("the flow drains");
        }
    });
}

fn job(directory: &Path, partitions: usize, until: Option<(usize, Halt)>) -> Job<Shops> {
    let to = directory.to_path_buf();
    let sales = move |number| Sales {
        sales: till(number, partitions, SALES),
        at: 0,
        halt: until.clone(),
        pace: None,
    };
    Job::new(Shops {})
        .durable(directory.join("store"))
        .tier(directory.join("tier"))
        .checkpoint_every(Duration::from_millis(50))
        .source("sales", partitions, sales)
        .sink("lines", move || lines(&to))
}

/// Each process is a thread here, with sockets between them as between processes.
fn live_in_cluster(
    processes: usize,
    workers: usize,
    directory: &Path,
    partitions: usize,
    until: Option<usize>,
) {
    let listeners: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let stop = Stop::new();
    let run = |(index, listener): (usize, TcpListener)| {
        let config = Config::new("shops").processes(processes).workers(workers).index(index);
        let (config, asked) = (config.addresses(&addresses), stop.clone());
        let halt: Halt = Arc::new(move || asked.request());
        let job = job(directory, partitions, until.map(|end| (end, halt)));
        let seat = Seat::new(config, stop.clone(), Some(listener));
        std::thread::spawn(move || job.run(seat))
    };
    let threads: Vec<_> = listeners.into_iter().enumerate().map(run).collect();
    for thread in threads {
        match (thread.join().expect("no process panics"), until) {
            (Ok(()), None) => {}
            (Err(ClusterError::Stopped { committed }), Some(_)) => assert!(committed > 0),
            (ended, _) => panic!("{ended:?}"),
        }
    }
}

/// What the flow gives without any interruption.
fn expected() -> String {
    let directory = scratch("expected");
    live(Place::Embedded { shards: 1 }, &directory, 1, None);
    let text = written(&directory);
    std::fs::remove_dir_all(&directory).expect("it was ours");
    assert!(text.lines().count() > 1_000, "there is something to compare: {}", text.lines().count());
    text
}

#[test]
fn a_checkpoint_of_any_number_of_processes_restores_on_any_other_and_in_the_embedded_host() {
    let expected = expected();
    let places = [
        Place::Embedded { shards: 2 },
        Place::Cluster { processes: 1, workers: 1 },
        Place::Cluster { processes: 2, workers: 1 },
        Place::Cluster { processes: 3, workers: 1 },
        Place::Cluster { processes: 1, workers: 3 },
    ];
    for before in places {
        for after in places {
            let directory = scratch("matrix");
            live(before, &directory, 1, Some(6_000));
            assert_ne!(written(&directory), expected, "{before:?} was interrupted");
            live(after, &directory, 1, None);
            assert!(written(&directory) == expected, "from {before:?} to {after:?}");
            std::fs::remove_dir_all(&directory).expect("it was ours");
        }
    }
}

#[test]
fn partitions_go_on_each_from_where_it_was() {
    let expected = expected();
    let directory = scratch("partitions");
    let lives = [(2, 1, Some(1_000)), (3, 1, Some(2_000)), (1, 2, Some(3_000)), (2, 2, None)];
    for (processes, workers, until) in lives {
        live(Place::Cluster { processes, workers }, &directory, 3, until);
    }
    assert!(written(&directory) == expected);
    std::fs::remove_dir_all(&directory).expect("it was ours");
}

#[test]
fn another_number_of_partitions_is_refused_and_named() {
    let directory = scratch("repartitioned");
    live(Place::Cluster { processes: 1, workers: 1 }, &directory, 3, Some(500));
    let error = job(&directory, 2, None).run_here(1).expect_err("nobody knows where two would be");
    assert!(error.to_string().contains("the input `sales` had another number of partitions"), "{error}");
    std::fs::remove_dir_all(&directory).expect("it was ours");
}

#[test]
fn a_process_that_was_started_by_mistake_disturbs_no_run() {
    let directory = scratch("mistake");
    let being_written = directory.join("store/segments/.1-0.tmp");
    std::fs::create_dir_all(directory.join("store/segments")).expect("a place for files");
    std::fs::write(&being_written, "ha").expect("it can be written");
    for index in 0..2 {
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = nobody.local_addr().expect("it is bound").to_string();
        let config = Config::new("shops").processes(2).index(index).addresses([address.clone(), address]);
        let config = config.assembly(Duration::from_millis(100));
        let ended = job(&directory, 1, None).run(Seat::new(config, Stop::new(), Some(nobody)));
        assert!(matches!(ended, Err(ClusterError::Mesh(_))), "{ended:?}");
        assert!(being_written.exists(), "what another writes was deleted by process {index}");
    }
    job(&directory, 1, None).run_here(1).expect("it comes to its end");
    assert!(!being_written.exists());
    std::fs::remove_dir_all(&directory).expect("it was ours");
}
