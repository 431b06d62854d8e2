//! Tables and views, through the language: what views show is what the tables say, whatever was let go meanwhile.

use psdf::testing::Rng;
use psdf::{Peek, WriteBatch, WriteError, dataflow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
    weight: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Page {
    title: String,
    votes: u64,
}

fn page(article: &Article, votes: Option<&forum::VoteCount>) -> Page {
    Page { title: article.title.clone(), votes: votes.map_or(0, |votes| votes.votes) }
}

dataflow! {
    /// Articles and what readers think of them.
    flow Forum {
        /// Votes of less weight are not counted.
        param least: u32 = 0;

        /// What was written.
        table articles: Article { key id; index by_author: author; }
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }

        counted = votes -> filter(|vote| vote.weight >= least);
        /// The votes of each article.
        vote_count = counted -> group_by(by_article) -> aggregate {
            votes: u64 = count(),
            weight: u32 = sum(|vote| vote.weight),
            heaviest: u32 = max(|vote| vote.weight),
        } keep forever, memory 2 keys;

        view article_page: Page = articles
            -> left_join(vote_count)
            -> map_values(|(article, votes)| page(article, votes.as_ref()))
            keep forever, memory 3 keys;

        /// All pages of an author, by the index of the articles.
        view by_author = articles -> left_join(vote_count) -> rekey(by_author) keep forever, memory 2 keys, max_rows 100;

        view voters = counted -> rekey(by_article) -> aggregate {
            users: Vec<u64> = collect(|vote| vote.user),
            rows: Vec<Vote> = collect(),
            best: Vec<Vote> = top(2, by |vote| vote.weight),
            light: Option<u32> = min(|vote| vote.weight, where |vote| vote.weight < 5),
            mean: f64 = mean(|vote| vote.weight),
        } keep forever, memory 64 KiB;

        view voted = articles -> join(counted_by_article) -> rekey(by_author) keep forever;
        counted_by_article = counted -> rekey(by_article);

        view totals = votes -> aggregate { votes: u64 = count(), heaviest: u32 = max(|vote| vote.weight) } keep forever;
    }
}

/// What the tables hold, and what follows from it.
#[derive(Default)]
struct Plain {
    articles: BTreeMap<u64, Article>,
    votes: BTreeMap<(u64, u64), Vote>,
}

impl Plain {
    fn of_article(&self, article: u64) -> Vec<&Vote> {
        self.votes.values().filter(|vote| vote.article == article && vote.weight >= 2).collect()
    }

    fn count(&self, article: u64) -> Option<forum::VoteCount> {
        let votes = self.of_article(article);
        Some(forum::VoteCount {
            article,
            votes: votes.len() as u64,
            weight: votes.iter().map(|vote| vote.weight).sum(),
            heaviest: votes.iter().map(|vote| vote.weight).max()?,
        })
    }

    fn voters(&self, article: u64) -> Option<forum::Voters> {
        let votes = self.of_article(article);
        let mut best: Vec<Vote> = votes.iter().map(|vote| (*vote).clone()).collect();
        best.sort_by_key(|vote| std::cmp::Reverse(vote.weight));
        best.truncate(2);
        let sum: f64 = votes.iter().map(|vote| f64::from(vote.weight)).sum();
        (!votes.is_empty()).then(|| forum::Voters {
            article,
            users: votes.iter().map(|vote| vote.user).collect(),
            rows: votes.iter().map(|vote| (*vote).clone()).collect(),
            best,
            light: votes.iter().map(|vote| vote.weight).filter(|weight| *weight < 5).min(),
            mean: sum / votes.len() as f64,
        })
    }

