//! What joins should give, computed from all events at once in the most obvious way.

use crate::events::Event;
use psdf::{Timestamp, Window};

/// A result of any join: what is missing is alone on its side.
pub(crate) type Pair = (Option<Event>, Option<Event>);

/// The events on the left of the joins of these tests. Some are on both sides.
pub(crate) fn is_left(event: &Event) -> bool {
    event.value >= 0
}

pub(crate) fn is_right(event: &Event) -> bool {
    event.value <= 1
}

/// Until when an event waits for those on the right. Some say a time before their own.
pub(crate) fn expires(event: &Event) -> Timestamp {
    Timestamp(event.at.0 + 15 * event.value - 5)
}

pub(crate) fn is_within(left: &Event, right: &Event, d: i64) -> bool {
    (left.at.0 - right.at.0).abs() <= d
}

pub(crate) fn is_until(left: &Event, right: &Event) -> bool {
    left.at <= right.at && right.at <= expires(left).max(left.at)
}

pub(crate) fn lefts(events: &[Event]) -> Vec<Event> {
    events.iter().filter(|event| is_left(event)).cloned().collect()
}

pub(crate) fn rights(events: &[Event]) -> Vec<Event> {
    events.iter().filter(|event| is_right(event)).cloned().collect()
}

/// Every pair of one key that meets, and every event that meets none.
pub(crate) fn full(lefts: &[Event], rights: &[Event], meet: impl Fn(&Event, &Event) -> bool) -> Vec<Pair> {
    let meet = |left: &Event, right: &Event| left.key == right.key && meet(left, right);
    let mut found = Vec::new();
    for left in lefts {
        let partners = rights.iter().filter(|right| meet(left, right));
        found.extend(partners.map(|right| (Some(left.clone()), Some(right.clone()))));
        if !rights.iter().any(|right| meet(left, right)) {
            found.push((Some(left.clone()), None));
        }
    }
    let alone = rights.iter().filter(|right| !lefts.iter().any(|left| meet(left, right)));
    found.extend(alone.map(|right| (None, Some(right.clone()))));
    found
}

pub(crate) fn inner(pairs: &[Pair]) -> Vec<(Event, Event)> {
    pairs.iter().cloned().filter_map(|(left, right)| left.zip(right)).collect()
}

pub(crate) fn left(pairs: &[Pair]) -> Vec<(Event, Option<Event>)> {
    pairs.iter().cloned().filter_map(|(left, right)| Some((left?, right))).collect()
}

/// The pairs in each of some windows, given as the events of both sides in them.
pub(crate) fn in_windows(
    windows: &[(u8, Window, Vec<Event>)],
) -> Vec<(Window, Option<Event>, Option<Event>)> {
    let mut found = Vec::new();
    for (_, window, events) in windows {
        let pairs = full(&lefts(events), &rights(events), |_, _| true);
        found.extend(pairs.into_iter().map(|(left, right)| (*window, left, right)));
    }
    found
}

/// Each left event with the newest right one that is neither after it nor older than `keep`.
pub(crate) fn lookup(lefts: &[Event], rights: &[Event], keep: i64) -> Vec<(Event, Option<Event>)> {
    let found = |left: &Event| {
        let known = rights.iter().filter(|right| right.key == left.key && right.at <= left.at);
        let newest = known.max_by_key(|right| (right.at, right.id));
        newest.filter(|right| right.at.0 + keep >= left.at.0).cloned()
    };
    lefts.iter().map(|left| (left.clone(), found(left))).collect()
}
