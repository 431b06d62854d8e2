use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        sizes = words -> map(|word, size| size);
        output sizes: u64;
    }
}

fn main() {}
