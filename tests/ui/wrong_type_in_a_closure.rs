use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(|word| word.len());
        output long;
    }
}

fn main() {}
