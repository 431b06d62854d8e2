psdf::dataflow! {
    flow Forum {
        table articles: Article { index by_author: author; }
        view all = articles keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
