psdf::dataflow! {
    flow Forum {
        table articles: Article { key id; index by_title: title; }
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }
        titled = articles -> rekey(by_title);
        given = votes -> rekey(by_article);
        view pages = titled -> join(given) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Article {
    id: u64,
    author: u64,
    title: String,
}
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
