use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        words -> filter(|word| word.len() > 3);
        output copy = words;
    }
}

fn main() {}
