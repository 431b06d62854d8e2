psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }
        view counts = votes -> group_by(by_article) -> aggregate { article: u64 = count() } keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
