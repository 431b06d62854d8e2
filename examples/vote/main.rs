//! The vote benchmark of Noria (Gjengset et al., OSDI 2018; Gjengset's thesis, 2020, chapter 7) in one process: articles
//! are read with their number of votes, by Zipf's law, while votes come in.
//!
//! ```text
//! cargo run --release --features tables --example vote -- [--articles N] [--seconds N] [--warm-up N] [--zipf S]
//!     [--reads-a-write N]
//! ```
//!
//! It prints a row for each of the budgets that the thesis measured. `benches/peers/vote.sh` puts the same beside a cache
//! by hand and Redis.

mod forum;
mod load;
mod row;

use forum::Forum;
use std::error::Error;

pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), AnyError> {
    let load = row::load();
    if let Some(row) = row::asked_for() {
        let forum = Forum::open(load.articles, row.bytes).await?;
        row.print("psdf", &load.run(forum).await?);
        return Ok(());
    }
    row::print_all(&load, &["psdf"]).await
}
