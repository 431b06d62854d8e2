//! A generic flow: what tells trends is declared once, and used for words and for prices.

use psdf::{Timestamp, dataflow};

/// A quote of a share.
#[derive(Clone)]
pub struct Quote {
    pub share: &'static str,
    pub cents: u64,
    pub at: i64,
}

dataflow! {
    /// How often each key came in each minute, of those records that a closure lets through.
    pub flow Counts<T, K, F>
    where
        T: psdf::Record,
        K: psdf::Key,
        F: Fn(&T) -> bool + Send + Sync + 'static,
    {
        param key: fn(&T) -> K;
        param second: fn(&T) -> i64;
        param counted: F;
        input records: T;
        counts = records
            -> filter(|r| counted(r))
            -> event_time(|r| Timestamp::from_secs(second(r)), lateness 10 s)
            -> key_by(key: K = key)
            -> tumbling(1 min)
            -> aggregate { n: u64 = count() };
        output counts;
    }

    /// Shares that are traded often: a flow with types stands in one without.
    pub flow Traded {
        param least: u64 = 2;
        input quotes: Quote;
        dear = Counts::<Quote, String, fn(&Quote) -> bool> {
            key: |q| q.share.to_string(),
            second: |q| q.at,
            counted: |q| q.cents > 100,
        }(records = quotes);
        output often: (String, u64) = dear.counts -> filter(|c| c.n >= least) -> map(|c| (c.key, c.n));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (least, key) = (3, |w: &(&str, i64)| w.0.len());
    let by_length = Counts { key, second: |w| w.1, counted: move |w: &_| key(w) >= least };
    let (words, mut hand) = by_length.builder().inline()?;
    hand.block_on(words.records.send_batch(vec![("the", 0), ("sea", 1), ("is", 2), ("calm", 3)]))?;
    let mut counts: Vec<_> = hand.block_on(words.finish())?.counts.iter().map(|c| (c.key, c.n)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [(3, 2), (4, 1)]);
    let (shares, mut hand) = Traded::default().builder().inline()?;
    let quote = |share, cents, at| Quote { share, cents, at };
    hand.block_on(shares.quotes.send_batch(vec![quote("A", 120, 1), quote("B", 99, 2), quote("A", 130, 3)]))?;
    assert_eq!(hand.block_on(shares.finish())?.often, [("A".into(), 2)]);
    Ok(())
}
