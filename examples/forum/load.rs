//! Clients of the forum: one writes articles, then some read them, most often the popular ones, and vote now and then.

use crate::AnyError;
use crate::flow::{Article, Page, Vote};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::Agent;

/// One request in so many is a vote.
const READS_A_VOTE: u64 = 20;

pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) articles: u64,
    pub(crate) seconds: u64,
    pub(crate) readers: u64,
}

/// What a client has seen.
#[derive(Default)]
struct Seen {
    waits: Vec<Duration>,
    votes: u64,
}

impl Load {
    pub(crate) fn run(&self) -> Result<(), AnyError> {
        let agent = agent();
        for id in 0..self.articles {
            let article = Article { id, author: id % 100, title: format!("The story of number {id}") };
            match agent.post(self.url("/articles")).send_json(&article) {
                // One that is there from the last time is as good.
                Ok(_) | Err(ureq::Error::StatusCode(409)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        println!("{} articles are there", self.articles);
        let begun = Instant::now();
        let seen: Vec<Seen> = thread::scope(|scope| {
            let readers: Vec<_> =
                (0..self.readers).map(|reader| scope.spawn(move || self.read(reader, begun))).collect();
            let seen = readers.into_iter().map(|reader| reader.join().map_err(|_| "a reader panicked")?);
            seen.collect::<Result<_, AnyError>>()
        })?;
        let mut waits: Vec<Duration> = seen.iter().flat_map(|seen| seen.waits.iter().copied()).collect();
        waits.sort_unstable();
        let at = |of: f64| waits.get(((waits.len() as f64 * of) as usize).min(waits.len() - 1));
        println!(
            "{} reads and {} votes in {:.1} s; reads: p50 {:?}, p99 {:?}",
            waits.len(),
            seen.iter().map(|seen| seen.votes).sum::<u64>(),
            begun.elapsed().as_secs_f64(),
            at(0.5).copied().unwrap_or_default(),
            at(0.99).copied().unwrap_or_default(),
        );
        Ok(())
    }

    fn read(&self, reader: u64, begun: Instant) -> Result<Seen, AnyError> {
        let (agent, mut seen) = (agent(), Seen::default());
        let mut number =
            reader ^ SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        while begun.elapsed() < Duration::from_secs(self.seconds) {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Most often one of the first: the square of an even draw.
            let drawn = (number >> 33) as f64 / (1u64 << 31) as f64;
            let article = ((drawn * drawn) * self.articles as f64) as u64 % self.articles.max(1);
            let asked = Instant::now();
            let page: Page =
                agent.get(self.url(&format!("/articles/{article}"))).call()?.body_mut().read_json()?;
            seen.waits.push(asked.elapsed());
            if number >> 40 & (READS_A_VOTE - 1) == 0 {
                let vote = Vote { article, user: number };
                agent.post(self.url("/votes")).send_json(&vote)?;
                seen.votes += 1;
                let after: Page =
                    agent.get(self.url(&format!("/articles/{article}"))).call()?.body_mut().read_json()?;
                if after.votes <= page.votes && self.readers == 1 {
                    return Err(format!(
                        "article {article} shows {} votes after one more than {}",
                        after.votes, page.votes
                    )
                    .into());
                }
            }
        }
        Ok(seen)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn agent() -> Agent {
    Agent::new_with_defaults()
}
