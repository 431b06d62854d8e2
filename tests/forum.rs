//! Runs the forum example as its users do: a service, and clients that read, vote, and read again what they voted for.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    profile.join("examples/forum")
}

/// A service of its own, killed when the test ends.
struct Service {
    child: Child,
    port: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start() -> Service {
        let mut serve = Command::new(program());
        let mut child = serve.args(["serve", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().expect("it says where it listens").to_owned();
        Service { child, port }
    }

    fn load(&self, articles: &str) -> Output {
        let mut load = Command::new(program());
        load.args(["load", "--port", &self.port, "--articles", articles, "--seconds", "1", "--readers", "1"]);
        load.output().unwrap()
    }

    fn get(&self, path: &str) -> serde_json::Value {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
    }
}

#[test]
fn a_page_shows_a_vote_as_soon_as_it_was_taken() {
    let service = Service::start();
    let load = service.load("300");
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    let told = String::from_utf8_lossy(&load.stdout);
    assert!(told.contains(" votes in ") && !told.contains(" 0 votes"), "{told}");

    let author = service.get("/authors/7");
    assert_eq!(author.as_array().map(Vec::len), Some(3), "articles 7, 107 and 207: {author}");
    let front = service.get("/");
    let newest: Vec<u64> =
        front.as_array().unwrap().iter().map(|page| page["id"].as_u64().unwrap()).collect();
    assert_eq!(newest, (270..300).rev().collect::<Vec<_>>());
    // A page is the same wherever it is shown.
    assert_eq!(front[0], service.get("/articles/299"));
    assert_eq!(
        ureq::get(format!("http://127.0.0.1:{}/articles/300", service.port)).call().unwrap_err().to_string(),
        "http status: 404"
    );
}
