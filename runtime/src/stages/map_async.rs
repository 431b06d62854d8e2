//! `map_async`: records for which something outside of the flow is asked, a bounded number of them at a time.
//!
//! In: records, with their time where it matters. Out: what each call answered, with its record's time, or its failure.
//! State: none by key; at most `concurrency` records are here, whether their call is in flight, waits to be tried again,
//! or waits for its turn to leave. What comes beyond waits in the edges, and so makes the inputs wait. Where the records are
//! data they are part of a checkpoint (`in_flight.rs`); else a barrier waits until they have left.
//!
//! Order: a watermark leaves after all records before it, and before all records after it. So the records form
//! **segments** with watermarks between them. With `ordered` each record is a segment of its own; with `unordered` the
//! records of a segment leave as they are answered. Either way a record meets the same watermarks in front of it
//! downstream as it did here, so whether it is late there does not depend on how long its call took.

use super::calls::Calls;
use super::in_flight::{Again, Form, InFlight, Probe};
use crate::asked::Waiting;
use crate::checkpoint::value::{Migration, Shape, Unreadable};
use crate::checkpoint::{Delta, TableId};
use crate::failed::{AsyncError, Failed};
use crate::graph::StageMeta;
use crate::hash::groups_of;
use crate::host::{Edge, Host, Timer, check, place};
use crate::outlet::Outlets;
use crate::panic::{NodeId, on_behalf_of};
use crate::record::{Record, Stamp};
use crate::stage::{Awaited, Local, Progress, Stage};
use crate::state::{StoredState, Tier};
use crate::time::Timestamp;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The wait before the first further try; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait before a further try.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The options of a `map_async`.
#[derive(Clone, Copy, Debug)]
pub struct AsyncCalls {
    concurrency: usize,
    ordered: bool,
    timeout: Option<Duration>,
    retry: u32,
}

impl AsyncCalls {
    /// At most `concurrency` records at a time, each tried once and `retry` times more, each try for at most `timeout`.
    #[must_use]
    pub fn new(concurrency: usize, ordered: bool, timeout: Option<Duration>, retry: u32) -> Self {
        AsyncCalls { concurrency, ordered, timeout, retry }
    }

    /// What keeps a stage of such calls from running.
    fn wrong(self) -> Option<&'static str> {
        (self.concurrency == 0).then_some("`map_async` needs a `concurrency` of at least 1")
    }
}

