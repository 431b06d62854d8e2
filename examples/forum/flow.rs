//! The forum: two tables, and what its pages show.

use psdf::dataflow;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
pub(crate) struct Article {
    pub(crate) id: u64,
    pub(crate) author: u64,
    pub(crate) title: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
pub(crate) struct Vote {
    pub(crate) article: u64,
    pub(crate) user: u64,
}

/// An article as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) id: u64,
    pub(crate) author: u64,
    pub(crate) title: String,
    pub(crate) votes: u64,
}

impl Page {
    pub(crate) fn new(article: &Article, votes: u64) -> Page {
        let Article { id, author, title } = article.clone();
        Page { id, author, title, votes }
    }

    fn of(article: &Article, count: Option<&forum::VoteCount>) -> Page {
        Page::new(article, count.map_or(0, |count| count.votes))
    }
}

dataflow! {
    /// Articles, who liked them, and the pages that show both.
    pub(crate) flow Forum {
        table articles: Article { key id; index by_author: author; }
        table votes: Vote { key (article, user); index by_article: article; }

        /// Of the articles that somebody has asked for.
        vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() } keep forever, memory 16 MiB;

        scored = articles -> left_join(vote_count);

        view article_page: Page = scored
            -> map_values(|(article, count)| Page::of(article, count.as_ref()))
            keep forever, memory 32 MiB;

        /// All articles of an author; one that has written more than anybody can read gets an error.
        view author_page: Page = scored
            -> rekey(by_author)
            -> map_values(|(article, count)| Page::of(article, count.as_ref()))
            keep forever, memory 16 MiB, max_rows 10_000;

        /// The newest articles; their votes are on their own pages.
        view front_page = articles -> aggregate { newest: Vec<Article> = top(30, by |article| article.id) } keep forever;
    }
}
