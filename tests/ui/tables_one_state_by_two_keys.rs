psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }
        once = votes -> group_by(by_article) -> distinct keep forever;
        view of_user = once -> rekey(by_user) keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

fn main() {}