    async fn agrees_with(&self, handle: &forum::Handle, key: u64) {
        let page = self.articles.get(&key).map(|article| page(article, self.count(key).as_ref()));
        assert_eq!(
            handle.article_page.get(&key).await.expect("the flow runs")[..],
            page.into_iter().collect::<Vec<_>>()
        );
        let mut rows = handle.by_author.get(&key).await.expect("the flow runs").to_vec();
        rows.sort_by_key(|(article, _)| article.id);
        let of_author = || self.articles.values().filter(|article| article.author == key);
        let expected: Vec<_> = of_author().map(|article| (article.clone(), self.count(article.id))).collect();
        assert_eq!(rows, expected);
        assert_eq!(
            handle.voters.get(&key).await.expect("the flow runs")[..],
            self.voters(key).into_iter().collect::<Vec<_>>()
        );
        let mut pairs = handle.voted.get(&key).await.expect("the flow runs").to_vec();
        pairs.sort_by_key(|(article, vote)| (article.id, vote.user));
        let votes = |article: &Article| {
            let article = article.clone();
            self.of_article(article.id).into_iter().map(move |vote| (article.clone(), vote.clone()))
        };
        assert_eq!(pairs, of_author().flat_map(votes).collect::<Vec<_>>());
        let total = self.votes.values().map(|vote| vote.weight).max();
        let total = total.map(|heaviest| forum::Totals { votes: self.votes.len() as u64, heaviest });
        assert_eq!(
            handle.totals.get(&()).await.expect("the flow runs")[..],
            total.into_iter().collect::<Vec<_>>()
        );
    }
}

fn article(id: u64, author: u64) -> Article {
    Article { id, author, title: format!("{id} of {author}") }
}

#[tokio::test]
async fn views_show_what_the_tables_say_whatever_was_let_go() {
    for seed in 0..8 {
        let handle = Forum { least: 2 }.spawn().unwrap();
        let (mut plain, mut rng) = (Plain::default(), Rng::new(seed));
        for _ in 0..200 {
            let (id, user, weight) = (rng.below(6), rng.below(5), rng.below(9) as u32);
            match rng.below(8) {
                0 | 1 => {
                    let row = article(id, user);
                    let known = plain.articles.contains_key(&id);
                    let inserted = handle.articles.insert(row.clone()).await;
                    assert_eq!(inserted.is_err(), known);
                    assert!(inserted.is_ok() || matches!(inserted, Err(WriteError::Exists { .. })));
                    plain.articles.entry(id).or_insert(row);
                }
                2 => {
                    let there = plain.articles.remove(&id).is_some();
                    assert_eq!(handle.articles.delete(id).await.unwrap(), there);
                }
                3 | 4 => {
                    let row = Vote { article: id, user, weight };
                    handle.votes.upsert(row.clone()).await.unwrap();
                    plain.votes.insert((id, user), row);
                }
                5 => {
                    let mut batch = WriteBatch::new();
                    batch.upsert(&handle.articles, article(id, user)).delete(&handle.votes, (id, user));
                    batch.commit().await.unwrap();
                    plain.articles.insert(id, article(id, user));
                    plain.votes.remove(&(id, user));
                }
                6 => {
                    let updated = handle.votes.update((id, user), move |vote| vote.weight = weight).await;
                    let vote = plain.votes.get_mut(&(id, user));
                    assert_eq!(updated.is_ok(), vote.is_some());
                    vote.into_iter().for_each(|vote| vote.weight = weight);
                }
                _ => handle.article_page.evict(id).await,
            }
            plain.agrees_with(&handle, rng.below(6)).await;
        }
        handle.finish().await.unwrap();
    }
}

#[tokio::test]
async fn budgets_hold_and_what_is_over_them_is_computed_again() {
    let handle = Forum { least: 0 }.spawn().unwrap();
    for id in 0..20 {
        handle.articles.insert(article(id, 0)).await.unwrap();
    }
    for _ in 0..2 {
        for id in 0..20 {
            assert_eq!(handle.article_page.get(&id).await.unwrap()[0].title, format!("{id} of 0"));
        }
    }
    let stats = handle.article_page.stats();
    assert!(stats.keys <= 3, "{stats:?}");
    assert!(stats.evictions >= 30, "{stats:?}");
    assert!(matches!(handle.article_page.peek(&0), Peek::Miss));
    handle.article_page.get(&0).await.unwrap();
    assert!(matches!(handle.article_page.peek(&0), Peek::Rows(_)));
}

