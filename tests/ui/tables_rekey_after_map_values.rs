psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        view titles: String = articles -> map_values(|article| article.title.clone()) -> rekey(by_author) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
