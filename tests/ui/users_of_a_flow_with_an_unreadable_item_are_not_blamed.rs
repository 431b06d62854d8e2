use psdf::dataflow;

dataflow! {
    flow Words {
        param least: usize = 3;
        input words: String;
        long = words -> filter(|word| word.len() >);
        counts = long -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

async fn use_it() {
    let mut flow = Words { least: 4 }.spawn().unwrap();
    flow.words.send("a".into()).await.unwrap();
    let count: words::Counts = flow.counts.next().await.unwrap();
    println!("{} {}", count.word, count.n);
}

fn main() {
    drop(use_it());
}
