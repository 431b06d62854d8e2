//! The ways out of a stage: buffers for each edge that leaves it, partitioned over the shards that read it.

use crate::batch::{Batch, Parts, Status};
use crate::graph::OutletMeta;
use crate::hash::{key_group, shard_of};
use crate::host::{Edge, Host};
use crate::record::{Keyed, Record, Stamp};
use crate::time::Timestamp;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

/// How a host carries the batches of one edge from one shard of a stage.
pub trait Transport<T>: Send {
    /// The number of shards that read the edge.
    fn lanes(&self) -> usize;

    /// Sends what is in `batch` to a shard of the reader and leaves `None`, as soon as there is room.
    /// Where the reader is gone the batch is dropped.
    fn poll_send(&mut self, lane: usize, batch: &mut Option<Batch<T>>, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether nobody reads any more.
    fn is_closed(&self) -> bool;

    /// Whether it carries what records have been united into.
    fn carries_parts(&self) -> bool {
        true
    }
}

/// Unites records before they are divided among the shards of a stage: [`crate::combiner`].
pub(crate) trait Combine<T>: Send {
    /// Takes the records, in order, which come after this watermark. Those that it does not unite go where `route` is told.
    /// How many it united.
    fn unite(&mut self, records: &mut Vec<T>, watermark: Timestamp, route: &mut dyn FnMut(usize, T))
    -> usize;

    /// The united records that wait to be sent.
    fn records(&self) -> usize;

    /// What they have been united into.
    fn parts(&self) -> usize;

    /// Those for a shard, to be sent before anything else.
    fn take(&mut self, shard: usize) -> Option<Parts>;
}

/// Makes what unites the records that go to so many shards.
pub(crate) type MakeCombiner<T> = Box<dyn Fn(usize) -> Box<dyn Combine<T>> + Send + Sync>;

/// Where the reader of an edge says how its records are united, for those who write.
pub(crate) type CombinerSlot<T> = Arc<OnceLock<MakeCombiner<T>>>;

/// So many records are united at a time.
const AT_ONCE: usize = 256;
/// Of so many records half must be united, or for the next ones nothing is.
const SAMPLE: usize = 512;
const REST: usize = 65_536;
/// United records count as so many fewer when it is asked whether enough has gathered for a batch: a reader is not woken
/// for a few states as often as for as many records as they stand for.
const WEIGHT: usize = 8;

/// An outlet's combiner, and whether that is worth its while.
struct Combining<T> {
    combiner: Box<dyn Combine<T>>,
    gathered: Vec<T>,
    seen: usize,
    united: usize,
    /// So many records are sent before it tries again.
    rest: usize,
}

/// What waits to be sent to one shard of the reader.
struct Lane<T> {
    items: Vec<T>,
    marks: Vec<(usize, Timestamp)>,
    /// The last watermark written here, and the last one sent.
    watermark: Timestamp,
    sent_watermark: Timestamp,
    status: Status,
    sent_status: Status,
    /// The epoch whose barrier follows the items; 0 if none does.
    barrier: u64,
    /// Room for what the next buffer is likely to hold: what the last one held, and some more, so that a batch that is a
    /// little larger does not have to move.
    expected: usize,
    outbox: Option<Batch<T>>,
}

impl<T> Lane<T> {
    fn new() -> Lane<T> {
        Lane {
            items: Vec::new(),
            marks: Vec::new(),
            watermark: Timestamp::MIN,
            sent_watermark: Timestamp::MIN,
            status: Status::Active,
            sent_status: Status::Active,
            barrier: 0,
            expected: 0,
            outbox: None,
        }
    }

    fn mark(&mut self, watermark: Timestamp) {
        if watermark > self.watermark {
            self.watermark = watermark;
            self.marks.push((self.items.len(), watermark));
        }
    }

    fn has_news(&self) -> bool {
        !self.items.is_empty()
            || self.watermark > self.sent_watermark
            || self.status != self.sent_status
            || self.barrier != 0
    }

    /// The next batch to send, of at most `limit` records.
    fn next_batch(&mut self, limit: usize, parts: Option<Parts>) -> Batch<T> {
        if self.items.len() > limit {
            return self.split_batch(limit, parts);
        }
        self.sent_watermark = self.watermark;
        self.sent_status = self.status;
        self.expected = self.items.len() + self.items.len() / 8;
        let items = std::mem::replace(&mut self.items, Vec::with_capacity(self.expected));
        let mut marks = std::mem::take(&mut self.marks);
        while marks.last().is_some_and(|&(place, _)| place == items.len()) {
            marks.pop();
        }
        let barrier = std::mem::take(&mut self.barrier);
        Batch { parts, items, marks, watermark: self.watermark, status: self.status, barrier }
    }

