psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        table drafts: Article { key id; index by_author: author; }
        written = articles -> rekey(by_author);
        drafted = drafts -> rekey(by_author);
        view best = merge(written, drafted)
            -> aggregate { best: Vec<Article> = top(3, by |article| article.id) } keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

fn main() {}
