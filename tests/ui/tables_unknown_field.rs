psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, usr); index by_article: article; }
        counts = votes -> group_by(by_article) -> aggregate { n: u64 = count() } keep forever;
        view counted = counts keep forever;
        view plain = votes keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
