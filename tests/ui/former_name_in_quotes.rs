use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        #[formerly("counts")]
        totals = words -> key_by(word: String = |word| word.clone()) -> aggregate { n: u64 = count() } keep forever;
        output totals;
    }
}

fn main() {}
