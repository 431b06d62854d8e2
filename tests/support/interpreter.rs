//! What a random flow should give, computed node by node from all records at once, with plain loops over `Vec`s. Nothing of
//! the runtime is used but its timestamps.
//!
//! It knows neither watermarks nor lateness: what is at most as much out of order as the flow allows for is late nowhere.

use crate::plan::*;
use psdf::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

type Key = (u8, bool);

/// A key, the start and the end of a window, and the records in it, in the order of their stream.
type InWindow = (Key, i64, i64, Vec<Rec>);

/// The records of each node.
pub(crate) fn evaluate(plan: &Plan, inputs: [&[Rec]; 2]) -> Vec<Vec<Rec>> {
    let mut streams: Vec<Vec<Rec>> = Vec::new();
    for (place, node) in plan.nodes.iter().enumerate() {
        let from: Vec<&[Rec]> = match node.op {
            Op::Input { .. } => vec![inputs[place]],
            Op::Untimed { input } => vec![inputs[input]],
            _ => node.from.iter().map(|from| &streams[*from][..]).collect(),
        };
        streams.push(results(&node.op, &from));
    }
    streams
}

fn results(op: &Op, from: &[&[Rec]]) -> Vec<Rec> {
    let records = || from[0].iter().cloned();
    match *op {
        Op::Input { .. } | Op::Untimed { .. } | Op::Clock { .. } => records().collect(),
        Op::Map { by } => records().map(|r| changed(r, by)).collect(),
        Op::Filter { by } => records().filter(|r| is_kept(r, by)).collect(),
        Op::FilterMap { by } => records().filter(|r| is_kept(r, by)).map(|r| changed(r, by)).collect(),
        Op::FlatMap => records().flat_map(halves).collect(),
        Op::Rekey { by } => records().map(|r| rekeyed(r, by)).collect(),
        Op::Inner => {
            let sum = |(key, _, end, records): InWindow| {
                made(key.0, Timestamp(end - 1), &aggregated(&[Function::Sum], &records))
            };
            intervals(by_key(KeyBy::Own, from[0]), 10, 10).into_iter().map(sum).collect()
        }
        Op::Route { by, arm } => records().filter(|r| r.value.rem_euclid(by).min(2) == arm).collect(),
        Op::TryMap { by, failed } | Op::MapAsync { by, failed, .. } => {
            records().filter(|r| is_kept(r, by) != failed).collect()
        }
        Op::Merge => from.concat(),
        Op::Shift { by } => records().map(|r| later(r, by)).collect(),
        Op::Window { key, window, ref reduce, .. } => {
            let mut results = Vec::new();
            for (key, start, end, records) in windows(window, key, from[0]) {
                let (early, at) = (early(window), Timestamp(end - 1));
                for tick in (start + 1..end).filter(|tick| early.is_some_and(|early| tick % early == 0)) {
                    let new = |r: &Rec| r.at < tick && early.is_some_and(|early| r.at >= tick - early);
                    if records.iter().any(new) {
                        let so_far: Vec<Rec> = records.iter().filter(|r| r.at < tick).cloned().collect();
                        results.extend(reduced(reduce, key.0, at, &so_far));
                    }
                }
                results.extend(reduced(reduce, key.0, at, &records));
            }
            results
        }
        Op::CountWindow { key, n, ref reduce } => {
            let mut results = Vec::new();
            for (key, records) in by_key(key, from[0]) {
                for records in records.chunks(n) {
                    let last = records.iter().map(|r| r.at).max().expect("a chunk is not empty");
                    results.extend(reduced(reduce, key.0, Timestamp(last), records));
                }
            }
            results
        }
        Op::Running { key, ref reduce, .. } => {
            let all = by_key(key, from[0]).into_iter();
            // Of a list its head.
            all.flat_map(|(key, records)| reduced(reduce, key.0, Timestamp(0), &records).into_iter().take(1))
                .collect()
        }
        Op::Thinned { key, every, ref functions } => {
            let mut results = Vec::new();
            for (key, records) in by_key(key, from[0]) {
                let ticks: BTreeSet<Timestamp> = records.iter().map(|r| tick(r.at, every)).collect();
                for at in ticks {
                    let so_far: Vec<Rec> = records.iter().filter(|r| r.at <= at.0).cloned().collect();
                    results.push(made(key.0, at, &aggregated(functions, &so_far)));
                }
            }
            results
        }
        Op::Stateful { key } => {
            let mut sums = BTreeMap::<Key, i64>::new();
            let mut summed = |r: Rec| {
                let sum = sums.entry(key_of(key, &r)).or_default();
                in_order(sum, &r);
                Rec { value: *sum, ..r }
            };
            records().map(&mut summed).collect()
        }
        Op::Timers { key, after } => {
            let mut results = Vec::new();
            for (key, records) in by_key(key, from[0]) {
                let seen: Vec<(i64, i64)> = records.iter().map(|r| (r.at, r.value)).collect();
                let timers: BTreeSet<i64> = records.iter().map(|r| r.at + after).collect();
                let fired = timers.into_iter().map(Timestamp);
                results.extend(fired.map(|at| made(key.0, at, &[before(&seen, at)])));
            }
            results
        }
        Op::Dedup { key, keep } => {
            let mut held = BTreeMap::<Key, i64>::new();
            let mut is_first = |r: &Rec| {
                let last = held.get(&key_of(key, r)).copied();
                held.insert(key_of(key, r), last.map_or(r.at, |last| last.max(r.at)));
                last.is_none_or(|last| keep.is_some_and(|keep| r.at > last + keep))
            };
            records().filter(&mut is_first).collect()
        }
        Op::Latest { key, .. } => {
            let mut held = BTreeMap::<Key, i64>::new();
            let mut is_latest = |r: &Rec| {
                let latest = held.get(&key_of(key, r)).is_none_or(|held| r.at >= *held);
                if latest {
                    held.insert(key_of(key, r), r.at);
                }
                latest
            };
            records().filter(&mut is_latest).collect()
        }
        Op::Join { key, outer, bound: Bound::Windows(window) } => {
            let tagged = |side: usize| from[side].iter().map(move |r| (side, r));
            let both: Vec<(usize, &Rec)> = tagged(0).chain(tagged(1)).collect();
            let mut results = Vec::new();
            let all: Vec<Rec> = both.iter().map(|(_, r)| (*r).clone()).collect();
            for (of, start, end, _) in windows(window, key, &all) {
                let inside = |r: &&Rec| key_of(key, r) == of && start <= r.at && r.at < end;
                let lefts: Vec<&Rec> = from[0].iter().filter(inside).collect();
                let rights: Vec<&Rec> = from[1].iter().filter(inside).collect();
                for (left, right) in pairs(&lefts, &rights, outer, |_, _| true) {
                    results.push(paired(Timestamp(end - 1), left, right));
                }
            }
            results
        }
        Op::Join { key, outer, bound } => {
            let meet = |left: &Rec, right: &Rec| {
                key_of(key, left) == key_of(key, right)
                    && match bound {
                        Bound::Within(d) | Bound::Keep(d) => (left.at - right.at).abs() <= d,
                        Bound::Until => left.at <= right.at && right.at <= until(left).0.max(left.at),
                        Bound::Forever | Bound::Windows(_) => true,
                    }
            };
            let (lefts, rights): (Vec<&Rec>, Vec<&Rec>) =
                (from[0].iter().collect(), from[1].iter().collect());
            let pairs = pairs(&lefts, &rights, outer, meet).into_iter();
            pairs
                .map(|(left, right)| {
                    paired(time_of(left, right, |r, left| alone(bound, r, left)), left, right)
                })
                .collect()
        }
        Op::Lookup { key, keep } => {
            let with = |left: &Rec| {
                let known = from[1].iter().filter(|r| key_of(key, r) == key_of(key, left) && r.at <= left.at);
                // Of several with one time, the last.
                let newest = known.max_by_key(|r| r.at);
                newest.filter(|r| keep.is_none_or(|keep| r.at + keep >= left.at))
            };
            from[0].iter().map(|left| paired(Timestamp(left.at), Some(left), with(left))).collect()
        }
    }
}

