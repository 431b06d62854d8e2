use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        long = words -> filter(|word| word.len() > 3);
        short = words -> filter(|word| word.len() < 3);
        output long, short;
    }
}

fn main() {}
