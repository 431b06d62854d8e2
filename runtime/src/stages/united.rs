//! Windows without a key, in two stages: several tasks each fold the records that come to them, and this one makes one
//! result of what they have.
//!
//! Whether a record is late is decided by whoever takes it: each of them hears every watermark at its place among the
//! records. None of their parts is ever late here: each sends those of a window before the watermark that ends it. So at a
//! barrier, which comes after all of them have passed on the same watermark, it holds nothing, and no checkpoint has to.

use super::RESULTS_PER_CALL;
use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::stage::{Local, Progress, Stage};
use crate::time::{Timestamp, Window};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

struct Functions<Merge, Finish, Emit> {
    merge: Merge,
    finish: Finish,
    emit: Emit,
}

struct United<S, R, O, F> {
    /// By end, then by start.
    parts: BTreeMap<(Timestamp, Timestamp), S>,
    functions: Arc<F>,
    local: Local,
    types: PhantomData<fn(R, O)>,
}

/// Places the stage that unites the parts of windows, each of which has fired in the tasks that feed it.
///
/// `merge` makes one state of two, `finish` makes the result, `emit` gets it with its event time. State: that of each
/// window of which some of the parts have come.
pub fn united<H: Host, S, R, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, (Window, S)>,
    lateness: &[Duration],
    merge: impl Fn(&mut S, S) + Send + Sync + 'static,
    finish: impl Fn(Window, S) -> R + Send + Sync + 'static,
    emit: impl Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H>
where
    S: Send + 'static,
    R: 'static,
{
    let functions = Arc::new(Functions { merge, finish, emit });
    place(host, meta, vec![input], || United {
        parts: BTreeMap::new(),
        functions: Arc::clone(&functions),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<S, R, O, Merge, Finish, Emit> Stage for United<S, R, O, Functions<Merge, Finish, Emit>>
where
    S: Send + 'static,
    R: 'static,
    O: Outlets,
    Merge: Fn(&mut S, S) + Send + Sync + 'static,
    Finish: Fn(Window, S) -> R + Send + Sync + 'static,
    Emit: Fn(R, Timestamp, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = (Window, S);
    type Outs = O;

    fn on_batch(&mut self, items: Vec<Self::In>, _: &mut O) {
        for (window, part) in items {
            match self.parts.entry((window.end, window.start)) {
                Entry::Vacant(entry) => {
                    entry.insert(part);
                }
                Entry::Occupied(mut entry) => (self.functions.merge)(entry.get_mut(), part),
            }
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, outs: &mut O) -> Progress {
        for _ in 0..RESULTS_PER_CALL {
            let Some(first) = self.parts.first_entry().filter(|first| first.key().0 <= watermark) else {
                return Progress::Done;
            };
            let ((end, start), state) = first.remove_entry();
            let window = Window { start, end };
            let result = (self.functions.finish)(window, state);
            (self.functions.emit)(result, window.last(), &mut self.local, outs);
        }
        Progress::More
    }

    fn waits_for(&self) -> Option<Timestamp> {
        self.parts.first_key_value().map(|((end, _), _)| *end)
    }

    /// One that is idle may still have a part of what the others have given theirs of.
    fn waits_for_idle(&self) -> bool {
        true
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn united() -> impl Stage<In = (Window, Vec<u32>), Outs = ()> {
        let functions = Functions {
            merge: |state: &mut Vec<u32>, other: Vec<u32>| state.extend(other),
            finish: |window: Window, state: Vec<u32>| (window, state),
            emit: |(window, state): (Window, Vec<u32>), at: Timestamp, local: &mut Local, (): &mut ()| {
                assert_eq!(at, window.last());
                // What was given is told by counts: there is no outlet.
                state.iter().for_each(|_| local.late(0));
            },
        };
        United {
            parts: BTreeMap::new(),
            functions: Arc::new(functions),
            local: Local::new(&[]),
            types: PhantomData::<fn((Window, Vec<u32>), ())>,
        }
    }

    #[test]
    fn a_window_is_given_once_with_all_its_parts_when_the_watermark_reaches_its_end() {
        let mut stage = united();
        let window = |start, end| Window { start: Timestamp(start), end: Timestamp(end) };
        stage.on_batch(vec![(window(0, 10), vec![1]), (window(5, 15), vec![2])], &mut ());
        stage.on_batch(vec![(window(0, 10), vec![3, 4])], &mut ());
        assert_eq!(stage.waits_for(), Some(Timestamp(10)));
        let mut given = |watermark| {
            assert_eq!(stage.on_watermark(Timestamp(watermark), &mut ()), Progress::Done);
            let mut given = 0;
            stage.local().take_counts(|_, counts| given += counts.late);
            given
        };
        assert_eq!(given(9), 0);
        assert_eq!(given(10), 3);
        assert_eq!(given(14), 0);
        assert_eq!(given(15), 1);
        assert!(stage.waits_for().is_none());
        assert!(stage.waits_for_idle());
    }
}
