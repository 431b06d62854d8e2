//! A stage without a core: the operators after an input or a merge.

use crate::graph::StageMeta;
use crate::host::{Edge, Host, place};
use crate::outlet::Outlets;
use crate::record::Record;
use crate::stage::{Local, Progress, Stage};
use crate::time::Timestamp;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

struct Stateless<T, O, F> {
    each: Arc<F>,
    local: Local,
    types: PhantomData<fn(T, O)>,
}

/// Places a stage that does `each` with every record. It owns nothing but the clocks of its `event_time`s, one
/// for each `lateness`.
pub fn stateless<H: Host, T: Record, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    inputs: Vec<Edge<H, T>>,
    lateness: &[Duration],
    each: impl Fn(T, &mut Local, &mut O) + Send + Sync + 'static,
) -> O::Edges<H> {
    let each = Arc::new(each);
    place(host, meta, inputs, || Stateless {
        each: Arc::clone(&each),
        local: Local::new(lateness),
        types: PhantomData,
    })
}

impl<T: Record, O: Outlets, F> Stage for Stateless<T, O, F>
where
    F: Fn(T, &mut Local, &mut O) + Send + Sync + 'static,
{
    type In = T;
    type Outs = O;

    const KEEPS_NOTHING: bool = true;

    fn on_batch(&mut self, items: Vec<T>, outs: &mut O) {
        let each = &*self.each;
        for item in items {
            each(item, &mut self.local, outs);
        }
    }

    fn on_watermark(&mut self, _: Timestamp, _: &mut O) -> Progress {
        Progress::Done
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of_state<T, O, F>(_: &Stateless<T, O, F>) -> usize {
        size_of::<Stateless<T, O, F>>() - size_of::<Arc<F>>() - size_of::<Local>()
    }

    #[test]
    fn a_stage_without_a_core_has_no_byte_of_state_and_allocates_none() {
        let mut stage = Stateless::<u64, (), _> {
            each: Arc::new(|_: u64, _: &mut Local, _: &mut ()| {}),
            local: Local::new(&[]),
            types: PhantomData,
        };
        stage.on_batch((0..10_000).collect(), &mut ());
        assert_eq!(stage.on_watermark(Timestamp::MAX, &mut ()), Progress::Done);
        assert_eq!(bytes_of_state(&stage), 0);
        assert_eq!(size_of_val(&*stage.each), 0, "its code owns nothing either");
        assert_eq!(stage.local.bytes_on_the_heap(), 0);
        assert_eq!(stage.keys(), 0);
    }

    #[test]
    fn a_clock_is_all_that_event_time_adds() {
        let mut stage = Stateless::<Timestamp, (), _> {
            each: Arc::new(|at: Timestamp, local: &mut Local, _: &mut ()| {
                local.observe(0, at);
            }),
            local: Local::new(&[Duration::from_secs(1)]),
            types: PhantomData,
        };
        stage.on_batch((0..10_000).map(Timestamp).collect(), &mut ());
        assert_eq!(bytes_of_state(&stage), 0);
        assert_eq!(stage.local.bytes_on_the_heap(), size_of::<crate::clock::Clock>());
    }
}
