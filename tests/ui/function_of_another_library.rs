use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output n = words -> key_by(word: String = |w| w.clone()) -> aggregate { n: f64 = avg(|w| w.len()) } keep forever;
    }
}

fn main() {}
