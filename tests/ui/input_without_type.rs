use psdf::dataflow;

dataflow! {
    flow Words {
        input words;
        output copy = words;
    }
}

fn main() {}
