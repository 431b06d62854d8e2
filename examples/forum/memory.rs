//! What the pages take in memory, with the budgets of the flow and without any: each in a process of its own.

use crate::AnyError;
use crate::flow::{Article, Forum, Page, Vote};
use psdf::{Table, View, WriteBatch, dataflow};
use std::process::Command;

/// How many pages are read.
const READS: u64 = 400_000;

dataflow! {
    /// The forum with all that is asked for in memory.
    flow WholeForum {
        table articles: Article { key id; index by_author: author; }
        table votes: Vote { key (article, user); index by_article: article; }
        vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() } keep forever;
        scored = articles -> left_join(vote_count);
        view article_page: Page = scored
            -> map_values(|(article, count)| Page::new(article, count.as_ref().map_or(0, |count| count.votes)))
            keep forever;
        view author_page: Page = scored
            -> rekey(by_author)
            -> map_values(|(article, count)| Page::new(article, count.as_ref().map_or(0, |count| count.votes)))
            keep forever;
    }
}

/// What both flows have.
struct Asked {
    articles: Table<u64, Article>,
    votes: Table<(u64, u64), Vote>,
    article_page: View<u64, Page>,
    author_page: View<u64, Page>,
}

/// Measures one of the two in this process, or both in processes of their own.
pub(crate) async fn compare(articles: u64, which: Option<String>) -> Result<(), AnyError> {
    let store = std::env::temp_dir().join(format!("psdf-forum-{}", std::process::id()));
    let measured = match which.as_deref() {
        Some("partial") => {
            let flow = Forum.builder().tables(&store).spawn()?;
            let asked = Asked {
                articles: flow.articles.clone(),
                votes: flow.votes.clone(),
                article_page: flow.article_page.clone(),
                author_page: flow.author_page.clone(),
            };
            asked.measure("partial", articles).await
        }
        Some(_) => {
            let flow = WholeForum.builder().tables(&store).spawn()?;
            let asked = Asked {
                articles: flow.articles.clone(),
                votes: flow.votes.clone(),
                article_page: flow.article_page.clone(),
                author_page: flow.author_page.clone(),
            };
            asked.measure("full", articles).await
        }
        None => {
            println!("{articles} articles, a vote for each, {READS} pages read");
            println!("| state | keys held | counted MiB | resident MiB | of it before the reads | hits |");
            println!("|---|---|---|---|---|---|");
            for which in ["full", "partial"] {
                let articles = articles.to_string();
                let mut row = Command::new(std::env::current_exe()?);
                row.args(["memory", "--articles", &articles, "--state", which]).status()?;
            }
            return Ok(());
        }
    };
    let removed = std::fs::remove_dir_all(&store);
    measured.and_then(|()| Ok(removed?))
}

impl Asked {
    async fn measure(&self, state: &str, articles: u64) -> Result<(), AnyError> {
        for first in (0..articles).step_by(10_000) {
            let mut batch = WriteBatch::new();
            for id in first..articles.min(first + 10_000) {
                let (author, title) = (id % 1000, format!("The story of number {id}"));
                batch.insert(&self.articles, Article { id, author, title });
                batch.upsert(&self.votes, Vote { article: id, user: id });
            }
            batch.commit().await?;
        }
        let before = resident_mib();
        let mut number = 7u64;
        for read in 0..READS {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Most often one of the first: the fourth power of an even draw.
            let drawn = ((number >> 33) as f64 / (1u64 << 31) as f64).powi(4);
            self.article_page.get(&((drawn * articles as f64) as u64)).await?;
            if read % 1000 == 0 {
                self.author_page.get(&(read / 1000 % 1000)).await?;
            }
        }
        let (pages, authors) = (self.article_page.stats(), self.author_page.stats());
        println!(
            "| {state} | {} | {:.0} | {:.0} | {before:.0} | {:.1} % |",
            pages.keys + authors.keys,
            (pages.bytes + authors.bytes) as f64 / 1_048_576.0,
            resident_mib(),
            100.0 * pages.hits as f64 / (pages.hits + pages.misses) as f64,
        );
        Ok(())
    }
}

fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    resident.unwrap_or(f64::NAN) * 4096.0 / 1_048_576.0
}
