use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        counts = words -> key_by(word: String = |word| word.clone()) -> aggregate {
            #[migrate(from = u32, u64::from)]
            n: u64 = count(),
        } keep forever;
        output counts;
    }
}

fn main() {}
