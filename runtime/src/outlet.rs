//! The ways out of a stage: buffers for each edge that leaves it, partitioned over the shards that read it.

use crate::batch::{Batch, Status};
use crate::graph::OutletMeta;
use crate::hash::{key_group, shard_of};
use crate::host::{Edge, Host};
use crate::record::{Keyed, Record, Stamp};
use crate::time::Timestamp;
use std::hash::Hash;
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
    fn next_batch(&mut self, limit: usize) -> Batch<T> {
        if self.items.len() > limit {
            return self.split_batch(limit);
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
        Batch { items, marks, watermark: self.watermark, status: self.status, barrier }
    }

    fn split_batch(&mut self, limit: usize) -> Batch<T> {
        let rest = self.items.split_off(limit);
        let items = std::mem::replace(&mut self.items, rest);
        let inside = self.marks.partition_point(|&(place, _)| place < limit);
        let later = self.marks.split_off(inside);
        let marks = std::mem::replace(&mut self.marks, later);
        self.marks.iter_mut().for_each(|(place, _)| *place -= limit);
        let watermark = marks.last().map_or(self.sent_watermark, |&(_, watermark)| watermark);
        self.sent_watermark = watermark;
        Batch { items, marks, watermark, status: self.sent_status, barrier: 0 }
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
}

impl<T> Out<T> {
    pub(crate) fn new(transport: Box<dyn Transport<T>>, timed: bool) -> Out<T> {
        Out { first: Lane::new(), others: Vec::new(), transport, timed, lanes_known: false, turn: 0 }
    }

    /// Adds a record.
    #[inline(always)]
    pub fn push(&mut self, record: T) {
        self.first.items.push(record);
    }

    /// Writes a watermark at this place in the order, for all shards of the reader.
    #[inline]
    pub fn mark(&mut self, watermark: Timestamp) {
        if self.timed {
            self.lanes_mut().for_each(|lane| lane.mark(watermark));
        }
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
        let waiting = |lane: &Lane<T>| lane.items.len() + lane.outbox.as_ref().map_or(0, |b| b.items.len());
        waiting(&self.first) + self.others.iter().map(waiting).sum::<usize>()
    }

    fn poll_flush(&mut self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        let (lanes, turn) = (self.others.len() + 1, self.turn);
        let transport = &mut self.transport;
        for (index, lane) in std::iter::once(&mut self.first).chain(&mut self.others).enumerate() {
            while lane.outbox.is_some() || lane.has_news() {
                if lane.outbox.is_none() {
                    if index == turn && !lane.items.is_empty() {
                        self.turn = (turn + 1) % lanes;
                    }
                    lane.outbox = Some(lane.next_batch(limit));
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
        let firsts = transports.into_iter().map(|transport| Out::new(transport, timed));
        (firsts.zip(rest).collect(), (Edge::one(edge), edges))
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
