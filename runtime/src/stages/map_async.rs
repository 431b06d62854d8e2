//! `map_async`: records for which something outside of the flow is asked, a bounded number of them at a time.
//!
//! In: records, with their time where it matters. Out: what each call answered, with its record's time, or its failure.
//! State: none by key; at most `concurrency` records are here, whether their call is in flight, waits to be tried again,
//! or waits for its turn to leave. What comes beyond waits in the edges, and so makes the inputs wait.
//!
//! Order: a watermark leaves after all records before it, and before all records after it. So the records form
//! **segments** with watermarks between them. With `ordered` each record is a segment of its own; with `unordered` the
//! records of a segment leave as they are answered. Either way a record meets the same watermarks in front of it
//! downstream as it did here, so whether it is late there does not depend on how long its call took.

use super::calls::Calls;
use crate::asked::Waiting;
use crate::failed::{AsyncError, Failed};
use crate::graph::StageMeta;
use crate::host::{Edge, Host, Timer, check, place};
use crate::outlet::Outlets;
use crate::panic::{NodeId, on_behalf_of};
use crate::record::{Record, Stamp};
use crate::stage::{Awaited, Local, Progress, Stage};
use crate::time::Timestamp;
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
    /// The calls in flight.
    waiting: usize,
    /// What was answered while an earlier segment was not over.
    answered: Vec<R>,
    /// No record joins it any more.
    closed: bool,
    /// The watermark behind it.
    mark: Option<Timestamp>,
}

struct Async<I, F: Future, O, Launch, Each> {
    options: AsyncCalls,
    calls: Calls<F>,
    /// Those that are not over, by number; of the first, what is answered leaves at once.
    segments: VecDeque<Segment<F::Output>>,
    /// The number of the first.
    first: u64,
    /// The records in all segments.
    records: usize,
    launch: Launch,
    each: Each,
    local: Local,
    types: PhantomData<fn(I, O)>,
}

/// Places a stage that calls something outside of the flow for each record.
///
/// `split` takes the record and its time from what the edge carries. `keep` is what is kept of it until it is answered:
/// the record where it may be needed again, else nothing; `again` makes of that the record for a further try. `call`
/// starts a call. `each` gets the answer or the failure, with the record's time.
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
) -> O::Edges<H>
where
    T: 'static,
    K: Send + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    check(host, meta, options.wrong());
    let caller = Arc::new(Caller { node, options, timer: host.timer(), again, call });
    let each = Arc::new(each);
    place(host, meta, vec![input], || {
        let (caller, each) = (Arc::clone(&caller), Arc::clone(&each));
        let (split, keep) = (split.clone(), keep.clone());
        let launch = move |item| {
            let (record, at) = split(item);
            let kept = keep(&record);
            let answer = tried(Arc::clone(&caller), kept, (caller.call)(record));
            async move { (answer.await, at) }
        };
        Async {
            options,
            calls: Calls::new(),
            segments: VecDeque::new(),
            first: 0,
            records: 0,
            launch,
            each: move |(answer, at), local: &mut Local, outs: &mut O| each(answer, at, local, outs),
            local: Local::new(lateness),
            types: PhantomData,
        }
    })
}

impl<I, F: Future, O, Launch, Each> Async<I, F, O, Launch, Each>
where
    Launch: Fn(I) -> F,
    Each: Fn(F::Output, &mut Local, &mut O),
{
    fn accept(&mut self, item: I) {
        let joins = !self.options.ordered && self.segments.back().is_some_and(|segment| !segment.closed);
        if !joins {
            let answered = Vec::new();
            self.segments.push_back(Segment {
                waiting: 0,
                answered,
                closed: self.options.ordered,
                mark: None,
            });
        }
        let number = self.first + self.segments.len() as u64 - 1;
        if let Some(segment) = self.segments.back_mut() {
            segment.waiting += 1;
        }
        self.records += 1;
        self.calls.add(number, (self.launch)(item));
    }

    /// Takes in what was answered; whether any of it has left.
    fn gather(&mut self, cx: &mut Context<'_>, outs: &mut O) -> bool {
        let mut left = 0;
        let (segments, first, each, local) = (&mut self.segments, self.first, &self.each, &mut self.local);
        self.calls.poll(cx, |number, answer| {
            let place = usize::try_from(number - first).expect("there are no more segments than records");
            let segment = &mut segments[place];
            segment.waiting -= 1;
            if place == 0 {
                left += 1;
                each(answer, local, outs);
            } else {
                segment.answered.push(answer);
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
            for answer in segment.answered.drain(..) {
                left += 1;
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

impl<I, F, O, Launch, Each> Stage for Async<I, F, O, Launch, Each>
where
    I: Record,
    F: Future + Send + 'static,
    F::Output: Send,
    O: Outlets,
    Launch: Fn(I) -> F + Send + 'static,
    Each: Fn(F::Output, &mut Local, &mut O) + Send + 'static,
{
    type In = I;
    type Outs = O;

    const KEEPS_NOTHING: bool = true;

    fn on_batch(&mut self, items: Vec<I>, _: &mut O) {
        items.into_iter().for_each(|item| self.accept(item));
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
        self.options.concurrency - self.records
    }

    fn in_flight(&self) -> usize {
        self.records
    }

    fn poll_in_flight(&mut self, cx: &mut Context<'_>, outs: &mut O) -> Awaited {
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
