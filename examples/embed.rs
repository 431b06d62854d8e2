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
/// How many hours and spikes are shown: the newest.
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

        /// A page's views in an hour that is over; those that come more than a minute late count in `pages` alone.
        hours = views
            -> key_by(page: String = |view| view.page.clone())
            -> tumbling(1 hour)
            -> aggregate { views: u64 = count(), visitors: u64 = distinct(|view| &view.visitor) };

        spikes = hours
            -> key_by(page: String = |hour| hour.page.clone())
            -> stateful(Spike) {
                state { mean: f64 = 0.0, hours: u32 = 0 }
                keep 7 days;
                |state, hour, out| {
                    let (page, views, usual) = (hour.page, hour.views, state.mean);
                    if state.hours >= 24 && views as f64 > threshold * usual {
                        out.emit(Spike { page, hour: hour.window.start, views, usual });
                    }
                    state.hours += 1;
                    state.mean += (views as f64 - usual) / f64::from(state.hours);
                }
            };

        output pages;
        output hours;
        output spikes;
    }
}

/// What the flow has said so far.
#[derive(Debug, Default, Serialize)]
struct Board {
    pages: BTreeMap<String, u64>,
    hours: VecDeque<traffic::Hours>,
    spikes: VecDeque<Spike>,
}

/// What a request handler needs.
#[derive(Clone)]
struct Service {
    posts: Input<Vec<View>>,
    board: Arc<Mutex<Board>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let told_to_stop = stop_signal()?;
    let mut flow = Traffic::default().spawn()?;
    let service = Service { posts: flow.posts.clone(), board: Arc::default() };
    let shown = tokio::spawn(show_outputs(&mut flow, Arc::clone(&service.board))).map(drop).shared();
    // The outputs also end when the flow fails: then it is of no use to go on.
    let flow_ended = shown.clone();
    let stop = async {
        tokio::select! { () = told_to_stop => {}, () = flow_ended => {} }
    }
    .shared();

    let app = Router::new()
        .route("/views", post(take_views))
        .route("/pages", get(async |State(service): State<Service>| json(&lock(&service.board).pages)))
        .route("/hours", get(async |State(service): State<Service>| json(&lock(&service.board).hours)))
        .route("/spikes", get(async |State(service): State<Service>| json(&lock(&service.board).spikes)))
        .route("/health", get(health))
        .with_state(service.clone());
    let listener = TcpListener::bind(("127.0.0.1", port()?)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop.clone()) => served?,
        () = stop.then(|()| sleep(GRACE)) => eprintln!("did not wait for the slowest clients"),
    }

    flow.finish().await?;
    shown.await;
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
        Ok(Err(error)) => unavailable(&error.to_string()),
        Err(_) => unavailable("the flow is full"),
    }
}

fn parse(body: &[u8]) -> Result<Vec<View>, Box<dyn Error>> {
    let views: Vec<View> = match body.trim_ascii_start() {
        list @ [b'[', ..] => serde_json::from_slice(list)?,
        one => vec![serde_json::from_slice(one)?],
    };
    let latest = now_ms() + CLOCK_SKEW.as_millis() as i64;
    match views.iter().find(|view| view.at_ms > latest) {
        Some(view) => Err(format!("`at_ms` is in the future: {}", view.at_ms).into()),
        None => Ok(views),
    }
}

/// `GET /health`: an empty post goes in by the door of all others, and counts nothing.
async fn health(State(service): State<Service>) -> Response {
    match service.posts.try_send(Vec::new()) {
        Ok(()) | Err(SendError { reason: Refusal::Full, .. }) => "ok\n".into_response(),
        Err(error) => unavailable(&error.to_string()),
    }
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], format!("{why}\n")).into_response()
}

fn json(what: &impl Serialize) -> Response {
    Json(what).into_response()
}

/// Writes what the flow says on the board, until the flow ends.
fn show_outputs(flow: &mut traffic::Handle, board: Arc<Mutex<Board>>) -> impl Future<Output = ()> + use<> {
    let (pages, hours, spikes) = (flow.pages.take(), flow.hours.take(), flow.spikes.take());
    async move {
        tokio::join!(
            each(pages, |page| _ = lock(&board).pages.insert(page.page, page.views)),
            each(hours, |hour| push(&mut lock(&board).hours, hour)),
            each(spikes, |spike| push(&mut lock(&board).spikes, spike)),
        );
    }
}

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

/// Ready when the process is told to stop. It listens from now on, not from the first poll.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

/// Ready when the process is told to stop. It listens from now on, not from the first poll.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move { _ = interrupt.recv().await })
}

/// `--port N`, or else the environment's `PORT`, or else 8080; 0 is any that is free.
fn port() -> Result<u16, Box<dyn Error>> {
    let given = env::args().skip_while(|arg| arg != "--port").nth(1).or_else(|| env::var("PORT").ok());
    let port = given.unwrap_or_else(|| "8080".into());
    port.parse().map_err(|_| format!("`{port}` is not a port, which is a number from 0 to 65535").into())
}

fn now_ms() -> i64 {
    Timestamp::from(SystemTime::now()).as_millis()
}
