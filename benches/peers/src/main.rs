//! The vote benchmark of Noria (Gjengset et al., OSDI 2018; Gjengset's thesis, 2020, chapter 7) in one process: articles
//! are read with their number of votes, by Zipf's law, while votes come in.
//!
//! Three programs answer the same reads from the same embedded store (fjall): psdf's partial view; a cache by hand (moka)
//! in front of the store, invalidated by each write; and Redis as that cache. `bash benches/peers/vote.sh` runs them.

mod by_hand;
#[path = "../../../examples/vote/forum.rs"]
mod forum;
#[path = "../../../examples/vote/load.rs"]
mod load;
#[path = "../../../examples/vote/row.rs"]
mod row;

use std::error::Error;

pub(crate) type AnyError = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), AnyError> {
    let load = row::load();
    let Some(row) = row::asked_for() else {
        let mut only = std::env::args().skip_while(|argument| argument != "--only");
        let only = only.nth(1).unwrap_or_else(|| "psdf,moka,redis".to_owned());
        return row::print_all(&load, &only.split(',').collect::<Vec<_>>()).await;
    };
    match row.what.as_str() {
        "psdf" => row.print("psdf", &load.run(forum::Forum::open(load.articles, row.bytes).await?).await?),
        "moka" => row.print("moka", &load.run(by_hand::Forum::with_moka(load.articles, row.bytes)?).await?),
        _ => match by_hand::Forum::with_redis(load.articles, row.bytes)? {
            Some(forum) => row.print("Redis", &load.run(forum).await?),
            None => println!(
                "| Redis | {:.1} % | not here: install redis-server | | | | | | | | |",
                row.percent()
            ),
        },
    }
    Ok(())
}