/// The wait before the try that follows so many others: 100 ms, 200 ms, .. up to 10 s.
fn wait_after(tries: u32) -> Duration {
    let doubled = 2u32.checked_pow(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

/// What all calls of a stage share.
struct Caller<Again, Call> {
    node: NodeId,
    options: AsyncCalls,
    timer: Arc<dyn Timer>,
    again: Again,
    call: Call,
}

/// Tries a record until it is answered, or often enough.
async fn tried<T, K, U, E>(
    caller: Arc<Caller<impl Fn(&K) -> Option<T>, impl Fn(T) -> Waiting<Result<U, E>>>>,
    kept: K,
    first: Waiting<Result<U, E>>,
) -> Result<U, Failed<K, E>> {
    let Caller { node, options, timer, .. } = &*caller;
    let (mut tries, mut next) = (1, first);
    loop {
        let error = match within(*node, next, options.timeout, &**timer).await {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => AsyncError::Failed(error),
            None => AsyncError::TimedOut,
        };
        if tries > options.retry {
            return Err(Failed { record: kept, error, tries });
        }
        timer.sleep(wait_after(tries)).await;
        next = match (caller.again)(&kept) {
            Some(record) => (caller.call)(record),
            None => return Err(Failed { record: kept, error, tries }),
        };
        tries += 1;
    }
}

/// What a future of the user's gives, if it does so in time.
async fn within<A>(
    node: NodeId,
    mut future: Waiting<A>,
    timeout: Option<Duration>,
    timer: &dyn Timer,
) -> Option<A> {
    let mut sleep = timeout.map(|timeout| timer.sleep(timeout));
    poll_fn(|cx| {
        // An answer that is there is taken, however late it was looked at.
        if let Poll::Ready(answer) = on_behalf_of(node, || future.as_mut().poll(cx)) {
            return Poll::Ready(Some(answer));
        }
        match &mut sleep {
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// Records between two watermarks.
struct Segment<R> {
    /// The watermark before it, if that was here with the segment before.
    after: Option<Timestamp>,
    /// The calls in flight, and those that are still to be made again.
    waiting: usize,
    /// What was answered while an earlier segment was not over: each with its record's place.
    answered: Vec<(usize, R)>,
    /// No record joins it any more.
    closed: bool,
    /// The watermark behind it.
    mark: Option<Timestamp>,
}

/// A record whose call is to be made again when there is room.
struct Waits<T, A> {
    segment: u64,
    place: usize,
    record: T,
    at: A,
}

struct Async<I, T, A, R, F, O, Split, Launch, Each> {
    options: AsyncCalls,
    /// Each gives its record's place among those in flight, and what became of it.
    calls: Calls<F>,
    /// Those that are not over, by number; of the first, what is answered leaves at once.
    segments: VecDeque<Segment<R>>,
    /// The number of the first.
    first: u64,
    /// The records in all segments.
    records: usize,
    /// What was in flight when the flow was restored, and is not called yet.
    again: VecDeque<Waits<T, A>>,
    /// Where records are data.
    in_flight: Option<InFlight<T, A>>,
    split: Split,
    launch: Launch,
    each: Each,
    local: Local,
    types: PhantomData<fn(I, O)>,
}

/// Places a stage that calls something outside of the flow for each record.
///
/// `split` takes the record and its time from what the edge carries. `keep` is what is kept of it until it is answered:
/// the record where it may be needed again, else nothing; `again` makes of that the record for a further try. `call`
/// starts a call. `each` gets the answer or the failure, with the record's time. `form` says how records are kept in a
/// checkpoint, if they can be; it is the last, because by then rustc knows what they are.
#[allow(clippy::too_many_arguments)]
pub fn map_async<H: Host, I: Record, T, A: Stamp, K, U, E, O: Outlets>(
    host: &mut H,
    meta: &'static StageMeta,
    input: Edge<H, I>,
    lateness: &[Duration],
    node: NodeId,
    options: AsyncCalls,
    split: impl Fn(I) -> (T, A) + Clone + Send + Sync + 'static,
    keep: impl Fn(&T) -> K + Clone + Send + Sync + 'static,
    again: impl Fn(&K) -> Option<T> + Send + Sync + 'static,
    call: impl Fn(T) -> Waiting<Result<U, E>> + Send + Sync + 'static,
    each: impl Fn(Result<U, Failed<K, E>>, A, &mut Local, &mut O) + Send + Sync + 'static,
    form: impl FnOnce(Probe<T>) -> Option<Form<T>>,
) -> O::Edges<H>
where
    T: Send + 'static,
    K: Send + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    check(host, meta, options.wrong());
    let caller = Arc::new(Caller { node, options, timer: host.timer(), again, call });
    let (each, form) = (Arc::new(each), form(Probe::new()));
    let (shards, placed) = (host.shards(meta), Cell::new(0));
    place(host, meta, vec![input], || {
        let (caller, each) = (Arc::clone(&caller), Arc::clone(&each));
        let (split, keep) = (split.clone(), keep.clone());
        let launch = move |place: usize, record: T, at: A| {
            let kept = keep(&record);
            let answer = tried(Arc::clone(&caller), kept, (caller.call)(record));
            async move { (place, (answer.await, at)) }
        };
        let group = *groups_of(placed.replace(placed.get() + 1), shards).start();
        Async {
            options,
            calls: Calls::new(),
            segments: VecDeque::new(),
            first: 0,
            records: 0,
            again: VecDeque::new(),
            in_flight: form.map(|form| InFlight::new(form, group)),
            split,
            launch,
            each: move |(answer, at), local: &mut Local, outs: &mut O| each(answer, at, local, outs),
            local: Local::new(lateness),
            types: PhantomData,
        }
    })
}

impl<I, T, A, R, F, O, Split, Launch, Each> Async<I, T, A, R, F, O, Split, Launch, Each>
where
    A: Stamp,
    F: Future<Output = (usize, R)>,
    Launch: Fn(usize, T, A) -> F,
    Each: Fn(R, &mut Local, &mut O),
{
    /// Takes a record into the last segment, or into one of its own. Answers the segment and the record's place.
    fn take_in(&mut self, record: &T, at: A) -> (u64, usize) {
        let joins = !self.options.ordered && self.segments.back().is_some_and(|segment| !segment.closed);
        if !joins {
            let after = self.segments.back().and_then(|segment| segment.mark);
            let (answered, closed) = (Vec::new(), self.options.ordered);
            self.segments.push_back(Segment { after, waiting: 0, answered, closed, mark: None });
        }
        let number = self.first + self.segments.len() as u64 - 1;
        let mut after = None;
        if let Some(segment) = self.segments.back_mut() {
            segment.waiting += 1;
            after = segment.after;
        }
        self.records += 1;
        let noted = self.in_flight.as_mut().map(|in_flight| in_flight.note(record, at, number, after));
        (number, noted.unwrap_or(0))
    }

    fn accept(&mut self, record: T, at: A) {
        let (segment, place) = self.take_in(&record, at);
        self.calls.add(segment, (self.launch)(place, record, at));
    }

    /// Calls for what was in flight when the flow was restored, as far as there may be calls.
    fn call_again(&mut self) {
        while self.records - self.again.len() < self.options.concurrency
            && let Some(Waits { segment, place, record, at }) = self.again.pop_front()
        {
            self.calls.add(segment, (self.launch)(place, record, at));
        }
    }

    /// Takes in what was answered; whether any of it has left.
    fn gather(&mut self, cx: &mut Context<'_>, outs: &mut O) -> bool {
        let mut left = 0;
        let (segments, first, each, local) = (&mut self.segments, self.first, &self.each, &mut self.local);
        let in_flight = &mut self.in_flight;
        self.calls.poll(cx, |segment, (own, answer)| {
            let place = usize::try_from(segment - first).expect("there are no more segments than records");
            let segment = &mut segments[place];
            segment.waiting -= 1;
            if place == 0 {
                left += 1;
                leave(in_flight, own);
                each(answer, local, outs);
            } else {
                segment.answered.push((own, answer));
            }
        });
        self.records -= left;
        left > 0
    }

    /// Lets go of segments that are over, up to a watermark; whether any record has left.
    fn advance(&mut self, outs: &mut O) -> (bool, Option<Timestamp>) {
        let mut left = 0;
        let mut passed = None;
        while let Some(segment) = self.segments.front_mut() {
            for (own, answer) in segment.answered.drain(..) {
                left += 1;
                leave(&mut self.in_flight, own);
                (self.each)(answer, &mut self.local, outs);
            }
            if segment.waiting > 0 {
                break;
            }
            passed = segment.mark;
            self.segments.pop_front();
            self.first += 1;
            if passed.is_some() {
                break;
            }
        }
        self.records -= left;
        (left > 0, passed)
    }
}

fn leave<T, A: Stamp>(in_flight: &mut Option<InFlight<T, A>>, place: usize) {
    if let Some(in_flight) = in_flight {
        in_flight.leave(place);
    }
}

impl<I, T, A, R, F, O, Split, Launch, Each> Stage for Async<I, T, A, R, F, O, Split, Launch, Each>
where
    I: Record,
    T: Send + 'static,
    A: Stamp,
    R: Send + 'static,
    F: Future<Output = (usize, R)> + Send + 'static,
    O: Outlets,
    Split: Fn(I) -> (T, A) + Send + 'static,
    Launch: Fn(usize, T, A) -> F + Send + 'static,
    Each: Fn(R, &mut Local, &mut O) + Send + 'static,
{
    type In = I;
    type Outs = O;

    const KEEPS_NOTHING: bool = true;

    fn on_batch(&mut self, items: Vec<I>, _: &mut O) {
        for item in items {
            let (record, at) = (self.split)(item);
            self.accept(record, at);
        }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut O) -> Progress {
        match self.segments.back_mut() {
            None => Progress::Done,
            Some(last) => {
                last.closed = true;
                last.mark = Some(watermark);
                Progress::Later
            }
        }
    }

    fn room(&self) -> usize {
        self.options.concurrency.saturating_sub(self.records)
    }

    fn in_flight(&self) -> usize {
        self.records
    }

    fn keeps_in_flight(&mut self) -> bool {
        self.in_flight.as_mut().is_some_and(InFlight::write)
    }

    fn poll_in_flight(&mut self, cx: &mut Context<'_>, outs: &mut O) -> Awaited {
        self.call_again();
        let gathered = self.gather(cx, outs);
        match self.advance(outs) {
            (_, Some(watermark)) => Awaited::Passed(watermark),
            (advanced, None) if gathered || advanced => Awaited::Results,
            (_, None) => Awaited::Nothing,
        }
    }

    fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    fn stored(&mut self) -> Option<&mut dyn StoredState> {
        if self.in_flight.is_some() { Some(self) } else { None }
    }
}

impl<I, T, A, R, F, O, Split, Launch, Each> StoredState for Async<I, T, A, R, F, O, Split, Launch, Each>
where
    A: Stamp,
    F: Future<Output = (usize, R)>,
    Launch: Fn(usize, T, A) -> F,
    Each: Fn(R, &mut Local, &mut O),
{
    fn track(&mut self) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.track();
        }
    }

    /// There are never more than may be in flight.
    fn spill(&mut self, _: &Arc<Tier>) {}

    fn begin_snapshot(&mut self) -> bool {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.begin_snapshot();
        }
        false
    }

    fn copy_some(&mut self, _: usize, into: &mut Delta) -> bool {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.copy(into);
        }
        true
    }

    fn restore(
        &mut self,
        _: TableId,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable> {
        self.in_flight.as_mut().map_or(Ok(()), |in_flight| in_flight.restore(key, value, migration))
    }

    /// Nothing is called before the stage runs: where it is restored there is no runtime.
    fn restored(&mut self, watermark: Timestamp) {
        let Some(in_flight) = &mut self.in_flight else { return };
        for Again { record, at, joins, after } in in_flight.restored(watermark) {
            if !joins && let Some(last) = self.segments.back_mut() {
                (last.closed, last.mark) = (true, after);
            }
            let (segment, place) = self.take_in(&record, at);
            self.again.push_back(Waits { segment, place, record, at });
        }
        if let Some(last) = self.segments.back_mut().filter(|_| watermark > Timestamp::MIN) {
            (last.closed, last.mark) = (true, Some(watermark));
        }
    }

    fn shape(&self) -> Shape {
        self.in_flight.as_ref().map(InFlight::shape).unwrap_or_default()
    }

    fn is_in_flight(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_ten_seconds() {
        let waits: Vec<_> = (1..=9).map(|tries| wait_after(tries).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
