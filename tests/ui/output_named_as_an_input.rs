use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output words;
    }
}

fn main() {}
