use psdf::dataflow;

dataflow! {
    flow Words {
        input words: &'a str;
        output sizes: usize = words -> map(|word| word.len());
    }
}

fn main() {}
