//! A forum as a web service: articles and votes are tables, the pages are views of which a part is in memory.
//!
//! ```text
//! cargo run --release --example forum --features tables -- serve --port 8080 --store forum.db
//! cargo run --release --example forum -- load --port 8080 --articles 10000 --seconds 10
//! cargo run --release --example forum --features tables -- memory --articles 300000   # pages with budgets and without
//!
//! curl localhost:8080/articles -d '{"id": 1, "author": 7, "title": "Noria"}' -H 'content-type: application/json'
//! curl localhost:8080/votes -d '{"article": 1, "user": 3}' -H 'content-type: application/json'
//! curl localhost:8080/articles/1
//! ```
//!
//! Without `--store` what is written is gone with the process. `flow.rs` declares the forum, `service.rs` is its HTTP,
//! `load.rs` asks it a lot. Ctrl-C stops it.

mod flow;
mod load;
mod memory;
mod service;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const HELP: &str = "\
forum serve [--port N] [--store DIR]
forum load [--port N] [--articles N] [--seconds N] [--readers N]
forum memory [--articles N]
";

fn option<T: std::str::FromStr>(name: &str) -> Result<Option<T>, AnyError> {
    let Some(given) = env::args().skip_while(|argument| argument != name).nth(1) else { return Ok(None) };
    let parsed = given.parse();
    parsed.map(Some).map_err(|_| format!("`{given}` cannot be what follows {name}\n{HELP}").into())
}

async fn run() -> Result<(), AnyError> {
    let port = option("--port")?.unwrap_or(8080);
    match env::args().nth(1).as_deref() {
        Some("serve") => service::serve(port, option::<PathBuf>("--store")?).await,
        Some("load") => {
            let (articles, seconds) = (option("--articles")?, option("--seconds")?);
            let load = load::Load {
                port,
                articles: articles.unwrap_or(10_000),
                seconds: seconds.unwrap_or(10),
                readers: option("--readers")?.unwrap_or(2),
            };
            // It blocks, as clients do that are not in this process.
            tokio::task::spawn_blocking(move || load.run()).await?
        }
        Some("memory") => memory::compare(option("--articles")?.unwrap_or(300_000), option("--state")?).await,
        _ => Err(HELP.into()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
