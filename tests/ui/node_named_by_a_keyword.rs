use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        type = words -> filter(|word| word.len() > 3);
        output long = words;
    }
}

fn main() {}
