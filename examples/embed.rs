//! A web service with a flow inside: page views come in by POST, counts and spikes go out by GET.
//!
//! `cargo run --release --example embed -- --port 8080`, and then for example
//!
//! ```text
//! curl localhost:8080/views -d '{"page": "/home", "visitor": "ann"}'
//! curl localhost:8080/views -d '[{"page": "/home", "visitor": "bob"}, {"page": "/docs", "visitor": "ann"}]'
//! curl localhost:8080/pages
//! ```
//!
//! Ctrl-C (or SIGTERM) stops it: it takes no more, finishes what it has taken, and prints the final counts.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::FutureExt;
use psdf::{Input, Output, Record, Refusal, SendError, Timestamp, dataflow};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};
use std::{env, io};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// How long a request waits for a full flow before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a stopping server waits for the requests that it has begun to read.
const GRACE: Duration = Duration::from_secs(10);
/// How far ahead of ours a client's clock may be: a time far in the future would close the windows of all others.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How many hours and spikes can be asked for.
const SHOWN: usize = 10_000;

/// A page view, as a client tells of it.
#[derive(Debug, Deserialize)]
pub struct View {
    page: String,
    visitor: String,
    /// In milliseconds since 1970; if it is left out, now.
    #[serde(default = "now_ms")]
    at_ms: i64,
}

/// An hour in which a page had far more views than it used to have.
#[derive(Debug, Serialize)]
pub struct Spike {
    page: String,
    hour: Timestamp,
    views: u64,
    usual: f64,
}

dataflow! {
    /// The traffic of one web site.
    flow Traffic {
        /// How many times its usual views a page must have in an hour that is a spike.
        param threshold: f64 = 3.0;

        /// The views of one request: together they are one record, so they are all taken or none is.
        input posts: Vec<View>;

        // Stateless: one loop, no memory.
        views = posts
            -> flat_map(|views| views)
            -> event_time(|view| Timestamp::from_millis(view.at_ms), lateness 1 min);

        /// All views of a page so far.
        pages = views
            -> key_by(page: String = |view| view.page.clone())
            -> aggregate { views: u64 = count() } keep forever;

        /// The views of a page in an hour that is over.
        hours = views
            -> key_by(page: String = |view| view.page.clone())
            -> tumbling(1 hour) else late
            -> aggregate { views: u64 = count(), visitors: u64 = distinct(|view| view.visitor.clone()) };

        spikes = hours
            -> key_by(page: String = |hour| hour.page.clone())
            -> stateful(Spike) {
                state { mean: f64 = 0.0, hours: u32 = 0 }
                keep 7 days;
                |state, hour, out| {
                    if state.hours >= 24 && hour.views as f64 > threshold * state.mean {
                        let (page, views) = (hour.page, hour.views);
                        out.emit(Spike { page, hour: hour.window.start, views, usual: state.mean });
                    }
                    state.hours += 1;
                    state.mean += (hour.views as f64 - state.mean) / f64::from(state.hours);
                }
            };

        output pages;
        output hours;
        output spikes;
        output late_pages: String = late -> map(|late| late.record.page);
    }
}

/// What the flow has said so far.
#[derive(Debug, Default, Serialize)]
struct Board {
    pages: BTreeMap<String, u64>,
    hours: VecDeque<traffic::Hours>,
    spikes: VecDeque<Spike>,
    /// Views that came after their hour was over: they count in `pages` alone.
    late: BTreeMap<String, u64>,
}

