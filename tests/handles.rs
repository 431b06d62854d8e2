//! A flow inside a service: its handles go from task to task, and are streams and sinks like others.

#[path = "support/threads.rs"]
mod threads;

use futures_util::{SinkExt, StreamExt, stream};
use psdf::{FlowControl, FlowWatch, Input, Output, Refusal, WrongType, dataflow};
use std::sync::Arc;
use threads::on_threads;

dataflow! {
    flow Words {
        param least: usize = 2;
        input words: String;
        long = words -> filter(|w| w.len() >= least);
        counts = long -> key_by(word: String = |w| w.clone()) -> aggregate { count: u64 = count() } keep forever;
        lengths = long -> map(|w| w.len());
        output counts;
        output long: String;
        output lengths;
    }
}

fn words(words: &str) -> impl Iterator<Item = String> {
    words.split(' ').map(String::from)
}

#[test]
fn flows_and_their_handles_go_to_other_threads_and_are_shared_by_them() {
    fn is_shared<T: Send + Sync + 'static>() {}
    fn is_sent<T: Send>(_: &T) {}
    is_shared::<Words>();
    is_shared::<Input<String>>();
    is_shared::<FlowControl>();
    is_shared::<FlowWatch>();
    is_sent(&Words::default().spawn());
    is_sent(&Words::default().builder());
    on_threads(async {
        let mut flow = Words::default().spawn().unwrap();
        is_sent(&flow);
        is_sent(&flow.words.send(String::new()));
        is_sent(&flow.words.send_batch(Vec::new()));
        is_sent(&flow.counts.next());
        let finish = flow.finish();
        is_sent(&finish);
    });
}

#[test]
fn a_flow_can_be_spawned_and_finished_in_other_tasks() {
    on_threads(async {
        let spawned = tokio::spawn(async { Words::default().builder().shards(2).spawn().unwrap() });
        let flow = spawned.await.unwrap();
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let input = flow.words.clone();
                tokio::spawn(async move { input.send_batch(words("a bb bb ccc").collect()).await.unwrap() })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        let unread = tokio::spawn(flow.finish()).await.unwrap().unwrap();
        assert_eq!(unread.long.len(), 12);
        let last = |word: &str| unread.counts.iter().rfind(|r| r.word == word).unwrap().count;
        assert_eq!([last("bb"), last("ccc")], [8, 4]);
    });
}

#[test]
fn an_input_is_used_by_many_tasks_at_once() {
    on_threads(async {
        let mut flow = Words::default().builder().capacity(1).batch_limit(4).spawn().unwrap();
        let long = Output::take(&mut flow.long);
        drop((Output::take(&mut flow.counts), flow.lengths.take()));
        let input = Arc::new(flow.words.clone());
        let senders: Vec<_> = (0..8)
            .map(|task| {
                let input = Arc::clone(&input);
                tokio::spawn(async move {
                    for n in 0..100 {
                        input.send(format!("{task} {n:03}")).await.unwrap();
                    }
                })
            })
            .collect();
        let finished = tokio::spawn(async move {
            for sender in senders {
                sender.await.unwrap();
            }
            flow.finish().await.unwrap();
        });
        let read: Vec<String> = long.collect().await;
        assert_eq!(read.len(), 800);
        for task in 0..8 {
            let of_task: Vec<_> = read.iter().filter(|word| word.starts_with(&format!("{task} "))).collect();
            assert!(of_task.is_sorted(), "what one task sends keeps its order");
        }
        finished.await.unwrap();
    });
}

#[test]
fn an_input_is_a_sink_and_an_output_is_a_stream() {
    on_threads(async {
        let mut flow = Words::default().builder().capacity(1).batch_limit(1).spawn().unwrap();
        let (long, input) = (Output::take(&mut flow.long), flow.words.clone());
        drop((Output::take(&mut flow.counts), flow.lengths.take()));
        let sent = tokio::spawn(async move {
            let numbers = stream::iter(0..1000).map(|n| Ok(format!("{n:04}")));
            numbers.forward(input).await.unwrap();
            let mut own = flow.words.clone();
            own.feed("fed".to_string()).await.unwrap();
            own.flush().await.unwrap();
            own.send("sent".to_string()).await.unwrap();
            SinkExt::close(&mut own).await.unwrap();
            flow.finish().await.unwrap();
        });
        let read: Vec<String> = long.map(|word| word.to_uppercase()).collect().await;
        let numbers = (0..1000).map(|n| format!("{n:04}"));
        assert_eq!(read, numbers.chain(words("FED SENT")).collect::<Vec<_>>());
        sent.await.unwrap();
    });
}

