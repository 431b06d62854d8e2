//! Tables and views as a service uses them, wired as the macro wires them.

use psdf_runtime::graph::Budget;
use psdf_runtime::tables::{
    Change, Functions, Keep, MemoryTables, Pair, Peek, ReadError, Region, RegionError, RegionSettings,
    Retracted, RowKey, Running, StoreBatch, Table, TableStore, View, WriteBatch, WriteError,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Vote {
    article: u64,
    user: u64,
}

type Page = (Article, u64);

struct Forum {
    running: Running,
    articles: Table<u64, Article>,
    votes: Table<(u64, u64), Vote>,
    page: View<u64, Page>,
    by_author: View<u64, Page>,
}

fn count<V>() -> Functions<u64, V, u64, u64> {
    Functions {
        init: Box::new(|_| 0),
        add: Box::new(|n, _| *n += 1),
        retract: Box::new(|n, _| {
            *n -= 1;
            Retracted::Done
        }),
        finish: Box::new(|_, n| *n),
        heap: Box::new(|_| 0),
        ordered: false,
    }
}

fn forum(store: impl TableStore + 'static, keep: Keep) -> Forum {
    let mut region = Region::new("Forum");
    let articles = region.table("articles", |article: &Article| article.id);
    let author = region.index(&articles, "by_author", |article: &Article| article.author);
    let votes = region.table("votes", |vote: &Vote| (vote.article, vote.user));
    let by_article = region.index(&votes, "by_article", |vote: &Vote| vote.article);
    let grouped = region.rekey("grouped", votes, by_article, |vote| vote.article);
    let counted = region.aggregate("vote_count", grouped, count(), keep);
    let joined = region.left_join("joined", articles, counted);
    let pages = region.map_values("pages", joined, |(article, votes)| {
        assert!(article.title != "bad", "a bad title");
        (article.clone(), votes.unwrap_or(0))
    });
    let page = region.view("page", pages, keep, None);
    let authored = region.rekey("authored", joined, author, |(article, _)| article.author);
    let authored =
        region.map_values("pages_of", authored, |(article, votes)| (article.clone(), votes.unwrap_or(0)));
    let by_author = region.view("by_author", authored, keep, Some(6));
    let running = region.start(store, RegionSettings::default()).expect("it is sound");
    Forum {
        articles: running.table(articles),
        votes: running.table(votes),
        page: running.view(page),
        by_author: running.view(by_author),
        running,
    }
}

fn article(id: u64, author: u64) -> Article {
    Article { id, author, title: format!("article {id}") }
}

fn endless() -> Forum {
    forum(MemoryTables::new(), Keep::default())
}

#[tokio::test]
async fn a_read_after_a_write_shows_it() {
    let forum = endless();
    assert!(forum.page.get(&1).await.unwrap().is_empty());
    assert!(matches!(forum.page.peek(&1), Peek::Empty));
    forum.articles.insert(article(1, 7)).await.unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap()[..], [(article(1, 7), 0)]);
    assert_eq!(forum.by_author.get(&7).await.unwrap()[..], [(article(1, 7), 0)]);
    for user in 0..3 {
        forum.votes.insert(Vote { article: 1, user }).await.unwrap();
    }
    assert!(matches!(forum.page.peek(&1), Peek::Rows(rows) if rows[0].1 == 3));
    assert_eq!(forum.by_author.get(&7).await.unwrap()[0].1, 3);
    forum.articles.update(1, |article| article.author = 8).await.unwrap();
    assert!(forum.by_author.get(&7).await.unwrap().is_empty());
    assert_eq!(forum.by_author.get(&8).await.unwrap()[..], [(article(1, 8), 3)]);
    assert!(forum.votes.delete((1, 0)).await.unwrap());
    assert!(!forum.votes.delete((1, 0)).await.unwrap());
    assert_eq!(forum.page.get(&1).await.unwrap()[0].1, 2);
}

#[tokio::test]
async fn with_no_room_at_all_every_read_is_right_and_nothing_stays() {
    let forum = forum(MemoryTables::new(), Keep { budget: Some(Budget::Bytes(0)) });
    forum.articles.insert(article(1, 7)).await.unwrap();
    for user in 0..3 {
        forum.votes.insert(Vote { article: 1, user }).await.unwrap();
        assert_eq!(forum.page.get(&1).await.unwrap()[0].1, user + 1);
        assert_eq!(forum.by_author.get(&7).await.unwrap()[0].1, user + 1);
    }
    forum.page.evict(1).await;
    assert!(matches!(forum.page.peek(&1), Peek::Miss));
    let stats = forum.page.stats();
    assert_eq!((stats.keys, stats.bytes, stats.replays), (0, 0, 3));
}

