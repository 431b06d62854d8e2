//! Partial state: a view of which a part is in memory, and the rest is computed again when somebody asks.

use psdf::dataflow;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Article {
    id: u64,
    title: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

dataflow! {
    flow Forum {
        table articles: Article { key id; }
        table votes: Vote { key (article, user); index by_article: article; }

        /// Votes of each article that somebody asks for.
        vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() } keep forever, memory 1000 keys;

        view page: String = articles
            -> left_join(vote_count)
            -> map_values(|(article, count)| format!("{} ({})", article.title, count.as_ref().map_or(0, |c| c.votes)))
            keep forever, memory 1000 keys;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let forum = Forum.spawn()?;
    forum.articles.insert(Article { id: 1, title: "Noria".into() }).await?;
    for user in 0..3 {
        forum.votes.insert(Vote { article: 1, user }).await?;
    }
    // Nobody has asked yet: this computes the page from the tables.
    assert_eq!(forum.page.get(&1).await?[..], ["Noria (3)"]);

    // From now on it is kept up to date, and reading it costs a look into memory.
    forum.votes.insert(Vote { article: 1, user: 9 }).await?;
    assert_eq!(forum.page.get(&1).await?[..], ["Noria (4)"]);

    // What is let go comes back when it is asked for.
    forum.page.evict(1).await;
    forum.votes.delete((1, 9)).await?;
    assert_eq!(forum.page.get(&1).await?[..], ["Noria (3)"]);
    println!("{}", Forum::GRAPH);
    forum.finish().await?;
    Ok(())
}