#[test]
fn a_sink_that_is_closed_says_so_and_gives_the_record_back() {
    let (flow, mut inline) = Words::default().builder().inline().unwrap();
    let (mut closed, mut other) = (flow.words.clone(), flow.words.clone());
    inline.block_on(SinkExt::close(&mut closed)).unwrap();
    let refused = inline.block_on(SinkExt::send(&mut closed, "a".to_string())).unwrap_err();
    assert!(matches!(refused.reason, Refusal::Closed));
    inline.block_on(SinkExt::send(&mut other, "bb".to_string())).unwrap();
    assert_eq!(inline.block_on(flow.finish()).unwrap().long, ["bb"]);
    assert!(inline.block_on(SinkExt::send(&mut other, "cc".to_string())).is_err());
}

#[test]
fn what_a_sink_has_taken_is_sent_by_its_flush() {
    let (mut flow, mut inline) = Words::default().builder().capacity(1).batch_limit(1).inline().unwrap();
    let mut input = flow.words.clone();
    let feed = async {
        for n in 0..50 {
            input.feed(format!("{n:02}")).await.unwrap();
        }
        SinkExt::flush(&mut input).await.unwrap();
        drop(input);
    };
    let (long, lengths) = (Output::take(&mut flow.long), flow.lengths.take().typed::<usize>().unwrap());
    let counts = Output::take(&mut flow.counts);
    flow.words.close();
    let (long, lengths, counts, ()) = inline
        .block_on(async { tokio::join!(long.collect::<Vec<_>>(), lengths.count(), counts.count(), feed) });
    assert_eq!(long, (0..50).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    assert_eq!((lengths, counts), (50, 50));
}

#[test]
fn an_output_of_a_type_that_the_flow_does_not_write_is_named_when_it_is_read() {
    let (mut flow, mut inline) = Words::default().builder().inline().unwrap();
    inline.block_on(flow.words.send_batch(words("a bb ccc").collect())).unwrap();
    let wrong: WrongType = flow.lengths.take().typed::<u64>().unwrap_err();
    assert_eq!(wrong.to_string(), "output `lengths` carries `usize`, not `u64`");
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.lengths.typed::<usize>().map(Output::into_unread).unwrap_or_default(), []);
}

#[test]
fn everything_that_is_there_can_be_read_at_once() {
    on_threads(async {
        let mut flow = Words::default().builder().capacity(2000).batch_limit(1).spawn().unwrap();
        let (mut long, watch) = (Output::take(&mut flow.long), flow.control.watch());
        drop((Output::take(&mut flow.counts), flow.lengths.take()));
        for n in 0..1000 {
            flow.words.send(format!("{n:04}")).await.unwrap();
        }
        flow.finish().await.unwrap();
        assert!(watch.is_finished());
        assert_eq!(std::iter::from_fn(|| long.next_now()).count(), 1000, "in one turn of this task");
    });
}

#[test]
fn params_are_the_flows_own() {
    let flow = |least| {
        let (flow, mut inline) = Words { least }.builder().inline().unwrap();
        inline.block_on(flow.words.send_batch(words("a bb ccc").collect())).unwrap();
        inline.block_on(flow.finish()).unwrap().long
    };
    assert_eq!(flow(3), ["ccc"]);
    assert_eq!(flow(1), ["a", "bb", "ccc"]);
}

#[test]
fn a_watch_tells_of_a_flow_that_is_over() {
    let (flow, mut inline) = Words::default().builder().inline().unwrap();
    let watch = flow.control.watch();
    assert!(!watch.is_finished());
    inline.block_on(flow.words.send_batch(words("bb ccc bb").collect())).unwrap();
    inline.block_on(flow.finish()).unwrap();
    assert!(watch.is_finished());
    inline.block_on(watch.ended()).unwrap();
    assert_eq!(watch.graph().flow, "Words");
    assert_eq!(watch.counts().iter().map(|counts| counts.keys).sum::<u64>(), 2);
}

#[tokio::test]
async fn a_flow_runs_by_hand_inside_of_a_task_too() {
    let (mut flow, mut inline) = Words::default().builder().capacity(4).batch_limit(1).inline().unwrap();
    drop((Output::take(&mut flow.counts), flow.lengths.take()));
    let mut long = Output::take(&mut flow.long);
    for n in 0..1000 {
        inline.block_on(flow.words.send(format!("{n:04}"))).unwrap();
        inline.run();
        assert!(long.next_now().is_some());
    }
    inline.block_on(flow.finish()).unwrap();
}
