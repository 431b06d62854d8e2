psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        hours = articles -> tumbling(1 hour) -> aggregate { n: u64 = count() };
        output hours;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
