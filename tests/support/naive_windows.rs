//! What windows should give, computed from all events at once, or from one at a time, in the most obvious way. Nothing of
//! the runtime is used but its words.

use crate::events::Event;
use psdf::{Late, Timestamp, Window};
use std::collections::{BTreeMap, BTreeSet};

/// Events of one key, in the order of arrival.
pub(crate) type Events = Vec<Event>;

/// A fold that does not depend on the order of events, as that of sessions must not.
pub(crate) fn commutative(acc: &mut i64, event: &Event) {
    *acc += event.value * event.value + i64::from(event.id);
}

/// Windows of one size, a new one so often, open to late events for a while after they have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hopping {
    pub(crate) size: i64,
    pub(crate) every: i64,
    pub(crate) allow: i64,
}

impl Hopping {
    /// The windows that an event falls into.
    pub(crate) fn windows(self, at: Timestamp) -> Vec<Window> {
        let starts = (-500..500).map(|n| n * self.every);
        let windows =
            starts.map(|start| Window { start: Timestamp(start), end: Timestamp(start + self.size) });
        windows.filter(|window| window.start <= at && at < window.end).collect()
    }

    /// The events of each key in each window.
    pub(crate) fn all(self, events: &[Event]) -> Vec<(u8, Window, Events)> {
        let mut found = BTreeMap::<_, Events>::new();
        for event in events {
            for window in self.windows(event.at) {
                found.entry((event.key, window)).or_default().push(event.clone());
            }
        }
        found.into_iter().map(|((key, window), events)| (key, window, events)).collect()
    }
}

/// The sessions of each key.
pub(crate) fn sessions(events: &[Event], gap: i64) -> Vec<(u8, Window, Events)> {
    let mut by_time = events.to_vec();
    by_time.sort_by_key(|event| (event.key, event.at));
    let belong = |a: &Event, b: &Event| a.key == b.key && b.at.0 - a.at.0 <= gap;
    let session = |events: &[Event]| {
        let (start, end) = (events[0].at, Timestamp(events[events.len() - 1].at.0 + gap));
        let mut arrived = events.to_vec();
        arrived.sort_by_key(|event| event.id);
        (events[0].key, Window { start, end }, arrived)
    };
    by_time.chunk_by(belong).map(session).collect()
}

/// A stream of events as something that takes one at a time sees it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every result, as often as it was given.
    pub(crate) results: Vec<(u8, Window, Events)>,
    pub(crate) late: Vec<Late<Event>>,
}

/// The largest time seen, less the lateness.
fn watermark(seen: &[Event], lateness: i64) -> Timestamp {
    seen.iter().map(|event| event.at).max().map_or(Timestamp::MIN, |latest| Timestamp(latest.0 - lateness))
}

fn late(event: &Event, watermark: Timestamp) -> Late<Event> {
    Late { record: event.clone(), at: event.at, watermark }
}

/// Tumbling and hopping windows, an event at a time.
pub(crate) fn windows_one_by_one(events: &[Event], lateness: i64, windows: Hopping) -> Seen {
    let mut seen = Seen::default();
    let mut held = BTreeMap::<(Window, u8), Events>::new();
    let mut fired = BTreeSet::new();
    for (place, event) in events.iter().enumerate() {
        let now = watermark(&events[..place], lateness);
        let open = |window: &Window| window.end.0 + windows.allow > now.0;
        let open: Vec<Window> = windows.windows(event.at).into_iter().filter(open).collect();
        if open.is_empty() {
            seen.late.push(late(event, now));
        }
        for window in open {
            held.entry((window, event.key)).or_default().push(event.clone());
            // It has ended, and is still open: it fires for this event.
            if window.end <= now {
                fired.insert((window, event.key));
                seen.results.push((event.key, window, held[&(window, event.key)].clone()));
            }
        }
        let now = watermark(&events[..=place], lateness);
        for (&(window, key), events) in &held {
            if window.end <= now && fired.insert((window, key)) {
                seen.results.push((key, window, events.clone()));
            }
        }
    }
    let unfired = held.into_iter().filter(|(of, _)| !fired.contains(of));
    seen.results.extend(unfired.map(|((window, key), events)| (key, window, events)));
    seen
}

struct Session {
    key: u8,
    window: Window,
    events: Events,
    fired: bool,
}

/// Sessions, an event at a time.
pub(crate) fn sessions_one_by_one(events: &[Event], lateness: i64, gap: i64, allow: i64) -> Seen {
    let mut seen = Seen::default();
    let mut open: Vec<Session> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let now = watermark(&events[..place], lateness);
        let own = Window { start: event.at, end: Timestamp(event.at.0 + gap) };
        let touches =
            |s: &mut Session| s.key == event.key && s.window.start <= own.end && own.start <= s.window.end;
        let touched: Vec<Session> = open.extract_if(.., touches).collect();
        if touched.is_empty() && own.end.0.saturating_add(allow) < now.0 {
            seen.late.push(late(event, now));
            continue;
        }
        let mut session = Session { key: event.key, window: own, events: vec![event.clone()], fired: false };
        for other in touched {
            session.window.start = session.window.start.min(other.window.start);
            session.window.end = session.window.end.max(other.window.end);
            session.events.extend(other.events);
        }
        session.events.sort_by_key(|event| event.id);
        // It has ended, and is still open: it fires for this event. If the event prolongs it, it ends anew.
        if session.window.end < now {
            session.fired = true;
            seen.results.push((session.key, session.window, session.events.clone()));
        }
        open.push(session);
        let now = watermark(&events[..=place], lateness);
        for session in open.iter_mut().filter(|session| session.window.end < now && !session.fired) {
            session.fired = true;
            seen.results.push((session.key, session.window, session.events.clone()));
        }
        open.retain(|session| session.window.end.0 + allow >= now.0);
    }
    let unfired = open.into_iter().filter(|session| !session.fired);
    seen.results.extend(unfired.map(|session| (session.key, session.window, session.events)));
    seen
}
