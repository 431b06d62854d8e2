use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> key_by(word: String = |word| word.clone()) -> aggregate {
            #[formerly(n)]
            count: u64 = count(),
            #[formerly(n)]
            letters: u64 = sum(|word| word.len() as u64),
        } keep forever;
        output counts;
    }
}

fn main() {}
