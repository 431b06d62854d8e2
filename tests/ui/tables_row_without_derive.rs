psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, user); index by_article: article; }
        view plain = votes -> rekey(by_article) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
