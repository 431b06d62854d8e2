//! Joins inside windows: every left record with every right one of the same key and window.
//!
//! The windows are those of aggregates; what they gather for a key is the records of both sides.
//!
//! - In: keyed records of both sides. Out: when a window ends all its pairs, left by left, each side by event time and
//!   then by arrival; in an outer join also what met none. Sessions are those of both sides together.
//! - State for each key and window: the records of both sides.
//! - Time: that of the window's last moment.
//! - Cost: a look-up for each record and window, and for each pair a copy of both records.

use super::join::{Joining, node_id};
use super::{SessionWindows, TimeWindows, sessions, time_windows};
use crate::graph::StageMeta;
use crate::host::{Edge, Host};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Side, StateData};
use crate::stage::Local;
use crate::time::{Timestamp, Window};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The records of a key in a window, in the order in which they came.
#[derive(Clone, Serialize, Deserialize)]
struct Both<L, R> {
    left: Vec<(Timestamp, L)>,
    right: Vec<(Timestamp, R)>,
}

impl<L, R> Both<L, R> {
    fn new() -> Self {
        Both { left: Vec::new(), right: Vec::new() }
    }

    fn add(&mut self, record: Side<L, R>, at: Timestamp) {
        match record {
            Side::Left(left) => self.left.push((at, left)),
            Side::Right(right) => self.right.push((at, right)),
        }
    }

    fn merge(&mut self, other: Self) {
        self.left.extend(other.left);
        self.right.extend(other.right);
    }
}

impl<L: Clone, R: Clone> Both<L, R> {
    /// Gives every result of the window.
    fn cross<J: Joining<L, R>>(mut self, window: Window, mut give: impl FnMut(J::InWindow)) {
        self.left.sort_by_key(|(at, _)| *at);
        self.right.sort_by_key(|(at, _)| *at);
        let (no_left, no_right) = (self.left.is_empty(), self.right.is_empty());
        let mut give = |pair| give(J::in_window(window, pair));
        for (_, left) in self.left {
            for (_, right) in &self.right {
                give(J::pair(left.clone(), right.clone()));
            }
            if no_right {
                J::left(left).into_iter().for_each(&mut give);
            }
        }
        if no_left {
            self.right.into_iter().filter_map(|(_, right)| J::right(right)).for_each(give);
        }
    }
}

/// Places a stage that joins two streams in tumbling or hopping windows. `late` gets left records that came too late,
/// with the watermark (right ones are counted); `emit` gets each result.
#[allow(clippy::too_many_arguments)]
pub fn time_window_join<H: Host, K: Key, L: StateData, R: StateData, J: Joining<L, R>, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, Side<L, R>>>,
    lateness: &[Duration],
    _: J,
    windows: TimeWindows,
    late: impl Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(J::InWindow, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let late = of_left(meta, late);
    time_windows(
        host,
        meta,
        input,
        lateness,
        windows.by_side(),
        Side::clone,
        Both::new,
        |both: &mut Both<L, R>, record, at| both.add(record, at),
        |_, window, both| (window, both),
        late,
        move |(window, both), at, local: &mut Local, outs: &mut O| {
            both.cross::<J>(window, |pair| emit(pair, at, local, outs));
        },
    )
}

/// Places a stage that joins two streams in sessions: see [`time_window_join`].
#[allow(clippy::too_many_arguments)]
pub fn session_join<H: Host, K: Key, L: StateData, R: StateData, J: Joining<L, R>, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, Timestamp, Side<L, R>>>,
    lateness: &[Duration],
    _: J,
    windows: SessionWindows,
    late: impl Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(J::InWindow, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let late = of_left(meta, late);
    sessions(
        host,
        meta,
        input,
        lateness,
        windows.by_side(),
        Both::new,
        |both: &mut Both<L, R>, record, at| both.add(record, at),
        Both::merge,
        |_, window, both| (window, both),
        late,
        move |(window, both), at, local: &mut Local, outs: &mut O| {
            both.cross::<J>(window, |pair| emit(pair, at, local, outs));
        },
    )
}

/// Late records of the left side go where they are sent, those of the right are counted.
fn of_left<L, R, O>(
    meta: &'static StageMeta,
    late: impl Fn(L, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> impl Fn(Side<L, R>, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static {
    let node = node_id(meta);
    move |record, at, watermark, local, outs| match record {
        Side::Left(left) => late(left, at, watermark, local, outs),
        Side::Right(_) => local.late(node),
    }
}
