//! What the aggregate functions should give, computed from all events at once in the most obvious way.

use crate::events::Event;
use std::collections::BTreeSet;

/// What all aggregate functions make of some events.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) sum: i64,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) mean: f64,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) distinct: u64,
    pub(crate) all: Vec<u32>,
    pub(crate) top: Vec<Event>,
    pub(crate) folded: i64,
}

/// A fold that depends on the order of events.
pub(crate) fn in_order(acc: &mut i64, event: &Event) {
    *acc = acc.wrapping_mul(31).wrapping_add(i64::from(event.id));
}

pub(crate) fn summary(events: &[Event], fold: impl Fn(&mut i64, &Event)) -> Summary {
    let values: Vec<i64> = events.iter().map(|event| event.value).collect();
    let mut by_time = events.to_vec();
    // A stable sort: at the same time, what came first is first.
    by_time.sort_by_key(|event| event.at);
    let mut by_rank = events.to_vec();
    by_rank.sort_by_key(|event| (-event.value, event.id));
    let mut folded = 1;
    events.iter().for_each(|event| fold(&mut folded, event));
    Summary {
        count: events.len() as u64,
        sum: values.iter().sum(),
        min: *values.iter().min().expect("there are events"),
        max: *values.iter().max().expect("there are events"),
        mean: values.iter().sum::<i64>() as f64 / events.len() as f64,
        first: by_time[0].id,
        last: by_time[by_time.len() - 1].id,
        distinct: values.iter().collect::<BTreeSet<_>>().len() as u64,
        all: by_time.iter().map(|event| event.id).collect(),
        top: by_rank.into_iter().take(2).collect(),
        folded,
    }
}

/// In an order of their own, to be compared with others.
pub(crate) fn sorted<T: PartialOrd>(mut items: Vec<T>) -> Vec<T> {
    items.sort_by(|a, b| a.partial_cmp(b).expect("what is sorted is comparable"));
    items
}
