use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long <- words;
        output long;
    }
}

fn main() {}
