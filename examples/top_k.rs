//! The dearest sales of each shop in each hour, and of all time.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sale {
    pub shop: u32,
    pub minute: i64,
    pub article: String,
    pub cents: u64,
}

dataflow! {
    pub flow Shops {
        input sales: Sale;

        by_shop = sales
            -> event_time(|sale| Timestamp::from_secs(60 * sale.minute), lateness 1 min)
            -> key_by(shop: u32 = |sale| sale.shop);

        hourly = by_shop -> tumbling(1 hour) -> top(2, by |sale| sale.cents);

        /// The new list whenever it changes.
        best = by_shop -> top(1, by |sale| sale.cents) keep 30 days;

        output hourly;
        output best;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flow, mut hand) = Shops.builder().inline()?;
    let sales = [
        (1, 0, "tea", 300),
        (1, 5, "cup", 900),
        (2, 7, "pot", 2500),
        (1, 20, "jar", 900),
        (1, 70, "tin", 400),
    ];
    for (shop, minute, article, cents) in sales {
        flow.sales.try_send(Sale { shop, minute, article: article.into(), cents })?;
    }
    let results = hand.block_on(flow.finish())?;
    let articles = |sales: &[Sale]| sales.iter().map(|sale| sale.article.clone()).collect::<Vec<_>>();
    for hour in &results.hourly {
        println!("shop {} from {}: {:?}", hour.shop, hour.window.start, articles(&hour.top));
    }
    // The cup and the jar are as dear: the earlier sale is in front.
    let first = results.hourly.iter().find(|hour| hour.shop == 1).expect("shop 1 sold something");
    assert_eq!(articles(&first.top), ["cup", "jar"]);
    let dearest = results.best.iter().rev().find(|best| best.shop == 1).expect("shop 1 sold something");
    assert_eq!(articles(&dearest.top), ["cup"]);
    Ok(())
}
