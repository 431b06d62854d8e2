use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> key_by(word: String = |w| w.clone()) -> agregate { n: u64 = count() } keep forever;
        output counts;
    }
}

async fn use_it() {
    let mut flow = Words.builder().shards(2).spawn().unwrap();
    flow.words.send("a".into()).await.unwrap();
    let count: words::Counts = flow.counts.next().await.unwrap();
    println!("{} {}", count.word, count.n);
    println!("{}", flow.finish().await.unwrap().counts.len());
}

fn main() {
    drop(use_it());
}