#[tokio::test]
async fn a_pinned_key_stays_and_is_kept_up_to_date_with_no_room_at_all() {
    let forum = forum(MemoryTables::new(), Keep { budget: Some(Budget::Keys(0)) });
    forum.articles.insert(article(1, 7)).await.unwrap();
    forum.page.pin(1).await.unwrap();
    let mut changes = forum.page.changes();
    forum.votes.insert(Vote { article: 1, user: 2 }).await.unwrap();
    assert!(matches!(forum.page.peek(&1), Peek::Rows(rows) if rows[0].1 == 1));
    assert_eq!(changes.next().await, Some(Change::Key(1)));
    forum.page.unpin(1).await;
    assert!(matches!(forum.page.peek(&1), Peek::Miss));
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let forum = endless();
    let mut batch = WriteBatch::new();
    batch.insert(&forum.articles, article(1, 7)).insert(&forum.votes, Vote { article: 1, user: 1 });
    batch.commit().await.unwrap();
    let mut batch = WriteBatch::new();
    batch
        .upsert(&forum.articles, article(2, 7))
        .delete(&forum.votes, (1, 1))
        .insert(&forum.articles, article(1, 9));
    let refused = batch.commit().await.unwrap_err();
    assert_eq!(refused.to_string(), "table `articles` has a row with this key; `upsert` replaces it");
    assert_eq!(forum.articles.all().await.unwrap(), [article(1, 7)]);
    assert_eq!(forum.page.get(&1).await.unwrap()[..], [(article(1, 7), 1)]);
    let other = endless();
    let mut batch = WriteBatch::new();
    batch.upsert(&forum.articles, article(5, 7)).upsert(&other.articles, article(5, 7));
    assert!(matches!(batch.commit().await, Err(WriteError::OtherFlow { .. })));
}

#[tokio::test]
async fn a_write_that_cannot_be_done_says_why() {
    let forum = endless();
    let missing = forum.articles.update(1, |_| {}).await.unwrap_err();
    assert_eq!(missing.to_string(), "table `articles` has no row with this key to update");
    forum.articles.insert(article(1, 7)).await.unwrap();
    let moved = forum.articles.update(1, |article| article.id = 2).await.unwrap_err();
    assert!(matches!(moved, WriteError::KeyChanged { table: "articles" }));
    let panicked = forum.articles.update(1, |_| panic!("no")).await.unwrap_err();
    assert!(matches!(panicked, WriteError::Panicked { stored: false, .. }));
    assert_eq!(forum.articles.get(1).await.unwrap(), Some(article(1, 7)));
}

#[tokio::test]
async fn a_closure_that_panics_names_its_node_and_the_rest_goes_on() {
    let forum = endless();
    forum.articles.insert(article(1, 7)).await.unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap().len(), 1);
    let panicked = forum.articles.update(1, |article| article.title = "bad".into()).await.unwrap_err();
    assert_eq!(
        panicked.to_string(),
        "the closure of node `pages` of flow `Forum` panicked; the rows are stored: a bad title"
    );
    let panicked = forum.page.get(&1).await.unwrap_err();
    assert_eq!(panicked.to_string(), "the closure of node `pages` of flow `Forum` panicked: a bad title");
    assert_eq!(forum.by_author.get(&7).await.unwrap().len(), 1);
    forum.articles.upsert(article(1, 7)).await.unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_with_more_rows_than_the_view_allows_is_an_error() {
    let forum = endless();
    for id in 0..6 {
        forum.articles.insert(article(id, 7)).await.unwrap();
    }
    assert_eq!(forum.by_author.get(&7).await.unwrap().len(), 6);
    forum.articles.insert(article(6, 7)).await.unwrap();
    let error = forum.by_author.get(&7).await.unwrap_err();
    assert!(matches!(error, ReadError::TooManyRows { view: "by_author", max_rows: 6 }));
    forum.articles.delete(0).await.unwrap();
    assert_eq!(forum.by_author.get(&7).await.unwrap().len(), 6);
}

#[tokio::test]
async fn views_begin_cold_after_a_start_and_answer_right() {
    let store = MemoryTables::new();
    let first = forum(store.clone(), Keep::default());
    first.articles.insert(article(1, 7)).await.unwrap();
    first.running.stop().await;
    let stopped = first.articles.upsert(article(2, 7)).await.unwrap_err();
    assert!(matches!(stopped, WriteError::Stopped { flow: "Forum" }));
    assert!(matches!(first.page.get(&1).await, Err(ReadError::Stopped { .. })));
    let again = forum(store, Keep::default());
    assert!(matches!(again.page.peek(&1), Peek::Miss));
    assert_eq!(again.page.get_many(&[1, 2]).await.unwrap()[0][..], [(article(1, 7), 0)]);
}

