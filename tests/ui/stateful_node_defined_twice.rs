use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        n = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: u64 = count() } keep forever;
        n = n -> key_by(n: u64 = |n| n.n) -> aggregate { m: u64 = count() } keep forever;
        output n;
    }
}

fn main() {}
