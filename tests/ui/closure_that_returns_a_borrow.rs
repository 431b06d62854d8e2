use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        first = words -> map(|word| word.trim());
        output first;
    }
}

fn main() {}
