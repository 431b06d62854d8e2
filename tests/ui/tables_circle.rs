psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        a = merge(articles, b);
        b = a -> filter(|article| article.id > 0);
        view all = b keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
