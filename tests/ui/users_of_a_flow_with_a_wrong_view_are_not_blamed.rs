psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, user); }
        counts = votes -> group_by(by_article) -> aggregate { n: u64 = count() } keep forever;
        view count = counts keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn shown(counts: &[forum::Counts]) -> u64 {
    counts.first().map_or(0, |count| count.n)
}

fn main() {
    let forum = Forum.spawn().unwrap();
    let count = async { forum.count.get(&1).await.unwrap() };
    drop(async { shown(&count.await) });
}
