use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        all = merge(words);
        output all;
    }
}

fn main() {}
