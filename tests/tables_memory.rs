//! What budgets of memory of a view cost in truth: what is allocated, and what of the process is resident.
//!
//! One test, because both are of the whole process.

use cap::Cap;
use psdf::storage::MemoryTables;
use psdf::testing::Rng;
use psdf::{WriteBatch, dataflow};
use serde::{Deserialize, Serialize};
use std::alloc::System;

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

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
        vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() } keep forever, memory 8 MiB;
        view pages = articles -> left_join(vote_count) keep forever, memory 8 MiB;
    }
}

const ARTICLES: u64 = 100_000;
const BUDGETS: f64 = 2.0 * (8 << 20) as f64;
/// What a replay takes in passing, tables that grow, and what the allocator cannot use again.
const CONSTANT: f64 = (8 << 20) as f64;

/// What of this process is in memory; `None` where the system does not tell.
fn resident() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split_whitespace().nth(1)?.parse().ok().map(|pages: f64| pages * 4096.0)
}

#[tokio::test]
async fn what_is_resident_is_no_more_than_1_3_times_the_budgets_and_a_constant() {
    let forum = Forum.builder().tables_in(MemoryTables::new()).spawn().unwrap();
    for first in (0..ARTICLES).step_by(10_000) {
        let mut batch = WriteBatch::new();
        for id in first..first + 10_000 {
            batch.insert(&forum.articles, Article { id, title: format!("the title of article {id}") });
            batch.insert(&forum.votes, Vote { article: id, user: id % 7 });
        }
        batch.commit().await.unwrap();
    }
    let (resident_before, allocated_before) = (resident(), ALLOCATED.allocated());
    let mut rng = Rng::new(3);
    for round in 0..250_000u64 {
        // Half of the reads go to a tenth of the articles.
        let article = if rng.one_in(2) { rng.below(ARTICLES) } else { rng.below(ARTICLES / 10) };
        forum.pages.get(&article).await.unwrap();
        if round % 100 == 0 {
            forum.votes.upsert(Vote { article, user: rng.below(7) }).await.unwrap();
        }
    }
    let stats = forum.pages.stats();
    assert!(stats.evictions > 50_000 && stats.bytes > 7 << 20, "the budget is used up: {stats:?}");
    let allocated = (ALLOCATED.allocated() - allocated_before) as f64;
    println!("{:.2} times the budgets are allocated", allocated / BUDGETS);
    assert!((0.8..1.3).contains(&(allocated / BUDGETS)), "{allocated} bytes are allocated");
    if let (Some(before), Some(now)) = (resident_before, resident()) {
        println!("{:.2} times the budgets are resident", (now - before) / BUDGETS);
        assert!(now - before < 1.3 * BUDGETS + CONSTANT, "{} bytes more are resident", now - before);
    }
    forum.finish().await.unwrap();
}