fn early(window: Window) -> Option<i64> {
    match window {
        Window::Tumbling { early, .. } | Window::Hopping { early, .. } => early,
        Window::Session { .. } | Window::Global { .. } => None,
    }
}

fn key_of(by: KeyBy, r: &Rec) -> Key {
    match by {
        KeyBy::Own => (r.key, false),
        KeyBy::Parity => (r.key % 2, false),
        KeyBy::Both => (r.key, is_even(r)),
    }
}

fn by_key(by: KeyBy, records: &[Rec]) -> BTreeMap<Key, Vec<Rec>> {
    let mut found = BTreeMap::<Key, Vec<Rec>>::new();
    records.iter().for_each(|r| found.entry(key_of(by, r)).or_default().push(r.clone()));
    found
}

fn windows(window: Window, by: KeyBy, records: &[Rec]) -> Vec<InWindow> {
    match window {
        Window::Tumbling { size, .. } => intervals(by_key(by, records), size, size),
        Window::Hopping { size, every, .. } => intervals(by_key(by, records), size, every),
        Window::Global { size } => intervals(BTreeMap::from([((0, false), records.to_vec())]), size, size),
        Window::Session { gap } => {
            by_key(by, records).into_iter().flat_map(|(key, records)| sessions(key, &records, gap)).collect()
        }
    }
}

