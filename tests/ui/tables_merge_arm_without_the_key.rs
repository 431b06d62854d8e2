psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        table drafts: Article { key id; index by_author: author; }
        both = merge(articles, drafts);
        view of_author = both -> rekey(articles.by_author) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