#[tokio::test]
async fn writes_after_the_end_are_refused() {
    let handle = Forum::default().spawn().unwrap();
    let articles = handle.articles.clone();
    handle.finish().await.unwrap();
    assert!(matches!(articles.insert(article(1, 1)).await, Err(WriteError::Stopped { .. })));

    let handle = Forum::default().spawn().unwrap();
    let (articles, watch) = (handle.articles.clone(), handle.control.watch());
    assert!(!watch.is_finished());
    drop(handle);
    watch.ended().await.unwrap();
    assert!(matches!(articles.insert(article(1, 1)).await, Err(WriteError::Stopped { .. })));
}

#[tokio::test]
async fn an_error_in_a_stream_ends_the_tables_too() {
    dataflow! {
        flow Strict {
            input drafts: Article;
            drafts -> filter(|draft| { assert!(draft.id != 13, "thirteen"); true }) -> into articles;
            table articles: Article { key id; }
        }
    }
    let handle = Strict.spawn().unwrap();
    handle.drafts.send(article(13, 1)).await.unwrap();
    let watch = handle.control.watch();
    assert!(watch.ended().await.unwrap_err().to_string().contains("thirteen"));
    assert!(matches!(handle.articles.insert(article(1, 1)).await, Err(WriteError::Stopped { .. })));
}

#[tokio::test]
async fn tables_are_found_again_in_their_store() {
    let store = psdf::storage::MemoryTables::new();
    for round in 0..3 {
        let handle = Forum::default().builder().tables_in(store.clone()).spawn().unwrap();
        assert_eq!(handle.articles.all().await.unwrap().len(), round);
        handle.articles.insert(article(round as u64, 7)).await.unwrap();
        assert_eq!(handle.by_author.get(&7).await.unwrap().len(), round + 1);
        handle.finish().await.unwrap();
    }
}

#[cfg(feature = "tables")]
#[tokio::test]
async fn a_durable_flow_has_its_tables_in_its_directory() {
    let path = std::env::temp_dir().join(format!("psdf-tables-{}", std::process::id()));
    for round in 0..3 {
        let handle = Forum::default().builder().durable(&path).spawn().unwrap();
        assert_eq!(handle.articles.all().await.unwrap().len(), round);
        handle.articles.insert(article(round as u64, 7)).await.unwrap();
        assert_eq!(handle.by_author.get(&7).await.unwrap().len(), round + 1);
        handle.finish().await.unwrap();
    }
    assert!(path.join("tables").exists());
    std::fs::remove_dir_all(path).unwrap();
}

#[cfg(feature = "tables")]
#[tokio::test]
async fn what_a_durable_stream_has_led_into_a_table_is_there_after_a_restart() {
    let path = std::env::temp_dir().join(format!("psdf-tables-of-streams-{}", std::process::id()));
    for round in 0..3 {
        let mut handle = Drafts.builder().durable(&path).spawn().unwrap();
        assert_eq!(handle.of_author.get(&1).await.unwrap().len(), round);
        handle.drafts.send((1, "long".repeat(round + 1))).await.unwrap();
        handle.long.next().await.unwrap();
        handle.stop_with_checkpoint().await.unwrap();
    }
    std::fs::remove_dir_all(path).unwrap();
}

#[cfg(not(feature = "tables"))]
#[tokio::test]
async fn without_the_feature_a_durable_flow_says_which_to_enable() {
    let path = std::env::temp_dir().join("psdf-tables-without-the-feature");
    let refused = Forum::default().builder().durable(path).spawn().unwrap_err();
    assert!(refused.to_string().contains("its feature `tables`: enable it in Cargo.toml"), "{refused}");
    println!("restarts from disk are skipped: they need the feature `tables`");
}