#[test]
fn what_could_not_be_replayed_does_not_start() {
    let mut region = Region::new("Forum");
    let articles = region.table("articles", |article: &Article| article.id);
    let votes = region.table("votes", |vote: &Vote| (vote.article, vote.user));
    let author = region.index(&articles, "by_author", |article: &Article| article.author);
    let wrong = region.rekey("wrong", votes, author, |vote| vote.user);
    region.view("view", wrong, Keep::default(), None);
    let error = region.start(MemoryTables::new(), RegionSettings::default()).unwrap_err();
    assert!(matches!(error, RegionError::NoWay { node: "view", input: "wrong", .. }));
}

type Indexed<I> = (&'static str, fn(&Article) -> I);

fn by<I: RowKey>(store: &MemoryTables, index: Option<Indexed<I>>) -> Running {
    let mut region = Region::new("Forum");
    let articles = region.table("articles", |article: &Article| article.id);
    if let Some((name, key)) = index {
        region.index(&articles, name, key);
    }
    region.start(store.clone(), RegionSettings::default()).expect("it is the same table")
}

fn entries(store: &MemoryTables) -> usize {
    store.scan(b"articles\0i", None, usize::MAX).expect("it is in memory").len()
}

#[tokio::test]
async fn an_index_that_is_new_is_filled_and_one_that_is_gone_is_emptied() {
    let store = MemoryTables::new();
    let first = forum(store.clone(), Keep::default());
    for id in 0..2500 {
        first.articles.upsert(article(id, id % 7)).await.unwrap();
    }
    first.running.stop().await;
    let without = by::<u64>(&store, None);
    without.until_filled().await;
    without.stop().await;
    assert_eq!(entries(&store), 0);
    let by_title = by::<String>(&store, Some(("by_title", |article| article.title.clone())));
    by_title.until_filled().await;
    by_title.stop().await;
    assert_eq!(entries(&store), 2500);
    let again = forum(store.clone(), Keep::default());
    again.running.until_filled().await;
    assert_eq!(entries(&store), 2500);
    assert_eq!(again.articles.all().await.unwrap().len(), 2500);
    again.articles.delete(3).await.unwrap();
    assert_eq!(entries(&store), 2499);
    let error = again.by_author.get(&3).await.unwrap_err();
    assert!(matches!(error, ReadError::TooManyRows { .. }), "the index has what it had: {error}");
}

/// A store that waits for leave to write an entry of an index.
struct Gated {
    store: MemoryTables,
    leave: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl TableStore for Gated {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        self.store.scan(prefix, after, limit)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        if batch.puts.len() > 100 {
            // Whoever gives leave for all is gone then.
            let _ = self.leave.lock().expect("it is whole").recv();
        }
        self.store.write(batch)
    }
}

#[tokio::test]
async fn while_an_index_is_filled_the_rest_answers_and_who_needs_it_waits() {
    let store = MemoryTables::new();
    let first = forum(store.clone(), Keep::default());
    let mut batch = WriteBatch::new();
    for id in 0..20_000 {
        batch.upsert(&first.articles, article(id, id % 5000));
    }
    batch.commit().await.unwrap();
    first.running.stop().await;
    by::<u64>(&store, None).stop().await;

    let (give, leave) = std::sync::mpsc::channel();
    let again = forum(Gated { store: store.clone(), leave: Mutex::new(leave) }, Keep::default());
    let waits = tokio::spawn({
        let by_author = again.by_author.clone();
        async move { by_author.get(&7).await }
    });
    let (page, inserted) = tokio::join!(again.page.get(&5), async {
        // After each page something else has its turn.
        give.send(()).unwrap();
        give.send(()).unwrap();
        again.articles.insert(article(30_000, 7)).await
    });
    inserted.unwrap();
    assert_eq!(page.unwrap().len(), 1);
    assert!(!waits.is_finished());
    drop(give);
    assert_eq!(waits.await.unwrap().unwrap().len(), 5);
    again.running.stop().await;
}

#[test]
fn rows_of_another_type_are_refused() {
    let store = MemoryTables::new();
    drop(by::<u64>(&store, None));
    let mut region = Region::new("Forum");
    region.table("articles", |article: &(u64, String)| article.0);
    let error = region.start(store, RegionSettings::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "flow `Forum` cannot start from the store of its tables: the rows of table `articles` are stored as \
         `<Article>{id: u64, author: u64, title: text}`, and this version of the flow declares `(u64, text)`; give the \
         table another name and move what it holds"
    );
}

/// A store that counts its writes, and fails when it is told to.
#[derive(Clone, Default)]
struct Watched {
    store: MemoryTables,
    writes: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl TableStore for Watched {
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> io::Result<Vec<Pair>> {
        self.store.scan(prefix, after, limit)
    }

    fn write(&mut self, batch: StoreBatch) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is full"));
        }
        self.store.write(batch)
    }
}

