psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        table notes: Article { key id; index by_author: author; }
        view pairs = articles -> join(notes) -> rekey(by_author) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
