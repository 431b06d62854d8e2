//! Payments that a nervous client sends twice are taken once.

use psdf::{Timestamp, dataflow};

#[derive(Clone, Debug)]
pub struct Payment {
    pub id: u64,
    pub second: i64,
    pub cents: u64,
}

dataflow! {
    pub flow Payments {
        input payments: Payment;

        /// One with an id that was there within the last hour is the same one again.
        once = payments
            -> event_time(|payment| Timestamp::from_secs(payment.second), lateness 1 min)
            -> key_by(id: u64 = |payment| payment.id)
            -> dedup keep 1 hour;

        output once;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut flow, mut hand) = Payments.builder().inline()?;
    for (id, second, cents) in [(1, 0, 500), (2, 5, 120), (1, 6, 500), (1, 1800, 500), (2, 7200, 75)] {
        flow.payments.try_send(Payment { id, second, cents })?;
    }
    hand.run();
    let taken: Vec<u64> = std::iter::from_fn(|| flow.once.next_now()).map(|payment| payment.cents).collect();
    assert_eq!(taken, [500, 120, 75]);
    let left_out: u64 = flow.control.counts().iter().map(|counts| counts.left_out).sum();
    println!("taken: {taken:?}, left out: {left_out}");
    assert_eq!(left_out, 2);
    hand.block_on(flow.finish())?;
    Ok(())
}