fn intervals(keys: BTreeMap<Key, Vec<Rec>>, size: i64, every: i64) -> Vec<InWindow> {
    let mut found = Vec::new();
    for (key, records) in keys {
        for start in (-1000..1000).map(|n| n * every) {
            let inside: Vec<Rec> =
                records.iter().filter(|r| start <= r.at && r.at < start + size).cloned().collect();
            if !inside.is_empty() {
                found.push((key, start, start + size, inside));
            }
        }
    }
    found
}

fn sessions(key: Key, records: &[Rec], gap: i64) -> Vec<InWindow> {
    let times: BTreeSet<i64> = records.iter().map(|r| r.at).collect();
    let times: Vec<i64> = times.into_iter().collect();
    let runs = times.chunk_by(|a, b| b - a <= gap);
    let session = |run: &[i64]| {
        let (start, last) = (run[0], run[run.len() - 1]);
        let inside = records.iter().filter(|r| start <= r.at && r.at <= last).cloned().collect();
        (key, start, last + gap, inside)
    };
    runs.map(session).collect()
}

/// The records of a result: one, or those of a list.
fn reduced(reduce: &Reduce, key: u8, at: Timestamp, records: &[Rec]) -> Vec<Rec> {
    let folded = |f: fn(&mut i64, &Rec)| {
        let mut acc = 0;
        records.iter().for_each(|r| f(&mut acc, r));
        vec![made(key, at, &[acc])]
    };
    match reduce {
        Reduce::Aggregate(functions) => vec![made(key, at, &aggregated(functions, records))],
        Reduce::Fold => folded(in_order),
        Reduce::MergedFold => folded(in_any_order),
        Reduce::Top(n) => ranked(at, key, &greatest(records, *n)),
    }
}

fn greatest(records: &[Rec], n: usize) -> Vec<Rec> {
    let mut all = records.to_vec();
    all.sort_by_key(|r| (-r.value, -i64::from(r.key), r.at));
    all.truncate(n);
    all
}

fn aggregated(functions: &[Function], records: &[Rec]) -> Vec<i64> {
    let values = || records.iter().map(|r| r.value);
    let by_time = |records: &mut Vec<Rec>| {
        records.sort_by_key(|r| r.at);
        records.iter().map(|r| r.value).collect::<Vec<i64>>()
    };
    let even = || records.iter().filter(|r| is_even(r)).cloned();
    let result = |function: &Function| match function {
        Function::Count => records.len() as i64,
        Function::CountWhere => even().count() as i64,
        Function::Sum => values().sum(),
        Function::Min => values().min().expect("a window is not empty"),
        Function::MaxWhere => d(&even().map(|r| r.value).max()),
        Function::Mean => d(&(values().sum::<i64>() as f64 / records.len() as f64)),
        Function::Distinct | Function::ApproxDistinct => values().collect::<BTreeSet<i64>>().len() as i64,
        Function::Top => d(&greatest(records, 2)),
        Function::MergedFold => {
            let mut acc = 0;
            records.iter().for_each(|r| in_any_order(&mut acc, r));
            acc
        }
        Function::Spread => {
            values().max().expect("a window is not empty") - values().min().expect("a window is not empty")
        }
        Function::First => by_time(&mut records.to_vec())[0],
        Function::Last => by_time(&mut records.to_vec())[records.len() - 1],
        Function::Collect => d(&by_time(&mut records.to_vec())),
        Function::CollectWhere => d(&by_time(&mut even().collect())),
    };
    functions.iter().map(result).collect()
}

type Pair<'a> = (Option<&'a Rec>, Option<&'a Rec>);

fn pairs<'a>(
    lefts: &[&'a Rec],
    rights: &[&'a Rec],
    outer: Outer,
    meet: impl Fn(&Rec, &Rec) -> bool,
) -> Vec<Pair<'a>> {
    let mut found = Vec::<Pair<'a>>::new();
    for left in lefts {
        let partners: Vec<&Rec> = rights.iter().copied().filter(|right| meet(left, right)).collect();
        if partners.is_empty() && outer != Outer::Inner {
            found.push((Some(left), None));
        }
        found.extend(partners.into_iter().map(|right| (Some(*left), Some(right))));
    }
    let alone =
        rights.iter().filter(|right| outer == Outer::Full && !lefts.iter().any(|left| meet(left, right)));
    found.extend(alone.map(|right| (None, Some(*right))));
    found
}

/// When it is known that a record on the left (or right) of an interval join stays alone.
fn alone(bound: Bound, r: &Rec, left: bool) -> i64 {
    match bound {
        Bound::Within(d) | Bound::Keep(d) => r.at + d,
        Bound::Until if left => until(r).0.max(r.at),
        Bound::Until | Bound::Forever | Bound::Windows(_) => r.at,
    }
}
