use psdf::dataflow;

dataflow! {
    flow Words {
        input words: Lines;
        output long = words;
    }
}

fn main() {}
