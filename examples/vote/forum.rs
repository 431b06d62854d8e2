//! The same forum as tables and a view. A flow's budgets are written in its declaration, so there is one for each.

use crate::AnyError;
use crate::load::Vote as Votes;
use psdf::{Peek, WriteBatch};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
pub(crate) struct Article {
    pub(crate) id: u64,
    pub(crate) title: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
pub(crate) struct Vote {
    pub(crate) article: u64,
    pub(crate) user: u64,
}

/// A title of a usual length.
pub(crate) fn title(article: u64) -> String {
    format!("Article number {article}, which has a title of a usual length")
}

/// What is asked of the flows below, whatever their budgets.
pub(crate) struct Forum {
    articles: psdf::Table<u64, Article>,
    votes: psdf::Table<(u64, u64), Vote>,
    read: Box<dyn Read>,
    /// The flow runs as long as somebody has its handle.
    _flow: Box<dyn std::any::Any + Send + Sync>,
    _dir: TempDir,
}

/// A view, without the type of its rows.
trait Read: Send + Sync {
    /// The votes of an article that is in memory.
    fn peek(&self, article: u64) -> Option<u64>;
    fn get(&self, article: u64)
    -> std::pin::Pin<Box<dyn Future<Output = Result<u64, AnyError>> + Send + '_>>;
    fn bytes(&self) -> u64;
}

/// Declares the forum with some budgets for its view, and the same for its counts, and opens the one that is asked for.
macro_rules! forums {
    ($($module:ident: $budget:literal $unit:ident = $bytes:expr;)*) => {
        $(mod $module {
            use super::*;

            psdf::dataflow! {
                pub(crate) flow Forum {
                    table articles: Article { key id; }
                    table votes: Vote { key (article, user); index by_article: article; }
                    vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() }
                        keep forever, memory $budget $unit;
                    view pages = articles -> left_join(vote_count) keep forever, memory $budget $unit;
                }
            }

            impl Read for psdf::View<u64, (Article, Option<forum::VoteCount>)> {
                fn peek(&self, article: u64) -> Option<u64> {
                    match self.peek(&article) {
                        Peek::Rows(rows) => rows.first().map(|(_, count)| count.as_ref().map_or(0, |count| count.votes)),
                        Peek::Empty => Some(0),
                        Peek::Miss => None,
                    }
                }

                fn get(
                    &self,
                    article: u64,
                ) -> std::pin::Pin<Box<dyn Future<Output = Result<u64, AnyError>> + Send + '_>> {
                    Box::pin(async move {
                        let rows = psdf::View::get(self, &article).await?;
                        Ok(rows.first().and_then(|(_, count)| Some(count.as_ref()?.votes)).unwrap_or(0))
                    })
                }

                fn bytes(&self) -> u64 {
                    self.stats().bytes
                }
            }
        })*

        /// The budgets there are, for the view, in bytes. Counts have as much again.
        const BUDGETS: &[u64] = &[$($bytes),*];

        impl Forum {
            pub(crate) async fn open(articles: u64, budget: u64) -> Result<Forum, AnyError> {
                let dir = tempfile::tempdir()?;
                $(if budget == $bytes {
                    let flow = $module::Forum.builder().tables(dir.path()).spawn()?;
                    let (articles_table, votes) = (flow.articles.clone(), flow.votes.clone());
                    let read = Box::new(flow.pages.clone());
                    let forum =
                        Forum { articles: articles_table, votes, read, _flow: Box::new(flow), _dir: dir };
                    forum.fill(articles).await?;
                    return Ok(forum);
                })*
                Err(format!("there is no flow with a budget of {budget} bytes").into())
            }
        }
    };
}

forums! {
    gib8: 8192 MiB = 8192 << 20;
    mib160: 160 MiB = 160 << 20;
    mib120: 120 MiB = 120 << 20;
    mib80: 80 MiB = 80 << 20;
    mib40: 40 MiB = 40 << 20;
    mib20: 20 MiB = 20 << 20;
    mib16: 16 MiB = 16 << 20;
    mib12: 12 MiB = 12 << 20;
    mib8: 8 MiB = 8 << 20;
    mib4: 4 MiB = 4 << 20;
    mib2: 2 MiB = 2 << 20;
}

/// All in memory, and about 7, 5, 3.6, 1.8 and 0.9 % of that.
pub(crate) fn budgets(articles: u64) -> Vec<u64> {
    let least = if articles < 5_000_000 { 2 } else { 20 };
    let fits = |bytes: &&u64| **bytes == BUDGETS[0] || (least..=8 * least).contains(&(**bytes >> 20));
    BUDGETS.iter().filter(fits).copied().collect()
}

impl Forum {
    async fn fill(&self, articles: u64) -> Result<(), AnyError> {
        for first in (0..articles).step_by(10_000) {
            let mut batch = WriteBatch::new();
            for id in first..articles.min(first + 10_000) {
                batch.insert(&self.articles, Article { id, title: title(id) });
            }
            batch.commit().await?;
        }
        Ok(())
    }

    /// What the view takes with all articles in memory.
    pub(crate) async fn full_bytes(&self, articles: u64) -> Result<u64, AnyError> {
        for article in 0..articles {
            self.read.get(article).await?;
        }
        Ok(self.read.bytes())
    }
}

impl Votes for Forum {
    async fn read(&self, article: u64) -> Result<(u64, bool), AnyError> {
        match self.read.peek(article) {
            Some(votes) => Ok((votes, true)),
            None => Ok((self.read.get(article).await?, false)),
        }
    }

    fn peek(&self, article: u64) -> Option<u64> {
        self.read.peek(article)
    }

    async fn vote(&self, votes: Vec<(u64, u64)>) -> Result<(), AnyError> {
        let mut batch = WriteBatch::new();
        for (article, user) in votes {
            batch.upsert(&self.votes, Vote { article, user });
        }
        Ok(batch.commit().await?)
    }
}
