//! Windows by the wall clock: `tumbling(10 s, processing_time)`.

use super::windows::{Functions, TimeWindows, Windowed};
use crate::checkpoint::value::{Migration, Shape, Unreadable};
use crate::checkpoint::{Delta, TableId};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, check, place};
use crate::outlet::Outlets;
use crate::record::{Key, Keyed, Record, Stamp, StateData};
use crate::stage::{Local, Progress, Stage};
use crate::state::{StoredState, Tier};
use crate::time::{Timestamp, Window};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Windows of event time to which the wall clock gives the time of each record and the watermark.
struct ByWallClock<A, W> {
    windows: W,
    /// It never goes back, whatever the clock does.
    now: Timestamp,
    types: PhantomData<fn(A)>,
}

/// Places a stage of tumbling or hopping windows by the wall clock of the host.
///
/// A record falls into the windows that are open when the stage takes it up. A window fires when the clock reaches its end,
/// and at the end of the input. The closures are those of [`super::time_windows`]; nothing is late. What results depends on
/// when records come: it is not the same from run to run.
#[allow(clippy::too_many_arguments)]
pub fn processing_windows<H: Host, K: Key, A: Stamp, P: Record, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, Keyed<K, A, P>>,
    lateness: &[Duration],
    windows: TimeWindows,
    copy: impl Fn(&P) -> P + Send + Sync + 'static,
    init: impl Fn() -> S + Send + Sync + 'static,
    add: impl Fn(&mut S, P, Timestamp) + Send + Sync + 'static,
    finish: impl Fn(K, Window, S) -> R + Send + Sync + 'static,
    late: impl Fn(P, Timestamp, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
    emit: impl Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: StateData,
    R: 'static,
{
    check(host, meta, windows.wrong());
    let functions = Arc::new(Functions { init, add, copy, finish, late, emit });
    place(host, meta, vec![input], || ByWallClock::<A, _> {
        windows: Windowed::new(windows, Arc::clone(&functions), lateness),
        now: Timestamp::MIN,
        types: PhantomData,
    })
}

impl<K, A, P, S, R, O, F> Stage for ByWallClock<A, Windowed<K, P, S, R, O, F>>
where
    Windowed<K, P, S, R, O, F>: Stage<In = Keyed<K, Timestamp, P>, Outs = O> + StoredState,
    K: Key,
    A: Stamp,
    P: Record,
    O: Outlets,
{
    type In = Keyed<K, A, P>;
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, outs: &mut O) {
        let at = self.now;
        let now = |Keyed { key, record, .. }: Self::In| Keyed { key, at, record };
        self.windows.on_batch(items.into_iter().map(now).collect(), outs);
    }

    /// Event time is nothing to it, but for its end.
    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        if watermark == Timestamp::MAX { self.windows.on_watermark(watermark, outs) } else { Progress::Done }
    }

    fn needs_wall_time(&self) -> bool {
        true
    }

    fn on_wall_time(&mut self, now: Timestamp, outs: &mut O) -> Progress {
        self.now = now.max(self.now);
        self.windows.on_watermark(self.now, outs)
    }

    fn wakes_at(&self) -> Option<Timestamp> {
        self.windows.next_end()
    }

    fn local(&mut self) -> &mut Local {
        self.windows.local()
    }

    fn keys(&self) -> usize {
        self.windows.keys()
    }

    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        Some(self)
    }
}

impl<A, W: StoredState> StoredState for ByWallClock<A, W> {
    fn track(&mut self) {
        self.windows.track();
    }

    fn spill(&mut self, tier: &Arc<Tier>) {
        self.windows.spill(tier);
    }

    fn begin_snapshot(&mut self) -> bool {
        self.windows.begin_snapshot()
    }

    fn copy_some(&mut self, entries: usize, into: &mut Delta) -> bool {
        self.windows.copy_some(entries, into)
    }

    fn restore(
        &mut self,
        table: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable> {
        self.windows.restore(table, key, value, migration)
    }

    /// The clock says anew what time it is.
    fn restored(&mut self, _: Timestamp) {
        self.windows.restored(Timestamp::MIN);
    }

    fn shape(&self) -> Shape {
        self.windows.shape()
    }
}
