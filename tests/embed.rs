//! Runs the embed example as its users do: a real process, real HTTP clients, real signals.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
/// 2026-01-01T00:00:00Z, in milliseconds.
const BEGIN: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;

// ---- The service in a quiet hour: what it says is what it was told.

#[test]
fn final_counts_are_exactly_what_was_accepted() {
    const CLIENTS: u64 = 4;
    const HOURS: i64 = 30;
    let server = Server::start();
    let (sent, accepted, done) = (AtomicU64::new(0), Mutex::new(Model::default()), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&server, &sent, &done));
        for hour in 0..HOURS {
            // The clients go from hour to hour together: within one they are in any order, which the lateness covers.
            thread::scope(|scope| {
                for client in 0..CLIENTS {
                    let (server, sent, accepted) = (&server, &sent, &accepted);
                    scope.spawn(move || {
                        let agent = agent();
                        for post in posts(client, hour) {
                            sent.fetch_add(post.len() as u64, Ordering::SeqCst);
                            if server.post(&agent, &post) == Some(202) {
                                accepted.lock().unwrap().add(&post);
                            }
                        }
                    });
                }
            });
        }
        done.store(true, Ordering::SeqCst);
        assert!(watcher.join().unwrap() > 0, "the counts were read while they grew");
    });
    let accepted = accepted.into_inner().unwrap();
    assert!(accepted.views() > 5_000, "{} views were accepted", accepted.views());

    // The running counts need no end of input, nor a next record.
    let agent = agent();
    until("the running counts hold all views", || server.get(&agent, "/pages") == accepted.pages());
    let last = server.stop("INT");
    assert_eq!(last["pages"], accepted.pages());
    assert_eq!(by_hour(&last["hours"]), accepted.hours());
    assert_eq!(last["spikes"], accepted.spikes());
    assert_eq!(accepted.spikes().as_array().map(Vec::len), Some(1), "the clients made one spike");
}

/// Reads all there is to read until told to end; how often it saw the counts between nothing and all.
fn watch(server: &Server, sent: &AtomicU64, done: &AtomicBool) -> usize {
    let agent = agent();
    let (begin, mut before, mut partial) = (Instant::now(), 0, 0);
    while !done.load(Ordering::SeqCst) && begin.elapsed() < DEADLINE {
        let pages = server.get(&agent, "/pages");
        let views = pages.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert!(before <= views, "counts only grow");
        assert!(views <= sent.load(Ordering::SeqCst), "nothing is counted that was not sent");
        before = views;
        partial += usize::from(views > 0);
        assert!(server.get(&agent, "/hours").is_array());
        assert!(server.get(&agent, "/spikes").is_array());
        assert_eq!(server.get_text(&agent, "/health"), (200, "ok\n".into()));
    }
    partial
}

/// What a client posts in an hour: single views and lists, of the hour's first minute, in no order.
fn posts(client: u64, hour: i64) -> Vec<Vec<Value>> {
    let busy = hour == 27 && client == 1;
    let view = |n: u64| {
        json!({
            "page": if busy { "/news".into() } else { format!("/page/{}", (7 * n + client) % 20) },
            "visitor": format!("visitor {}", (n + client) % 13),
            "at_ms": BEGIN + hour * HOUR + ((37 * n + 11 * client) % 60 * 1000) as i64,
        })
    };
    let ordinary =
        (0..10).map(|n| if n % 2 == 0 { vec![view(n)] } else { (10 * n..10 * n + 10).map(view).collect() });
    // So that the page with the spike has a past.
    let past = json!({ "page": "/news", "visitor": "a regular", "at_ms": BEGIN + hour * HOUR });
    ordinary.chain([vec![past]]).collect()
}

// ---- Stopped in the middle of traffic.

#[test]
fn nothing_accepted_is_lost_when_it_is_interrupted_under_load() {
    interrupted_under_load("INT");
}

#[test]
fn nothing_accepted_is_lost_when_it_is_terminated_under_load() {
    interrupted_under_load("TERM");
}

fn interrupted_under_load(signal: &str) {
    const CLIENTS: usize = 4;
    let server = Server::start();
    let (accepted, refused) = (Mutex::new(Model::default()), AtomicU64::new(0));
    let last = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (accepted, refused) = (&accepted, &refused);
            let server = server.client();
            scope.spawn(move || {
                let agent = agent();
                let view =
                    |n: usize| json!({ "page": format!("/page/{}", (n + client) % 7), "visitor": "ann" });
                for n in 0.. {
                    let post: Vec<Value> = (0..1 + n % 20).map(view).collect();
                    match server.post(&agent, &post) {
                        Some(202) => accepted.lock().unwrap().add(&post),
                        Some(503) => {}
                        Some(status) => panic!("the server answered {status}"),
                        // It is gone, or it closed the connection instead of reading the request.
                        None => break,
                    }
                }
                refused.fetch_add(1, Ordering::SeqCst);
            });
        }
        until("thousands of views are accepted", || accepted.lock().unwrap().views() > 3_000);
        server.stop(signal)
    });
    assert_eq!(refused.into_inner(), CLIENTS as u64, "the clients were still posting");
    let accepted = accepted.into_inner().unwrap();
    assert_eq!(last["pages"], accepted.pages());
    let of_hours: u64 =
        last["hours"].as_array().unwrap().iter().map(|hour| hour["views"].as_u64().unwrap()).sum();
    assert_eq!(of_hours, accepted.views());
}

// ---- Posts that are not views.

