//! Orders are enriched with what a slow and unsure service knows of their customers: eight calls at a time, each for at
//! most 50 ms, each tried again once. What it never answers for is a stream of its own, and the windows come out whole.
//!
//! `cargo run --example async_enrichment`

use psdf::{Failed, Timestamp, dataflow};
use std::time::Duration;
use tokio::time::sleep;

#[derive(Clone, Debug)]
pub struct Order {
    customer: u64,
    second: i64,
    cents: u64,
}

/// The service: customer 13 it never finds, and every fifth answer takes its time.
async fn country(customer: u64) -> Result<&'static str, String> {
    sleep(Duration::from_millis(if customer.is_multiple_of(5) { 20 } else { 1 })).await;
    match customer {
        13 => Err(format!("no customer {customer}")),
        customer if customer % 2 == 0 => Ok("NL"),
        _ => Ok("NZ"),
    }
}

dataflow! {
    /// What is sold to which country in each minute.
    flow Sales {
        input orders: Order;
        known = orders
            -> event_time(|order| Timestamp::from_secs(order.second), lateness 5 s)
            -> map_async(|order: Order| async move {
                let country = country(order.customer).await?;
                Ok((order, country))
            }, unordered, concurrency 8, timeout 50 ms, retry 1)
            else failed: Failed<Order, String>;
        minutes = known
            -> key_by(country: String = |(_, country)| country.to_string())
            -> tumbling(1 min)
            -> aggregate { orders: u64 = count(), cents: u64 = sum(|(order, _)| order.cents) };
        output minutes;
        output failed;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sales = Sales.spawn()?;
    for (second, customer) in (0..120).zip((0..20).cycle()) {
        sales.orders.send(Order { customer, second, cents: 100 }).await?;
    }
    let unread = sales.finish().await?;
    for minute in &unread.minutes {
        println!("{} {}: {} orders, {} cents", minute.window, minute.country, minute.orders, minute.cents);
    }
    assert_eq!(unread.minutes.iter().map(|minute| minute.orders).sum::<u64>(), 114);
    assert_eq!((unread.failed.len(), unread.failed[0].tries), (6, 2));
    Ok(())
}
