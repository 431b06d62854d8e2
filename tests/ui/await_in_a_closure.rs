use psdf::dataflow;

async fn long(word: &str) -> bool {
    word.len() > 3
}

dataflow! {
    flow Words {
        input words: String;
        output long = words -> filter(|word| { long(word).await });
    }
}

fn main() {}
