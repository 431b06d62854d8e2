use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = wrods -> filter(|word| word.len() > 3);
        sizes = words -> mpa(|word| word.len());
        counts = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = coumt() } keep forever;
        output long;
        output sizes: usize;
        output counts;
    }
}

fn main() {}
