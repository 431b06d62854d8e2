use psdf::dataflow;

dataflow! {
    flow Words {
        param least = 3;
        input words: String;
        output long = words -> filter(|word| word.len() > least);
    }
}

fn main() {}
