psdf::dataflow! {
    flow Forum {
        table votes: Vote { key (article, user); index by_article: article; index by_user: user; }
        view firsts = votes -> group_by(by_article) -> aggregate { first: User = first(|vote| User(vote.user)) } keep forever;
    }
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, psdf::Row)]
struct Vote {
    article: u64,
    user: u64,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct User(u64);

fn main() {}