#[tokio::test]
async fn a_store_with_rows_of_another_type_is_refused() {
    mod before {
        use super::{Deserialize, Serialize};

        #[derive(Clone, PartialEq, Serialize, Deserialize, psdf::Row)]
        struct Article {
            id: String,
        }

        psdf::dataflow! {
            pub(super) flow Before {
                table articles: Article { key id; }
            }
        }
    }
    let store = psdf::storage::MemoryTables::new();
    before::Before.builder().tables_in(store.clone()).spawn().unwrap().finish().await.unwrap();
    let refused = Drafts.builder().tables_in(store).spawn().unwrap_err().to_string();
    assert!(
        refused.starts_with("flow `Drafts` cannot start: the store of its tables cannot be used"),
        "{refused}"
    );
    assert!(refused.contains("articles"), "{refused}");
}

#[tokio::test]
async fn tables_beside_a_durable_storage_need_a_place() {
    let storage = psdf::testing::MemoryStorage::new();
    let refused = Drafts.builder().durable_in(storage).spawn().unwrap_err();
    assert!(refused.to_string().contains("`.tables(path)`"), "{refused}");
}

dataflow! {
    /// A stream that leads into a table, and one that goes out beside it.
    flow Drafts {
        input drafts: (u64, String);

        long = drafts -> filter(|(_, title)| title.len() > 3);
        long -> map(|(author, title): (u64, String)| Article { id: title.len() as u64, author, title }) -> into articles;
        output long;

        table articles: Article { key id; index by_author: author; }
        view of_author = articles -> rekey(by_author) keep forever;
    }
}

#[tokio::test]
async fn a_stream_leads_into_a_table() {
    let mut handle = Drafts.spawn().unwrap();
    for title in ["one", "three", "seven", "eleven"] {
        handle.drafts.send((1, title.into())).await.unwrap();
    }
    for title in ["three", "seven", "eleven"] {
        assert_eq!(handle.long.next().await.unwrap().1, title);
    }
    let mut changes = handle.of_author.changes();
    while handle.of_author.get(&1).await.unwrap().len() < 2 {
        changes.next().await.unwrap();
    }
    let rows = handle.articles.all().await.unwrap();
    assert_eq!(rows.iter().map(|article| &article.title[..]).collect::<Vec<_>>(), ["seven", "eleven"]);
    handle.finish().await.unwrap();
}

dataflow! {
    /// Merges, what is there once, and a function of the user's own that lets rows go.
    flow Both {
        table written: Article { key id; index by_author: author; }
        table drafted: Article { key id; index by_author: author; }

        written_by = written -> rekey(by_author);
        drafted_by = drafted -> rekey(by_author);
        both = merge(written_by, drafted_by);
        authors = both -> map_values(|article| article.author) -> distinct keep forever, memory 2 keys;
        view author: u64 = authors keep forever, memory 2 keys;
        view letters = both -> aggregate { xor: u64 = Xor(|article| article.id), n: u64 = count() } keep forever, memory 2 keys;
    }
}

/// All ids in one: what goes out is what came in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Xor(u64);

impl psdf::Aggregate for Xor {
    type Input = u64;
    type Output = u64;

    const DEPENDS_ON_ORDER: bool = false;

    fn add(&mut self, id: u64, _: psdf::Timestamp) {
        self.0 ^= id;
    }

    fn merge(&mut self, other: Self) {
        self.0 ^= other.0;
    }

    fn finish(self) -> u64 {
        self.0
    }

    fn retract(&mut self, id: u64) -> bool {
        self.0 ^= id;
        true
    }
}

#[tokio::test]
async fn merged_tables_are_one_and_own_functions_let_rows_go() {
    let handle = Both.spawn().unwrap();
    for id in 1..4 {
        handle.written.insert(article(id, 1)).await.unwrap();
        handle.drafted.insert(article(id + 4, 1)).await.unwrap();
    }
    assert_eq!(handle.author.get(&1).await.unwrap()[..], [1]);
    assert_eq!(handle.letters.get(&1).await.unwrap()[..], [both::Letters { author: 1, xor: 0b100, n: 6 }]);
    handle.written.delete(2).await.unwrap();
    assert_eq!(handle.letters.get(&1).await.unwrap()[..], [both::Letters { author: 1, xor: 0b110, n: 5 }]);
    assert_eq!(handle.letters.stats().replays, 1);
    assert!(handle.author.get(&2).await.unwrap().is_empty());
    handle.finish().await.unwrap();
}

