//! Which orders were paid, and which were not within an hour: two streams joined by key and time.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub minute: i64,
    pub cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    pub order: u64,
    pub minute: i64,
    pub cents: u64,
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute)
}

dataflow! {
    pub flow Payments {
        input orders: Order;
        input payments: Payment;

        by_order = payments -> event_time(|p| minute(p.minute), lateness 5 min) -> key_by(id: u64 = |p| p.order);
        settled = orders
            -> event_time(|o| minute(o.minute), lateness 5 min)
            -> key_by(id: u64 = |o| o.id)
            -> left_join(by_order, within 1 hour) else late;
        settled -> route { paid: |(order, payment)| payment.as_ref().is_some_and(|p| p.cents == order.cents) } else open;

        output paid: (Order, Option<Payment>);
        output open: (Order, Option<Payment>);
        output late;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flow, mut hand) = Payments.builder().inline()?;
    for (id, minute, cents) in [(1, 0, 500), (2, 2, 900), (3, 4, 100)] {
        flow.orders.try_send(Order { id, minute, cents })?;
    }
    // The first payment is out of order, the second comes too late, the third is too little.
    for (order, minute, cents) in [(1, 31, 500), (3, 29, 99), (2, 63, 900)] {
        flow.payments.try_send(Payment { order, minute, cents })?;
    }
    let unread = hand.block_on(flow.finish())?;
    let ids = |pairs: &[(Order, Option<Payment>)]| {
        let mut ids: Vec<_> = pairs.iter().map(|(order, payment)| (order.id, payment.is_some())).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!((ids(&unread.paid), ids(&unread.open)), (vec![(1, true)], vec![(2, false), (3, true)]));
    println!("paid: {:?}\nopen: {:?}", unread.paid, unread.open);
    Ok(())
}
