use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        output long = words -> filter(async |word| word.len() > 3);
    }
}

fn main() {}