#[test]
fn what_is_not_a_view_is_refused_with_the_reason_and_counts_nothing() {
    let server = Server::start();
    let agent = agent();
    let refused = |body: &str, reason: &str| {
        let (status, text) = server.post_text(&agent, body).expect("the server answers");
        assert_eq!(status, 400, "{body}: {text}");
        assert!(text.contains(reason), "{body}: {text}");
    };
    refused("", "EOF");
    refused("nonsense", "expected");
    refused(r#"{"page": "/home""#, "EOF");
    refused(r#"{"page": "/home"}"#, "missing field `visitor`");
    refused(r#"[{"page": "/home", "visitor": "ann"}, {"page": 7, "visitor": "ann"}]"#, "invalid type");
    refused(r#"{"page": "/home", "visitor": "ann", "at_ms": 99999999999999}"#, "in the future");
    assert_eq!(server.get_text(&agent, "/nothing").0, 404);
    assert_eq!(server.post(&agent, &[]), Some(202));
    let last = server.stop("TERM");
    assert_eq!(last, json!({ "pages": {}, "hours": [], "spikes": [] }));
}

// ---- What was accepted, counted in the plainest way.

#[derive(Default)]
struct Model(Vec<Value>);

impl Model {
    fn add(&mut self, views: &[Value]) {
        self.0.extend_from_slice(views);
    }

    fn views(&self) -> u64 {
        self.0.len() as u64
    }

    fn pages(&self) -> Value {
        let mut pages = BTreeMap::new();
        self.0.iter().for_each(|view| *pages.entry(text(view, "page")).or_insert(0) += 1);
        json!(pages)
    }

    /// Views and visitors, by hour and page.
    fn hours(&self) -> BTreeMap<(i64, String), (u64, u64)> {
        let mut hours: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
        for view in &self.0 {
            let hour = view["at_ms"].as_i64().unwrap() / HOUR * HOUR * 1000;
            hours.entry((hour, text(view, "page"))).or_default().push(view);
        }
        let counted = hours.into_iter().map(|(hour, views)| {
            let visitors: BTreeSet<_> = views.iter().map(|view| text(view, "visitor")).collect();
            (hour, (views.len() as u64, visitors.len() as u64))
        });
        counted.collect()
    }

    fn spikes(&self) -> Value {
        let mut past: BTreeMap<String, (f64, u32)> = BTreeMap::new();
        let mut spikes = Vec::new();
        for ((hour, page), (views, _)) in self.hours() {
            let (mean, hours) = past.entry(page.clone()).or_default();
            if *hours >= 24 && views as f64 > 3.0 * *mean {
                spikes.push(json!({ "page": page, "hour": hour, "views": views, "usual": *mean }));
            }
            *hours += 1;
            *mean += (views as f64 - *mean) / f64::from(*hours);
        }
        json!(spikes)
    }
}

fn by_hour(hours: &Value) -> BTreeMap<(i64, String), (u64, u64)> {
    let number = |hour: &Value, field: &str| hour[field].as_u64().unwrap();
    let counted = hours.as_array().unwrap().iter().map(|hour| {
        let start = hour["window"]["start"].as_i64().unwrap();
        ((start, text(hour, "page")), (number(hour, "views"), number(hour, "visitors")))
    });
    let by_hour: BTreeMap<_, _> = counted.collect();
    assert_eq!(by_hour.len(), hours.as_array().unwrap().len(), "an hour of a page is told once");
    by_hour
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_string()
}

// ---- The process, and how to talk to it.

struct Server {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    client: Client,
}

#[derive(Clone)]
struct Client {
    url: String,
}

impl std::ops::Deref for Server {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// Cargo puts the built example beside the tests that it builds.
    fn start() -> Server {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
        let path = profile.join("examples/embed");
        assert!(path.exists(), "{} is not built; `cargo build --example embed` does it", path.display());
        let mut child = Command::new(path).args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url =
            line.trim_end().strip_prefix("listening on ").expect("it says where it listens").to_string();
        Server { child, stdout, client: Client { url } }
    }

    fn client(&self) -> Client {
        self.client.clone()
    }

    /// Sends a signal and waits for the end: what it printed last.
    fn stop(mut self, signal: &str) -> Value {
        let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        assert!(kill.unwrap().success());
        let mut status: Option<ExitStatus> = None;
        let mut last = String::new();
        thread::scope(|scope| {
            let (stdout, last) = (&mut self.stdout, &mut last);
            scope.spawn(move || stdout.read_to_string(last));
            until("the process ends", || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            });
        });
        assert!(status.is_some_and(|status| status.success()), "it ended with {status:?}");
        serde_json::from_str(&last).expect("it printed the final counts")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a failed test; one that has ended has nothing to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE)).build().into()
}

impl Client {
    /// Posts views; the status, or `None` if there was no answer.
    fn post(&self, agent: &ureq::Agent, views: &[Value]) -> Option<u16> {
        let body = if let [one] = views { one.to_string() } else { json!(views).to_string() };
        let (status, text) = self.post_text(agent, &body)?;
        if status == 202 {
            assert_eq!(text, views.len().to_string());
        }
        Some(status)
    }

    fn post_text(&self, agent: &ureq::Agent, body: &str) -> Option<(u16, String)> {
        let mut answer = agent.post(format!("{}/views", self.url)).send(body).ok()?;
        Some((
            answer.status().as_u16(),
            answer.body_mut().read_to_string().expect("an answer that begins is whole"),
        ))
    }

    fn get(&self, agent: &ureq::Agent, path: &str) -> Value {
        let (status, text) = self.get_text(agent, path);
        assert_eq!(status, 200, "GET {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn get_text(&self, agent: &ureq::Agent, path: &str) -> (u16, String) {
        let mut answer = agent.get(format!("{}{path}", self.url)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }
}

/// Asks again and again, up to a deadline.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
