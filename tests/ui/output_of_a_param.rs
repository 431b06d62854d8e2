use psdf::dataflow;

dataflow! {
    flow Words {
        param longest: usize = 10;
        input words: String;
        output copy = words;
        output longest;
    }
}

fn main() {}
