//! Orders with the exchange rate that held when they were made, whichever of the two came first.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub second: i64,
    pub currency: String,
    pub amount: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub second: i64,
    pub currency: String,
    pub euros: f64,
}

dataflow! {
    pub flow Exchange {
        input orders: Order;
        input rates: Rate;

        current = rates
            -> event_time(|rate| Timestamp::from_secs(rate.second), lateness 10 s)
            -> key_by(currency: String = |rate| rate.currency.clone())
            -> latest keep 1 day;
        priced = orders
            -> event_time(|order| Timestamp::from_secs(order.second), lateness 10 s)
            -> key_by(currency: String = |order| order.currency.clone())
            -> lookup(current)
            -> map(|(order, rate)| (order.second, rate.map(|rate| order.amount * rate.euros)));

        output priced: (i64, Option<f64>);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flow, mut hand) = Exchange.builder().inline()?;
    for (second, currency, amount) in
        [(5, "USD", 10.0), (25, "USD", 10.0), (26, "CHF", 10.0), (24, "USD", 20.0)]
    {
        flow.orders.try_send(Order { second, currency: currency.into(), amount })?;
    }
    // The rates come after the orders, the newest first.
    for (second, currency, euros) in [(25, "USD", 0.75), (20, "USD", 0.5)] {
        flow.rates.try_send(Rate { second, currency: currency.into(), euros })?;
    }
    let mut priced = hand.block_on(flow.finish())?.priced;
    priced.sort_by_key(|(second, _)| *second);
    assert_eq!(priced, [(5, None), (24, Some(10.0)), (25, Some(7.5)), (26, None)]);
    println!("{priced:?}");
    Ok(())
}
