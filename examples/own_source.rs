//! A source of one's own: anything that can give the next records when it is asked.

use psdf::{Source, SourceError, Timestamp, dataflow};
use std::collections::VecDeque;

/// Reads pages of an API that would be slow and far away, and here are at hand.
struct Pages {
    pages: VecDeque<Vec<(i64, f64)>>,
    read: u64,
}

impl Source for Pages {
    type Item = (i64, f64);

    /// It is asked when the flow has room, so it never runs ahead. It can be dropped where it waits, when the flow stops.
    async fn next_batch(&mut self, _limit: usize) -> Result<Option<Vec<Self::Item>>, SourceError> {
        tokio::task::yield_now().await;
        let Some(page) = self.pages.pop_front() else { return Ok(None) };
        if page.iter().any(|(_, celsius)| celsius.is_nan()) {
            return Err(SourceError::new(format!("page {} has a hole", self.read)));
        }
        self.read += 1;
        Ok(Some(page))
    }

    fn position(&self) -> Option<u64> {
        Some(self.read)
    }
}

dataflow! {
    flow Weather {
        /// Minute and degrees.
        input readings: (i64, f64);

        hourly = readings
            -> event_time(|reading| Timestamp::from_secs(60 * reading.0), lateness 0 s)
            -> key_by(all: () = |_| ())
            -> tumbling(1 hour)
            -> aggregate { warmest: f64 = max(|reading| reading.1), n: u64 = count() };

        output hourly;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = |pages: [Vec<(i64, f64)>; 2]| Pages { pages: pages.into(), read: 0 };
    let good = source([vec![(0, 11.5), (30, 13.0)], vec![(59, 12.0), (60, 9.5)]]);
    let hours = Weather.builder().readings_from(good).spawn()?.finish().await?.hourly;
    hours.iter().for_each(|hour| println!("{}: {} of {}", hour.window, hour.warmest, hour.n));
    assert_eq!(hours.iter().map(|hour| (hour.warmest, hour.n)).collect::<Vec<_>>(), [(13.0, 3), (9.5, 1)]);

    // A source that cannot go on ends the flow, which says why.
    let bad = source([vec![(0, 11.5)], vec![(1, f64::NAN)]]);
    let error = Weather.builder().readings_from(bad).spawn()?.finish().await.map(drop);
    println!("{error:?}");
    assert!(error.is_err_and(|error| error.to_string().contains("page 1 has a hole")));
    Ok(())
}
