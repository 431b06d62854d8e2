psdf::dataflow! {
    flow Forum {
        input articles: Article;
        articles -> into articles;
        table articles: Article { key id; }
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
}

fn main() {}
