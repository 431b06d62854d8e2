psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        input lines: String;
        output lines_out = lines;
        view kept = articles -> join(lines) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
