psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }
        counts = votes -> group_by(by_article) -> aggregate { n: u64 = count() } keep forever, memory 8 MiB;
        view pages = articles -> left_join(counts) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