#[tokio::test]
async fn writes_that_wait_share_one_write_of_the_store() {
    let store = Watched::default();
    let forum = forum(store.clone(), Keep::default());
    forum.articles.insert(article(0, 7)).await.unwrap();
    let before = store.writes.load(Ordering::Relaxed);
    let (go, gate) = std::sync::mpsc::channel();
    let mut writes = tokio::task::JoinSet::new();
    let articles = forum.articles.clone();
    writes.spawn(async move { articles.update(0, move |_| gate.recv().expect("it is opened")).await });
    for id in 1..100 {
        let articles = forum.articles.clone();
        writes.spawn(async move { articles.insert(article(id, 7)).await });
    }
    // The test has one thread, and each of them is sent when its task first runs. Tokio lets the others run before this one
    // goes on, but not more than 61 of them.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    while let Some(written) = writes.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(forum.articles.all().await.unwrap().len(), 100);
    assert!(store.writes.load(Ordering::Relaxed) - before <= 2);
}

#[tokio::test]
async fn a_write_that_the_store_refuses_is_seen_by_nobody() {
    let store = Watched::default();
    let forum = forum(store.clone(), Keep::default());
    forum.articles.insert(article(1, 7)).await.unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap()[..], [(article(1, 7), 0)]);
    store.fails.store(true, Ordering::Relaxed);
    let error = forum.votes.insert(Vote { article: 1, user: 1 }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store of flow `Forum` failed; the rows are not stored: the disk is full"
    );
    assert_eq!(forum.page.get(&1).await.unwrap()[..], [(article(1, 7), 0)]);
    store.fails.store(false, Ordering::Relaxed);
    forum.votes.insert(Vote { article: 1, user: 1 }).await.unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap()[..], [(article(1, 7), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_no_longer_than_its_deadline_and_its_answer_is_there_for_the_next() {
    let forum = endless();
    forum.articles.insert(article(1, 7)).await.unwrap();
    let (go, gate) = std::sync::mpsc::channel();
    let articles = forum.articles.clone();
    let held =
        tokio::spawn(async move { articles.update(1, move |_| gate.recv().expect("it is opened")).await });
    tokio::task::yield_now().await;
    let late = forum.page.get_within(&1, Duration::from_millis(5)).await.unwrap_err();
    assert_eq!(late.to_string(), "view `page` did not answer within 5ms");
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(forum.page.get(&1).await.unwrap().len(), 1);
    assert_eq!(forum.page.stats().replays, 1);
}

#[tokio::test]
async fn a_keyless_aggregate_is_over_all_rows() {
    let mut region = Region::new("Forum");
    let articles = region.table("articles", |article: &Article| article.id);
    let whole = region.whole::<Article>();
    let all = region.rekey("all", articles, whole, |_| ());
    let functions = Functions {
        init: Box::new(|_| 0u64),
        add: Box::new(|n, _: &Article| *n += 1),
        retract: Box::new(|_, _| Retracted::Recompute),
        finish: Box::new(|(), n| *n),
        heap: Box::new(|_| 0),
        ordered: false,
    };
    let total = region.aggregate("total", all, functions, Keep::default());
    let view = region.view("how_many", total, Keep::default(), None);
    let running = region.start(MemoryTables::new(), RegionSettings::default()).unwrap();
    let (articles, view) = (running.table(articles), running.view(view));
    assert!(view.get(&()).await.unwrap().is_empty());
    for id in 0..5 {
        articles.insert(article(id, 7)).await.unwrap();
    }
    assert_eq!(view.get(&()).await.unwrap()[..], [5]);
    articles.delete(3).await.unwrap();
    assert_eq!(view.get(&()).await.unwrap()[..], [4]);
}

#[tokio::test]
async fn a_task_that_only_reads_what_is_in_memory_lets_others_run() {
    let forum = endless();
    forum.page.get(&1).await.unwrap();
    let other = tokio::spawn(async {});
    for _ in 0..1000 {
        forum.page.get(&1).await.unwrap();
    }
    assert!(other.is_finished());
}
