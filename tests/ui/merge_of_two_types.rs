use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        input numbers: u64;
        both = merge(words, numbers);
        output both;
    }
}

fn main() {}
