//! The load: readers who draw articles by Zipf's law, and one who sends the votes of each 10 ms together.

use crate::AnyError;
use hdrhistogram::Histogram;
use rand::distr::Distribution;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is asked of a forum. Reads answer whether they were hits.
pub(crate) trait Vote: Send + Sync + 'static {
    /// The number of votes of an article, and whether it was in memory.
    fn read(&self, article: u64) -> impl Future<Output = Result<(u64, bool), AnyError>> + Send;

    /// The number of votes of an article that is in memory.
    fn peek(&self, article: u64) -> Option<u64>;

    /// Votes, as article and user: they are stored, and every read that begins after it has returned sees them.
    fn vote(&self, votes: Vec<(u64, u64)>) -> impl Future<Output = Result<(), AnyError>> + Send;
}

pub(crate) struct Load {
    pub(crate) articles: u64,
    pub(crate) warm_up: f64,
    pub(crate) seconds: f64,
    pub(crate) exponent: f64,
    pub(crate) reads_a_write: u64,
}

/// The votes of each article.
type Voted = HashMap<u64, u64>;

/// Latencies in microseconds.
pub(crate) struct Measured {
    pub(crate) reads_a_second: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) longest: f64,
    pub(crate) hits: f64,
    /// Of the reads that were hits.
    pub(crate) hit_p99: f64,
    /// What one thread reads of what is in memory, with nothing else to do.
    pub(crate) hits_a_second: f64,
    pub(crate) resident: u64,
}

/// What readers have seen.
struct Seen {
    all: Histogram<u64>,
    hits: Histogram<u64>,
    seconds: f64,
}

/// Draws articles: a few are most of what is read. Neighbours in rank are strangers in number.
struct Articles(rand_distr::Zipf<f64>, u64);

impl Articles {
    fn draw(&self, rng: &mut impl Rng) -> u64 {
        (self.0.sample(rng) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.1
    }
}

pub(crate) fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

impl Load {
    fn drawn(&self) -> Result<Articles, AnyError> {
        Ok(Articles(rand_distr::Zipf::new(self.articles as f64, self.exponent)?, self.articles))
    }

    pub(crate) async fn run(&self, forum: impl Vote) -> Result<Measured, AnyError> {
        let before = resident();
        let forum = Arc::new(forum);
        let mut voted = Voted::new();
        self.read(&forum, self.warm_up, 1, &mut voted).await?;
        let Seen { all, hits, seconds } = self.read(&forum, self.seconds, 2, &mut voted).await?;
        let resident = resident().max(before);
        self.check(&*forum, &voted).await?;
        let at = |latencies: &Histogram<u64>, quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(Measured {
            reads_a_second: all.len() as f64 / seconds,
            p50: at(&all, 0.5),
            p95: at(&all, 0.95),
            p99: at(&all, 0.99),
            longest: all.max() as f64 / 1000.0,
            hits: hits.len() as f64 / all.len().max(1) as f64,
            hit_p99: at(&hits, 0.99),
            hits_a_second: self.hits_a_second(&*forum)?,
            resident,
        })
    }

    /// Reads what is in memory, without a clock around each read.
    fn hits_a_second(&self, forum: &impl Vote) -> Result<f64, AnyError> {
        let (articles, mut rng) = (self.drawn()?, StdRng::seed_from_u64(4));
        let drawn: Vec<u64> = (0..500_000).map(|_| articles.draw(&mut rng)).collect();
        let present: Vec<u64> = drawn.into_iter().filter(|article| forum.peek(*article).is_some()).collect();
        let begun = Instant::now();
        let votes: u64 = present.iter().filter_map(|article| forum.peek(*article)).sum();
        std::hint::black_box(votes);
        Ok(present.len() as f64 / begun.elapsed().as_secs_f64())
    }

    async fn read(
        &self,
        forum: &Arc<impl Vote>,
        seconds: f64,
        seed: u64,
        voted: &mut Voted,
    ) -> Result<Seen, AnyError> {
        let reads = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (forum, reads, over) = (Arc::clone(forum), Arc::clone(&reads), Arc::clone(&over));
            let (articles, a_write) = (self.drawn()?, self.reads_a_write);
            async move {
                let (mut rng, mut written, mut voted) = (StdRng::seed_from_u64(100 + seed), 0, Voted::new());
                let mut ticks = tokio::time::interval(Duration::from_millis(10));
                while !over.load(Relaxed) {
                    ticks.tick().await;
                    let due = reads.load(Relaxed) / a_write;
                    let votes: Vec<_> =
                        (written..due).map(|_| (articles.draw(&mut rng), rng.random())).collect();
                    written = due;
                    votes.iter().for_each(|(article, _)| *voted.entry(*article).or_default() += 1);
                    if !votes.is_empty() {
                        forum.vote(votes).await?;
                    }
                }
                Ok::<Voted, AnyError>(voted)
            }
        });
        let (articles, mut rng) = (self.drawn()?, StdRng::seed_from_u64(seed));
        let (mut all, mut hits) = (Histogram::new(3)?, Histogram::new(3)?);
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < seconds {
            // A few between two looks at the clock on the wall, and the runtime's other tasks get their turn.
            for _ in 0..256 {
                let article = articles.draw(&mut rng);
                let asked = Instant::now();
                let (_, hit) = forum.read(article).await?;
                let took = asked.elapsed().as_nanos() as u64;
                all.record(took)?;
                if hit {
                    hits.record(took)?;
                }
            }
            reads.fetch_add(256, Relaxed);
            tokio::task::yield_now().await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        over.store(true, Relaxed);
        writer.await??.into_iter().for_each(|(article, votes)| *voted.entry(article).or_default() += votes);
        Ok(Seen { all, hits, seconds })
    }

    /// Reads give what was voted: of the articles that are read most, and of some others.
    async fn check(&self, forum: &impl Vote, voted: &Voted) -> Result<(), AnyError> {
        let (articles, mut rng) = (self.drawn()?, StdRng::seed_from_u64(3));
        for _ in 0..1000 {
            let article = articles.draw(&mut rng);
            let (read, votes) = (forum.read(article).await?.0, voted.get(&article).copied().unwrap_or(0));
            if read != votes {
                return Err(format!("article {article} has {votes} votes, and {read} were read").into());
            }
        }
        Ok(())
    }
}
