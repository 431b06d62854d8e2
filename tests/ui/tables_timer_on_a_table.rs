psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        steps = articles -> stateful(u64) { state { n: u64 = 0 } keep forever; |_, _, _| {} };
        output steps;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
