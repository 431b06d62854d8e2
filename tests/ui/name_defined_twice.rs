use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(|word| word.len() > 3);
        long = words -> filter(|word| word.len() > 5);
        output long;
    }
}

fn main() {}