    fn split_batch(&mut self, limit: usize, parts: Option<Parts>) -> Batch<T> {
        let rest = self.items.split_off(limit);
        let items = std::mem::replace(&mut self.items, rest);
        let inside = self.marks.partition_point(|&(place, _)| place < limit);
        let later = self.marks.split_off(inside);
        let marks = std::mem::replace(&mut self.marks, later);
        self.marks.iter_mut().for_each(|(place, _)| *place -= limit);
        let watermark = marks.last().map_or(self.sent_watermark, |&(_, watermark)| watermark);
        self.sent_watermark = watermark;
        Batch { parts, items, marks, watermark, status: self.sent_status, barrier: 0 }
    }
}

/// One way out of a stage. Generated code pushes into it; the host sends what has gathered.
pub struct Out<T> {
    first: Lane<T>,
    others: Vec<Lane<T>>,
    transport: Box<dyn Transport<T>>,
    timed: bool,
    lanes_known: bool,
    /// The lane whose turn it is, where records go to whichever.
    turn: usize,
    slot: CombinerSlot<T>,
    /// While it unites records.
    combining: Option<Box<Combining<T>>>,
    /// While it does not.
    resting: Option<Box<Combining<T>>>,
}

impl<T> Out<T> {
    pub(crate) fn new(transport: Box<dyn Transport<T>>, timed: bool, slot: CombinerSlot<T>) -> Out<T> {
        Out {
            first: Lane::new(),
            others: Vec::new(),
            transport,
            timed,
            lanes_known: false,
            turn: 0,
            slot,
            combining: None,
            resting: None,
        }
    }

    /// Adds a record.
    #[inline(always)]
    pub fn push(&mut self, record: T) {
        self.first.items.push(record);
    }

    /// Writes a watermark at this place in the order, for all shards of the reader.
    #[inline]
    pub fn mark(&mut self, watermark: Timestamp) {
        if self.timed && watermark > self.first.watermark {
            self.unite();
            self.lanes_mut().for_each(|lane| lane.mark(watermark));
        }
    }

    /// Unites what has gathered, or divides it among the lanes.
    #[inline(never)]
    fn unite(&mut self) {
        let (first, others) = (&mut self.first, &mut self.others);
        let Some(combining) = self.combining.as_mut().filter(|combining| !combining.gathered.is_empty())
        else {
            return;
        };
        combining.seen += combining.gathered.len();
        let watermark = first.watermark;
        let mut route = |shard: usize, record| match shard {
            0 => first.items.push(record),
            shard => others[shard - 1].items.push(record),
        };
        combining.united += combining.combiner.unite(&mut combining.gathered, watermark, &mut route);
        if combining.seen >= SAMPLE {
            let worth = combining.united * 2 >= combining.seen;
            (combining.seen, combining.united, combining.rest) = (0, 0, REST);
            if !worth {
                self.resting = self.combining.take();
            }
        }
    }

    fn combiner(&self) -> Option<&Combining<T>> {
        self.combining.as_deref().or(self.resting.as_deref())
    }

    fn waiting(&self) -> usize {
        let waiting = |lane: &Lane<T>| lane.items.len() + lane.outbox.as_ref().map_or(0, Batch::records);
        waiting(&self.first) + self.others.iter().map(waiting).sum::<usize>()
    }

    fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane<T>> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }
}

impl<K: Hash, A: Stamp, T> Out<Keyed<K, A, T>> {
    /// Adds a keyed record to what goes to the shard that owns its key. With one shard this costs nothing.
    #[inline(always)]
    pub fn route(&mut self, key: K, at: A, record: T) {
        let keyed = Keyed { key, at, record };
        if self.others.is_empty() {
            self.first.items.push(keyed);
        } else if let Some(combining) = &mut self.combining {
            combining.gathered.push(keyed);
            if combining.gathered.len() == AT_ONCE {
                self.unite();
            }
        } else {
            self.route_by_group(keyed);
        }
    }

    fn route_by_group(&mut self, keyed: Keyed<K, A, T>) {
        match shard_of(key_group(&keyed.key), self.others.len() + 1) {
            0 => self.first.items.push(keyed),
            shard => self.others[shard - 1].items.push(keyed),
        }
    }
}

impl<A: Stamp, T> Out<Keyed<(), A, T>> {
    /// Adds a record to what goes to the shard whose turn it is: each gets a batch in turn, and every watermark at its
    /// place.
    #[inline(always)]
    pub fn spread(&mut self, at: A, record: T) {
        let keyed = Keyed { key: (), at, record };
        match self.turn {
            0 => self.first.items.push(keyed),
            turn => self.others[turn - 1].items.push(keyed),
        }
    }
}

