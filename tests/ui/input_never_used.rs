use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        input numbers: u64;
        output copy = words;
    }
}

fn main() {}
