//! One visitor's clicks with no gap of more than half an hour are one visit.

use psdf::{Timestamp, dataflow};

#[derive(Clone, Debug)]
pub struct Click {
    pub visitor: &'static str,
    pub minute: i64,
    pub page: &'static str,
}

dataflow! {
    pub flow Visits {
        input clicks: Click;

        visits = clicks
            -> event_time(|click| Timestamp::from_secs(60 * click.minute), lateness 5 min)
            -> key_by(visitor: String = |click| click.visitor.into())
            -> session(30 min)
            -> aggregate { pages: u64 = count(), entry: String = first(|click| click.page.into()) };

        output visits;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flow, mut hand) = Visits.builder().inline()?;
    // Ann's clicks come out of order, within the lateness; after an hour of silence she is on a new visit.
    for (visitor, minute, page) in
        [("ann", 4, "/a"), ("bob", 5, "/b"), ("ann", 0, "/"), ("ann", 30, "/c"), ("ann", 91, "/d")]
    {
        flow.clicks.try_send(Click { visitor, minute, page })?;
    }
    let mut visits = hand.block_on(flow.finish())?.visits;
    visits.sort_by_key(|visit| (visit.visitor.clone(), visit.window));
    for visit in &visits {
        println!("{} entered at {}, {} pages, {}", visit.visitor, visit.entry, visit.pages, visit.window);
    }
    let told: Vec<_> = visits.iter().map(|v| (v.visitor.as_str(), v.pages, v.entry.as_str())).collect();
    assert_eq!(told, [("ann", 3, "/"), ("ann", 1, "/d"), ("bob", 1, "/b")]);
    Ok(())
}
