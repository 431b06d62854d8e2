use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output long = words -> filter(|word| word.len() > 3).map(|word| word.len());
    }
}

fn main() {}
