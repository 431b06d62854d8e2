use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        n = words -> key_by(word: String = |w| w.clone()) -> tumbling(1 hour) -> aggregate { n: u64 = count() };
        m = n -> key_by(n: u64 = |n| n.n) -> aggregate { m: u64 = count() } keep 7 days;
        output m;
    }
}

fn main() {}