#[test]
fn the_graph_tells_of_tables_views_and_the_way_of_a_replay() {
    let by_author = Forum::GRAPH.table("by_author").unwrap();
    assert_eq!(by_author.replay, ["articles.by_author", "votes.by_article"]);
    assert_eq!(by_author.key, ["author"]);
    let shown = Forum::GRAPH.to_string();
    assert!(shown.contains("votes            table"), "{shown}");
    assert!(shown.contains("replay articles.key, votes.by_article"), "{shown}");
    assert!(Forum::GRAPH.to_mermaid().contains("t1[(\"votes<br/>by article, user\")]:::table"));
    assert!(Drafts::GRAPH.to_dot().contains("-> t0;"));
}

#[tokio::test]
async fn a_panic_names_its_node_and_the_flow_goes_on() {
    dataflow! {
        flow Picky {
            table articles: Article { key id; }
            view titles: String = articles -> map_values(|article| {
                assert!(article.id != 13, "thirteen");
                article.title.clone()
            }) keep forever;
        }
    }
    let handle = Arc::new(Picky.spawn().unwrap());
    handle.articles.insert(article(13, 1)).await.unwrap();
    handle.articles.insert(article(14, 1)).await.unwrap();
    let error = handle.titles.get(&13).await.unwrap_err().to_string();
    assert!(error.contains("node `titles`") && error.contains("thirteen"), "{error}");
    assert_eq!(handle.titles.get(&14).await.unwrap()[..], ["14 of 1"]);
}

#[test]
fn a_flow_with_tables_in_another_is_refused_at_the_start() {
    dataflow! {
        flow Inner {
            input drafts: Article;
            drafts -> into articles;
            output long: u64 = drafts -> map(|draft| draft.id);
            table articles: Article { key id; }
        }
        flow Outer {
            input drafts: Article;
            output long: u64 = Inner(drafts = drafts).long;
        }
    }
    let refused = Outer.builder().inline().unwrap_err();
    assert!(refused.to_string().contains("`Inner` stands in it as `inner`, and has tables"), "{refused}");
}

#[tokio::test]
async fn closures_of_a_generic_flow_read_its_params() {
    dataflow! {
        flow Above<T: Into<u64> + Copy + Send + Sync> {
            param least: T;
            table articles: Article { key id; index by_author: author; }
            view long = articles -> filter(|article| article.id >= least.into()) -> rekey(by_author) keep forever;
        }
    }
    let handle = Above { least: 3u32 }.spawn().unwrap();
    for id in 0..5 {
        handle.articles.insert(article(id, 1)).await.unwrap();
    }
    assert_eq!(handle.long.get(&1).await.unwrap().len(), 2);
    handle.finish().await.unwrap();
}

#[test]
fn the_schema_of_streams_is_found_out_without_opening_tables() {
    dataflow! {
        flow Counted {
            input drafts: Article;
            drafts -> into articles;
            output counts = drafts -> key_by(author: u64 = |draft| draft.author) -> aggregate { n: u64 = count() } keep forever;
            table articles: Article { key id; }
        }
    }
    let path = std::env::temp_dir().join(format!("psdf-tables-schema-{}", std::process::id()));
    psdf::testing::assert_state_schema(|| Counted, &path);
    assert!(std::fs::read_to_string(&path).unwrap().contains("counts"));
    std::fs::remove_file(path).unwrap();
}

