psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_author: author; }
        view titles: Title = articles -> map_values(|article| Title(article.title.clone())) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}

#[derive(Clone, PartialEq)]
struct Title(String);

fn main() {}
