//! Random events, and how they reach a flow.

use proptest::prelude::*;
use psdf::{Inline, Input, Record, Sink, SinkError, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::runtime::Runtime;

/// What the flows of these tests are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) key: u8,
    pub(crate) at: Timestamp,
    pub(crate) value: i64,
    /// Its place in the order of arrival.
    pub(crate) id: u32,
}

/// Fewer than `most` events of a few keys around the epoch, each at most `disorder` behind the latest before it.
pub(crate) fn events(disorder: i64, most: usize) -> impl Strategy<Value = Vec<Event>> {
    let event = (0u8..4, -40i64..160, 0..=disorder, -3i64..=3);
    prop::collection::vec(event, 0..most).prop_map(|mut drawn| {
        // An event overtakes another only if it was held up for less, so by no more than `disorder`.
        drawn.sort_by_key(|&(_, at, held_up, _)| at + held_up);
        numbered(drawn.into_iter().map(|(key, at, _, value)| (key, at, value)))
    })
}

/// Fewer than `most` events in any order at all.
pub(crate) fn events_in_any_order(most: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0u8..4, -40i64..160, -3i64..=3), 0..most).prop_map(numbered)
}

fn numbered(drawn: impl IntoIterator<Item = (u8, i64, i64)>) -> Vec<Event> {
    let event = |(id, (key, at, value))| Event { key, at: Timestamp(at), value, id };
    (0..).zip(drawn).map(event).collect()
}

/// How a flow is set up and fed: none of this may change a result.
#[derive(Clone, Debug)]
pub(crate) struct Feeding {
    pub(crate) shards: usize,
    pub(crate) capacity: usize,
    pub(crate) batch_limit: usize,
    /// What is sent together, over and over.
    pub(crate) chunks: Vec<Chunk>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// One is sent by `send`, more by `send_batch`.
    pub(crate) records: usize,
    /// Whether the flow comes to rest before the next chunk.
    pub(crate) rest: bool,
}

impl Feeding {
    pub(crate) fn any() -> impl Strategy<Value = Feeding> {
        let chunk = (1usize..12, any::<bool>()).prop_map(|(records, rest)| Chunk { records, rest });
        let chunks = prop::collection::vec(chunk, 1..5);
        (1usize..=4, 1usize..4, 1usize..9, chunks).prop_map(|(shards, capacity, batch_limit, chunks)| {
            Feeding { shards, capacity, batch_limit, chunks }
        })
    }

    fn chunks_of<'a, T: Clone>(&'a self, records: &'a [T]) -> impl Iterator<Item = (Vec<T>, bool)> + 'a {
        let mut rest = records;
        self.chunks.iter().cycle().map_while(move |chunk| {
            let (now, later) = rest.split_at(chunk.records.min(rest.len()));
            rest = later;
            (!now.is_empty()).then(|| (now.to_vec(), chunk.rest))
        })
    }

    /// Feeds a flow that runs on this thread.
    pub(crate) fn feed<T: Record + Clone>(&self, inline: &mut Inline, input: &Input<T>, records: &[T]) {
        for (chunk, rest) in self.chunks_of(records) {
            inline.block_on(send(input, chunk));
            if rest {
                inline.run();
            }
        }
    }

    /// Feeds a flow that runs on tokio.
    pub(crate) async fn feed_tasks<T: Record + Clone>(&self, input: &Input<T>, records: &[T]) {
        for (chunk, rest) in self.chunks_of(records) {
            send(input, chunk).await;
            if rest {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn send<T: Record>(input: &Input<T>, mut records: Vec<T>) {
    let sent = match records.pop() {
        Some(record) if records.is_empty() => input.send(record).await.is_ok(),
        Some(last) => {
            records.push(last);
            input.send_batch(records).await.is_ok()
        }
        None => true,
    };
    assert!(sent, "the flow has ended");
}

/// A sink that gathers what it gets, for whoever holds a clone of it.
#[derive(Debug)]
pub(crate) struct Gather<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Gather(Arc::clone(&self.0))
    }
}

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Gather(Arc::default())
    }
}

impl<T> Gather<T> {
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().expect("nothing panics while it holds this"))
    }
}

impl<T: Record> Sink for Gather<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        self.0.lock().expect("nothing panics while it holds this").extend(records);
        Ok(())
    }
}

/// Several threads for the flows that run as tasks.
pub(crate) static THREADS: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime can be made")
});

/// Runs a flow to its end on this thread, with a sink at each output: `run!(flow, &feeding, input = &events =>
/// output_to, ..)` answers what came out of each, as a tuple.
#[macro_export]
macro_rules! run {
    ($flow:expr, $feeding:expr, $input:ident = $events:expr => $($to:ident),+) => {{
        let (flow, feeding) = ($flow, $feeding);
        let flow = flow.builder().shards(feeding.shards).capacity(feeding.capacity).batch_limit(feeding.batch_limit);
        $(let $to = Gather::default(); let flow = flow.$to($to.clone());)+
        let (handle, mut inline) = flow.inline().unwrap();
        feeding.feed(&mut inline, &handle.$input, $events);
        inline.block_on(handle.finish()).unwrap();
        ($($to.take(),)+)
    }};
}

/// As [`run`], but as tasks on several threads.
#[macro_export]
macro_rules! run_on_threads {
    ($flow:expr, $feeding:expr, $input:ident = $events:expr => $($to:ident),+) => {{
        let (flow, feeding) = ($flow, $feeding);
        let flow = flow.builder().shards(feeding.shards).capacity(feeding.capacity).batch_limit(feeding.batch_limit);
        $(let $to = Gather::default(); let flow = flow.$to($to.clone());)+
        THREADS.block_on(async {
            let handle = flow.spawn().unwrap();
            feeding.feed_tasks(&handle.$input, $events).await;
            handle.finish().await.unwrap();
        });
        ($($to.take(),)+)
    }};
}