mod goods {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, psdf::Row)]
    pub(super) struct Priced<T> {
        pub(super) r#type: String,
        pub(super) colour: u8,
        pub(super) id: u32,
        #[row(skip)]
        pub(super) price: T,
    }

    pub(super) fn is_dear(row: &Priced<i64>) -> bool {
        row.price > 10
    }

    pub(super) fn price(row: &Priced<i64>) -> i64 {
        row.price
    }
}

dataflow! {
    /// What can be said in other ways.
    flow Shop {
        table goods: goods::Priced<i64> {
            index by_kind: (r#type, colour);
            key (id, colour);
        }

        all = goods;
        view good = all keep forever;
        view dear: i64 = all -> filter(goods::is_dear) -> rekey(by_kind) -> map_values(goods::price) keep forever;
        kinds = goods -> group_by(by_kind) -> aggregate { n: u64 = count(), sum: i64 = sum(goods::price) } keep forever;
        view kind = kinds keep forever;
        view by_key_again = goods -> rekey(by_kind) -> rekey(goods.key) keep forever;
        view pairs = goods -> join(all) keep forever;
    }
}

#[tokio::test]
async fn keys_of_several_fields_paths_and_second_names_mean_what_they_say() {
    let handle = Shop.spawn().unwrap();
    let good = |id, colour, price| goods::Priced { r#type: "pen".to_string(), colour, id, price };
    for (id, colour, price) in [(1, 1, 5), (2, 1, 20), (3, 2, 30)] {
        handle.goods.insert(good(id, colour, price)).await.unwrap();
    }
    let pens = ("pen".to_string(), 1);
    assert_eq!(handle.good.get(&(1, 1)).await.unwrap()[..], [good(1, 1, 5)]);
    assert_eq!(handle.dear.get(&pens).await.unwrap()[..], [20]);
    let expected = shop::Kinds { r#type: "pen".to_string(), colour: 1, n: 2, sum: 25 };
    assert_eq!(handle.kind.get(&pens).await.unwrap()[..], [expected]);
    assert_eq!(handle.by_key_again.get(&(3, 2)).await.unwrap()[..], [good(3, 2, 30)]);
    assert_eq!(handle.pairs.get(&(3, 2)).await.unwrap()[..], [(good(3, 2, 30), good(3, 2, 30))]);
    handle.goods.delete((2, 1)).await.unwrap();
    assert_eq!(handle.kind.get(&pens).await.unwrap()[0].sum, 5);
    assert!(handle.dear.get(&pens).await.unwrap().is_empty());
    handle.finish().await.unwrap();
}

dataflow! {
    /// The best of all, over joined rows.
    flow FrontPage {
        table articles: Article { key id; }
        table votes: Vote { key (article, user); index by_article: article; }

        vote_count = votes -> group_by(by_article) -> aggregate { votes: u64 = count() } keep forever;
        view front = articles -> left_join(vote_count) -> aggregate {
            best: Vec<(Article, Option<front_page::VoteCount>)> = top(3, by |(_, votes)| votes_of(votes.as_ref())),
            most: u64 = max(|(_, votes)| votes_of(votes.as_ref())),
            least_voted: Option<u64> = min(|(article, _)| article.id, where |(_, votes)| votes_of(votes.as_ref()) > 1),
            articles: u64 = count(),
        } keep forever;
    }
}

fn votes_of(votes: Option<&front_page::VoteCount>) -> u64 {
    votes.map_or(0, |votes| votes.votes)
}

/// A store that counts what is read of it.
#[derive(Clone, Default)]
struct Counting {
    store: psdf::storage::MemoryTables,
    reads: Arc<std::sync::atomic::AtomicU64>,
}

impl psdf::storage::TableStore for Counting {
    fn get(&self, key: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> std::io::Result<Vec<Pair>> {
        let found = self.store.scan(prefix, after, limit)?;
        self.reads.fetch_add(found.len() as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(found)
    }

    fn write(&mut self, batch: psdf::storage::StoreBatch) -> std::io::Result<()> {
        self.store.write(batch)
    }
}

type Pair = (Vec<u8>, Vec<u8>);

#[tokio::test]
async fn an_extreme_of_all_rows_that_leaves_is_found_without_reading_them() {
    const ARTICLES: u64 = 3000;
    let store = Counting::default();
    let handle = FrontPage.builder().tables_in(store.clone()).spawn().unwrap();
    let mut batch = WriteBatch::new();
    for id in 0..ARTICLES {
        batch.insert(&handle.articles, article(id, 0));
    }
    batch.commit().await.unwrap();
    let (mut rng, mut plain) = (Rng::new(5), BTreeMap::<u64, std::collections::BTreeSet<u64>>::new());
    (0..ARTICLES).for_each(|id| drop(plain.insert(id, Default::default())));
    handle.front.get(&()).await.unwrap();
    store.reads.store(0, std::sync::atomic::Ordering::Relaxed);
    for step in 0..600 {
        // A few articles get most of the votes, and the best is deleted or loses one now and then.
        let best = plain.iter().max_by_key(|(id, votes)| (votes.len(), std::cmp::Reverse(**id)));
        let best = best.map_or(0, |(id, _)| *id);
        match step % 4 {
            0 if rng.one_in(3) => {
                handle.articles.delete(best).await.unwrap();
                plain.remove(&best);
            }
            1 => {
                if let Some(user) = plain.get_mut(&best).and_then(std::collections::BTreeSet::pop_first) {
                    assert!(handle.votes.delete((best, user)).await.unwrap());
                }
            }
            _ => {
                let (article, user) = (rng.below(60) * 7, rng.below(9));
                if let Some(votes) = plain.get_mut(&article) {
                    votes.insert(user);
                    handle.votes.upsert(Vote { article, user, weight: 1 }).await.unwrap();
                }
            }
        }
        let front = handle.front.get(&()).await.unwrap();
        let mut sorted: Vec<_> = plain.iter().map(|(id, votes)| (*id, votes.len() as u64)).collect();
        let least = sorted.iter().find(|(_, votes)| *votes > 1).map(|(id, _)| *id);
        sorted.sort_by_key(|(id, votes)| (std::cmp::Reverse(*votes), *id));
        let shown: Vec<_> =
            front[0].best.iter().map(|(article, votes)| (article.id, votes_of(votes.as_ref()))).collect();
        assert_eq!(shown, sorted[..3]);
        assert_eq!((front[0].most, front[0].least_voted), (sorted[0].1, least));
        assert_eq!(front[0].articles, plain.len() as u64);
    }
    let reads = store.reads.load(std::sync::atomic::Ordering::Relaxed);
    assert!(reads < 4 * ARTICLES, "{reads} reads for 600 writes");
    handle.finish().await.unwrap();
}

#[tokio::test]
async fn tables_and_views_explain_themselves() {
    let handle = Drafts.spawn().unwrap();
    handle.articles.insert(article(1, 7)).await.unwrap();
    handle.of_author.get(&7).await.unwrap();
    handle.of_author.get(&7).await.unwrap();
    assert_eq!(
        handle.explain("articles"),
        "`articles` is a table; its rows are found by its key (id) and by the index `by_author` (author); streams lead into \
         it, from `long`. Nothing waits for the thread of the tables"
    );
    let view = handle.explain("of_author");
    assert!(
        view.starts_with(
            "`of_author` is a view by (author), and shows each write when that is acknowledged; what it has not in memory is \
             computed from articles.by_author when it is asked for. It holds 1 keys, "
        ),
        "{view}"
    );
    assert!(
        view.contains("1 reads found their key in memory and 1 did not, for which 1 keys were computed"),
        "{view}"
    );
    assert!(handle.explain("articels").contains("did you mean `articles`?"));
    let watch = handle.control.watch();
    handle.finish().await.unwrap();
    assert!(watch.explain("of_author").contains("has ended"));

    let handle = Forum::default().spawn().unwrap();
    assert!(handle.explain("vote_count").starts_with("`vote_count` stands between tables and views"));
    handle.finish().await.unwrap();
}
