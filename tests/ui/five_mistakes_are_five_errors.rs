use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String
        long = wrods -> filter(|word, size| size > 3);
        n = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = cuont() } keep forever;
        output long;
        output n;
        ouput m = n;
    }
}

fn main() {}