/// An outlet as the host sees it, whatever its records are.
pub trait Outlet: Send {
    /// Writes the watermark after all that was pushed.
    fn mark(&mut self, watermark: Timestamp);
    /// Says whether more will come.
    fn set_status(&mut self, status: Status);
    /// Writes a barrier after all that was pushed. All is sent before more is pushed.
    fn put_barrier(&mut self, epoch: u64);
    /// The records that wait to be sent.
    fn buffered(&self) -> usize;
    /// How much has gathered for the next batch.
    fn gathered(&self) -> usize;
    /// Sends what waits, in batches of at most `limit` records, as the reader makes room.
    fn poll_flush(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()>;
    /// Learns from the transport how many shards read this. Called once, before anything is pushed.
    fn open(&mut self);
    /// Whether nobody reads this any more.
    fn is_closed(&self) -> bool;
}

impl<T: Record> Outlet for Out<T> {
    fn mark(&mut self, watermark: Timestamp) {
        Out::mark(self, watermark);
    }

    fn set_status(&mut self, status: Status) {
        self.lanes_mut().for_each(|lane| lane.status = status);
    }

    fn put_barrier(&mut self, epoch: u64) {
        self.lanes_mut().for_each(|lane| lane.barrier = epoch);
    }

    fn buffered(&self) -> usize {
        let united = |combining: &Combining<T>| combining.gathered.len() + combining.combiner.records();
        self.waiting() + self.combiner().map_or(0, united)
    }

    fn gathered(&self) -> usize {
        let united = |Combining { gathered, combiner, .. }: &Combining<T>| {
            gathered.len() + combiner.parts() + combiner.records() / WEIGHT
        };
        self.waiting() + self.combiner().map_or(0, united)
    }

    fn poll_flush(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.unite();
        if self.resting.as_ref().is_some_and(|resting| resting.rest == 0) {
            self.combining = self.resting.take();
        }
        let (lanes, turn) = (self.others.len() + 1, self.turn);
        let transport = &mut self.transport;
        let mut combining = self.combining.as_mut().or(self.resting.as_mut());
        for (index, lane) in std::iter::once(&mut self.first).chain(&mut self.others).enumerate() {
            loop {
                if lane.outbox.is_none() {
                    let parts = combining.as_mut().and_then(|combining| combining.combiner.take(index));
                    if parts.is_none() && !lane.has_news() {
                        break;
                    }
                    if index == turn && !lane.items.is_empty() {
                        self.turn = (turn + 1) % lanes;
                    }
                    let batch = lane.next_batch(limit, parts);
                    if let Some(combining) = &mut combining {
                        combining.rest = combining.rest.saturating_sub(batch.items.len());
                    }
                    lane.outbox = Some(batch);
                }
                ready!(transport.poll_send(index, &mut lane.outbox, cx));
            }
        }
        Poll::Ready(())
    }

    fn open(&mut self) {
        debug_assert!(!self.lanes_known, "an outlet is opened once");
        self.lanes_known = true;
        self.others.resize_with(self.transport.lanes().saturating_sub(1), Lane::new);
        if let Some(make) =
            self.slot.get().filter(|_| !self.others.is_empty() && self.transport.carries_parts())
        {
            let combiner = make(self.others.len() + 1);
            let gathered = Vec::with_capacity(AT_ONCE);
            self.combining = Some(Box::new(Combining { combiner, gathered, seen: 0, united: 0, rest: 0 }));
        }
    }

    fn is_closed(&self) -> bool {
        self.transport.is_closed()
    }
}

/// All ways out of a stage, as a list `(Out<A>, (Out<B>, ()))`, so that a stage may have any number of them.
pub trait Outlets: Send + Sized + 'static {
    /// The edges that they feed, as a list of the same shape.
    type Edges<H: Host>;

    /// Opens the outlets of each of `shards` tasks.
    fn open<H: Host>(
        host: &mut H,
        outlets: &'static [OutletMeta],
        shards: usize,
    ) -> (Vec<Self>, Self::Edges<H>);

    /// Shows each outlet, in order.
    fn visit(&mut self, see: &mut dyn FnMut(usize, &mut dyn Outlet), from: usize);

    /// Flushes each outlet.
    fn poll_flush(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()>;
}

impl Outlets for () {
    type Edges<H: Host> = ();

    fn open<H: Host>(_: &mut H, _: &'static [OutletMeta], shards: usize) -> (Vec<()>, ()) {
        (vec![(); shards], ())
    }

