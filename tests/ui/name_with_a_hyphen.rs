use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long-words = words -> filter(|word| word.len() > 3);
        output long = words;
    }
}

fn main() {}
