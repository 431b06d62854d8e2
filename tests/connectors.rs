//! Sources and sinks: files, iterators, and one's own.

#[path = "support/threads.rs"]
mod threads;

use futures_util::FutureExt;
use psdf::sinks::FileSink;
use psdf::{FlowError, Refusal, Sink, SinkError, Source, SourceError, dataflow, sources};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;
use threads::on_threads;

/// A directory of a test's own, gone when the test is over.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("psdf-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Directory(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("what was made can be removed");
    }
}

dataflow! {
    flow Lines {
        input lines: Vec<u8>;
        input more: Vec<u8>;
        both = merge(lines, more);
        output both: Vec<u8>;
        output texts: String = lines -> map(|line| String::from_utf8_lossy(&line).into_owned());
    }
}

async fn lines_of(files: Vec<PathBuf>) -> Result<Vec<Vec<u8>>, FlowError> {
    let flow = Lines
        .builder()
        .lines_from(sources::files(files))
        .batch_limit(3)
        .spawn()
        .expect("the settings are good");
    flow.finish().await.map(|unread| unread.both)
}

#[test]
fn files_are_one_stream_of_lines_in_their_order() {
    let dir = Directory::new("lines");
    let files = vec![
        dir.file("a", b"one\ntwo\nthree\nfour\n"),
        dir.file("without a line feed at its end", b"five\nsix"),
        dir.file("empty", b""),
        dir.file("blank lines, and carriage returns", b"\n\nseven\r\n"),
        dir.file("bytes that are no text", b"\xff\xfe\0\neight"),
        dir.file("z", b"\n"),
    ];
    let expected: Vec<&[u8]> = vec![
        b"one",
        b"two",
        b"three",
        b"four",
        b"five",
        b"six",
        b"",
        b"",
        b"seven\r",
        b"\xff\xfe\0",
        b"eight",
        b"",
    ];
    assert_eq!(on_threads(lines_of(files)).unwrap(), expected);
    assert_eq!(on_threads(lines_of(Vec::new())).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_file_that_cannot_be_read_ends_the_flow_naming_input_and_file() {
    let dir = Directory::new("unreadable");
    let missing = dir.0.join("missing.log");
    let directory = dir.0.clone();
    for bad in [missing, directory] {
        let files = vec![dir.file("a", b"one\ntwo\n"), bad.clone()];
        let error = on_threads(lines_of(files)).unwrap_err();
        let start =
            format!("flow `Lines` ended: the source of input `lines` could not go on: {}: ", bad.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[test]
fn lines_longer_than_any_buffer_are_whole() {
    let dir = Directory::new("long");
    let long = vec![b'x'; 1 << 20];
    let file = dir.file("long", &[&long[..], b"\nshort\n", &long].concat());
    let lines = on_threads(lines_of(vec![file])).unwrap();
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [1 << 20, 5, 1 << 20]);
}

#[test]
fn an_input_with_a_source_takes_nothing_else() {
    let numbers = vec![b"1".to_vec()];
    let flow = Lines.builder().lines_from(sources::iter(numbers));
    let (flow, mut inline) = flow.inline().unwrap();
    let refused = flow.lines.try_send(b"2".to_vec()).unwrap_err();
    assert!(matches!(refused.reason, Refusal::Closed));
    inline.block_on(flow.more.send(b"3".to_vec())).unwrap();
    let mut both = inline.block_on(flow.finish()).unwrap().both;
    both.sort();
    assert_eq!(both, [b"1", b"3"]);
}

#[test]
fn a_flow_finishes_when_its_sources_have_ended() {
    let dir = Directory::new("finishes");
    let file = dir.file("a", "line\n".repeat(10_000).as_bytes());
    assert_eq!(on_threads(lines_of(vec![file])).unwrap().len(), 10_000);
}

#[test]
fn the_outputs_end_when_all_sources_have() {
    let flow = Lines.builder();
    let flow = flow.lines_from(sources::iter([b"1".to_vec()])).more_from(sources::iter([]));
    let (mut flow, mut inline) = flow.inline().unwrap();
    assert_eq!(inline.block_on(flow.both.next()), Some(b"1".to_vec()));
    assert_eq!(inline.block_on(flow.both.next()), None);
    assert_eq!(inline.block_on(flow.texts.next()).as_deref(), Some("1"));
    assert_eq!(inline.block_on(flow.texts.try_next()).unwrap(), None);
    inline.run();
    assert!(flow.control.is_finished());
}

#[test]
fn a_blocking_iterator_keeps_its_order_and_its_error_ends_the_flow() {
    on_threads(async {
        let lines = (0..5000).map(|n| Ok::<_, SourceError>(n.to_string().into_bytes()));
        let flow = Lines.builder().lines_from(sources::blocking(lines)).spawn().unwrap();
        let expected: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
        assert_eq!(flow.finish().await.unwrap().texts, expected);

        let lines = (0..5000).map(|n| if n < 4000 { Ok(vec![b'x']) } else { Err("the line is dead") });
        let flow = Lines.builder().lines_from(sources::blocking(lines)).spawn().unwrap();
        let error = flow.finish().await.unwrap_err();
        let text = "flow `Lines` ended: the source of input `lines` could not go on: the line is dead";
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn what_a_blocking_iterator_gives_is_passed_on_before_it_gives_more() {
    on_threads(async {
        let (give, given) = mpsc::channel::<Vec<u8>>();
        let lines = given.into_iter().map(Ok::<_, SourceError>);
        let mut flow = Lines.builder().lines_from(sources::blocking(lines)).spawn().unwrap();
        drop(flow.texts.take());
        for n in 0..100u8 {
            give.send(vec![n]).unwrap();
            assert_eq!(flow.both.next().await, Some(vec![n]));
        }
        drop(give);
        flow.finish().await.unwrap();
    });
}

#[test]
fn a_source_gives_no_more_than_it_is_asked_for_and_tells_where_it_is() {
    on_threads(async {
        let mut numbers = sources::iter(0..10);
        assert_eq!(numbers.position(), Some(0));
        assert_eq!(numbers.next_batch(4).await.unwrap(), Some(vec![0, 1, 2, 3]));
        assert_eq!(numbers.position(), Some(4));
        assert_eq!(numbers.next_batch(100).await.unwrap(), Some((4..10).collect()));
        assert_eq!(numbers.next_batch(100).await.unwrap(), None);
        assert_eq!(numbers.position(), Some(10));

        let mut numbers = sources::blocking((0..10).map(Ok::<_, SourceError>));
        assert_eq!(numbers.position(), Some(0));
        let mut all = Vec::new();
        while let Some(some) = numbers.next_batch(4).await.unwrap() {
            assert!((1..=4).contains(&some.len()));
            all.extend(some);
            assert_eq!(numbers.position(), Some(all.len() as u64));
        }
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(numbers.next_batch(4).await.unwrap(), None);
    });
}

#[test]
fn a_blocking_source_does_not_run_ahead_of_its_flow() {
    on_threads(async {
        let (tell, told) = mpsc::channel();
        let mut numbers = sources::blocking((0..1_000_000).map(move |n| {
            let _ = tell.send(n);
            Ok::<_, SourceError>(n)
        }));
        numbers.next_batch(10).await.unwrap();
        drop(numbers);
        // The thread ends when nobody wants more, and what it told by then is all.
        let told = tokio::task::spawn_blocking(move || told.iter().count()).await.unwrap();
        assert!(told < 100, "{told} were asked for, where 10 were wanted");
    });
}

/// Gives nothing for a while: empty batches.
struct Hesitant(u8);

impl Source for Hesitant {
    type Item = Vec<u8>;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        self.0 += 1;
        match self.0 {
            1..5 => Ok(Some(Vec::new())),
            5 => Ok(Some(vec![b"here".to_vec()])),
            _ => Ok(None),
        }
    }
}

#[test]
fn an_empty_batch_of_a_source_is_passed_over() {
    let (flow, mut inline) = Lines.builder().lines_from(Hesitant(0)).inline().unwrap();
    assert_eq!(inline.block_on(flow.finish()).unwrap().texts, ["here"]);
}

/// Gives more at once than it was asked for.
struct Eager(bool);

impl Source for Eager {
    type Item = Vec<u8>;

    async fn next_batch(&mut self, _: usize) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        let first = !std::mem::replace(&mut self.0, true);
        Ok(first.then(|| (0..100).map(|n| vec![n]).collect()))
    }
}

#[test]
fn a_source_that_gives_too_much_is_cut_into_batches() {
    let flow = Lines.builder().lines_from(Eager(false)).batch_limit(7).capacity(16);
    let (mut flow, mut inline) = flow.inline().unwrap();
    inline.run();
    let mut texts = Vec::new();
    while let Some(Some(batch)) = flow.texts.next_batch().now_or_never() {
        assert!(batch.len() <= 7);
        texts.extend(batch);
    }
    assert_eq!(texts.len(), 100);
    assert_eq!(inline.block_on(flow.finish()).unwrap().both.len(), 100);
}

#[test]
fn a_shutdown_does_not_wait_for_a_source_without_an_end() {
    on_threads(async {
        let lines = sources::iter(std::iter::repeat_n(vec![b'x'], usize::MAX));
        let mut flow = Lines.builder().lines_from(lines).spawn().unwrap();
        assert!(flow.both.next().await.is_some());
        let unread = flow.shutdown(Duration::from_secs(3600)).await.unwrap();
        let at =
            |port| unread.iter().find(|dropped| dropped.node == port).map_or(0, |dropped| dropped.records);
        assert_eq!(at("texts"), at("both") + 1, "every record came out on both sides: {unread:?}");
        assert!(unread.iter().all(|dropped| ["both", "texts"].contains(&dropped.node)), "{unread:?}");
    });
}

#[test]
fn what_a_source_has_given_is_not_lost_by_a_shutdown() {
    for turns in 0..20 {
        let (tell, told) = mpsc::channel();
        let lines = (0..1000u32).map(move |n| {
            tell.send(()).unwrap();
            n.to_string().into_bytes()
        });
        let (take, taken) = mpsc::channel();
        let (go, gone) = tokio::sync::mpsc::unbounded_channel();
        (0..1000).for_each(|_| go.send(()).unwrap());
        let flow = Lines.builder().lines_from(sources::iter(lines)).texts_to(Patient(gone, take));
        let (flow, mut inline) = flow.batch_limit(10).inline().unwrap();
        let mut turn = 0;
        inline.block_on(std::future::poll_fn(|cx| {
            turn += 1;
            if turn > turns {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        }));
        let unread = inline.block_on(flow.shutdown(Duration::from_secs(1))).unwrap();
        let given = told.iter().count();
        assert_eq!(taken.iter().count(), given);
        // Nobody reads the other output: what was in it is told.
        let told: Vec<_> = unread.iter().map(|dropped| (dropped.node, dropped.records)).collect();
        assert_eq!(told, if given == 0 { vec![] } else { vec![("both", given as u64)] });
    }
}

#[test]
fn a_file_sink_writes_a_line_for_each_record() {
    let dir = Directory::new("sink");
    let path = dir.file("texts", b"what was there before");
    let flow = Lines.builder().texts_to(FileSink::create(&path).unwrap());
    let (mut flow, mut inline) = flow.inline().unwrap();
    assert_eq!(flow.texts.next_now(), None, "the sink has the output");
    inline
        .block_on(flow.lines.send_batch(vec![b"one".to_vec(), b"".to_vec(), b"two words".to_vec()]))
        .unwrap();
    inline.block_on(flow.finish()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n\ntwo words\n");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let dir = Directory::new("unwritable");
    let path = dir.0.join("no such directory").join("texts");
    let error = FileSink::<String>::create(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
}

/// Takes nothing until it is told to.
struct Patient(tokio::sync::mpsc::UnboundedReceiver<()>, mpsc::Sender<String>);

impl Sink for Patient {
    type Item = String;

    async fn write(&mut self, records: Vec<String>) -> Result<(), SinkError> {
        self.0.recv().await;
        records.into_iter().for_each(|record| self.1.send(record).expect("the test listens"));
        Ok(())
    }
}

#[test]
fn a_slow_sink_slows_its_flow_and_loses_nothing() {
    let ((go, gone), (take, taken)) = (tokio::sync::mpsc::unbounded_channel(), mpsc::channel());
    let flow = Lines.builder().texts_to(Patient(gone, take)).capacity(1).batch_limit(1);
    let (mut flow, mut inline) = flow.inline().unwrap();
    let mut sent = 0;
    while flow.lines.try_send(vec![b'x']).is_ok() {
        sent += 1;
        inline.run();
        while flow.both.next_now().is_some() {}
    }
    assert!(sent < 10);
    (0..sent).for_each(|_| go.send(()).unwrap());
    inline.block_on(flow.finish()).unwrap();
    assert_eq!(taken.iter().count(), sent);
}

#[tokio::test]
async fn a_source_feeds_a_flow_that_runs_by_hand_inside_of_a_task() {
    let lines = (0..1000u32).map(|n| n.to_string().into_bytes());
    let flow = Lines.builder().lines_from(sources::iter(lines)).batch_limit(1);
    let (flow, mut inline) = flow.inline().unwrap();
    assert_eq!(inline.block_on(flow.finish()).unwrap().texts.len(), 1000);
}
