//! An aggregate function of one's own: the average price of trades, weighted by how much was traded.

use psdf::{Aggregate, Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug)]
pub struct Trade {
    pub second: i64,
    pub stock: String,
    pub shares: f64,
    pub price: f64,
}

/// It is its own state, so it is data: the weighted sum, and the sum of the weights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WeightedMean(f64, f64);

impl Aggregate for WeightedMean {
    type Input = (f64, f64);
    type Output = f64;

    fn add(&mut self, (value, weight): (f64, f64), _: Timestamp) {
        self.merge(WeightedMean(value * weight, weight));
    }

    fn merge(&mut self, other: Self) {
        *self = WeightedMean(self.0 + other.0, self.1 + other.1);
    }

    fn finish(self) -> f64 {
        self.0 / self.1
    }
}

dataflow! {
    pub flow Prices {
        input trades: Trade;
        hourly = trades
            -> event_time(|t| Timestamp::from_secs(t.second), lateness 1 min)
            -> key_by(stock: String = |t| t.stock.clone())
            -> tumbling(1 hour)
            -> aggregate {
                price: f64 = WeightedMean(|t| (t.price, t.shares)),
                of_blocks: Option<f64> = WeightedMean(|t| (t.price, t.shares), where |t| t.shares >= 1000.0),
            };
        output hourly;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prices = Prices.spawn()?;
    for (second, shares, price) in [(5, 100.0, 12.0), (9, 300.0, 8.0)] {
        prices.trades.send(Trade { second, stock: "PSDF".into(), shares, price }).await?;
    }
    let hour = prices.finish().await?.hourly.remove(0);
    assert_eq!((hour.price, hour.of_blocks), (9.0, None));
    println!("{hour:?}");
    Ok(())
}
