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