/// What a request handler needs.
#[derive(Clone)]
struct Service {
    posts: Input<Vec<View>>,
    board: Arc<Mutex<Board>>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("embed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let told_to_stop = stop_signal()?;
    let mut flow = Traffic::default().spawn()?;
    let service = Service { posts: flow.posts.clone(), board: Arc::default() };
    let outputs = (flow.pages.take(), flow.hours.take(), flow.spikes.take(), flow.late_pages.take());
    let board = Arc::clone(&service.board);
    let all_shown = tokio::spawn(async move {
        tokio::join!(
            each(outputs.0, |page| drop(lock(&board).pages.insert(page.page, page.views))),
            each(outputs.1, |hour| push(&mut lock(&board).hours, hour)),
            each(outputs.2, |spike| push(&mut lock(&board).spikes, spike)),
            each(outputs.3, |page| *lock(&board).late.entry(page).or_default() += 1),
        )
    });
    // The outputs also end when the flow fails: then it is of no use to go on.
    let all_shown = all_shown.map(drop).shared();
    let flow_ended = all_shown.clone();
    let stop = async { tokio::select! { () = told_to_stop => {}, () = flow_ended => {} } }.shared();

    let app = Router::new()
        .route("/views", post(take_views))
        .route("/pages", get(async |State(service): State<Service>| show(&lock(&service.board).pages)))
        .route("/hours", get(async |State(service): State<Service>| show(&lock(&service.board).hours)))
        .route("/spikes", get(async |State(service): State<Service>| show(&lock(&service.board).spikes)))
        .route("/health", get(health))
        .with_state(service.clone());
    let listener = TcpListener::bind(("127.0.0.1", port()?)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop.clone()) => served?,
        () = stop.then(|()| sleep(GRACE)) => eprintln!("embed: did not wait for the slowest clients"),
    }

    flow.finish().await?;
    all_shown.await;
    println!("{}", serde_json::to_string_pretty(&*lock(&service.board))?);
    Ok(())
}

/// `POST /views`: a view, or a list of them.
async fn take_views(State(service): State<Service>, body: Bytes) -> Response {
    let views = match parse(&body) {
        Ok(views) => views,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let count = views.len();
    // `send` waits while the flow is full. A wait that is given up, by us or by the client, has sent nothing.
    match timeout(PATIENCE, service.posts.send(views)).await {
        Ok(Ok(())) => (StatusCode::ACCEPTED, Json(count)).into_response(),
        Ok(Err(error)) => unavailable(error.to_string()),
        Err(_) => unavailable("the flow is full".into()),
    }
}

fn parse(body: &[u8]) -> Result<Vec<View>, Box<dyn Error>> {
    let views: Vec<View> = match body.trim_ascii_start() {
        list @ [b'[', ..] => serde_json::from_slice(list)?,
        one => vec![serde_json::from_slice(one)?],
    };
    let latest = now_ms() + i64::try_from(CLOCK_SKEW.as_millis())?;
    match views.iter().find(|view| view.at_ms > latest) {
        Some(view) => Err(format!("`at_ms` is in the future: {}", view.at_ms).into()),
        None => Ok(views),
    }
}

fn unavailable(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], format!("{why}\n")).into_response()
}

/// `GET /health`: an empty post goes in by the door of all others, and counts nothing.
async fn health(State(service): State<Service>) -> Response {
    match service.posts.try_send(Vec::new()) {
        Ok(()) | Err(SendError { reason: Refusal::Full, .. }) => "ok\n".into_response(),
        Err(error) => unavailable(error.to_string()),
    }
}

fn show(what: &impl Serialize) -> Response {
    Json(what).into_response()
}

/// Reads an output to its end.
async fn each<T: Record>(mut output: Output<T>, mut show: impl FnMut(T)) {
    while let Some(record) = output.next().await {
        show(record);
    }
}

fn push<T>(shown: &mut VecDeque<T>, new: T) {
    if shown.len() == SHOWN {
        shown.pop_front();
    }
    shown.push_back(new);
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().expect("nobody panics who holds the board")
}

/// Ready when the process is told to stop. Listens from now on, not from the first poll.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move { tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} } })
    }
    #[cfg(windows)]
    {
        let mut interrupt = tokio::signal::windows::ctrl_c()?;
        Ok(async move { drop(interrupt.recv().await) })
    }
}

/// `--port N`, or else the environment's `PORT`, or else 8080; 0 is any that is free.
fn port() -> Result<u16, Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let port = match &args[..] {
        [] => env::var("PORT").unwrap_or_else(|_| "8080".into()),
        [flag, port] if flag == "--port" => port.clone(),
        _ => return Err("usage: embed [--port N]".into()),
    };
    port.parse().map_err(|_| format!("`{port}` is not a port: 0 to 65535").into())
}

fn now_ms() -> i64 {
    Timestamp::from(SystemTime::now()).as_millis()
}
