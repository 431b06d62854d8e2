//! Runs the processes of a job as threads, with sockets between them as between processes.

use std::net::TcpListener;

use psdf::Flow;
use psdf_cluster::Job;
use psdf_cluster::config::Config;
use psdf_cluster::seat::Seat;
use psdf_cluster::stop::Stop;

/// Runs a job, which each process makes for itself, to its end.
pub(crate) fn together<F: Flow + Send + Sync>(processes: usize, workers: usize, job: impl Fn() -> Job<F>) {
    let listeners: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let run = |(index, listener): (usize, TcpListener)| {
        let config = Config::new("together").processes(processes).workers(workers).index(index);
        let seat = Seat::new(config.addresses(&addresses), Stop::new(), Some(listener));
        let job = job();
        std::thread::spawn(move || job.run(seat))
    };
    let threads: Vec<_> = listeners.into_iter().enumerate().map(run).collect();
    for thread in threads {
        thread.join().expect("no process panics").expect("the flow drains");
    }
}
