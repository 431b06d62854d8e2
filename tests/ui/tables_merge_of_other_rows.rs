psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        table readers: Vote { key article; }
        view both = merge(articles, readers) keep forever;
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