    fn visit(&mut self, _: &mut dyn FnMut(usize, &mut dyn Outlet), _: usize) {}

    fn poll_flush(&mut self, _: usize, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<T: Record, Rest: Outlets> Outlets for (Out<T>, Rest) {
    type Edges<H: Host> = (Edge<H, T>, Rest::Edges<H>);

    fn open<H: Host>(
        host: &mut H,
        outlets: &'static [OutletMeta],
        shards: usize,
    ) -> (Vec<Self>, Self::Edges<H>) {
        let (meta, others) = outlets.split_first().expect("generated code declares each outlet");
        let (transports, edge) = host.open(meta, shards);
        let (rest, edges) = Rest::open(host, others, shards);
        let timed = host.carries_watermarks(meta);
        let edge = Edge::one(edge);
        let firsts = transports.into_iter().map(|transport| Out::new(transport, timed, edge.combiner()));
        (firsts.zip(rest).collect(), (edge, edges))
    }

    fn visit(&mut self, see: &mut dyn FnMut(usize, &mut dyn Outlet), from: usize) {
        see(from, &mut self.0);
        self.1.visit(see, from + 1);
    }

    fn poll_flush(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.0.poll_flush(limit, cx));
        self.1.poll_flush(limit, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::combiner::{Cell, Combiner, Part};
    use std::sync::Mutex;
    use std::task::Waker;

    type Item = Keyed<u64, Timestamp, u64>;
    type Sent = Arc<Mutex<Vec<(usize, Batch<Item>)>>>;

    struct Lanes(Sent);

    impl Transport<Item> for Lanes {
        fn lanes(&self) -> usize {
            2
        }

        fn poll_send(
            &mut self,
            lane: usize,
            batch: &mut Option<Batch<Item>>,
            _: &mut Context<'_>,
        ) -> Poll<()> {
            self.0.lock().unwrap().extend(batch.take().map(|batch| (lane, batch)));
            Poll::Ready(())
        }

        fn is_closed(&self) -> bool {
            false
        }
    }

    /// Of one window, which ends at 1000.
    fn out() -> (Out<Item>, Sent) {
        let slot: CombinerSlot<Item> = Arc::default();
        let cell = |_| Cell { start: Timestamp(0), end: Timestamp(1000), ends: Timestamp(1000) };
        let add = |count: &mut u64, value: u64, _: Timestamp| *count += value;
        let make: MakeCombiner<Item> =
            Box::new(move |shards| Box::new(Combiner::new(shards, cell, || 0, add)));
        assert!(slot.set(make).is_ok());
        let sent = Sent::default();
        let mut out = Out::new(Box::new(Lanes(Arc::clone(&sent))), true, slot);
        out.open();
        (out, sent)
    }

    fn flush(out: &mut Out<Item>) {
        assert!(out.poll_flush(100, &mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn what_was_united_is_sent_before_the_watermark_that_was_written_after_it() {
        let (mut out, sent) = out();
        (0..10).for_each(|at| out.route(7, Timestamp(at), 1));
        out.mark(Timestamp(1000));
        (0..10).for_each(|at| out.route(7, Timestamp(at), 1));
        assert_eq!(out.buffered(), 20);
        flush(&mut out);
        assert_eq!(out.buffered(), 0);
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        let (lane, batch) = sent.into_iter().find(|(_, batch)| batch.parts.is_some()).unwrap();
        assert_eq!(lane, shard_of(key_group(&7u64), 2));
        assert_eq!((batch.records(), batch.items.len(), batch.marks), (20, 11, vec![(1, Timestamp(1000))]));
        let parts = batch.parts.unwrap().take::<Part<u64, u64>>();
        assert_eq!(parts.iter().map(|part| part.state).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn keys_that_do_not_repeat_are_sent_as_they_are_until_it_is_tried_again() {
        let (mut out, _) = out();
        let mut key = 0;
        let mut send = |out: &mut Out<Item>, records: usize| {
            for _ in 0..records {
                key += 1;
                out.route(key, Timestamp(5), 1);
            }
            flush(out);
        };
        send(&mut out, SAMPLE);
        assert!(out.combining.is_none());
        send(&mut out, REST);
        send(&mut out, 1);
        send(&mut out, 1);
        assert!(out.combining.is_some());
    }

    #[test]
    fn enough_has_gathered_later_where_records_are_united() {
        let (mut out, _) = out();
        (0..8000).for_each(|_| out.route(7, Timestamp(5), 1));
        assert_eq!(out.buffered(), 8000);
        assert!((900..1300).contains(&out.gathered()), "{}", out.gathered());
    }
}
