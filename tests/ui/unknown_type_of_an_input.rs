use psdf::dataflow;

dataflow! {
    flow Words {
        input words: Strng;
        output long = words;
    }
}

fn main() {}
